/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What held. A canary that changed, or memory that the device could read, is an escape. A device's error or the kernel's fault
 * is the proof that something stood in between; PCIe writes are posted, so a blocked one may look like a success to the device:
 * then the untouched canary, or the kernel's fault, is what counts.
 */
#include <stdio.h>

#include <bulkhead/spec/nvme.h>

#include "host/prove/internal.h"

static bool
canary_is_changed(const struct prove *prove, enum step_canary canary)
{
	switch (canary) {
	case CANARY_OWN:
		return canary_changed(&prove->own);
	case CANARY_OTHER_MEMORY:
		return prove->other_told && prove->other_result.memory_changed != 0;
	case CANARY_OTHER_ARENA:
		return prove->other_told && prove->other_result.arena_changed != 0;
	case CANARY_EXTRA:
		return prove->extra_unmapped && canary_changed(&prove->extra);
	case CANARY_NONE:
		break;
	}
	return false;
}

static bool
canary_is_unsure(const struct prove *prove, enum step_canary canary)
{
	switch (canary) {
	case CANARY_OWN:
		return canary_moved(&prove->own);
	case CANARY_OTHER_MEMORY:
		return !prove->other_told || prove->other_result.memory_moved != 0;
	case CANARY_OTHER_ARENA:
		return !prove->other_told || prove->other_result.arena_moved != 0;
	case CANARY_EXTRA:
		return !prove->extra_unmapped;
	case CANARY_NONE:
		break;
	}
	return false;
}

static void
judge_control(struct bh_prove_line *line)
{
	line->verdict = line->answered && line->status == 0 ? BH_PROVE_CONTROL : BH_PROVE_NOT_TESTED;
	snprintf(line->evidence, sizeof(line->evidence),
	         line->verdict == BH_PROVE_CONTROL ? "the device did it"
	                                           : "the device did not do what it may (status 0x%x)",
	         line->status);
}

/* The device reads no canary where it compares equal to the media; unequal without a fault, it had the memory in hand. */
static enum bh_prove_verdict
verdict_of_read(const struct bh_prove_line *line)
{
	if (line->fault_cnt > 0 || (line->status != 0 && line->status != NVME_SC_COMPARE_FAILURE))
		return BH_PROVE_HELD;
	if (!line->has_canary)
		return BH_PROVE_UNCLEAR;
	return line->status == 0 ? BH_PROVE_HELD : BH_PROVE_ESCAPED;
}

static enum bh_prove_verdict
verdict_of(const struct prove *prove, const struct bh_prove_line *line, const struct step_facts *facts)
{
	if (line->canary_changed)
		return BH_PROVE_ESCAPED;
	if (canary_is_unsure(prove, facts->canary))
		return BH_PROVE_NOT_TESTED;
	if (facts->own_arena)
		return BH_PROVE_HELD;
	if (facts->interrupt)
		return prove->report->interrupts_unexpected == 0 ? BH_PROVE_HELD : BH_PROVE_ESCAPED;
	if (line->device_reads)
		return verdict_of_read(line);
	return line->fault_cnt > 0 || line->status != 0 || line->has_canary ? BH_PROVE_HELD : BH_PROVE_UNCLEAR;
}

static void
judge_attack(struct prove *prove, struct bh_prove_line *line, const struct step_facts *facts)
{
	char device[64], log[96] = "";
	const char *canary = "";
	line->canary_changed = canary_is_changed(prove, facts->canary);
	line->verdict = verdict_of(prove, line, facts);
	if (facts->own_arena)
		snprintf(device, sizeof(device), "allowed: it is the cell's own");
	else if (line->status == NVME_SC_COMPARE_FAILURE)
		snprintf(device, sizeof(device), "the device read something else than the media holds");
	else
		snprintf(device, sizeof(device), line->status == 0 ? "the device saw no error" : "device error 0x%x",
		         line->status);
	if (facts->interrupt)
		snprintf(log, sizeof(log), ", %u requests refused in the kernel's log, %lu unexpected interrupts",
		         prove->faults.remap_cnt, prove->report->interrupts_unexpected);
	else if (line->fault_cnt > 0)
		snprintf(log, sizeof(log), ", %u fault%s in the kernel's log", line->fault_cnt,
		         line->fault_cnt == 1 ? "" : "s");
	if (line->has_canary && canary_is_unsure(prove, facts->canary))
		canary = ", canary lost";
	else if (line->has_canary)
		canary = line->canary_changed ? ", CANARY CHANGED" : ", canary untouched";
	snprintf(line->evidence, sizeof(line->evidence), "%.63s%.79s%s", device, log, canary);
}

static void
judge_line(struct prove *prove, const struct bh_view *view, uint32_t idx)
{
	struct bh_prove_line *line = &prove->report->line[idx];
	const struct step_facts *facts = &prove->facts[idx];
	char name[32];
	uint64_t status;
	if (!facts->used)
		return;
	snprintf(name, sizeof(name), "prove.%u.status", idx);
	if (bh_view_counter(view, name, &status) != 0 || status == 0)
		return;
	if (status == PROVE_STATUS_SKIPPED || status == PROVE_STATUS_REFUSED) {
		snprintf(line->evidence, sizeof(line->evidence), "%s",
		         status == PROVE_STATUS_SKIPPED ? "the device has no Compare command"
		                                        : "the controller was gone by then");
		return;
	}
	line->answered = true;
	line->status = (uint16_t)status;
	line->fault_cnt = faults_at(&prove->faults, line->iova, BH_PAGE_BYTES, line->device_reads);
	if (facts->control)
		judge_control(line);
	else
		judge_attack(prove, line, facts);
}

void
judge_all(struct prove *prove, const struct bh_view *view)
{
	struct bh_prove_report *report = prove->report;
	report->proven = true;
	for (uint32_t i = 0; i < report->line_cnt; i++) {
		judge_line(prove, view, i);
		enum bh_prove_verdict verdict = report->line[i].verdict;
		bool skipped_read = verdict == BH_PROVE_NOT_TESTED && report->line[i].device_reads;
		if (verdict != BH_PROVE_HELD && verdict != BH_PROVE_CONTROL && !skipped_read)
			report->proven = false;
	}
	report->fault_cnt = prove->faults.line_cnt;
	snprintf(report->fault_last, sizeof(report->fault_last), "%s", prove->faults.last);
}

const char *
bh_prove_verdict_name(enum bh_prove_verdict verdict)
{
	static const char *const name[] = {"held", "ESCAPED", "not tested", "control", "unclear"};
	return name[verdict];
}
