/* SPDX-License-Identifier: Apache-2.0 */
/* Linux's forwarding against the cell: the words of the report, and how one run is made. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/compare/net.h"
#include "host/compare/program.h"
#include "host/compare/text.h"
#include "host/errors/errors.h"

#define START_NS    UINT64_C(60000000000) /* a program that takes longer than that to come and go is stuck */
#define LATENCY_PPS 50000u                /* offered while latency is measured */
#define SPARE_S     30u
#define CPUS_MIN    4u /* the generator, the cell, and for each of both the calls that AF_XDP's rings ask for */

static const char *const ways[] = {"forward",
                                   "forward, RPS to the CPU",
                                   "forward, threaded NAPI",
                                   "XDP redirect",
                                   "XDP redirect, threaded NAPI",
                                   "AF_XDP l2fwd",
                                   NULL};

static bool
routes(const struct bh_case *which)
{
	return strcmp(which->pattern, "route") == 0;
}

static const char *
way_name(uint32_t variant_idx)
{
	return variant_idx < BH_NET_WAY_CNT ? ways[variant_idx] : NULL;
}

static bool
fits(const struct bh_session *session, uint32_t case_idx, uint32_t variant_idx, const char **why_not)
{
	*why_not = NULL; /* a way of the other kind of case: no word */
	return routes(&session->cases[case_idx]) == (variant_idx <= BH_NET_FORWARD_THREADED);
}

/* A CPU for the generator: the first that is not the other side's. */
static unsigned
generator_cpu(const struct bh_session *session)
{
	return session->cpu == 0 ? 1 : 0;
}

static int
write_generator(const struct bh_session *session, char *path, size_t path_bytes, struct bh_why *why)
{
	char mac[18];
	int err = bh_net_mac("ra", mac, why);
	if (err != 0)
		return err;
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
	        generator_cpu(session), mac);
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

static int
spawn_cell(struct bh_session *session, const struct bh_case *which, struct bh_run *run, struct bh_net_process *process,
           struct bh_why *why)
{
	char config[400], time_text[32];
	bool router = routes(which);
	int err = write_cell(session, router, config, sizeof(config));
	if (err != 0)
		return err;
	snprintf(time_text, sizeof(time_text), "%us", (unsigned)(session->duration_ns / 1000000000) + SPARE_S);
	const char *argv[] = {"ip",         "netns",   "exec",    BH_NET_DUT, session->program, "run", config,
	                      "--duration", time_text, "--quiet", NULL};
	run->command = bh_text_command(argv);
	if (run->command == NULL)
		return -ENOMEM;
	err = bh_net_spawn(argv, "runs on CPU", process, why);
	return err == 0 && router ? bh_net_lane_taps(why) : err;
}

static int
spawn_linux(struct bh_session *session, struct bh_run *run, struct bh_net_process *process, struct bh_why *why)
{
	bool xsk = run->variant_idx == BH_NET_AF_XDP;
	char cpu[16];
	snprintf(cpu, sizeof(cpu), "%u", session->cpu);
	if (run->variant_idx <= BH_NET_FORWARD_THREADED) {
		run->command = strdup("the kernel forwards: net.ipv4.ip_forward=1");
		return run->command == NULL ? -ENOMEM : 0;
	}
	const char *argv[] = {
	        "ip", "netns", "exec", BH_NET_DUT, session->program, "compare", "net-peer", xsk ? "af_xdp" : "xdp",
	        "ra", "rb",    cpu,    NULL};
	run->command = bh_text_command(argv);
	if (run->command == NULL)
		return -ENOMEM;
	int err = bh_net_spawn(argv, "ready", process, why);
	return err == 0 && run->variant_idx == BH_NET_XDP_THREADED ? bh_net_lane_pin(session->cpu, why) : err;
}

