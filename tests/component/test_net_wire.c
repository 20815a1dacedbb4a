/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pktgen between software network cards, end to end: what the wires did to the frames, by their own count, is what the
 * cell found. Nothing here looks at how fast anything was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"
#include "tests/component/wire_run.h"

#define SETS_MAX  10u
#define FRAME_CNT 20000ul

static const char *program;

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A configuration for the cards of `run`: gen and sink, or gen, x0, x1, sink with a cross-connect. */
static void
config_write(const struct wire_run *run, const char *path, const char *app)
{
	static const char *const names[2][4] = {{"gen", "sink"}, {"gen", "x0", "x1", "sink"}};
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "[cell]\napp = pktgen\ncpus = auto\npages = normal\n");
	for (unsigned i = 0; i < run->card_cnt; i++)
		fprintf(file, "[port %s]\nbackend = vfio-user\nsocket = %s/card%u\n", names[run->card_cnt > 2][i],
		        run->dir, i);
	fprintf(file, "[pktgen]\ntx = gen\nrx = %s\n%s", run->card_cnt == 1 ? "gen" : "sink", app);
	fclose(file);
}

/* Runs pktgen against the cards of `run`. Return: its JSON. */
static json_t *
generate(const struct wire_run *run, const char *app, int want_code, const char *const *sets)
{
	char path[96];
	const char *argv[8 + 2 * SETS_MAX] = {program, "run", path, "--json", "--quiet"};
	struct command_result result;
	json_error_t error;
	unsigned cnt = 5;
	snprintf(path, sizeof(path), "%s.conf", run->dir);
	config_write(run, path, app);
	for (; *sets != NULL; sets++) {
		argv[cnt++] = "--set";
		argv[cnt++] = *sets;
	}
	command_run(argv, 60000, &result);
	unlink(path);
	if (result.exit_code != want_code)
		fail_msg("exit code %d, want %d\n%s\n%s", result.exit_code, want_code, result.err, result.out);
	json_t *json = json_loads(result.out, 0, &error);
	if (json == NULL)
		fail_msg("not JSON: %s\n%s", error.text, result.out);
	command_result_free(&result);
	return json;
}

#define APP(json, key)     wire_number(json, "app", key)
#define COUNTER(json, key) wire_number(json, "counters", key)
#define BRIEF              "count = 20000\ndrain = 500ms\n"

/* What holds whatever the wire does: each frame is sent, carried or lost, and received, once. */
static void
check_sums(const json_t *json, const struct wire_said *said)
{
	assert_int_equal(APP(json, "sent"), FRAME_CNT);
	assert_int_equal(COUNTER(json, "gen.tx_pkts"), FRAME_CNT);
	assert_int_equal(said->from_client[0], FRAME_CNT);
	assert_int_equal(said->carried, FRAME_CNT - said->lost + said->duplicated);
	assert_int_equal(said->to_client[1], said->carried);
	assert_int_equal(COUNTER(json, "sink.rx_pkts"), said->carried);
	assert_int_equal(APP(json, "received") + APP(json, "corrupt") + APP(json, "foreign"), said->carried);
	assert_int_equal(APP(json, "duplicates"), said->duplicated);
	assert_int_equal(APP(json, "lost"), said->lost + APP(json, "corrupt") + APP(json, "foreign"));
	assert_true(APP(json, "reordered") <= said->reordered);
	assert_true(APP(json, "corrupt") + APP(json, "foreign") <= said->corrupted);
	assert_int_equal(said->refused[0] + said->without_buffer + said->undeliverable, 0);
	assert_int_equal(COUNTER(json, "gen.resets") + COUNTER(json, "sink.resets"), 0);
}

static void
one_fault(const char *option, const char *ring, const char *seed, struct wire_said *out_said)
{
	struct wire_run run;
	bool damages = strcmp(option, "--corrupt") == 0;
	wire_run_start(&run, program, "aa", LIST("--ring", ring, "--seed", seed, option, "5%"));
	json_t *json = generate(&run, BRIEF, damages ? 3 : 0, LIST("pktgen.size=200"));
	wire_run_end(&run, out_said);
	check_sums(json, out_said);
	if (damages) /* the checksums leave out the addresses of Ethernet: 12 of 196 bytes */
		assert_true(APP(json, "corrupt") + APP(json, "foreign") > out_said->corrupted * 8 / 10);
	if (strcmp(option, "--reorder") == 0)
		assert_true(APP(json, "reordered") > 0);
	json_decref(json);
}

