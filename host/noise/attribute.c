/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who had the core in each gap. The trace of a CPU is a line of moments; between two of them one thing ran: the innermost
 * interrupt, softirq or the like that has begun and not ended, else the task, else the cell. A gap's time goes to what ran. What the
 * tracepoints do not cover, the way in and out around them, goes to the gap's first cause: at most twice of what is covered and
 * the time of ENTRY_TURNS undisturbed turns (some 10 us). What is beyond that, and gaps in which the kernel did nothing, lie
 * outside of Linux: a guest that was not run finds its timer's interrupt waiting, which did not take all that time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/noise/internal.h"

#define NESTING_MAX 16
#define ENTRY_SHARE 2u
#define ENTRY_TURNS 500u

struct walk {
	const struct noise_cpu_trace *trace;
	const struct noise_names *names;
	uint32_t next; /* event */
	uint16_t nested[NESTING_MAX];
	uint32_t depth;
	bool other; /* another task than the cell runs */
	uint16_t task_idx;
};

struct share {
	uint16_t thief_idx[NESTING_MAX * 2];
	uint64_t tsc[NESTING_MAX * 2];
	uint32_t cnt;
	uint64_t covered_tsc;
	bool any;
	uint16_t first_idx; /* thief of the first event */
};

static struct bh_noise_thief *
find_thief(struct bh_noise_cpu *cpu, const char *name, enum bh_noise_how how)
{
	for (uint32_t i = 0; i < cpu->thief_cnt; i++) {
		if (cpu->thief[i].how == how && strcmp(cpu->thief[i].name, name) == 0)
			return &cpu->thief[i];
	}
	return NULL;
}

/* The last places are for those that find no room: one "others" for each way of being named. */
static uint16_t
thief_of(struct bh_noise_cpu *cpu, const char *name, enum bh_noise_how how)
{
	struct bh_noise_thief *thief = find_thief(cpu, name, how);
	if (thief == NULL && cpu->thief_cnt >= BH_NOISE_THIEVES_MAX - BH_NOISE_HOWS) {
		name = "others";
		thief = find_thief(cpu, name, how);
	}
	if (thief == NULL) {
		thief = &cpu->thief[cpu->thief_cnt++];
		*thief = (struct bh_noise_thief){.how = how};
		snprintf(thief->name, sizeof(thief->name), "%s", name);
	}
	return (uint16_t)(thief - cpu->thief);
}

/* What runs now; -1: the cell. */
static int
runs(const struct walk *walk)
{
	if (walk->depth > 0)
		return walk->nested[BH_MIN(walk->depth, (uint32_t)NESTING_MAX) - 1];
	return walk->other ? walk->task_idx : -1;
}

static void
step(struct walk *walk, const struct noise_event *event)
{
	switch (event->kind) {
	case NOISE_ENTER:
		if (walk->depth < NESTING_MAX)
			walk->nested[walk->depth] = event->name_idx;
		walk->depth++;
		break;
	case NOISE_LEAVE:
		walk->depth -= walk->depth > 0; /* its beginning was lost or before our time */
		break;
	case NOISE_SWITCH:
		walk->depth = 0; /* nothing nested lasts over a switch */
		walk->other = !event->own;
		walk->task_idx = event->name_idx;
		break;
	default:
		break;
	}
}

static void
add_share(struct share *share, uint16_t thief_idx, uint64_t tsc)
{
	uint32_t i = 0;
	while (i < share->cnt && share->thief_idx[i] != thief_idx)
		i++;
	if (i == share->cnt) {
		share->thief_idx[share->cnt] = thief_idx;
		share->tsc[share->cnt++] = 0;
	}
	share->tsc[i] += tsc;
}

static void
cover(struct walk *walk, struct bh_noise_cpu *cpu, struct share *share, uint64_t from_tsc, uint64_t to_tsc)
{
	int name_idx = runs(walk);
	if (name_idx < 0 || to_tsc <= from_tsc)
		return;
	/* Three places stay free: the others, the first cause, what lies outside. */
	const bool full = share->cnt >= BH_ARRAY_CNT(share->tsc) - 3;
	uint16_t thief_idx = thief_of(cpu, full ? "others" : walk->names->name[name_idx], BH_NOISE_EVENT);
	if (!share->any)
		share->first_idx = thief_idx;
	share->any = true;
	share->covered_tsc += to_tsc - from_tsc;
	add_share(share, thief_idx, to_tsc - from_tsc);
}

/* The trace through one gap. */
static void
walk_gap(struct walk *walk, struct bh_noise_cpu *cpu, const struct bh_noise_gap *gap, struct share *share)
{
	const struct noise_cpu_trace *trace = walk->trace;
	uint64_t at_tsc = gap->start_tsc;
	while (walk->next < trace->event_cnt && trace->event[walk->next].tsc < gap->start_tsc)
		step(walk, &trace->event[walk->next++]);
	for (; walk->next < trace->event_cnt && trace->event[walk->next].tsc <= gap->end_tsc; walk->next++) {
		const struct noise_event *event = &trace->event[walk->next];
		cover(walk, cpu, share, at_tsc, event->tsc);
		at_tsc = BH_MAX(at_tsc, event->tsc);
		step(walk, event);
		if (!share->any && !(event->kind == NOISE_SWITCH && event->own) && event->kind != NOISE_LEAVE) {
			share->any = true;
			share->first_idx = thief_of(cpu, walk->names->name[event->name_idx], BH_NOISE_EVENT);
		}
	}
	cover(walk, cpu, share, at_tsc, gap->end_tsc);
}

