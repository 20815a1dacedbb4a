/* SPDX-License-Identifier: Apache-2.0 */
/* Linux's forwarding against the cell: how one run is made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/compare/net_cards.h"
#include "host/compare/program.h"
#include "host/compare/text.h"

#define START_NS      UINT64_C(60000000000) /* a program that takes longer than that to come and go is stuck */
#define SPARE_S       30u
#define WARM_MAX_NS   UINT64_C(1000000000)
#define LINK_WAIT_TXT "20s"

bool
bh_net_routes(const struct bh_case *which)
{
	return strcmp(which->pattern, "route") == 0;
}

static int
write_generator(const struct bh_session *session, char *path, size_t path_bytes)
{
	bh_text_path(path, path_bytes, "%s/generator.conf", session->report_dir);
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return -errno;
	fprintf(file,
	        "# pktgen on the far ends: fa sends, fb receives\n"
	        "[cell]\nname = generator\napp = pktgen\ncpus = %u\narena = 64M\n\n"
	        "[port fa]\nbackend = af_xdp\ninterface = fa\n\n[port fb]\nbackend = af_xdp\ninterface = fb\n\n"
	        "[pktgen]\ntx = fa\nrx = fb\ndst_mac = %s\nwarm_up = 200ms\nflows = 16\ntime = 1s\nsize = 64\nrate = "
	        "0\n",
	        session->net->generator_cpu, session->net->lane.near_mac);
	return fclose(file) == 0 ? 0 : -errno;
}

static int
write_cell(const struct bh_session *session, bool router, char *path, size_t path_bytes)
{
	bh_text_path(path, path_bytes, "%s/%s.conf", session->report_dir, router ? "router" : "xconnect");
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return -errno;
	fprintf(file,
	        "# side B\n[cell]\nname = %s\napp = %s\ncpus = %u\narena = 64M\n\n"
	        "[port ra]\nbackend = af_xdp\ninterface = ra\n\n[port rb]\nbackend = af_xdp\ninterface = rb\n\n%s",
	        router ? "router" : "xconnect", router ? "fwd" : "xconnect", session->cpu,
	        router ? "[fwd]\nmode = router\n\n[fwd ra]\ntap = p0\n\n[fwd rb]\ntap = p1\n"
	               : "[xconnect]\na = ra\nb = rb\n");
	return fclose(file) == 0 ? 0 : -errno;
}

/* A command in the device's namespace: the start of it. */
static void
begin_command(const struct bh_session *session, struct bh_words *words)
{
	*words = (struct bh_words){0};
	bh_words_add(words, "ip");
	bh_words_add(words, "netns");
	bh_words_add(words, "exec");
	bh_words_add(words, BH_NET_DUT);
	bh_words_add(words, "%s", session->program);
}

static void
set(struct bh_words *words, const char *format, uint64_t number)
{
	bh_words_add(words, "--set");
	bh_words_add(words, format, number);
}

/* Starts it beside us; its words are the run's command. */
static int
spawn(struct bh_words *words, const char *ready, char **out_command, struct bh_net_process *process, struct bh_why *why)
{
	*out_command = words->failed ? NULL : bh_text_command((const char *const *)words->word);
	int err = *out_command == NULL ? -ENOMEM : bh_net_spawn((const char *const *)words->word, ready, process, why);
	bh_words_free(words);
	return err;
}

static int
spawn_cell(struct bh_session *session, const struct bh_case *which, struct bh_run *run, struct bh_net_process *process,
           struct bh_why *why)
{
	const struct bh_net *net = session->net;
	char config[400];
	struct bh_words words;
	bool router = bh_net_routes(which);
	int err = 0;
	if (net->lane.cards)
		bh_text_path(config, sizeof(config), "%s", net->file[router]);
	else
		err = write_cell(session, router, config, sizeof(config));
	if (err != 0)
		return err;
	begin_command(session, &words);
	bh_words_add(&words, "run");
	bh_words_add(&words, "%s", config);
	if (net->lane.cards) {
		set(&words, "cell.cpus=%lu", session->cpu);
		bh_words_add(&words, "--verbose");
	}
	bh_words_add(&words, "--duration");
	bh_words_add(&words, "%us", (unsigned)(session->duration_ns / 1000000000) + SPARE_S);
	bh_words_add(&words, "--quiet");
	err = spawn(&words, "runs on CPU", &run->command, process, why);
	if (err == 0 && net->lane.cards)
		bh_net_links(process);
	if (err != 0 || !router)
		return err;
	return net->lane.cards ? bh_net_lane_taps(&net->lane, net->tap[0], net->tap[1], why)
	                       : bh_net_lane_taps(&net->lane, "p0", "p1", why);
}