/* pktgen once: its JSON is at out_path. */
static int
generate(const struct bh_session *session, const char *config, const struct bh_case *which, uint64_t rate_pps,
         uint64_t time_ns, const char *out_path, struct bh_why *why)
{
	char rate[48], time_text[48], size[48], err_path[420], words[160] = "";
	int exit_code = -1;
	snprintf(rate, sizeof(rate), "pktgen.rate=%lu", rate_pps);
	snprintf(time_text, sizeof(time_text), "pktgen.time=%luus", time_ns / 1000);
	snprintf(size, sizeof(size), "pktgen.size=%u", which->block_bytes);
	const char *argv[] = {"ip",    "netns", "exec",  BH_NET_GENERATOR, session->program, "run", config, "--json",
	                      "--set", rate,    "--set", time_text,        "--set",          size,  NULL};
	bh_text_path(err_path, sizeof(err_path), "%s.err", out_path);
	int err = bh_program_run(argv, out_path, err_path, time_ns + START_NS, &exit_code);
	if (err == 0 && exit_code == 0)
		return 0;
	bh_text_last_words(err_path, words, sizeof(words));
	snprintf(why->text, sizeof(why->text), "pktgen: exit code %d: %s", exit_code,
	         err != 0 ? strerror(-err) : words);
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
		snprintf(why->text, sizeof(why->text), "%.200s", error.text[0] != '\0' ? error.text : strerror(-err));
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
	bh_text_path(path, sizeof(path), "%s/%s", session->report_dir, run->raw);
	bh_text_path(latency_path, sizeof(latency_path), "%s.latency", path);
	int err = write_generator(session, config, sizeof(config), why);
	if (err == 0)
		err = generate(session, config, which, 0, duration_ns / 2, path, why);
	if (err == 0)
		err = read_figures(path, &run->figures, why);
	if (err == 0)
		err = generate(session, config, which, LATENCY_PPS, duration_ns / 2, latency_path, why);
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

static int
run(struct bh_session *session, struct bh_run *run, uint64_t duration_ns)
{
	const struct bh_case *which = &session->cases[run->case_idx];
	struct bh_net_process process = {0};
	struct bh_why why = {0}, ending = {0};
	bool is_cell = run->side == BH_SIDE_CELL;
	bh_text_path(process.out_path, sizeof(process.out_path), "%s/%s.forwards", session->report_dir, run->raw);
	bh_text_path(process.err_path, sizeof(process.err_path), "%s/%s.forwards.err", session->report_dir, run->raw);
	int err = bh_net_lane_way(is_cell ? BH_NET_WAY_CNT : (enum bh_net_way)run->variant_idx, routes(which),
	                          session->cpu, &why);
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

static void
case_title(char *text, size_t text_bytes, const struct bh_case *which)
{
	snprintf(text, text_bytes, "%s, %u-byte frames", routes(which) ? "IPv4 routing" : "cross-connect",
	         which->block_bytes);
}

static void
device_text(const struct bh_session *session, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "two veth pairs in namespaces of their own; generator on CPU %u",
	         generator_cpu(session));
}

static void
tools_text(const struct bh_session *session, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "bulkhead %s: pktgen over AF_XDP on the far ends", BH_VERSION);
}

static json_t *
describe(const struct bh_session *session)
{
	return json_pack("{s:s, s:i}", "ports", "veth", "latency_rate_pps", (int)LATENCY_PPS);
}

static void
judge_one(struct bh_session *session, const char *key, const char *title, bool p99, double threshold)
{
	struct bh_verdict *verdict = bh_verdict_add(session, key, title, false);
	bool whole = true;
	snprintf(verdict->threshold, sizeof(verdict->threshold),
	         p99 ? "at least %g times lower, in each case" : "at least %g times, in each case", threshold);
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		const struct bh_summary *summary = &session->summary[i];
		bh_verdict_ratio(verdict, session->cases[i].name, summary,
		                 p99 ? &summary->p99_ratio : &summary->iops_ratio, threshold, session->round_cnt,
		                 &whole);
	}
	if (verdict->state != BH_COMPARE_MISSED)
		verdict->state = session->case_cnt != 0 && whole ? BH_COMPARE_MET : BH_COMPARE_NOT_MEASURED;
	if (session->machine.cpu_cnt >= CPUS_MIN)
		return;
	verdict->state = BH_COMPARE_NOT_MEASURED;
	(void)bh_text_add(verdict->value, sizeof(verdict->value), "; %u CPUs, %u are needed", session->machine.cpu_cnt,
	                  CPUS_MIN);
}

static void
judge(struct bh_session *session)
{
	judge_one(session, "throughput", "Frames a second of the cell", false, BH_GO_RATE_RATIO);
	judge_one(session, "p99", "p99 latency of the cell", true, BH_GO_P99_RATIO);
}

