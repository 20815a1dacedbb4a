/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance of tracefs of our own: its clock is the time stamp counter, so that its stamps and the cell's compare; it sees the
 * measured CPUs only. Documentation/trace/ftrace.rst. Nobody else's tracing is touched.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/noise/internal.h"

#define PREFIX     "bulkhead-"
#define EVENTS_MAX 2000000u

static const char *const events[] = {
        "irq/irq_handler_entry", "irq/irq_handler_exit", "irq/softirq_entry", "irq/softirq_exit",
        "irq_vectors",           "sched/sched_switch",   "nmi/nmi_handler",   "exceptions",
};

/* The two places where it may be mounted. */
static const char *
find_tracefs(bool *out_mounted)
{
	static const char *const place[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	for (int attempt = 0; attempt < 2; attempt++) {
		for (size_t i = 0; i < BH_ARRAY_CNT(place); i++) {
			char path[64];
			snprintf(path, sizeof(path), "%s/instances", place[i]);
			if (access(path, F_OK) == 0)
				return place[i];
		}
		/* The kernel's own mount point: automatic with systemd, by hand elsewhere. */
		if (attempt == 0) {
			*out_mounted =
			        mount("tracefs", place[0], "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
			if (!*out_mounted)
				break;
		}
	}
	return NULL;
}

static int
put(const struct noise_trace *trace, const char *file, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", trace->folder, file);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t len = (ssize_t)strlen(text), wrote = write(fd, text, (size_t)len);
	int err = wrote == len ? 0 : wrote < 0 ? -errno : -EIO;
	close(fd);
	return err;
}

/* Instances of processes that were killed. */
static void
remove_leftovers(const char *tracefs)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/instances", tracefs);
	DIR *dir = opendir(path);
	for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL; entry = readdir(dir)) {
		char *end;
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		long pid = strtol(entry->d_name + strlen(PREFIX), &end, 10);
		if (*end != '\0' || pid <= 0 || pid > INT32_MAX || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%s/instances/" PREFIX "%ld", tracefs, pid);
		rmdir(path);
	}
	if (dir != NULL)
		closedir(dir);
}

static int
enable_events(const struct noise_trace *trace)
{
	unsigned enabled_cnt = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(events); i++) {
		char file[80];
		snprintf(file, sizeof(file), "events/%s/enable", events[i]);
		enabled_cnt += put(trace, file, "1") == 0;
	}
	return enabled_cnt > 0 ? 0 : -ENOENT;
}

static int
open_pipes(struct noise_trace *trace, const struct bh_cpus *cpus)
{
	bh_cpus_each(cpu, cpus)
	{
		char path[256];
		struct noise_cpu_trace *one = &trace->cpu[trace->cpu_cnt];
		snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace_pipe", trace->folder, cpu);
		one->cpu = cpu;
		one->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (one->fd < 0)
			return -errno;
		trace->cpu_cnt++;
	}
	return 0;
}

static int
set_up(struct noise_trace *trace, const struct bh_cpus *cpus, const char **out_what)
{
	char mask[BH_CPUS_TEXT_BYTES];
	struct bh_cpus possible;
	int err = bh_cpus_possible("", &possible);
	*out_what = "CPUs";
	if (err == 0) {
		*out_what = "its CPUs (tracing_cpumask)";
		err = put(trace, "tracing_cpumask", bh_cpus_mask(cpus, bh_cpus_cnt(&possible), mask));
	}
	if (err == 0) {
		*out_what = "its clock (x86-tsc)";
		err = put(trace, "trace_clock", "x86-tsc");
	}
	if (err == 0 && put(trace, "buffer_size_kb", "4096") != 0)
		err = 0; /* its preset then: lost events are counted */
	if (err == 0) {
		*out_what = "its pipes";
		err = open_pipes(trace, cpus);
	}
	return err;
}