static void
each_fault_of_a_wire_is_counted(void **state)
{
	static const char *const options[] = {"--loss", "--duplicate", "--reorder", "--corrupt"};
	static const char *const rings[] = {"split", "packed"};
	struct wire_said said;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < 2; j++) {
			one_fault(options[i], rings[j], "1", &said);
			const unsigned long did[] = {said.lost, said.duplicated, said.reordered, said.corrupted};
			for (unsigned k = 0; k < 4; k++)
				assert_true(k == i ? did[k] > FRAME_CNT / 40 && did[k] < FRAME_CNT / 10 : did[k] == 0);
		}
	}
}

static void
the_same_seed_loses_the_same(void **state)
{
	struct wire_said first, second, other;
	one_fault("--loss", "packed", "7", &first);
	one_fault("--loss", "packed", "7", &second);
	one_fault("--loss", "packed", "8", &other);
	assert_int_equal(first.lost, second.lost);
	assert_int_not_equal(first.lost, other.lost);
}

static void
all_faults_at_once_add_up(void **state)
{
	struct wire_run run;
	struct wire_said said;
	wire_run_start(&run, program, "aa",
	               LIST("--loss", "2%", "--duplicate", "2%", "--delay", "50us", "--rate", "10G"));
	json_t *json = generate(&run, BRIEF, 0, LIST("pktgen.size=imix", "pktgen.flows=7"));
	wire_run_end(&run, &said);
	check_sums(json, &said);
	assert_true(said.lost > 0 && said.duplicated > 0);
	/* The wire's delay bounds the latency from below; its clock and ours may differ a little. */
	double min_ns =
	        json_number_value(json_object_get(json_object_get(json_object_get(json, "app"), "latency_ns"), "min"));
	assert_true(min_ns > 45000);
	json_decref(json);
}

/* Two wires and a cross-connect between them: at each hop what goes in comes out or has a reason. */
static void
a_cross_connect_accounts_for_each_frame(void **state)
{
	struct wire_run run;
	struct wire_said said;
	wire_run_start(&run, program, "aabb", LIST("--loss", "3%"));
	json_t *json = generate(&run, BRIEF "connect_a = x0\nconnect_b = x1\n", 0, LIST("pktgen.flows=3"));
	wire_run_end(&run, &said);
	unsigned long full = APP(json, "drop_ring_full"), rx = COUNTER(json, "x0.rx_pkts");
	assert_int_equal(said.from_client[0], FRAME_CNT);
	assert_int_equal(said.to_client[1], rx);
	assert_int_equal(COUNTER(json, "x1.tx_pkts") + full, rx);
	assert_int_equal(said.from_client[2], COUNTER(json, "x1.tx_pkts"));
	assert_int_equal(said.to_client[3], COUNTER(json, "sink.rx_pkts"));
	assert_int_equal(APP(json, "received"), said.to_client[3]);
	assert_int_equal(APP(json, "lost"), said.lost + full);
	json_decref(json);
}

static void
each_size_arrives_whole(void **state)
{
	static const struct {
		const char *set;
		unsigned long bytes; /* of 12 frames, without FCS */
	} sizes[] = {
	        {"pktgen.size=64", 12 * 60},
	        {"pktgen.size=65", 12 * 61},
	        {"pktgen.size=1518", 12 * 1514},
	        {"pktgen.size=imix", 7 * 60 + 4 * 566 + 1514},
	};
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct wire_run run;
		struct wire_said said;
		wire_run_start(&run, program, "aa", LIST("--ring", i % 2 ? "split" : "packed"));
		json_t *json = generate(&run, "count = 12000\ndrain = 500ms\n", 0, LIST(sizes[i].set));
		wire_run_end(&run, &said);
		assert_int_equal(APP(json, "received"), 12000);
		assert_int_equal(APP(json, "received_bytes"), 1000 * sizes[i].bytes);
		assert_int_equal(APP(json, "lost") + APP(json, "reordered") + APP(json, "duplicates"), 0);
		json_decref(json);
	}
}

/* Intel's 82599, alone and beside virtio's card, behind the same wires and for the same cell. */
static void
cards_of_another_model(void **state)
{
	static const char *const wires[] = {"AA", "Aa", "aA"};
	for (unsigned i = 0; i < sizeof(wires) / sizeof(wires[0]); i++) {
		struct wire_run run;
		struct wire_said said;
		wire_run_start(&run, program, wires[i], LIST("--loss", "5%", "--duplicate", "2%"));
		json_t *json = generate(&run, BRIEF, 0, LIST("pktgen.flows=64", "pktgen.size=imix"));
		wire_run_end(&run, &said);
		check_sums(json, &said);
		assert_true(said.lost > 0 && said.duplicated > 0);
		json_decref(json);
	}
}

