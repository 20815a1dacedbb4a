/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells that talk to each other over software network cards: the example that sends back, the cross-connect as a cell of
 * its own, and cards that go away. Each frame is accounted for; nothing here looks at how fast anything was.
 *
 * test_net_cells PROGRAM EXAMPLES
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"
#include "tests/component/wire_run.h"

#define ARGS_MAX 32u
#define WAIT_MS  60000

static const char *program, *examples;

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

struct background {
	pid_t pid;
	char out[96], err[96]; /* files */
};

/* "bulkhead run EXAMPLES/config --json --verbose --set ..."; each @N in a set is the socket of card N. */
static void
argv_make(const struct wire_run *run, const char *config, const char *const *sets, const char **argv,
          char texts[ARGS_MAX][160])
{
	unsigned cnt = 0;
	snprintf(texts[ARGS_MAX - 1], sizeof(texts[0]), "%s/%s", examples, config);
	for (const char *const *arg =
	             LIST(program, "run", texts[ARGS_MAX - 1], "--json", "--verbose", "--set", "cell.pages=normal");
	     *arg != NULL; arg++)
		argv[cnt++] = *arg;
	for (; *sets != NULL; sets++) {
		assert_true(cnt + 3 < ARGS_MAX);
		const char *at = strchr(*sets, '@');
		int len = at != NULL ? (int)(at - *sets) : (int)strlen(*sets);
		snprintf(texts[cnt], sizeof(texts[0]), at != NULL ? "%.*s%s/card%c" : "%.*s", len, *sets, run->dir,
		         at != NULL ? at[1] : 0);
		argv[cnt + 1] = texts[cnt];
		argv[cnt] = "--set";
		cnt += 2;
	}
	argv[cnt] = NULL;
}

static json_t *
json_of(const char *text, const char *err)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);
	if (json == NULL)
		fail_msg("not JSON: %s\n%s\n%s", error.text, text, err);
	return json;
}

static json_t *
foreground(const struct wire_run *run, const char *config, int want_code, const char *const *sets)
{
	const char *argv[ARGS_MAX];
	char texts[ARGS_MAX][160];
	struct command_result result;
	argv_make(run, config, sets, argv, texts);
	command_run(argv, WAIT_MS, &result);
	if (result.exit_code != want_code)
		fail_msg("exit code %d, want %d\n%s\n%s", result.exit_code, want_code, result.err, result.out);
	json_t *json = json_of(result.out, result.err);
	command_result_free(&result);
	return json;
}

static char *
file_read(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *file = fopen(path, "r");
	assert_non_null(text);
	assert_non_null(file);
	size_t got = fread(text, 1, (1 << 20) - 1, file);
	text[got] = '\0';
	fclose(file);
	return text;
}

/* Until it has logged so many opened ports. */
static void
wait_ports(struct background *cell, unsigned port_cnt)
{
	unsigned cnt = 0;
	for (unsigned ms = 0; cnt < port_cnt; ms += 20) {
		char *text = file_read(cell->err);
		cnt = 0;
		for (const char *at = text; (at = strstr(at, ": open: ")) != NULL; at++)
			cnt++;
		if (ms > WAIT_MS)
			fail_msg("the cell did not open %u ports: %s", port_cnt, text);
		free(text);
		usleep(20000);
	}
}

