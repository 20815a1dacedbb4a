/* SPDX-License-Identifier: Apache-2.0 */
/* What to aim at. Each target twice: the device writes there (an NVMe Read), the device reads there (a Compare). */
#include <stdio.h>
#include <string.h>

#include "host/prove/internal.h"

#define INTERRUPT_WINDOW UINT64_C(0xfee00000) /* Intel SDM vol. 3, 11.11; VT-d specification 3.14 */

struct target {
	const char *name, *what;
	uint64_t iova, second;
	struct step_facts facts;
	uint32_t flags;
	bool possible;
	const char *why_not;
	bool no_read;
};

/* Whether a comma-separated list holds the name. */
static bool
is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);
	for (const char *at = list; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return false;
}

static void
add_step(struct prove *prove, const struct target *target, enum prove_op op)
{
	uint32_t idx = prove->report->line_cnt;
	if (prove->options->only != NULL && !target->facts.control && !is_listed(prove->options->only, target->name))
		return;
	if (idx == BH_PROVE_LINES_MAX || prove->cell.orders.step_cnt == PROVE_STEPS_MAX)
		return;
	prove->report->line_cnt++;
	struct bh_prove_line *line = &prove->report->line[idx];
	*line = (struct bh_prove_line){.name = target->name,
	                               .what = target->what,
	                               .device_reads = op == PROVE_DEVICE_READS,
	                               .iova = target->second != 0 ? target->second : target->iova,
	                               .verdict = BH_PROVE_NOT_TESTED,
	                               .has_canary = target->facts.canary != CANARY_NONE};
	snprintf(line->evidence, sizeof(line->evidence), "%s", target->possible ? "not reached" : target->why_not);
	prove->facts[idx] = target->facts;
	prove->facts[idx].used = target->possible;
	/* A step that is not possible keeps its place as a harmless read of the arena, so that indices agree. */
	prove->cell.orders.step[idx] =
	        (struct prove_step){.prp1 = target->possible ? target->iova : BH_ADDR_ARENA + prove->arena_bytes / 4,
	                            .prp2 = target->possible ? target->second : 0,
	                            .op = op,
	                            .flags = target->possible ? target->flags : 0};
	prove->cell.orders.step_cnt = prove->report->line_cnt;
}

/* Whether a physical address can be told from the arena's IOVAs. */
static bool
is_apart(const struct prove *prove, uint64_t iova)
{
	return iova != 0 && (iova + BH_PAGE_BYTES <= BH_ADDR_ARENA || iova >= BH_ADDR_ARENA + prove->arena_bytes);
}

static void
add_memory(struct prove *prove)
{
	const struct other *other = &prove->other;
	const char *none = "no second cell", *inside = "its address is the same as the arena's";
	const struct target target[] = {
	        {"supervisor-physical",
	         "a page of the supervisor, by its physical address",
	         prove->own.physical,
	         0,
	         {.canary = CANARY_OWN},
	         0,
	         is_apart(prove, prove->own.physical),
	         inside,
	         false},
	        {"supervisor-virtual",
	         "the same page, by its virtual address",
	         (uintptr_t)prove->own.page,
	         0,
	         {.canary = CANARY_OWN},
	         0,
	         true,
	         inside,
	         false},
	        {"process-physical",
	         "a page of another process, by its physical address",
	         other->memory_physical,
	         0,
	         {.canary = CANARY_OTHER_MEMORY},
	         0,
	         other->ready && is_apart(prove, other->memory_physical),
	         other->ready ? inside : none,
	         false},
	        {"process-virtual",
	         "the same page, by its virtual address",
	         other->memory_virtual,
	         0,
	         {.canary = CANARY_OTHER_MEMORY},
	         0,
	         other->ready,
	         none,
	         false},
	        {"cell-physical",
	         "another cell's arena, by its physical address",
	         other->arena_physical,
	         0,
	         {.canary = CANARY_OTHER_ARENA},
	         0,
	         other->ready && is_apart(prove, other->arena_physical),
	         other->ready ? inside : none,
	         false},
	        {"cell-iova",
	         "another cell's arena, by its own I/O address (which is ours, too)",
	         other->arena_iova,
	         0,
	         {.canary = CANARY_OTHER_ARENA, .own_arena = true},
	         0,
	         other->ready,
	         none,
	         true},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(target); i++) {
		add_step(prove, &target[i], PROVE_DEVICE_WRITES);
		if (!target[i].no_read)
			add_step(prove, &target[i], PROVE_DEVICE_READS);
	}
}

static void
add_addresses(struct prove *prove)
{
	const uint64_t end = BH_ADDR_ARENA + prove->arena_bytes;
	const struct target target[] = {
	        {"first-page", "the first page", 0, 0, {0}, 0, true, "", false},
	        {"below-arena", "the page below the arena", BH_ADDR_ARENA - BH_PAGE_BYTES, 0, {0}, 0, true, "", false},
	        {"above-arena", "the page above the arena", end, 0, {0}, 0, true, "", false},
	        {"across-end",
	         "across the arena's end: one page inside, one page outside",
	         end - BH_PAGE_BYTES,
	         end,
	         {0},
	         0,
	         true,
	         "",
	         false},
	        {"heap", "the cell's heap, by its virtual address", BH_ADDR_HEAP, 0, {0}, 0, true, "", false},
	        {"interrupt-window",
	         "the interrupt window",
	         INTERRUPT_WINDOW,
	         0,
	         {.interrupt = true},
	         0,
	         true,
	         "",
	         true},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(target); i++) {
		add_step(prove, &target[i], PROVE_DEVICE_WRITES);
		if (!target[i].no_read)
			add_step(prove, &target[i], PROVE_DEVICE_READS);
	}
}

void
steps_build(struct prove *prove)
{
	const uint64_t inside = BH_ADDR_ARENA + prove->arena_bytes / 4, extra = BH_ADDR_ARENA_END - 4 * BH_PAGE_BYTES;
	const struct target control = {"control",
	                               "into the arena: this must work, or nothing is proven",
	                               inside,
	                               0,
	                               {.control = true},
	                               0,
	                               true,
	                               "",
	                               false};
	const struct target mapped = {"mapped",
	                              "a page of its own that is mapped: this must work",
	                              extra,
	                              0,
	                              {.control = true},
	                              PROVE_PAUSE,
	                              true,
	                              "",
	                              false};
	const struct target unmapped = {
	        "unmapped", "the same page, unmapped a moment ago", extra, 0, {.canary = CANARY_EXTRA}, 0, true, "",
	        false};
	add_step(prove, &control, PROVE_DEVICE_WRITES);
	add_step(prove, &control, PROVE_DEVICE_READS);
	add_memory(prove);
	add_addresses(prove);
	prove->unmap_step = prove->report->line_cnt;
	add_step(prove, &mapped, PROVE_DEVICE_WRITES);
	add_step(prove, &unmapped, PROVE_DEVICE_WRITES);
	add_step(prove, &unmapped, PROVE_DEVICE_READS);
	struct target last = control;
	last.what = "into the arena, again: the device still works";
	add_step(prove, &last, PROVE_DEVICE_WRITES);
}