static void
give(struct bh_noise_cpu *cpu, uint16_t thief_idx, uint64_t tsc)
{
	struct bh_noise_thief *thief = &cpu->thief[thief_idx];
	thief->gap_cnt++;
	thief->tsc += tsc;
	thief->max_tsc = BH_MAX(thief->max_tsc, tsc);
	cpu->how_tsc[thief->how] += tsc;
}

static void
settle(struct bh_noise_cpu *cpu, struct bh_noise_gap *gap, struct share *share, enum bh_noise_how rest_how,
       const char *rest_name)
{
	uint64_t length_tsc = gap->end_tsc - gap->start_tsc;
	uint64_t left_tsc = length_tsc - BH_MIN(share->covered_tsc, length_tsc), best_tsc = 0;
	if (share->any) {
		uint64_t around_tsc = share->covered_tsc * ENTRY_SHARE + cpu->turn_tsc * ENTRY_TURNS;
		around_tsc = BH_MIN(around_tsc, left_tsc);
		add_share(share, share->first_idx, around_tsc);
		left_tsc -= around_tsc;
	}
	if (left_tsc > 0)
		add_share(share, thief_of(cpu, rest_name, rest_how), left_tsc);
	for (uint32_t i = 0; i < share->cnt; i++) {
		give(cpu, share->thief_idx[i], share->tsc[i]);
		if (cpu->thief[share->thief_idx[i]].how == BH_NOISE_EVENT)
			gap->linux_tsc += share->tsc[i];
		if (share->tsc[i] >= best_tsc) {
			best_tsc = share->tsc[i];
			gap->thief_idx = share->thief_idx[i];
		}
	}
}

static int
longer(const void *a, const void *b)
{
	const uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
	return first < second ? 1 : first > second ? -1 : 0;
}

uint64_t
bh_noise_linux_percentile(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu, double percent)
{
	const uint64_t threshold_tsc = (uint64_t)((double)report->threshold_ns / 1e9 * (double)report->tsc_hz);
	const uint64_t above_cnt = (uint64_t)((double)cpu->turns.count * (100 - percent) / 100);
	uint64_t *length = malloc((cpu->gap_cnt + 1) * sizeof(length[0]));
	uint32_t cnt = 0;
	if (length == NULL)
		return 0;
	for (uint32_t i = 0; i < cpu->gap_cnt; i++) {
		if (cpu->gap[i].linux_tsc > threshold_tsc)
			length[cnt++] = cpu->gap[i].linux_tsc;
	}
	qsort(length, cnt, sizeof(length[0]), longer);
	uint64_t value =
	        above_cnt < cnt ? length[above_cnt] : BH_MIN(bh_hist_percentile(&cpu->turns, percent), threshold_tsc);
	free(length);
	return value;
}

struct order {
	struct bh_noise_thief thief;
	uint16_t idx;
};

static int
more_time(const void *a, const void *b)
{
	const struct order *first = a, *second = b;
	return first->thief.tsc != second->thief.tsc ? (first->thief.tsc < second->thief.tsc ? 1 : -1) : 0;
}

static void
sort_thieves(struct bh_noise_cpu *cpu)
{
	struct order order[BH_NOISE_THIEVES_MAX];
	uint16_t place[BH_NOISE_THIEVES_MAX];
	for (uint16_t i = 0; i < cpu->thief_cnt; i++)
		order[i] = (struct order){cpu->thief[i], i};
	qsort(order, cpu->thief_cnt, sizeof(order[0]), more_time);
	for (uint16_t i = 0; i < cpu->thief_cnt; i++) {
		cpu->thief[i] = order[i].thief;
		place[order[i].idx] = i;
	}
	for (uint32_t i = 0; i < cpu->gap_cnt; i++)
		cpu->gap[i].thief_idx = place[cpu->gap[i].thief_idx];
}

void
noise_attribute(struct bh_noise_cpu *cpu, const struct noise_trace *trace, uint32_t trace_idx, const char *outside)
{
	struct walk walk = {0};
	if (trace != NULL) {
		walk.trace = &trace->cpu[trace_idx];
		walk.names = &trace->names;
	}
	/* Where events were lost, silence proves nothing. */
	const bool proved = trace != NULL && walk.trace->lost_cnt == 0;
	for (uint32_t i = 0; i < cpu->gap_cnt; i++) {
		struct bh_noise_gap *gap = &cpu->gap[i];
		struct share share = {0};
		cpu->stolen_tsc += gap->end_tsc - gap->start_tsc;
		if (trace != NULL)
			walk_gap(&walk, cpu, gap, &share);
		settle(cpu, gap, &share, proved ? BH_NOISE_ELIMINATION : BH_NOISE_UNKNOWN,
		       proved ? outside : "unknown");
	}
	sort_thieves(cpu);
}
