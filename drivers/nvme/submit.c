/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Submissions that are not the inline fast path: transfers of more than two pages, commands without data, and
 * everything that has to be refused.
 */
#include "internal.h"

int
bh_nvme_no_slot(const struct bh_nvme_qpair *qp)
{
	return bh_nvme_state(qp->slow->ctrl) == BH_NVME_REMOVED ? -BH_ENODEV : -BH_EAGAIN;
}

int
bh_nvme_rw_slow(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint32_t opcode, uint32_t cdw12_flags,
                uint64_t lba, uint32_t lba_cnt, const void *buf, bh_nvme_done_fn done_fn, void *arg)
{
	uint64_t bytes = (uint64_t)lba_cnt << ns->lba_shift;
	uint64_t addr = (uintptr_t)buf, prp1, prp2;
	uint32_t transfer_bytes_max = qp->slow->ctrl->info.transfer_bytes_max;

	if (lba_cnt == 0 || addr & NVME_PRP_ALIGN_MASK || !done_fn)
		return -BH_EINVAL;
	if (opcode == NVME_NVM_COMPARE && !(ns->oncs & NVME_ONCS_COMPARE))
		return -BH_EOPNOTSUPP;
	if (!bh_dma_contains(buf, bytes))
		return -BH_EFAULT;
	if (qp->free_cnt == 0)
		return bh_nvme_no_slot(qp);
	if (bytes > transfer_bytes_max || lba_cnt > NVME_RW_NLB_MAX) {
		uint32_t step = BH_MIN(transfer_bytes_max >> ns->lba_shift, NVME_RW_NLB_MAX);
		struct nvme_split request = {.ns = ns,
		                             .opcode = opcode,
		                             .cdw12_flags = cdw12_flags,
		                             .lba = lba,
		                             .addr = addr,
		                             .lba_left = lba_cnt,
		                             .lba_step = step,
		                             .done_fn = done_fn,
		                             .arg = arg};
		return bh_nvme_split_start(qp, &request);
	}
	uint32_t tag = bh_nvme_slot_take(qp, done_fn, arg);
	bh_nvme_prp_build(addr, bytes, bh_nvme_list_of(qp, tag), &prp1, &prp2);
	bh_nvme_sq_post(qp, tag, opcode, ns->nsid, prp1, prp2, lba, (lba_cnt - 1) | cdw12_flags);
	return 0;
}

int
bh_nvme_compare(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt, const void *buf,
                bh_nvme_done_fn done_fn, void *arg)
{
	return bh_nvme_rw_slow(qp, ns, NVME_NVM_COMPARE, 0, lba, lba_cnt, buf, done_fn, arg);
}

int
bh_nvme_flush(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, bh_nvme_done_fn done_fn, void *arg)
{
	if (!done_fn)
		return -BH_EINVAL;
	if (qp->free_cnt == 0)
		return bh_nvme_no_slot(qp);
	bh_nvme_sq_post(qp, bh_nvme_slot_take(qp, done_fn, arg), NVME_NVM_FLUSH, ns->nsid, 0, 0, 0, 0);
	return 0;
}

/* Most blocks of one Write Zeroes: NLB's 16 bits, and WZSL. */
static uint32_t
zeroes_step(const struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns)
{
	uint32_t bytes_max = qp->slow->ctrl->info.zeroes_bytes_max;
	return bytes_max ? BH_MIN(BH_MAX(bytes_max >> ns->lba_shift, 1u), NVME_RW_NLB_MAX) : NVME_RW_NLB_MAX;
}

int
bh_nvme_write_zeroes(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt,
                     bh_nvme_done_fn done_fn, void *arg)
{
	if (lba_cnt == 0 || !done_fn)
		return -BH_EINVAL;
	if (!(ns->oncs & NVME_ONCS_WRITE_ZEROES))
		return -BH_EOPNOTSUPP;
	if (qp->free_cnt == 0)
		return bh_nvme_no_slot(qp);
	uint32_t step = zeroes_step(qp, ns);
	if (lba_cnt > step) {
		struct nvme_split request = {.ns = ns,
		                             .opcode = NVME_NVM_WRITE_ZEROES,
		                             .lba = lba,
		                             .lba_left = lba_cnt,
		                             .lba_step = step,
		                             .done_fn = done_fn,
		                             .arg = arg};
		return bh_nvme_split_start(qp, &request);
	}
	bh_nvme_sq_post(qp, bh_nvme_slot_take(qp, done_fn, arg), NVME_NVM_WRITE_ZEROES, ns->nsid, 0, 0, lba,
	                lba_cnt - 1);
	return 0;
}

int
bh_nvme_dsm(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint32_t attributes,
            const struct nvme_dsm_range *ranges, uint32_t range_cnt, bh_nvme_done_fn done_fn, void *arg)
{
	uint32_t known = NVME_DSM_AD | NVME_DSM_IDR | NVME_DSM_IDW;

	if (range_cnt == 0 || range_cnt > BH_NVME_DSM_RANGES_MAX || attributes & ~known || !done_fn)
		return -BH_EINVAL;
	if (!(ns->oncs & NVME_ONCS_DSM))
		return -BH_EOPNOTSUPP;
	if (qp->free_cnt == 0)
		return bh_nvme_no_slot(qp);
	uint32_t tag = bh_nvme_slot_take(qp, done_fn, arg);
	uint64_t *list = bh_nvme_list_of(qp, tag);
	memcpy(list, ranges, range_cnt * sizeof(*ranges));
	/* List memory is aligned to its size, so the ranges do not cross a page. */
	bh_nvme_sq_post(qp, tag, NVME_NVM_DSM, ns->nsid, (uintptr_t)list, 0,
	                (range_cnt - 1) | (uint64_t)attributes << 32, 0);
	return 0;
}