static void
background_start(struct background *cell, const struct wire_run *run, const char *config, unsigned port_cnt,
                 const char *const *sets)
{
	extern char **environ;
	const char *argv[ARGS_MAX];
	char texts[ARGS_MAX][160];
	posix_spawn_file_actions_t actions;
	argv_make(run, config, sets, argv, texts);
	snprintf(cell->out, sizeof(cell->out), "%s.out", run->dir);
	snprintf(cell->err, sizeof(cell->err), "%s.err", run->dir);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, cell->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_addopen(&actions, 2, cell->err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(posix_spawn(&cell->pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	wait_ports(cell, port_cnt);
}

/* Asks it to drain, unless it ended by itself. Return: its JSON. */
static json_t *
background_end(struct background *cell, int want_code, int with_signal)
{
	if (with_signal != 0)
		kill(cell->pid, with_signal);
	int code = command_wait_exit(cell->pid, WAIT_MS);
	char *out = file_read(cell->out), *err = file_read(cell->err);
	if (code != want_code)
		fail_msg("exit code %d, want %d\n%s\n%s", code, want_code, err, out);
	json_t *json = json_of(out, err);
	unlink(cell->out);
	unlink(cell->err);
	free(out);
	free(err);
	return json;
}

#define APP(json, key)     wire_number(json, "app", key)
#define COUNTER(json, key) wire_number(json, "counters", key)

static void
the_first_packet_cell_sends_back(void **state)
{
	struct wire_run run;
	struct wire_said said;
	struct background cell;
	wire_run_start(&run, program, "aa", LIST(NULL));
	background_start(&cell, &run, "packet-cell/packet-cell.conf", 1, LIST("port.p0.socket=@0"));
	json_t *ask = foreground(&run, "packet-cell/ask.conf", 0,
	                         LIST("port.gen.socket=@1", "pktgen.count=3000", "pktgen.drain=2s"));
	json_t *reply = background_end(&cell, 0, SIGINT);
	wire_run_end(&run, &said);
	assert_int_equal(APP(ask, "sent"), 3000);
	assert_int_equal(COUNTER(reply, "p0.rx_pkts"), 3000);
	assert_int_equal(APP(ask, "received"), COUNTER(reply, "p0.tx_pkts"));
	assert_int_equal(said.carried, APP(ask, "sent") + APP(ask, "received"));
	assert_true(APP(ask, "received") > 0);
	assert_int_equal(said.undeliverable, 0);
	json_decref(ask);
	json_decref(reply);
}

/* Generator and sink in one cell, the cross-connect in another, in the forwarding and in the swapping mode. */
static void
a_cross_connect_of_its_own(void **state)
{
	static const char *const modes[] = {"xconnect.mode=forward", "xconnect.mode=macswap"};
	for (unsigned i = 0; i < 2; i++) {
		struct wire_run run;
		struct wire_said said;
		struct background cell;
		wire_run_start(&run, program, "aabb", LIST("--ring", i ? "split" : "packed"));
		background_start(&cell, &run, "xconnect.conf", 2,
		                 LIST("port.p0.backend=vfio-user", "port.p1.backend=vfio-user", "port.p0.socket=@1",
		                      "port.p1.socket=@2", modes[i]));
		json_t *ask = foreground(&run, "pktgen-two.conf", 0,
		                         LIST("port.gen.socket=@0", "port.sink.socket=@3", "pktgen.count=5000",
		                              "pktgen.flows=5", "pktgen.drain=2s"));
		json_t *reply = background_end(&cell, 0, SIGINT);
		wire_run_end(&run, &said);
		assert_int_equal(APP(ask, "sent"), 5000);
		assert_int_equal(COUNTER(reply, "p0.rx_pkts"), 5000);
		assert_int_equal(COUNTER(reply, "p1.tx_pkts") + APP(reply, "drop_ring_full"), 5000);
		assert_int_equal(APP(ask, "received"), COUNTER(reply, "p1.tx_pkts"));
		assert_int_equal(APP(ask, "lost"), APP(reply, "drop_ring_full"));
		assert_int_equal(APP(ask, "corrupt") + APP(ask, "reordered") + APP(ask, "duplicates"), 0);
		json_decref(ask);
		json_decref(reply);
	}
}

/* What was in the rings is counted; the cell ends and names the card. */
static void
cards_that_go_away_end_the_cell(void **state)
{
	struct wire_run run;
	struct background cell;
	wire_run_start(&run, program, "aa", LIST(NULL));
	background_start(&cell, &run, "pktgen-two.conf", 2,
	                 LIST("port.gen.socket=@0", "port.sink.socket=@1", "pktgen.rate=10000"));
	wire_run_kill(&run);
	json_t *json = background_end(&cell, 1, 0);
	assert_string_equal(json_string_value(json_object_get(json, "outcome")), "device-gone");
	const char *text = json_string_value(json_object_get(json_object_get(json, "failure"), "text"));
	assert_non_null(text);
	assert_non_null(strstr(text, "is gone"));
	assert_true(APP(json, "sent") - APP(json, "received") >= COUNTER(json, "gen.drop_reset"));
	json_decref(json);
	wire_run_forget(&run);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(cards_that_go_away_end_the_cell),
	        cmocka_unit_test(the_first_packet_cell_sends_back),
	        cmocka_unit_test(a_cross_connect_of_its_own),
	};
	if (argc < 3) {
		fprintf(stderr, "usage: test_net_cells PROGRAM EXAMPLES\n");
		return 2;
	}
	program = argv[1];
	examples = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
