/* SPDX-License-Identifier: Apache-2.0 */
/* What decides about NVMe. */
#include <stdio.h>
#include <string.h>

#include "host/compare/nvme.h"
#include "host/compare/text.h"

static bool
random_read_4k(const struct bh_case *which)
{
	return strcmp(which->pattern, "randread") == 0 && which->block_bytes == 4096 && !which->reference;
}

/* Over every depth of 4 KiB random reads (depth 0), or one. */
static void
judge_random_reads(struct bh_session *session, struct bh_verdict *verdict, bool p99, double threshold, uint32_t depth)
{
	bool whole = true, any = false;
	char label[24];
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		const struct bh_summary *summary = &session->summary[i];
		if (!random_read_4k(&session->cases[i]) || (depth != 0 && session->cases[i].depth != depth))
			continue;
		any = true;
		snprintf(label, sizeof(label), "depth %u", session->cases[i].depth);
		bh_verdict_ratio(verdict, label, summary, p99 ? &summary->p99_ratio : &summary->iops_ratio, threshold,
		                 session->round_cnt, &whole);
	}
	if (verdict->state != BH_COMPARE_MISSED)
		verdict->state = any && whole ? BH_COMPARE_MET : BH_COMPARE_NOT_MEASURED;
	if (session->target.file) {
		verdict->state = BH_COMPARE_NOT_MEASURED;
		(void)bh_text_add(verdict->value, sizeof(verdict->value),
		                  "; a rehearsal: the two sides had no device in "
		                  "common");
	}
}

static void
judge_escape(struct bh_session *session)
{
	struct bh_verdict *verdict = bh_verdict_add(session, "dma_escape", "No DMA leaves the cell's memory", false);
	const struct bh_proof *proof = &session->proof;
	snprintf(verdict->threshold, sizeof(verdict->threshold), "none, in bulkhead prove-iommu");
	if (proof->ran)
		verdict->state = proof->held ? BH_COMPARE_MET : BH_COMPARE_MISSED;
	snprintf(verdict->value, sizeof(verdict->value), "%s",
	         proof->text[0] != '\0' ? proof->text : "prove-iommu was not run: add --prove");
}

static void
judge_reference(struct bh_session *session, uint32_t depth, double threshold)
{
	char key[32], title[96], text[3][24];
	snprintf(key, sizeof(key), "reference_d%u", depth);
	snprintf(title, sizeof(title), "512-byte random reads, depth %u, cell alone", depth);
	struct bh_verdict *verdict = bh_verdict_add(session, key, title, true);
	snprintf(verdict->threshold, sizeof(verdict->threshold), "at least %s IOPS",
	         bh_text_rate(text[0], sizeof(text[0]), threshold));
	snprintf(verdict->value, sizeof(verdict->value), "not run");
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		const struct bh_spread *iops = &session->summary[i].iops[BH_SIDE_CELL];
		if (!session->cases[i].reference || session->cases[i].depth != depth)
			continue;
		if (session->cases[i].skip != BH_CASE_RUN)
			snprintf(verdict->value, sizeof(verdict->value), "the device's blocks are %u bytes",
			         session->target.lba_bytes);
		if (iops->cnt == 0)
			continue;
		snprintf(verdict->value, sizeof(verdict->value), "%s IOPS (%s to %s)",
		         bh_text_rate(text[0], sizeof(text[0]), iops->median),
		         bh_text_rate(text[1], sizeof(text[1]), iops->min),
		         bh_text_rate(text[2], sizeof(text[2]), iops->max));
		if (iops->median < threshold)
			verdict->state = BH_COMPARE_MISSED;
		else if (iops->cnt == session->round_cnt)
			verdict->state = BH_COMPARE_MET;
	}
	if (session->target.file)
		verdict->state = BH_COMPARE_NOT_MEASURED;
}

/* The lab's goals are about the lab: elsewhere they are not shown. */
static void
judge_lab(struct bh_session *session)
{
	static const struct {
		uint32_t depth;
		double iops, p99, reference_iops;
	} goal[] = {{1, 3, 5, 30e3}, {32, 5, 5, 78e3}};
	char key[32], title[96];
	for (size_t i = 0; i < BH_ARRAY_CNT(goal); i++) {
		snprintf(key, sizeof(key), "lab_iops_d%u", goal[i].depth);
		snprintf(title, sizeof(title), "Throughput, 4 KiB random reads, depth %u", goal[i].depth);
		struct bh_verdict *verdict = bh_verdict_add(session, key, title, true);
		snprintf(verdict->threshold, sizeof(verdict->threshold), "at least %g times", goal[i].iops);
		judge_random_reads(session, verdict, false, goal[i].iops, goal[i].depth);
		snprintf(key, sizeof(key), "lab_p99_d%u", goal[i].depth);
		snprintf(title, sizeof(title), "p99, 4 KiB random reads, depth %u", goal[i].depth);
		verdict = bh_verdict_add(session, key, title, true);
		snprintf(verdict->threshold, sizeof(verdict->threshold), "at least %g times lower", goal[i].p99);
		judge_random_reads(session, verdict, true, goal[i].p99, goal[i].depth);
		judge_reference(session, goal[i].depth, goal[i].reference_iops);
	}
}

void
bh_nvme_judge(struct bh_session *session)
{
	struct bh_verdict *verdict =
	        bh_verdict_add(session, "throughput", "Throughput of the cell, 4 KiB random reads", false);
	snprintf(verdict->threshold, sizeof(verdict->threshold), "at least %g times, at each depth", BH_GO_RATE_RATIO);
	judge_random_reads(session, verdict, false, BH_GO_RATE_RATIO, 0);
	verdict = bh_verdict_add(session, "p99", "p99 latency of the cell, 4 KiB random reads", false);
	snprintf(verdict->threshold, sizeof(verdict->threshold), "at least %g times lower, at each depth",
	         BH_GO_P99_RATIO);
	judge_random_reads(session, verdict, true, BH_GO_P99_RATIO, 0);
	bh_verdict_iommu(session);
	judge_escape(session);
	if (session->machine.kind == BH_MACHINE_EMULATOR)
		judge_lab(session);
}