static int
spawn_peer(struct bh_session *session, uint32_t way, char **out_command, struct bh_net_process *process,
           struct bh_why *why)
{
	struct bh_words words;
	begin_command(session, &words);
	bh_words_add(&words, "compare");
	bh_words_add(&words, "net-peer");
	bh_words_add(&words, "%s%s", bh_net_way_af_xdp(way) ? "af_xdp" : "xdp",
	             bh_net_way_generic(way) ? "-generic" : "");
	bh_words_add(&words, "ra");
	bh_words_add(&words, "rb");
	bh_words_add(&words, "%u", session->cpu);
	return spawn(&words, "ready", out_command, process, why);
}

static int
spawn_linux(struct bh_session *session, struct bh_run *run, struct bh_net_process *process, struct bh_why *why)
{
	if (run->variant_idx <= BH_NET_FORWARD_THREADED) {
		run->command = strdup("the kernel forwards: net.ipv4.ip_forward=1");
		return run->command == NULL ? -ENOMEM : 0;
	}
	int err = spawn_peer(session, run->variant_idx, &run->command, process, why);
	/* A veth has threads from here on only. */
	return err == 0 && bh_net_way_threaded(run->variant_idx) ? bh_net_lane_pin(session->cpu, why) : err;
}

static void
generator_words(const struct bh_session *session, const struct bh_case *which, uint64_t rate_pps, uint64_t time_ns,
                const char *config, struct bh_words *words)
{
	const struct bh_net *net = session->net;
	*words = (struct bh_words){0};
	if (!net->lane.cards) {
		begin_command(session, words);
		free(words->word[3]);
		words->word[3] = strdup(BH_NET_GENERATOR);
		words->failed |= words->word[3] == NULL;
	} else {
		bh_words_add(words, "%s", session->program);
	}
	bh_words_add(words, "run");
	bh_words_add(words, "%s", config);
	bh_words_add(words, "--json");
	set(words, "pktgen.rate=%lu", rate_pps);
	set(words, "pktgen.time=%luus", time_ns / 1000);
	set(words, "pktgen.size=%lu", which->block_bytes);
	if (!net->lane.cards)
		return;
	set(words, "cell.cpus=%lu", net->generator_cpu);
	set(words, "pktgen.count=%lu", 0);
	/* What an emulator's wire holds back after a flood of warming up would fill a short measurement. */
	bool no_warm_up = rate_pps == 0 && session->machine.kind == BH_MACHINE_EMULATOR;
	set(words, "pktgen.warm_up=%luus", no_warm_up ? 0 : BH_MIN(time_ns, WARM_MAX_NS) / 1000);
	bh_words_add(words, "--set");
	bh_words_add(words, "pktgen.link_wait=" LINK_WAIT_TXT);
	bh_words_add(words, "--set");
	bh_words_add(words, "pktgen.dst_mac=%s", net->lane.near_mac);
}

/* pktgen once: its JSON is at out_path. */
static int
generate(const struct bh_session *session, const char *config, const struct bh_case *which, uint64_t rate_pps,
         uint64_t time_ns, const char *out_path, struct bh_why *why)
{
	char err_path[420], text[160] = "";
	struct bh_words words;
	int exit_code = -1;
	generator_words(session, which, rate_pps, time_ns, config, &words);
	bh_text_path(err_path, sizeof(err_path), "%s.err", out_path);
	int err = words.failed ? -ENOMEM
	                       : bh_program_run((const char *const *)words.word, out_path, err_path, time_ns + START_NS,
	                                        &exit_code);
	bh_words_free(&words);
	if (err == 0 && exit_code == 0)
		return 0;
	bh_text_last_words(err_path, text, sizeof(text));
	snprintf(why->text, sizeof(why->text), "pktgen: exit code %d: %s", exit_code, err != 0 ? strerror(-err) : text);
	return err != 0 ? err : -EIO;
}

