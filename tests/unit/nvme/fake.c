/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted controller: queues, admin commands, reads and writes. Written from the specification, see fake.h. */
#include "fake.h"

void fake_cc_write(uint32_t value);
void fake_csts_read(void);
void fake_doorbell(uint32_t qid, uint32_t is_cq, uint32_t value);
void fake_defaults(void);
void fake_controller_stop(void);

void
fake_defaults(void)
{
	fake.cap = 1023 | 1u << 16 | UINT64_C(1) << 24 | UINT64_C(1) << 37; /* MQES 1023, CQR, TO 500 ms, NVM */
	fake.vs = NVME_VS(1, 4, 0);
	fake.io_queues_granted = FAKE_QUEUES - 1;
	fake.id.sqes = 0x66;
	fake.id.cqes = 0x44;
	fake.id.mdts = 5; /* 128 KiB */
	fake.id.aerl = 3;
	fake.id.nn = FAKE_NS_CNT;
	fake.id.oncs = NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES;
	fake.id.oaes = NVME_OAES_NS_ATTR;
	memset(fake.id.sn, ' ', sizeof(fake.id.sn));
	memcpy(fake.id.sn, "SN-1", 4);
	memset(fake.id.mn, ' ', sizeof(fake.id.mn));
	memcpy(fake.id.mn, "Fake  controller", 16);
	memset(fake.id.fr, ' ', sizeof(fake.id.fr));
	fake.ns_cnt = 1;
	for (uint32_t i = 0; i < FAKE_NS_CNT; i++) {
		fake.nsid[i] = i + 1;
		fake.ns[i].nsze = FAKE_DISK_BYTES / 512;
		fake.ns[i].lbaf[0].lbads = 9;
	}
}

struct nvme_cqe
fake_cqe_for(uint32_t sqid, uint16_t cid, uint16_t status)
{
	return (struct nvme_cqe){.sq_head = (uint16_t)fake.sq[sqid].head,
	                         .sq_id = (uint16_t)sqid,
	                         .cid = cid,
	                         .status = (uint16_t)(status << 1)};
}

/* The phase is the fake's; everything else is the caller's. */
void
fake_cqe_post(uint32_t cqid, struct nvme_cqe cqe)
{
	struct fake_cq *cq = &fake.cq[cqid];
	assert_true(cq->valid);
	assert_true((cq->tail + 1) % cq->entries != cq->head); /* Base 2.0, 3.3.1.2: never into a full queue */

	cqe.status = (uint16_t)((cqe.status & ~1u) | cq->phase);
	cq->ring[cq->tail] = cqe;
	cq->tail = (cq->tail + 1) % cq->entries;
	if (cq->tail == 0)
		cq->phase ^= 1;
}

void
fake_complete(uint32_t sqid, const struct nvme_sqe *cmd, uint16_t status)
{
	fake_cqe_post(fake.sq[sqid].cqid, fake_cqe_for(sqid, cmd->cid, status));
}

void
fake_event(uint32_t type, uint32_t info, uint32_t page)
{
	assert_true(fake.aer_cnt > 0);
	struct nvme_cqe cqe = fake_cqe_for(0, fake.aer_cid[--fake.aer_cnt], 0);
	cqe.result = type | info << 8 | page << 16;
	fake_cqe_post(0, cqe);
}

void
fake_controller_stop(void)
{
	memset(fake.sq, 0, sizeof(fake.sq));
	memset(fake.cq, 0, sizeof(fake.cq));
	fake.aer_cnt = 0;
	fake.shadow = 0;
	fake.event = 0;
}

static void
controller_start(void)
{
	fake.csts_reads = 0;
	fake.sq[0] = (struct fake_sq){
	        .valid = true, .ring = (struct nvme_sqe *)(uintptr_t)fake.asq, .entries = (fake.aqa & 0xfff) + 1};
	fake.cq[0] = (struct fake_cq){.valid = true,
	                              .ring = (struct nvme_cqe *)(uintptr_t)fake.acq,
	                              .entries = (fake.aqa >> 16 & 0xfff) + 1,
	                              .phase = 1};
	assert_true(bh_dma_contains(fake.sq[0].ring, fake.sq[0].entries * sizeof(struct nvme_sqe)));
	assert_true(bh_dma_contains(fake.cq[0].ring, fake.cq[0].entries * sizeof(struct nvme_cqe)));
}

void
fake_cc_write(uint32_t value)
{
	bool was = fake.cc & 1, is = value & 1;

	fake.cc = value;
	if (!was && is) {
		assert_int_equal(value >> 16 & 0xff, 0x46); /* IOSQES 6, IOCQES 4 */
		controller_start();
	}
	if (was && !is) {
		fake.disable_cnt++;
		fake_controller_stop();
		fake.csts &= ~0xcu;
		if (!fake.never_quiet)
			fake.csts &= ~1u;
		if (!fake.cfs_sticky)
			fake.csts &= ~2u;
	}
	if (value >> 14 & 3)
		fake.shutdown_cc = value;
}

