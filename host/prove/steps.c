/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to aim at, and how. The order is what keeps an escape harmless: a canary that a device takes for commands or for a list must
 * still be the one that was laid, so fetching comes first, then completions (16 bytes at the page's start), then lists, and data
 * last; and after an escape nothing is aimed at that is no canary. Data goes slowly, because the kernel logs few faults.
 */
#include <stdio.h>
#include <string.h>

#include "host/prove/internal.h"

#define EXTRA_IOVA (BH_ADDR_ARENA_END - 4 * BH_PAGE_BYTES)
/*
 * The interrupt window: Intel SDM vol. 3, 11.11; VT-d specification 3.14 and 5.1.2. A completion's last word (at 12) with these
 * address bits is an interrupt in the compatibility format for logical destination 1; the last 16 bytes of a page are in
 * the remappable format, for an entry that no driver owns.
 */
#define WINDOW_COMPAT   UINT64_C(0xfee01000)
#define WINDOW_REMAPPED UINT64_C(0xfee00ff0)

#define UNGUARDED (PROVE_PACED | PROVE_UNGUARDED)

struct target {
	const char *name, *what;
	uint64_t iova;
	uint64_t second; /* not 0: a second page, which is the one outside */
	uint32_t flags;
	struct step_facts facts;
	const char *why_not; /* NULL: it can be tried */
};

static bool
is_named(const char *list, size_t len, const char *name)
{
	return strlen(name) == len && strncmp(list, name, len) == 0;
}

static bool
is_listed(const char *list, const char *name)
{
	for (size_t len = strcspn(list, ","); *list != '\0';
	     list += len + (list[len] == ','), len = strcspn(list, ",")) {
		if (is_named(list, len, name))
			return true;
	}
	return false;
}

static enum bh_prove_access
access_of(enum prove_op op)
{
	switch (op) {
	case PROVE_DEVICE_READS:
		return BH_PROVE_READ;
	case PROVE_LIST:
		return BH_PROVE_LIST;
	case PROVE_FETCH:
		return BH_PROVE_FETCH;
	case PROVE_COMPLETE:
		return BH_PROVE_COMPLETE;
	default:
		return BH_PROVE_WRITE;
	}
}

static struct prove_step
step_of(const struct target *target, enum prove_op op)
{
	/* A step that cannot be tried keeps its place as a harmless read of the arena, so that indices agree. */
	if (target->why_not != NULL)
		return (struct prove_step){.prp1 = PROVE_BUFFER,
		                           .op = op < PROVE_RAW_FIRST ? PROVE_DEVICE_WRITES : PROVE_RAW_READ};
	if (op == PROVE_LIST)
		return (struct prove_step){PROVE_BUFFER, target->iova + PROVE_LIST_OFFSET, op, 0};
	return (struct prove_step){target->iova, target->second, op, target->flags};
}

static void
add_step(struct prove *prove, const struct target *target, enum prove_op op)
{
	const char *only = prove->options->only;
	uint32_t idx = prove->report->line_cnt;
	if (only != NULL && !target->facts.control && !is_listed(only, target->name))
		return;
	prove->target_cnt += !target->facts.control;
	if (idx == BH_PROVE_LINES_MAX || idx == PROVE_STEPS_MAX)
		return;
	prove->report->line_cnt++;
	struct bh_prove_line *line = &prove->report->line[idx];
	*line = (struct bh_prove_line){.name = target->name,
	                               .what = target->what,
	                               .access = access_of(op),
	                               .interrupt = target->facts.interrupt,
	                               .iova = target->second != 0 ? target->second : target->iova,
	                               .verdict = BH_PROVE_NOT_TESTED,
	                               .has_canary = target->facts.canary != CANARY_NONE};
	line->iova += op == PROVE_LIST ? PROVE_LIST_OFFSET : 0;
	snprintf(line->evidence, sizeof(line->evidence), "%s",
	         target->why_not != NULL ? target->why_not : "not reached");
	prove->facts[idx] = target->facts;
	prove->facts[idx].used = target->why_not == NULL;
	prove->cell.orders.step[idx] = step_of(target, op);
	prove->cell.orders.step_cnt = prove->report->line_cnt;
}

/* Whether a physical address can be told from what the device may reach. */
static const char *
why_not_physical(const struct prove *prove, bool there, uint64_t addr)
{
	if (!there)
		return "no second cell";
	if (addr + BH_PAGE_BYTES > BH_ADDR_ARENA && addr < BH_ADDR_ARENA + prove->arena_bytes)
		return "by chance its address is also one of the arena's; try again";
	return NULL;
}

enum { OWN, OTHER_MEMORY, OTHER_ARENA, PHYSICAL_CNT };

static void
physical_targets(const struct prove *prove, struct target *out)
{
	const struct other *other = &prove->other;
	out[OWN] = (struct target){"supervisor-physical",
	                           "a page of the supervisor, by its physical address",
	                           prove->own.physical,
	                           0,
	                           PROVE_PACED,
	                           {.canary = CANARY_OWN},
	                           why_not_physical(prove, true, prove->own.physical)};
	out[OTHER_MEMORY] = (struct target){"process-physical",
	                                    "a page of another process, by its physical address",
	                                    other->memory_physical,
	                                    0,
	                                    PROVE_PACED,
	                                    {.canary = CANARY_OTHER_MEMORY},
	                                    why_not_physical(prove, other->ready, other->memory_physical)};
	out[OTHER_ARENA] = (struct target){"cell-physical",
	                                   "another cell's arena, by its physical address",
	                                   other->arena_physical,
	                                   0,
	                                   PROVE_PACED,
	                                   {.canary = CANARY_OTHER_ARENA},
	                                   why_not_physical(prove, other->ready, other->arena_physical)};
}

static void
add_data(struct prove *prove, const struct target *target)
{
	add_step(prove, target, PROVE_DEVICE_WRITES);
	add_step(prove, target, PROVE_DEVICE_READS);
}

static void
add_memory(struct prove *prove)
{
	const struct other *other = &prove->other;
	const char *none = other->ready ? NULL : "no second cell";
	struct target physical[PHYSICAL_CNT];
	const struct target own_virtual = {"supervisor-virtual",
	                                   "the page of the supervisor, by its virtual address",
	                                   (uintptr_t)prove->own.page,
	                                   0,
	                                   PROVE_PACED,
	                                   {.canary = CANARY_OWN, .virtual = true},
	                                   NULL};
	const struct target other_virtual = {"process-virtual",
	                                     "the page of the other process, by its virtual address",
	                                     other->memory_virtual,
	                                     0,
	                                     PROVE_PACED,
	                                     {.canary = CANARY_OTHER_MEMORY, .virtual = true},
	                                     none};
	const struct target iova = {
	        "cell-iova",
	        prove->options->second != NULL
	                ? "another cell's arena, by the I/O address that its own device uses"
	                : "another cell's arena, by its I/O address (that cell has no device: --second)",
	        other->arena_iova,
	        0,
	        PROVE_ARRIVES,
	        {.canary = CANARY_OTHER_ARENA, .own_arena = true},
	        none};
	physical_targets(prove, physical);
	add_data(prove, &physical[OWN]);
	add_data(prove, &own_virtual);
	add_data(prove, &physical[OTHER_MEMORY]);
	add_data(prove, &other_virtual);
	add_data(prove, &physical[OTHER_ARENA]);
	add_step(prove, &iova, PROVE_DEVICE_WRITES);
}

/* Neighbours in this order share no address: a fault belongs to the step before it. */
static void
add_addresses(struct prove *prove)
{
	const uint64_t end = BH_ADDR_ARENA + prove->arena_bytes;
	const struct target target[] = {
	        {"first-page", "the first page", 0, 0, UNGUARDED, {0}, NULL},
	        {"above-arena", "the page above the arena", end, 0, UNGUARDED, {0}, NULL},
	        {"below-arena", "the page below the arena", BH_ADDR_ARENA - BH_PAGE_BYTES, 0, UNGUARDED, {0}, NULL},
	        {"across-end",
	         "across the arena's end: a page inside, a page outside",
	         end - BH_PAGE_BYTES,
	         end,
	         UNGUARDED,
	         {0},
	         NULL},
	        {"heap", "the cell's heap, by its virtual address", BH_ADDR_HEAP, 0, UNGUARDED, {0}, NULL},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(target); i++)
		add_data(prove, &target[i]);
}

static void
add_unmapped(struct prove *prove)
{
	const struct target mapped = {"mapped",    "a page of its own that is mapped: this must work",
	                              EXTRA_IOVA,  0,
	                              PROVE_PAUSE, {.control = true, .mapped = true},
	                              NULL};
	const struct target unmapped = {"unmapped",  "the same page, unmapped a moment ago",
	                                EXTRA_IOVA,  0,
	                                PROVE_PACED, {.canary = CANARY_EXTRA},
	                                NULL};
	prove->unmap_step = prove->report->line_cnt;
	add_step(prove, &mapped, PROVE_DEVICE_WRITES);
	add_step(prove, &unmapped, PROVE_LIST);
	add_step(prove, &unmapped, PROVE_DEVICE_READS);
	add_step(prove, &unmapped, PROVE_DEVICE_WRITES);
}

/* Only where canaries lie: what a device might find elsewhere and take for commands, nobody knows. */
static void
add_physical(struct prove *prove, enum prove_op op)
{
	struct target physical[PHYSICAL_CNT];
	physical_targets(prove, physical);
	for (size_t target = 0; target < PHYSICAL_CNT; target++)
		add_step(prove, &physical[target], op);
}

static void
add_control(struct prove *prove, const char *what, uint64_t iova, uint32_t flags, enum prove_op op)
{
	const struct target control = {"control", what, iova, 0, flags, {.control = true}, NULL};
	add_step(prove, &control, op);
}

static void
add_interrupts(struct prove *prove)
{
	const struct target remapped = {"interrupt-entry",
	                                "the interrupt window, an entry of another's",
	                                WINDOW_REMAPPED,
	                                0,
	                                UNGUARDED,
	                                {.interrupt = true},
	                                NULL};
	const struct target compat = {"interrupt-window",
	                              "the interrupt window, around the table",
	                              WINDOW_COMPAT,
	                              0,
	                              UNGUARDED,
	                              {.interrupt = true},
	                              NULL};
	add_step(prove, &remapped, PROVE_IDENTIFY);
	/* Something between, so that an interrupt is of the one or the other. */
	add_control(prove, "into the arena, in between", PROVE_LEAK, PROVE_PACED, PROVE_RAW_READ);
	add_step(prove, &compat, PROVE_COMPLETE);
}

void
steps_build(struct prove *prove)
{
	add_control(prove, "into the arena: this must work, or nothing is proven", PROVE_LEAK, 0, PROVE_RAW_READ);
	add_physical(prove, PROVE_FETCH);
	add_physical(prove, PROVE_COMPLETE);
	add_control(prove, "into the arena, by the driver", PROVE_BUFFER, PROVE_ARRIVES, PROVE_DEVICE_WRITES);
	add_control(prove, "from the arena", PROVE_BUFFER, 0, PROVE_DEVICE_READS);
	add_physical(prove, PROVE_LIST);
	/* The log is full by now: let it empty. */
	struct prove_step *last = &prove->cell.orders.step[prove->report->line_cnt - 1];
	last->flags |= last->op == PROVE_LIST ? PROVE_SETTLE : 0;
	add_memory(prove);
	add_addresses(prove);
	add_unmapped(prove);
	add_interrupts(prove);
	add_control(prove, "into the arena, at the end: the device still works", PROVE_LEAK, 0, PROVE_RAW_READ);
}