static int
read_figures(const char *path, struct bh_figures *out, struct bh_why *why)
{
	struct bh_error error = {0};
	char *text = NULL;
	size_t bytes = 0;
	int err = bh_text_read_all(path, BH_FIGURES_TEXT_MAX, &text, &bytes);
	if (err == 0)
		err = bh_figures_pktgen(text, bytes, out, &error);
	if (err != 0)
		snprintf(why->text, sizeof(why->text), "%.140s%s", error.text[0] != '\0' ? error.text : strerror(-err),
		         strcmp(error.id, "E192") == 0
		                 ? " (if no frame came: the first port belongs on the wire of pktgen's tx)"
		                 : "");
	free(text);
	return err;
}

/* As fast as it goes, then the latency at a rate that each side can do. */
static int
measure(struct bh_session *session, struct bh_run *run, uint64_t duration_ns, struct bh_why *why)
{
	const struct bh_case *which = &session->cases[run->case_idx];
	struct bh_figures latency = {0};
	char config[400], path[400], latency_path[420];
	int err = 0;
	bh_text_path(path, sizeof(path), "%s/%s", session->report_dir, run->raw);
	bh_text_path(latency_path, sizeof(latency_path), "%s.latency", path);
	if (session->net->lane.cards)
		bh_text_path(config, sizeof(config), "%s", session->net->generator);
	else
		err = write_generator(session, config, sizeof(config));
	if (err == 0)
		err = generate(session, config, which, session->net->offered_pps, duration_ns / 2, path, why);
	if (err == 0)
		err = read_figures(path, &run->figures, why);
	if (err == 0)
		err = generate(session, config, which, session->net->latency_pps, duration_ns / 2, latency_path, why);
	if (err == 0)
		err = read_figures(latency_path, &latency, why);
	if (err == 0) {
		/* The rate of the first, the latency of the second. */
		struct bh_lat_hist loaded = run->figures.hist;
		run->figures.hist = latency.hist;
		latency.hist = loaded;
	}
	bh_figures_free(&latency);
	return err;
}

int
bh_net_run(struct bh_session *session, struct bh_run *run, uint64_t duration_ns)
{
	const struct bh_case *which = &session->cases[run->case_idx];
	struct bh_net_process process = {0};
	struct bh_why why = {0}, ending = {0};
	bool is_cell = run->side == BH_SIDE_CELL;
	bh_text_path(process.out_path, sizeof(process.out_path), "%s/%s.forwards", session->report_dir, run->raw);
	bh_text_path(process.err_path, sizeof(process.err_path), "%s/%s.forwards.err", session->report_dir, run->raw);
	int err = bh_net_lane_way(&session->net->lane, is_cell ? BH_NET_WAY_CNT : (enum bh_net_way)run->variant_idx,
	                          bh_net_routes(which), &why);
	if (err == 0)
		err = is_cell ? spawn_cell(session, which, run, &process, &why)
		              : spawn_linux(session, run, &process, &why);
	if (err == 0)
		err = measure(session, run, duration_ns, &why);
	int end_err = bh_net_stop(&process, &ending);
	if (err == 0 && end_err != 0)
		why = ending;
	run->ok = err == 0 && end_err == 0;
	if (!run->ok)
		snprintf(run->why_not, sizeof(run->why_not), "%s",
		         err == -EINTR         ? "stopped by a signal"
		         : why.text[0] != '\0' ? why.text
		                               : strerror(err != 0 ? -err : -end_err));
	return err == -ENOMEM ? err : 0;
}

int
bh_net_probe(struct bh_session *session)
{
	struct bh_net *net = session->net;
	struct bh_net_process process = {0};
	struct bh_why why = {0}, ending = {0};
	char *command = NULL;
	net->native = true;
	if (!net->lane.cards)
		return 0; /* a veth has it */
	bh_text_path(process.out_path, sizeof(process.out_path), "%s/raw/xdp", session->report_dir);
	bh_text_path(process.err_path, sizeof(process.err_path), "%s/raw/xdp.err", session->report_dir);
	int err = spawn_peer(session, BH_NET_XDP, &command, &process, &why);
	free(command);
	if (bh_net_stop(&process, &ending) != 0 && err == 0) {
		why = ending;
		err = -EIO;
	}
	if (err == -ENOMEM || err == 0 || err == -EINTR)
		return err == -EINTR ? 0 : err;
	net->native = false;
	snprintf(net->native_why, sizeof(net->native_why),
	         "the driver %s takes no program of XDP (%.100s); the generic one in the network stack was measured",
	         net->card[0].driver, strrchr(why.text, ':') != NULL ? strrchr(why.text, ':') + 2 : why.text);
	return 0;
}