int
noise_trace_open(struct noise_trace *trace, const struct bh_cpus *cpus, char *why, size_t why_bytes)
{
	const char *what = "a place (tracefs is not in this kernel, or may not be mounted)", *tracefs;
	memset(trace, 0, sizeof(*trace));
	tracefs = find_tracefs(&trace->mounted);
	int err = -ENOENT;
	if (tracefs != NULL) {
		remove_leftovers(tracefs);
		snprintf(trace->folder, sizeof(trace->folder), "%s/instances/" PREFIX "%d", tracefs, (int)getpid());
		what = "an instance";
		err = mkdir(trace->folder, 0700) == 0 ? 0 : -errno;
		if (err != 0)
			trace->folder[0] = '\0';
	}
	if (err == 0)
		err = set_up(trace, cpus, &what);
	if (err == 0)
		return 0;
	snprintf(why, why_bytes, "no tracepoints: %s: %s", what, strerror(-err));
	noise_trace_close(trace);
	return err;
}

int
noise_trace_start(struct noise_trace *trace)
{
	int err = enable_events(trace);
	return err != 0 ? err : put(trace, "tracing_on", "1");
}

/* ---- reading ---- */

static void
keep(struct noise_cpu_trace *cpu, const struct noise_event *event)
{
	if (cpu->event_cnt == cpu->event_room) {
		uint32_t room = cpu->event_room != 0 ? cpu->event_room * 2 : 4096;
		struct noise_event *grown = room <= EVENTS_MAX * 2 ? realloc(cpu->event, room * sizeof(*grown)) : NULL;
		if (grown == NULL) {
			cpu->lost_cnt++;
			return;
		}
		cpu->event = grown;
		cpu->event_room = room;
	}
	cpu->event[cpu->event_cnt++] = *event;
}

static void
take_line(struct noise_trace *trace, struct noise_cpu_trace *cpu)
{
	struct noise_event event;
	unsigned lost_cpu;
	cpu->line[cpu->line_len] = '\0';
	cpu->lost_cnt += noise_trace_lost(cpu->line, &lost_cpu);
	int result = noise_trace_line(cpu->line, trace->own_pid, trace->own_cnt, &trace->names, &event);
	if (result < 0)
		cpu->odd_cnt++;
	else if (result == 1 && event.cpu == cpu->cpu)
		keep(cpu, &event);
}

void
noise_trace_feed(struct noise_trace *trace, uint32_t idx, const char *bytes, size_t cnt)
{
	struct noise_cpu_trace *cpu = &trace->cpu[idx];
	for (size_t i = 0; i < cnt; i++) {
		if (bytes[i] == '\n') {
			if (!cpu->skip)
				take_line(trace, cpu);
			cpu->line_len = 0;
			cpu->skip = false;
		} else if (cpu->line_len < sizeof(cpu->line) - 1) {
			cpu->line[cpu->line_len++] = bytes[i];
		} else if (!cpu->skip) {
			cpu->skip = true;
			cpu->odd_cnt++;
		}
	}
}

void
noise_trace_read(struct noise_trace *trace, size_t budget_bytes)
{
	char bytes[16384];
	for (uint32_t i = 0; i < trace->cpu_cnt; i++) {
		for (size_t done = 0; done < budget_bytes;) {
			ssize_t got = read(trace->cpu[i].fd, bytes, sizeof(bytes));
			if (got <= 0)
				break;
			noise_trace_feed(trace, i, bytes, (size_t)got);
			done += (size_t)got;
		}
	}
}

void
noise_trace_stop(struct noise_trace *trace)
{
	/* Removing the instance stops it in any case. */
	if (trace->folder[0] != '\0' && put(trace, "tracing_on", "0") != 0)
		return;
}

void
noise_trace_close(struct noise_trace *trace)
{
	for (uint32_t i = 0; i < trace->cpu_cnt; i++) {
		close(trace->cpu[i].fd);
		free(trace->cpu[i].event);
		trace->cpu[i].event = NULL;
	}
	trace->cpu_cnt = 0;
	if (trace->folder[0] != '\0')
		rmdir(trace->folder);
	trace->folder[0] = '\0';
	if (trace->mounted) /* busy: somebody else found it useful meanwhile */
		umount("/sys/kernel/tracing");
	trace->mounted = false;
}