/* State that follows CC shows when CSTS is looked at. */
void
fake_csts_read(void)
{
	fake.csts_reads++;
	if (fake.cc & 1 && !fake.never_ready && fake.csts_reads > fake.ready_after_reads)
		fake.csts |= fake.cfs_when_enabled ? 2 : 1;
	if (fake.cc >> 14 & 3 && !fake.never_shut)
		fake.csts = (fake.csts & ~0xcu) | 2u << 2;
}

bool
fake_prp_copy(uint64_t prp1, uint64_t prp2, uint8_t *data, uint64_t bytes, bool to_host)
{
	uint64_t page = prp1, *list = NULL, room = 4096 - (prp1 & 4095);
	bool last_page = bytes <= room, two_pages = bytes <= room + 4096;

	if (prp1 & 3)
		return false;
	for (;;) {
		uint64_t part = bytes < room ? bytes : room;
		if (!bh_dma_contains((void *)(uintptr_t)page, part))
			return false;
		if (to_host)
			memcpy((void *)(uintptr_t)page, data, part);
		else
			memcpy(data, (void *)(uintptr_t)page, part);
		data += part;
		bytes -= part;
		room = 4096;
		if (bytes == 0 || last_page)
			return bytes == 0;
		if (two_pages) {
			page = prp2;
			last_page = true;
		} else {
			list = list ? list : (uint64_t *)(uintptr_t)prp2;
			if (((uintptr_t)list & 4095) == 4088 && bytes > 4096)
				list = (uint64_t *)(uintptr_t)*list;
			page = *list++;
		}
		if (page & 4095) /* only PRP1 may have an offset */
			return false;
	}
}

static uint16_t
identify(const struct nvme_sqe *cmd)
{
	static uint8_t zero[NVME_IDENTIFY_BYTES];
	uint32_t list[1024] = {0};
	uint8_t *data = zero;

	switch (cmd->cdw10 & 0xff) {
	case 0:
		for (uint32_t i = 0; i < fake.ns_cnt; i++)
			if (fake.nsid[i] == cmd->nsid)
				data = (uint8_t *)&fake.ns[i];
		break;
	case 1:
		data = (uint8_t *)&fake.id;
		break;
	case 2:
		for (uint32_t i = 0; i < fake.ns_cnt; i++)
			list[i] = fake.nsid[i];
		data = (uint8_t *)list;
		break;
	case 3:
		data = fake.ns_descriptors;
		break;
	case 6:
		if (!(fake.cap >> 43 & 1)) /* CAP.CSS bit 6 */
			return 0x002;
		data = (uint8_t *)&fake.id_nvm;
		break;
	default:
		return 0x002;
	}
	return fake_prp_copy(cmd->prp1, cmd->prp2, data, NVME_IDENTIFY_BYTES, true) ? 0 : 0x013;
}

static uint16_t
queue_command(const struct nvme_sqe *cmd)
{
	uint32_t qid = cmd->cdw10 & 0xffff, entries = (cmd->cdw10 >> 16) + 1;

	if (qid == 0 || qid >= FAKE_QUEUES)
		return 0x101;
	switch (cmd->opcode) {
	case 0x05:
		if (entries - 1 > (fake.cap & 0xffff) || cmd->prp1 & 4095 || fake.cq[qid].valid || !(cmd->cdw11 & 1))
			return 0x102;
		fake.cq[qid] = (struct fake_cq){
		        .valid = true, .ring = (struct nvme_cqe *)(uintptr_t)cmd->prp1, .entries = entries, .phase = 1};
		return 0;
	case 0x01:
		if (entries - 1 > (fake.cap & 0xffff) || cmd->prp1 & 4095 || fake.sq[qid].valid || !(cmd->cdw11 & 1))
			return 0x102;
		if (!fake.cq[cmd->cdw11 >> 16].valid)
			return 0x100;
		fake.sq[qid] = (struct fake_sq){.valid = true,
		                                .ring = (struct nvme_sqe *)(uintptr_t)cmd->prp1,
		                                .entries = entries,
		                                .cqid = cmd->cdw11 >> 16};
		return 0;
	case 0x00:
		fake.sq[qid].valid = false;
		return 0;
	default:
		if (fake.sq[qid].valid)
			return 0x10c;
		fake.cq[qid].valid = false;
		return 0;
	}
}

static uint16_t
log_page(const struct nvme_sqe *cmd)
{
	uint32_t page = cmd->cdw10 & 0xff;
	uint64_t bytes = ((uint64_t)(cmd->cdw10 >> 16) + 1) * 4;
	if (page >= 6)
		return 0x109;
	return fake_prp_copy(cmd->prp1, cmd->prp2, fake.log_page[page] + cmd->cdw12, bytes, true) ? 0 : 0x013;
}

