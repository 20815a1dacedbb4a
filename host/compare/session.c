/* SPDX-License-Identifier: Apache-2.0 */
/* What every comparison has, whatever it compares on. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/compare/program.h"
#include "host/compare/session.h"
#include "host/compare/text.h"
#include "host/errors/errors.h"

#define ROUNDS_DEFAULT    3u
#define DURATION_NS       UINT64_C(5000000000)
#define DURATION_QUICK_NS UINT64_C(1500000000)
#define TUNE_NS           UINT64_C(2000000000)
#define TUNE_QUICK_NS     UINT64_C(700000000)

struct bh_session *
bh_session_new(const struct bh_subject *subject, const struct bh_compare_options *options)
{
	struct bh_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return NULL;
	session->subject = subject;
	session->options = options;
	session->run = calloc(BH_RUNS_MAX, sizeof(*session->run));
	session->notes = json_array();
	if (session->run == NULL || session->notes == NULL) {
		bh_session_free(session);
		return NULL;
	}
	return session;
}

void
bh_session_note(struct bh_session *session, const char *format, ...)
{
	char text[400];
	size_t i;
	json_t *note;
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_foreach(session->notes, i, note)
	{
		if (strcmp(json_string_value(note), text) == 0)
			return;
	}
	json_array_append_new(session->notes, json_string(text));
}

void
bh_session_say(const struct bh_session *session, const char *format, ...)
{
	va_list args;
	if (session->options->quiet || session->options->progress == NULL)
		return;
	va_start(args, format);
	vfprintf(session->options->progress, format, args);
	va_end(args);
	fflush(session->options->progress);
}

const char *
bh_session_emulated(const struct bh_session *session)
{
	if (session->machine.kind == BH_MACHINE_EMULATOR)
		return session->subject->emulator;
	if (bh_machine_device_emulated(session->target.model))
		return session->subject->virtual_device;
	if (session->machine.kind == BH_MACHINE_VIRTUAL)
		return "This is a virtual machine: what others do on the same hardware shows in the figures, above all "
		       "beyond "
		       "p99.";
	return "";
}

int
bh_session_settings(struct bh_session *session, struct bh_error *error)
{
	const struct bh_compare_options *options = session->options;
	int cpu = bh_machine_choose_cpu(options->cpu);
	ssize_t len = readlink("/proc/self/exe", session->program, sizeof(session->program) - 1);
	if (len < 0)
		return bh_error_set(error, "E188", -errno, "cannot find this program's own file: %s", strerror(errno));
	session->program[len] = '\0';
	if (cpu < 0)
		return bh_error_set(error, "E180", -EINVAL,
		                    "there is no CPU %d that is online; see "
		                    "/sys/devices/system/cpu/online",
		                    options->cpu);
	session->cpu = (unsigned)cpu;
	session->cpu_isolated = bh_machine_cpu_isolated(session->cpu);
	session->round_cnt = options->round_cnt != 0 ? options->round_cnt : ROUNDS_DEFAULT;
	session->duration_ns = options->duration_ns != 0 ? options->duration_ns
	                       : options->quick          ? DURATION_QUICK_NS
	                                                 : DURATION_NS;
	session->tune_ns = BH_MIN(options->quick ? TUNE_QUICK_NS : TUNE_NS, session->duration_ns);
	bh_machine_read(&session->machine, session->cpu);
	if (!session->cpu_isolated)
		bh_session_note(session,
		                "CPU %u is not isolated (isolcpus=): other work of the machine shows in both sides' "
		                "tails",
		                session->cpu);
	if (session->machine.governor[0] != '\0' && strcmp(session->machine.governor, "performance") != 0)
		bh_session_note(session, "CPU %u runs with the frequency governor '%s', not 'performance'",
		                session->cpu, session->machine.governor);
	return 0;
}

int
bh_session_report_dir(struct bh_session *session, struct bh_error *error)
{
	char path[300], stamp[32];
	time_t now = time(NULL);
	struct tm utc;
	gmtime_r(&now, &utc);
	strftime(session->started, sizeof(session->started), "%Y-%m-%dT%H:%M:%SZ", &utc);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &utc);
	const char *dir = session->options->report_dir;
	if (dir != NULL && strlen(dir) >= sizeof(session->report_dir))
		return bh_error_set(error, "E188", -ENAMETOOLONG, "--report %s: the path is too long", dir);
	if (dir != NULL)
		snprintf(session->report_dir, sizeof(session->report_dir), "%s", dir);
	else
		snprintf(session->report_dir, sizeof(session->report_dir), "bulkhead-compare-%s", stamp);
	bh_text_path(path, sizeof(path), "%s/raw", session->report_dir);
	if ((mkdir(session->report_dir, 0755) != 0 && errno != EEXIST) || (mkdir(path, 0755) != 0 && errno != EEXIST))
		return bh_error_set(error, "E188", -errno,
		                    "cannot make the report's folder %s: %s; name another with --report",
		                    session->report_dir, strerror(errno));
	return 0;
}

/* A's runs of one round: the way with the most IOPS, and the one with the lowest p99 if that is another. */
int
bh_round_linux(struct bh_session *session, uint32_t round)
{
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		uint32_t way[2] = {session->best_iops[i], session->best_p99[i]};
		for (int j = 0; j < 2; j++) {
			if (way[j] == BH_NO_VARIANT || (j == 1 && way[1] == way[0]))
				continue;
			if (bh_measure(session, i, BH_SIDE_LINUX, way[j], round, session->duration_ns) == NULL)
				return -ENOMEM;
			if (bh_program_stopped())
				return -EINTR;
		}
	}
	return 0;
}

int
bh_round_cell(struct bh_session *session, uint32_t round)
{
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		if (session->cases[i].skip != BH_CASE_RUN)
			continue;
		if (bh_measure(session, i, BH_SIDE_CELL, BH_NO_VARIANT, round, session->duration_ns) == NULL)
			return -ENOMEM;
		if (bh_program_stopped())
			return -EINTR;
	}
	return 0;
}

int
bh_session_report(struct bh_session *session, FILE *table, struct bh_compare_outcome *out, struct bh_error *error)
{
	int err = bh_summarize(session);
	if (err != 0)
		return bh_error_set(error, "E188", err, "no memory for the report");
	out->go = bh_judge(session);
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		out->run_cnt += session->run[i].round > 0;
		out->failed_cnt += session->run[i].round > 0 && !session->run[i].ok;
	}
	err = bh_report_write(session, error);
	if (err == 0)
		memcpy(out->report_dir, session->report_dir, sizeof(out->report_dir));
	if (table != NULL)
		bh_report_text(session, table);
	return err;
}

void
bh_session_free(struct bh_session *session)
{
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		bh_figures_free(&session->run[i].figures);
		free(session->run[i].command);
	}
	for (uint32_t i = 0; i < BH_CASES_MAX; i++) {
		bh_lat_hist_free(&session->summary[i].hist[0]);
		bh_lat_hist_free(&session->summary[i].hist[1]);
	}
	bh_machine_free(&session->machine);
	json_decref(session->notes);
	free(session->run);
	free(session);
}

double
bh_session_now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
