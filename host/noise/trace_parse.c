/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of trace_pipe, as print_context of kernel/trace/trace_output.c and the TP_printk of each event write them:
 *
 *	 comm, 16 columns-pid     [cpu] flags stamp: event: arguments
 *
 * A task's name can hold anything, so its 16 columns are passed over by number.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/noise/internal.h"

#define COMM_COLUMNS 16

uint16_t
noise_name(struct noise_names *names, const char *name)
{
	for (uint32_t i = 0; i < names->cnt; i++) {
		if (strcmp(names->name[i], name) == 0)
			return (uint16_t)i;
	}
	if (names->cnt == NOISE_NAMES_MAX - 1)
		name = "others";
	if (names->cnt < NOISE_NAMES_MAX)
		snprintf(names->name[names->cnt++], BH_NOISE_NAME_BYTES, "%s", name);
	return (uint16_t)(names->cnt - 1);
}

uint64_t
noise_trace_lost(const char *line, unsigned *out_cpu)
{
	unsigned long cnt;
	return sscanf(line, "CPU:%u [LOST %lu EVENTS]", out_cpu, &cnt) == 2 ? cnt : 0;
}

/* A vector's entry and exit have one name in front: local_timer_entry. */
static const struct {
	const char *event, *name;
} vectors[] = {
        {"local_timer", "tick (local timer)"},
        {"reschedule", "IPI reschedule"},
        {"call_function", "IPI call function (all)"},
        {"call_function_single", "IPI call function"},
        {"irq_work", "irq_work interrupt"},
        {"x86_platform_ipi", "IPI of the platform"},
        {"thermal_apic", "thermal interrupt"},
        {"threshold_apic", "machine check threshold interrupt"},
        {"deferred_error_apic", "deferred error interrupt"},
        {"error_apic", "APIC error interrupt"},
        {"spurious_apic", "spurious interrupt"},
};

static int
vector(const char *event, struct noise_names *names, struct noise_event *out)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(vectors); i++) {
		size_t len = strlen(vectors[i].event);
		if (strncmp(event, vectors[i].event, len) != 0)
			continue;
		bool entry = strcmp(event + len, "_entry") == 0;
		if (!entry && strcmp(event + len, "_exit") != 0)
			continue;
		out->kind = entry ? NOISE_ENTER : NOISE_LEAVE;
		out->name_idx = noise_name(names, vectors[i].name);
		return 1;
	}
	return 0;
}

/* "key=" in the arguments, up to the next blank: into out. */
static bool
argument(const char *text, const char *key, char *out, size_t out_bytes)
{
	const char *at = text;
	size_t len = strlen(key);
	while ((at = strstr(at, key)) != NULL && at != text && at[-1] != ' ' && at[-1] != '[')
		at += len;
	if (at == NULL)
		return false;
	at += len;
	snprintf(out, out_bytes, "%.*s", (int)BH_MIN(strcspn(at, " ]"), out_bytes - 1), at);
	return true;
}

static int
irq_event(const char *event, const char *arguments, struct noise_names *names, struct noise_event *out)
{
	char irq[12], action[36], name[BH_NOISE_NAME_BYTES];
	bool entry = strcmp(event, "irq_handler_entry") == 0;
	if (!argument(arguments, "irq=", irq, sizeof(irq)))
		return -EINVAL;
	out->kind = entry ? NOISE_ENTER : NOISE_LEAVE;
	if (!entry) {
		out->name_idx = 0;
		return 1;
	}
	if (!argument(arguments, "name=", action, sizeof(action)))
		return -EINVAL;
	snprintf(name, sizeof(name), "interrupt %s %s", irq, action);
	out->name_idx = noise_name(names, name);
	return 1;
}

static int
softirq_event(const char *event, const char *arguments, struct noise_names *names, struct noise_event *out)
{
	char action[24], name[BH_NOISE_NAME_BYTES];
	if (strcmp(event, "softirq_raise") == 0)
		return 0;
	if (!argument(arguments, "action=", action, sizeof(action)))
		return -EINVAL;
	snprintf(name, sizeof(name), "softirq %s", action);
	out->kind = strcmp(event, "softirq_entry") == 0 ? NOISE_ENTER : NOISE_LEAVE;
	out->name_idx = noise_name(names, name);
	return 1;
}

/* prev_comm=a b prev_pid=1 ... ==> next_comm=c d next_pid=2 next_prio=120: names can hold blanks, so from behind. */
static int
switch_event(const char *arguments, const int *own_pid, uint32_t own_cnt, struct noise_names *names,
             struct noise_event *out)
{
	static const char arrow[] = " ==> next_comm=", pid_key[] = " next_pid=";
	const char *next = NULL, *pid = NULL;
	for (const char *at = arguments; (at = strstr(at, arrow)) != NULL; at++)
		next = at + strlen(arrow);
	for (const char *at = next; at != NULL && (at = strstr(at, pid_key)) != NULL; at++)
		pid = at;
	if (next == NULL || pid == NULL)
		return -EINVAL;
	char name[BH_NOISE_NAME_BYTES];
	int number = atoi(pid + strlen(pid_key));
	out->kind = NOISE_SWITCH;
	for (uint32_t i = 0; i < own_cnt; i++)
		out->own = out->own || own_pid[i] == number;
	snprintf(name, sizeof(name), "task %.*s", (int)BH_MIN((size_t)(pid - next), (size_t)24), next);
	out->name_idx = noise_name(names, out->own ? "the cell" : name);
	return 1;
}

static int
event_of(const char *event, const char *arguments, const int *own_pid, uint32_t own_cnt, struct noise_names *names,
         struct noise_event *out)
{
	if (strncmp(event, "irq_handler_", 12) == 0)
		return irq_event(event, arguments, names, out);
	if (strncmp(event, "softirq_", 8) == 0)
		return softirq_event(event, arguments, names, out);
	if (strcmp(event, "sched_switch") == 0)
		return switch_event(arguments, own_pid, own_cnt, names, out);
	if (strcmp(event, "nmi_handler") == 0 || strncmp(event, "page_fault_", 11) == 0) {
		out->kind = NOISE_POINT;
		out->name_idx = noise_name(names, event[0] == 'n' ? "NMI" : "page fault");
		return 1;
	}
	return vector(event, names, out);
}

int
noise_trace_line(const char *line, const int *own_pid, uint32_t own_cnt, struct noise_names *names,
                 struct noise_event *out)
{
	char event[40];
	unsigned cpu;
	unsigned long long stamp;
	int pid, used = 0;
	*out = (struct noise_event){0};
	if (line[0] == '#' || line[0] == '\0' || strncmp(line, "CPU:", 4) == 0)
		return 0;
	if (strlen(line) < COMM_COLUMNS + 2 || line[COMM_COLUMNS] != '-')
		return -EINVAL;
	if (sscanf(line + COMM_COLUMNS + 1, "%d [%u] %*s %llu: %39[^: ]: %n", &pid, &cpu, &stamp, event, &used) != 4 ||
	    used == 0 || cpu >= BH_CPUS_MAX)
		return -EINVAL;
	out->tsc = stamp;
	out->cpu = (uint16_t)cpu;
	return event_of(event, line + COMM_COLUMNS + 1 + used, own_pid, own_cnt, names, out);
}