const struct bh_subject bh_subject_net = {
        .command = "bulkhead compare net",
        .heading = "Linux and the cell between the same two ports",
        .sides = "<b class=\"a\">A</b> is Linux, tuned to win: its forwarding, XDP, a loop over AF_XDP. "
                 "<b class=\"b\">B</b> is the cell: xconnect, or the router with Linux's own routes, on the same CPU.",
        .rate_unit = "frames/s",
        .rate_heading = "Frames per second",
        .latency_about = "Through the ports at 50,000 frames a second, from the time stamp in a frame to its receipt",
        .ways_about = "way of forwarding with Linux",
        .settings_about = "Settings",
        .commands_about = "Both namespaces are gone; <code>generator.conf</code>, <code>xconnect.conf</code> and "
                          "<code>router.conf</code> lie beside this page.",
        .emulator = "These are an emulator's figures: QEMU translates every instruction, so work of the CPU costs many "
                    "times what it costs on hardware.",
        .virtual_device = "",
        .way_name = way_name,
        .fits = fits,
        .run = run,
        .judge = judge,
        .case_title = case_title,
        .device_text = device_text,
        .tools_text = tools_text,
        .describe = describe,
};

static uint32_t
plan_cases(const struct bh_compare_options *options, struct bh_case *out)
{
	static const uint32_t size[] = {64, 1518};
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < (options->quick ? 1u : 2u); i++) {
		for (int route = 0; route < 2; route++) {
			struct bh_case *which = &out[cnt++];
			*which = (struct bh_case){
			        .pattern = route ? "route" : "connect", .block_bytes = size[i], .depth = 1};
			snprintf(which->name, sizeof(which->name), "%s-%u", which->pattern, size[i]);
		}
	}
	return cnt;
}

static int
measure_all(struct bh_session *session, struct bh_error *error)
{
	struct bh_why why = {0};
	int err = bh_net_lane_make(&why);
	if (err != 0)
		return bh_error_set(error, "E380", err, "cannot make the ports of the comparison: %s", why.text);
	err = bh_tune(session);
	for (uint32_t round = 1; round <= session->round_cnt && err == 0; round++) {
		err = bh_round_linux(session, round);
		if (err == 0)
			err = bh_round_cell(session, round);
	}
	bh_net_lane_end();
	if (err == -EINTR || bh_program_stopped()) {
		session->interrupted = true;
		return bh_error_set(
		        error, "E185", -EINTR,
		        "stopped by a signal: the namespaces are gone, and the report holds what was measured");
	}
	return err == 0 ? 0 : bh_error_set(error, "E188", err, "no memory for the comparison's figures");
}

static int
prepare(struct bh_session *session, struct bh_error *error)
{
	int err = bh_session_settings(session, error);
	if (err == 0 && session->machine.cpu_cnt < 2)
		err = bh_error_set(error, "E381", -EINVAL, "the comparison needs two CPUs: one for the generator");
	if (err == 0)
		err = bh_session_report_dir(session, error);
	if (err != 0)
		return err;
	session->linux_holds = true;
	session->case_cnt = plan_cases(session->options, session->cases);
	snprintf(session->target.address, sizeof(session->target.address), "ra, rb");
	snprintf(session->target.model, sizeof(session->target.model), "veth pairs");
	if (session->machine.cpu_cnt < CPUS_MIN)
		bh_session_note(
		        session,
		        "%u CPUs: the threads that make AF_XDP's wake-up calls share them with cells that poll, and "
		        "wait for their turn. The cell's figures say nothing; %u CPUs are needed",
		        session->machine.cpu_cnt, CPUS_MIN);
	bh_session_note(session,
	                "veth pairs are memory of Linux's, and the generator is a cell on one CPU: what it can send "
	                "and take limits both sides");
	return 0;
}

static int
run_session(struct bh_session *session, FILE *table, struct bh_compare_outcome *out, struct bh_error *error)
{
	struct bh_error broken = {0};
	double start_s = bh_session_now_s();
	int err = prepare(session, error);
	if (err != 0)
		return err;
	err = measure_all(session, error);
	if (err != 0)
		session->failure = *error;
	session->seconds = bh_session_now_s() - start_s;
	session->given_back = true;
	out->interrupted = session->interrupted;
	if (session->run_cnt == 0)
		return err;
	int report_err = bh_session_report(session, table, out, &broken);
	if (err == 0 && report_err != 0)
		*error = broken;
	return err != 0 ? err : report_err;
}

int
bh_compare_net(const struct bh_compare_options *options, FILE *table, struct bh_compare_outcome *out,
               struct bh_error *error)
{
	memset(out, 0, sizeof(*out));
	struct bh_session *session = bh_session_new(&bh_subject_net, options);
	if (session == NULL)
		return bh_error_set(error, "E188", -ENOMEM, "no memory for the comparison");
	int err = bh_program_catch_signals();
	if (err == 0) {
		err = run_session(session, table, out, error);
		bh_program_release_signals();
	}
	bh_session_free(session);
	return err;
}