static uint16_t
admin(const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	switch (cmd->opcode) {
	case 0x00:
	case 0x01:
	case 0x04:
	case 0x05:
		return queue_command(cmd);
	case 0x02:
		return log_page(cmd);
	case 0x06:
		return identify(cmd);
	case 0x08:
		cqe->result = 1; /* not aborted */
		return 0;
	case 0x09:
		fake.feature[cmd->cdw10 & 0xff] = cmd->cdw11;
		if ((cmd->cdw10 & 0xff) == 7)
			cqe->result = (fake.io_queues_granted - 1) * 0x10001u;
		return 0;
	case 0x0a:
		cqe->result = fake.feature[cmd->cdw10 & 0xff];
		return 0;
	case 0x7c:
		fake.shadow = cmd->prp1;
		fake.event = cmd->prp2;
		return 0;
	default:
		return 0x001;
	}
}

static uint16_t
io(const struct nvme_sqe *cmd)
{
	uint64_t lba = cmd->cdw10 | (uint64_t)cmd->cdw11 << 32, cnt = (cmd->cdw12 & 0xffff) + 1;
	uint32_t shift = fake.ns[0].lbaf[fake.ns[0].flbas & 15].lbads;

	if (fake.fail_status[cmd->opcode])
		return fake.fail_status[cmd->opcode];
	if (cmd->opcode == 0x00 || cmd->opcode == 0x09 || cmd->opcode == 0x08 || cmd->opcode == 0x05)
		return 0;
	if (cmd->opcode > 0x02)
		return 0x001;
	if (lba + cnt > fake.ns[0].nsze)
		return 0x080;
	/* MDTS */
	if (fake.id.mdts && cnt << shift > UINT64_C(4096) << fake.id.mdts)
		return 0x002;
	return fake_prp_copy(cmd->prp1, cmd->prp2, fake.disk + (lba << shift), cnt << shift, cmd->opcode == 0x02)
	               ? 0
	               : 0x013;
}

static void
command(uint32_t sqid, const struct nvme_sqe *cmd)
{
	struct nvme_cqe cqe = fake_cqe_for(sqid, cmd->cid, 0);
	uint16_t status;

	if (fake.log_cnt < FAKE_LOG_CNT) {
		fake.log[fake.log_cnt].sqid = sqid;
		fake.log[fake.log_cnt++].cmd = *cmd;
	}
	enum fake_verdict verdict = fake.hook ? fake.hook(&fake, sqid, cmd, &cqe) : FAKE_DEFAULT;
	if (verdict == FAKE_HOLD || (sqid && fake.hold_opcode_mask >> cmd->opcode & 1))
		return;
	if (sqid == 0 && cmd->opcode == 0x0c) {
		fake.aer_cid[fake.aer_cnt++] = cmd->cid;
		return;
	}
	if (sqid == 0 && fake.admin_silent[cmd->opcode])
		return;
	if (verdict != FAKE_DONE) {
		if (sqid == 0 && fake.admin_fail_status[cmd->opcode])
			status = fake.admin_fail_status[cmd->opcode];
		else
			status = sqid ? io(cmd) : admin(cmd, &cqe);
		cqe.status = (uint16_t)(status << 1);
	}
	fake_cqe_post(fake.sq[sqid].cqid, cqe);
}

void
fake_doorbell(uint32_t qid, uint32_t is_cq, uint32_t value)
{
	if (!(fake.cc & 1)) {
		fake.write_while_disabled = true;
		return;
	}
	if (fake.gone)
		return;
	assert_true(qid < FAKE_QUEUES);
	fake.doorbell_cnt[qid][is_cq]++;
	if (is_cq) {
		assert_true(fake.cq[qid].valid && value < fake.cq[qid].entries);
		fake.cq[qid].head = value;
		return;
	}
	struct fake_sq *sq = &fake.sq[qid];
	assert_true(sq->valid && value < sq->entries);
	sq->tail = value;
	while (sq->valid && sq->head != sq->tail) {
		struct nvme_sqe cmd = sq->ring[sq->head];
		sq->head = (sq->head + 1) % sq->entries;
		command(qid, &cmd);
	}
}

const struct nvme_sqe *
fake_sent(uint32_t sqid, uint8_t opcode, uint32_t idx)
{
	for (uint32_t i = 0; i < fake.log_cnt; i++) {
		if (fake.log[i].sqid == sqid && fake.log[i].cmd.opcode == opcode && idx-- == 0)
			return &fake.log[i].cmd;
	}
	return NULL;
}

uint32_t
fake_sent_cnt(uint32_t sqid, uint8_t opcode)
{
	uint32_t cnt = 0;
	while (fake_sent(sqid, opcode, cnt))
		cnt++;
	return cnt;
}