static void
a_cross_connect_of_another_model(void **state)
{
	struct wire_run run;
	struct wire_said said;
	wire_run_start(&run, program, "AAbB", LIST(NULL));
	json_t *json = generate(&run, BRIEF "connect_a = x0\nconnect_b = x1\n", 0, LIST("pktgen.size=1518"));
	wire_run_end(&run, &said);
	assert_int_equal(said.to_client[1], FRAME_CNT);
	assert_int_equal(APP(json, "received") + APP(json, "drop_ring_full"), FRAME_CNT);
	json_decref(json);
}

/* One card alone gets back what it sends, with each thing that it may leave out left out. */
static void
a_bare_card_that_reflects(void **state)
{
	struct wire_run run;
	struct wire_said said;
	wire_run_start(&run, program, "a",
	               LIST("--ring", "split", "--no-mergeable", "--no-offload", "--queue-size", "64"));
	json_t *json = generate(&run, BRIEF, 0, LIST("pktgen.flows=4096"));
	wire_run_end(&run, &said);
	assert_int_equal(APP(json, "received"), FRAME_CNT);
	assert_int_equal(said.carried, FRAME_CNT);
	json_decref(json);
}

static void
the_wall_stands(void **state)
{
	struct wire_run run;
	struct wire_said said;
	wire_run_start(&run, program, "aa", LIST(NULL));
	json_t *json = generate(&run, "rate = 100000\n", 0, LIST("pktgen.count=100000"));
	wire_run_end(&run, &said);
	assert_int_equal(wire_number(json, "isolation", "seccomp"), 2);
	assert_int_equal(wire_number(json, "isolation", "no_new_privs"), 1);
	assert_int_equal(wire_number(json, "isolation", "cap_eff"), 0);
	assert_int_equal(wire_number(json, "isolation", "open_fds"), 0);
	assert_int_equal(wire_number(json, "isolation", "voluntary_switches"), 0);
	assert_int_not_equal(wire_number(json, "isolation", "uid"), 0);
	json_decref(json);
}

/* What is wrong in a file is told before anything starts. */
static void
what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *set, *says;
	} wrong[] = {
	        {"pktgen.tx=nobody", "no such port"},
	        {"pktgen.rx=nobody", "no such port"},
	        {"pktgen.size=63", "64 to 9216"},
	        {"pktgen.size=9217", "64 to 9216"},
	        {"pktgen.size=imix2", "64 to 9216"},
	        {"pktgen.flows=4097", "1 to 4096"},
	        {"pktgen.burst=0", "1 to 256"},
	        {"pktgen.dst_mac=1:2:3:4:5:6", "MAC"},
	        {"pktgen.connect_a=gen", "no such port"}, /* and no connect_b */
	        {"cell.cpus=0,1", "one core"},
	        {"port.gen.loss=2", "part of one"},
	        {"port.gen.model=ne2000", "ixgbe"},
	};
	struct wire_run run = {.dir = "/tmp/bulkhead-test-wrong", .card_cnt = 0};
	char path[96];
	snprintf(path, sizeof(path), "%s-%d.conf", run.dir, (int)getpid());
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "[cell]\napp = pktgen\n[port gen]\nbackend = softdev\n[pktgen]\ntx = gen\nrx = gen\n");
	fclose(file);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct command_result result;
		command_run(LIST(program, "run", path, "--duration", "1s", "--set", wrong[i].set), 60000, &result);
		if (result.exit_code == 0 || strstr(result.err, wrong[i].says) == NULL)
			fail_msg("%s: exit code %d, want '%s' in\n%s", wrong[i].set, result.exit_code, wrong[i].says,
			         result.err);
		command_result_free(&result);
	}
	unlink(path);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_wrong_is_told),
	        cmocka_unit_test(each_fault_of_a_wire_is_counted),
	        cmocka_unit_test(the_same_seed_loses_the_same),
	        cmocka_unit_test(all_faults_at_once_add_up),
	        cmocka_unit_test(a_cross_connect_accounts_for_each_frame),
	        cmocka_unit_test(each_size_arrives_whole),
	        cmocka_unit_test(cards_of_another_model),
	        cmocka_unit_test(a_cross_connect_of_another_model),
	        cmocka_unit_test(a_bare_card_that_reflects),
	        cmocka_unit_test(the_wall_stands),
	};
	if (argc < 2) {
		fprintf(stderr, "usage: test_net_wire PROGRAM\n");
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
