/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Straight-line forms: submit, ring, yield until done. The record of the wait is on the fiber's stack, so none gives up
 * early.
 */
#include "internal.h"

struct wait {
	bool done;
	uint16_t status;
};

static void
wait_done(void *arg, uint16_t status)
{
	struct wait *wait = arg;
	wait->status = status;
	wait->done = true;
}

struct wait_command {
	struct bh_nvme_qpair *qp;
	const struct bh_nvme_ns *ns;
	uint32_t opcode;
	uint64_t lba;
	uint32_t lba_cnt;
	const void *buf;
};

static int
submit(const struct wait_command *cmd, struct wait *wait)
{
	struct nvme_dsm_range range = {.lba_cnt = cmd->lba_cnt, .lba = cmd->lba};

	switch (cmd->opcode) {
	case NVME_NVM_FLUSH:
		return bh_nvme_flush(cmd->qp, cmd->ns, wait_done, wait);
	case NVME_NVM_WRITE_ZEROES:
		return bh_nvme_write_zeroes(cmd->qp, cmd->ns, cmd->lba, cmd->lba_cnt, wait_done, wait);
	case NVME_NVM_DSM:
		if (cmd->lba_cnt == 0)
			return -BH_EINVAL;
		return bh_nvme_dsm(cmd->qp, cmd->ns, NVME_DSM_AD, &range, 1, wait_done, wait);
	default:
		return bh_nvme_rw(cmd->qp, cmd->ns, cmd->opcode, 0, cmd->lba, cmd->lba_cnt, cmd->buf, wait_done, wait);
	}
}

static int
run(const struct wait_command *cmd, uint16_t *out_status)
{
	struct wait wait = {.done = false};
	uint32_t depth = bh_nvme_qpair_depth(cmd->qp);
	int err = submit(cmd, &wait);

	if (out_status)
		*out_status = 0xffffu;
	while (err == -BH_EAGAIN) {
		bh_nvme_poll(cmd->qp, depth);
		bh_yield();
		err = submit(cmd, &wait);
	}
	if (err)
		return err;
	for (;;) {
		bh_nvme_poll(cmd->qp, depth);
		if (wait.done)
			break;
		bh_yield();
	}
	if (out_status)
		*out_status = wait.status;
	return bh_nvme_status_error(wait.status);
}

int
bh_nvme_read_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt, void *buf,
                  uint16_t *out_status)
{
	struct wait_command cmd = {qp, ns, NVME_NVM_READ, lba, lba_cnt, buf};
	return run(&cmd, out_status);
}

int
bh_nvme_write_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt,
                   const void *buf, uint16_t *out_status)
{
	struct wait_command cmd = {qp, ns, NVME_NVM_WRITE, lba, lba_cnt, buf};
	return run(&cmd, out_status);
}

int
bh_nvme_compare_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt,
                     const void *buf, uint16_t *out_status)
{
	struct wait_command cmd = {qp, ns, NVME_NVM_COMPARE, lba, lba_cnt, buf};
	return run(&cmd, out_status);
}

int
bh_nvme_flush_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint16_t *out_status)
{
	struct wait_command cmd = {qp, ns, NVME_NVM_FLUSH, 0, 0, NULL};
	return run(&cmd, out_status);
}

int
bh_nvme_write_zeroes_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt,
                          uint16_t *out_status)
{
	struct wait_command cmd = {qp, ns, NVME_NVM_WRITE_ZEROES, lba, lba_cnt, NULL};
	return run(&cmd, out_status);
}

int
bh_nvme_deallocate_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt,
                        uint16_t *out_status)
{
	struct wait_command cmd = {qp, ns, NVME_NVM_DSM, lba, lba_cnt, NULL};
	return run(&cmd, out_status);
}
