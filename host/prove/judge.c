/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What held. A canary that changed, or memory that the device could read, is an escape. A device's error or the kernel's fault
 * is the proof that something stood in between; PCIe writes are posted, so a blocked one may look like a success to the device:
 * then the untouched canary, or the kernel's fault, is what counts. Nothing at all is "unclear", never "held".
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

/* A control is no word of the cell's alone where the host can see the page. */
static void
judge_control(const struct prove *prove, struct bh_prove_line *line, const struct step_facts *facts, uint64_t status)
{
	bool came = (status & PROVE_STATUS_CHANGED) != 0;
	if (facts->mapped)
		came = prove->extra_reached;
	if (line->access == BH_PROVE_READ)
		came = true; /* Compare: equal or not, it was read */
	bool worked = line->answered && came && !line->fatal &&
	              (line->status == 0 || (line->access == BH_PROVE_READ && line->status == NVME_SC_COMPARE_FAILURE));
	line->verdict = worked ? BH_PROVE_CONTROL : BH_PROVE_NOT_TESTED;
	if (worked)
		snprintf(line->evidence, sizeof(line->evidence), "%s",
		         line->access == BH_PROVE_READ ? "the device did it" : "the device did it, the data came");
	else
		snprintf(line->evidence, sizeof(line->evidence),
		         "FAILED: the device did not do what it may (%s, status 0x%x)",
		         came ? "data came" : "no data came", line->status);
}

/*
 * A canary is unlike any media. So equal means that it was not what the device read; unequal and nobody objected: it had something in
 * hand, and that must be taken for the canary.
 */
static enum bh_prove_verdict
verdict_of_read(const struct bh_prove_line *line, const struct step_facts *facts, bool reported)
{
	if (reported)
		return BH_PROVE_HELD;
	if (!line->has_canary || facts->virtual || !line->answered)
		return BH_PROVE_UNCLEAR;
	return line->status == 0 ? BH_PROVE_HELD : BH_PROVE_ESCAPED;
}

/* The count of bad vectors is of the whole run: it speaks against every such line. */
static enum bh_prove_verdict
verdict_of_interrupt(const struct prove *prove, const struct bh_prove_line *line, bool reported)
{
	uint64_t bad_cnt = prove->report->interrupts_unexpected - prove->faults.stray_cnt;
	if (line->stray_cnt != 0 || bad_cnt != 0)
		return BH_PROVE_ESCAPED;
	return reported ? BH_PROVE_HELD : BH_PROVE_UNCLEAR;
}

/* Whether the device or the kernel said that something stood in between. */
static bool
is_reported(const struct bh_prove_line *line)
{
	bool compared = line->access == BH_PROVE_READ && line->status == NVME_SC_COMPARE_FAILURE;
	return line->fault_cnt > 0 || line->fatal || (line->status != 0 && !compared);
}

static enum bh_prove_verdict
verdict_of(const struct prove *prove, const struct bh_prove_line *line, const struct step_facts *facts, uint64_t status)
{
	bool reported = is_reported(line);
	if (line->canary_changed || line->leaked)
		return BH_PROVE_ESCAPED;
	if (canary_is_unsure(prove, facts->canary))
		return BH_PROVE_NOT_TESTED;
	if (facts->own_arena)
		return (status & PROVE_STATUS_CHANGED) != 0 && line->status == 0 ? BH_PROVE_HELD : BH_PROVE_UNCLEAR;
	if (facts->interrupt)
		return verdict_of_interrupt(prove, line, reported);
	if (line->access == BH_PROVE_READ)
		return verdict_of_read(line, facts, reported);
	/* A page that would show it and does not is evidence by itself: a canary, and for what it reads the leak page. */
	return reported || (line->has_canary && !facts->virtual) ? BH_PROVE_HELD : BH_PROVE_UNCLEAR;
}

