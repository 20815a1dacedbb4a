/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests larger than one command. Children are submitted as slots allow; each that completes makes room for the next,
 * so a request of any size gets through a pair of any depth. The caller hears once, when the last child is done.
 */
#include "internal.h"

static void split_child_done(void *arg, uint16_t status);

static void
split_child_submit(struct bh_nvme_qpair *qp, struct nvme_split *split)
{
	uint32_t lba_cnt = BH_MIN(split->lba_left, split->lba_step);
	uint64_t bytes = (uint64_t)lba_cnt << split->ns->lba_shift;
	uint32_t tag = bh_nvme_slot_take(qp, split_child_done, split);
	uint64_t prp1 = 0, prp2 = 0;

	if (split->addr) {
		bh_nvme_prp_build(split->addr, bytes, bh_nvme_list_of(qp, tag), &prp1, &prp2);
		split->addr += bytes;
	}
	bh_nvme_sq_post(qp, tag, split->opcode, split->ns->nsid, prp1, prp2, split->lba,
	                (lba_cnt - 1) | split->cdw12_flags);
	split->lba += lba_cnt;
	split->lba_left -= lba_cnt;
	split->child_cnt++;
}

static void
split_finish(struct nvme_split *split)
{
	struct bh_nvme_qpair_slow *slow = split->qp->slow;
	bh_nvme_done_fn done_fn = split->done_fn;
	void *arg = split->arg;
	uint16_t status = split->status;

	split->next = slow->split_free;
	slow->split_free = split;
	done_fn(arg, status);
}

static void
split_child_done(void *arg, uint16_t status)
{
	struct nvme_split *split = arg;
	struct bh_nvme_qpair *qp = split->qp;

	split->child_cnt--;
	if (status && !split->status)
		split->status = status;
	if (split->status)
		split->lba_left = 0;
	/* Two for one: a request that began in a nearly full queue widens as others leave it. */
	for (uint32_t i = 0; i < 2 && split->lba_left && qp->free_cnt; i++)
		split_child_submit(qp, split);
	if (split->child_cnt)
		return;
	/* The slot of this child was free a moment ago; that it is not means that a reset parked the pair. */
	if (split->lba_left)
		split->status = bh_nvme_no_slot(qp) == -BH_ENODEV ? BH_NVME_STATUS_REMOVED : BH_NVME_STATUS_RESET;
	split_finish(split);
}

/* The caller made sure that a slot is free; there are as many split records as slots, and each in use holds a slot. */
int
bh_nvme_split_start(struct bh_nvme_qpair *qp, const struct nvme_split *request)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;
	struct nvme_split *split = slow->split_free;

	if (!split)
		return -BH_EAGAIN;
	slow->split_free = split->next;
	*split = *request;
	split->qp = qp;
	while (split->lba_left && qp->free_cnt)
		split_child_submit(qp, split);
	return 0;
}
