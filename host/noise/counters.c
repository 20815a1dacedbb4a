/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/interrupts, /proc/softirqs and /proc/stat, before and after: what went up on a CPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/sysfs.h"
#include "host/noise/internal.h"

#define LINES_MAX   1024u
#define COLUMNS_MAX 256u

struct counter_line {
	char name[BH_NOISE_NAME_BYTES];
	uint64_t value[COLUMNS_MAX]; /* by column */
};

struct counter_table {
	unsigned column_cpu[COLUMNS_MAX];
	uint32_t column_cnt;
	struct counter_line *line;
	uint32_t line_cnt;
};

struct noise_counters {
	struct counter_table interrupts, softirqs;
	uint64_t steal[BH_CPUS_MAX]; /* ticks */
};

/* "           CPU0       CPU1 ..." */
static void
read_header(struct counter_table *table, const char *text)
{
	unsigned cpu;
	int used;
	while (table->column_cnt < COLUMNS_MAX && sscanf(text, " CPU%u%n", &cpu, &used) == 1) {
		table->column_cpu[table->column_cnt++] = cpu;
		text += used;
	}
}

/* The last words of a numbered line are who asked for it; "LOC: ... Local timer interrupts" is named whole. */
static void
name_line(struct counter_line *line, const char *label, const char *rest)
{
	char *end;
	rest += strspn(rest, " ");
	unsigned long number = strtoul(label, &end, 10);
	if (*end == '\0' && end != label) {
		const char *last = strrchr(rest, ' ');
		snprintf(line->name, sizeof(line->name), "interrupt %lu %.40s", number, last != NULL ? last + 1 : rest);
	} else {
		snprintf(line->name, sizeof(line->name), "%.12s %.48s", label, rest);
	}
}

static void
read_line(struct counter_table *table, char *text)
{
	char *colon = strchr(text, ':');
	if (colon == NULL || table->line_cnt == LINES_MAX)
		return;
	struct counter_line *line = &table->line[table->line_cnt];
	*colon = '\0';
	char *at = colon + 1;
	for (uint32_t i = 0; i < table->column_cnt; i++) {
		char *end;
		line->value[i] = strtoull(at, &end, 10);
		if (end == at)
			return; /* ERR and MIS have one number only */
		at = end;
	}
	name_line(line, text + strspn(text, " "), at);
	bh_sys_clean(line->name);
	table->line_cnt++;
}

static void
read_table(struct counter_table *table, const char *root, const char *path)
{
	char *text, *at;
	if (bh_sys_load(&text, root, "%s", path) < 0)
		return;
	table->line = calloc(LINES_MAX, sizeof(table->line[0]));
	at = text;
	for (char *line = table->line != NULL ? strtok_r(text, "\n", &at) : NULL; line != NULL;
	     line = strtok_r(NULL, "\n", &at)) {
		if (table->column_cnt == 0)
			read_header(table, line);
		else
			read_line(table, line);
	}
	free(text);
}

/* cpuN user nice system idle iowait irq softirq steal ... (proc(5)) */
static void
read_steal(struct noise_counters *counters, const char *root)
{
	char *text, *at;
	if (bh_sys_load(&text, root, "/proc/stat") < 0)
		return;
	at = text;
	for (char *line = strtok_r(text, "\n", &at); line != NULL; line = strtok_r(NULL, "\n", &at)) {
		unsigned cpu;
		unsigned long long steal;
		if (sscanf(line, "cpu%u %*u %*u %*u %*u %*u %*u %*u %llu", &cpu, &steal) == 2 && cpu < BH_CPUS_MAX)
			counters->steal[cpu] = steal;
	}
	free(text);
}

struct noise_counters *
noise_counters_read(const char *root)
{
	struct noise_counters *counters = calloc(1, sizeof(*counters));
	if (counters == NULL)
		return NULL;
	read_table(&counters->interrupts, root, "/proc/interrupts");
	read_table(&counters->softirqs, root, "/proc/softirqs");
	read_steal(counters, root);
	return counters;
}

void
noise_counters_free(struct noise_counters *counters)
{
	if (counters == NULL)
		return;
	free(counters->interrupts.line);
	free(counters->softirqs.line);
	free(counters);
}

static uint64_t
value_of(const struct counter_table *table, const char *name, unsigned cpu)
{
	uint32_t column = 0;
	while (column < table->column_cnt && table->column_cpu[column] != cpu)
		column++;
	for (uint32_t i = 0; i < table->line_cnt && column < table->column_cnt; i++) {
		if (strcmp(table->line[i].name, name) == 0)
			return table->line[i].value[column];
	}
	return 0;
}

static void
table_since(const struct counter_table *before, const struct counter_table *after, const char *prefix,
            struct bh_noise_cpu *cpu)
{
	for (uint32_t i = 0; i < after->line_cnt; i++) {
		const char *name = after->line[i].name;
		uint64_t was = value_of(before, name, cpu->cpu), is = value_of(after, name, cpu->cpu);
		if (is <= was || cpu->count_cnt == BH_NOISE_THIEVES_MAX)
			continue;
		struct bh_noise_count *count = &cpu->count[cpu->count_cnt++];
		snprintf(count->name, sizeof(count->name), "%s%.*s", prefix, (int)(sizeof(count->name) - 10), name);
		count->cnt = is - was;
	}
}

static int
more(const void *a, const void *b)
{
	const struct bh_noise_count *first = a, *second = b;
	return first->cnt != second->cnt ? (first->cnt < second->cnt ? 1 : -1) : strcmp(first->name, second->name);
}

void
noise_counters_since(const struct noise_counters *before, const struct noise_counters *after, struct bh_noise_cpu *cpu)
{
	if (before == NULL || after == NULL)
		return;
	table_since(&before->interrupts, &after->interrupts, "", cpu);
	table_since(&before->softirqs, &after->softirqs, "softirq ", cpu);
	qsort(cpu->count, cpu->count_cnt, sizeof(cpu->count[0]), more);
	uint64_t was = before->steal[cpu->cpu], is = after->steal[cpu->cpu];
	cpu->steal_ticks = is > was ? is - was : 0;
}