static void
say_device(const struct bh_prove_line *line, const struct step_facts *facts, char *out, size_t bytes)
{
	if (facts->own_arena)
		snprintf(out, bytes, "%s",
		         line->status == 0 ? "done, in the cell's own" : "not done, though it is the cell's own");
	else if (line->fatal)
		snprintf(out, bytes, "the controller gave up (fatal status)");
	else if (line->access == BH_PROVE_READ && line->status == NVME_SC_COMPARE_FAILURE)
		snprintf(out, bytes, "the device read something, unlike the media");
	else if (line->access == BH_PROVE_READ && line->status == 0 && line->answered && line->has_canary)
		snprintf(out, bytes, "no error, and not the canary that it compared");
	else if (!line->answered)
		snprintf(out, bytes, "no answer from the device");
	else if (line->status == 0)
		snprintf(out, bytes, "the device saw no error");
	else
		snprintf(out, bytes, "device error 0x%x", line->status);
}

static void
say_log(const struct bh_prove_line *line, char *out, size_t bytes)
{
	uint32_t cnt = line->fault_cnt;
	int len = 0;
	out[0] = '\0';
	if (cnt > 0)
		len = snprintf(out, bytes, ", %u fault%s in the kernel's log", cnt, cnt == 1 ? "" : "s");
	if (line->stray_cnt != 0)
		snprintf(out + len, bytes - (size_t)len, ", AN INTERRUPT ARRIVED");
}

static void
judge_attack(struct prove *prove, struct bh_prove_line *line, const struct step_facts *facts, uint64_t status)
{
	char device[64], log[96];
	const char *canary = "";
	line->canary_changed = canary_is_changed(prove, facts->canary);
	line->leaked = !facts->own_arena && !facts->interrupt && (status & PROVE_STATUS_CHANGED) != 0;
	line->verdict = verdict_of(prove, line, facts, status);
	say_device(line, facts, device, sizeof(device));
	say_log(line, log, sizeof(log));
	if (line->leaked)
		canary = ", WHAT IT READ THERE LED IT ON";
	else if (line->has_canary && canary_is_unsure(prove, facts->canary))
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
	snprintf(name, sizeof(name), "prove.%u.status", idx);
	if (!facts->used || bh_view_counter(view, name, &status) != 0 || status == 0)
		return;
	if ((status & PROVE_STATUS_HALTED) != 0) {
		snprintf(line->evidence, sizeof(line->evidence),
		         "not tried: the device got out before, and no canary lies here");
		return;
	}
	if ((status & (PROVE_STATUS_SKIPPED | PROVE_STATUS_REFUSED)) != 0) {
		prove->facts[idx].skipped = (status & PROVE_STATUS_SKIPPED) != 0;
		snprintf(line->evidence, sizeof(line->evidence), "%s",
		         prove->facts[idx].skipped ? "the device has no such command, or none so large"
		                                   : "the controller was gone by then");
		return;
	}
	bool reads = line->access == BH_PROVE_READ || line->access == BH_PROVE_LIST || line->access == BH_PROVE_FETCH;
	line->answered = (status & PROVE_STATUS_DONE) != 0;
	line->fatal = (status & PROVE_STATUS_FATAL) != 0;
	line->status = (uint16_t)status;
	line->fault_cnt = line->interrupt
	                          ? faults_of_interrupts(&prove->faults, idx, &line->stray_cnt)
	                          : faults_at(&prove->faults, idx, BH_ALIGN_DOWN(line->iova, (uint64_t)BH_PAGE_BYTES),
	                                      BH_PAGE_BYTES, reads);
	if (facts->control)
		judge_control(prove, line, facts, status);
	else
		judge_attack(prove, line, facts, status);
}

void
judge_all(struct prove *prove, const struct bh_view *view)
{
	struct bh_prove_report *report = prove->report;
	report->proven = report->memory_held = true;
	for (uint32_t i = 0; i < report->line_cnt; i++) {
		judge_line(prove, view, i);
		enum bh_prove_verdict verdict = report->line[i].verdict;
		/* A device without the command cannot be made to do it by anybody. */
		if (verdict == BH_PROVE_HELD || verdict == BH_PROVE_CONTROL || prove->facts[i].skipped)
			continue;
		report->proven = false;
		report->memory_held &= report->line[i].interrupt;
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

const char *
bh_prove_access_name(enum bh_prove_access access)
{
	static const char *const name[] = {"write", "read", "list", "fetch", "complete"};
	return name[access];
}
