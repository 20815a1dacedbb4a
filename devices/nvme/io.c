/* SPDX-License-Identifier: Apache-2.0 */
/* NVM commands (NVM Command Set 1.0, 3.2), on a private copy of the entry. */
#include <string.h>

#include "devices/nvme/internal.h"

struct extent {
	uint64_t lba, blocks;
	uint64_t offset, bytes; /* on the medium */
};

static uint64_t
slba(const struct nvme_sqe *sqe)
{
	return sqe->cdw10 | (uint64_t)sqe->cdw11 << 32;
}

/* Fills *e with blocks lba .. of the command's namespace. */
static uint16_t
extent_check(const struct nvme_model *m, uint32_t nsid, uint64_t lba, uint64_t blocks, struct extent *e)
{
	if (blocks > m->ns_blocks || lba > m->ns_blocks - blocks)
		return NVME_SC_LBA_OUT_OF_RANGE | NVME_DNR;
	*e = (struct extent){lba, blocks, (nsid - 1) * m->ns_bytes + (lba << m->lba_shift), blocks << m->lba_shift};
	return 0;
}

static int
media_read(struct nvme_model *m, uint64_t offset, void *to, uint64_t bytes)
{
	if (m->memory)
		memcpy(to, m->memory + offset, bytes);
	else if (!m->backing.null)
		return m->backing.read(m->backing.context, offset, to, bytes);
	return 0;
}

static int
media_write(struct nvme_model *m, uint64_t offset, const void *from, uint64_t bytes)
{
	if (m->memory)
		memcpy(m->memory + offset, from, bytes);
	else if (!m->backing.null)
		return m->backing.write(m->backing.context, offset, from, bytes);
	return 0;
}

static int
media_discard(struct nvme_model *m, uint64_t offset, uint64_t bytes)
{
	if (m->backing.null)
		return 0;
	if (m->backing.discard)
		return m->backing.discard(m->backing.context, offset, bytes);
	memset(m->memory + offset, 0, bytes);
	return 0;
}

void
nvme_media_flush(struct nvme_model *m)
{
	if (m->backing.flush && m->backing.flush(m->backing.context) != 0)
		m->critical_warning |= NVME_HEALTH_RELIABILITY;
}

/* FLIP: one bit, chosen at random. */
static void
flip_bit(struct nvme_model *m, const struct extent *e, bool is_write)
{
	uint64_t bit = nvme_random_below(&m->random, e->bytes * 8);
	uint64_t at = bit / 8;
	uint8_t byte;

	if (m->backing.null)
		return;
	if (is_write) {
		if (media_read(m, e->offset + at, &byte, 1) == 0) {
			byte ^= (uint8_t)(1u << bit % 8);
			(void)!media_write(m, e->offset + at, &byte, 1);
		}
		return;
	}
	for (uint32_t i = 0; i < m->segment_cnt; at -= m->segment[i].cnt_bytes, i++) {
		if (at < m->segment[i].cnt_bytes) {
			m->segment[i].addr[at] ^= (uint8_t)(1u << bit % 8);
			return;
		}
	}
}

/* TEAR: how much of it is stored. */
static uint64_t
torn_bytes(struct nvme_model *m, uint64_t bytes)
{
	return bytes <= 512 ? 0 : 512 * (1 + nvme_random_below(&m->random, bytes / 512 - 1));
}

static uint16_t
transfer(struct nvme_model *m, const struct extent *e, bool is_write, uint64_t limit_bytes)
{
	uint64_t offset = e->offset;

	for (uint32_t i = 0; i < m->segment_cnt && limit_bytes > 0; i++) {
		const struct nvme_segment *s = &m->segment[i];
		uint64_t bytes = BH_MIN(s->cnt_bytes, limit_bytes);
		int err = is_write ? media_write(m, offset, s->addr, bytes) : media_read(m, offset, s->addr, bytes);
		if (err)
			return is_write ? NVME_SC_WRITE_FAULT : NVME_SC_UNRECOVERED_READ;
		offset += bytes;
		limit_bytes -= bytes;
	}
	return 0;
}

/* A fault moves the data `value` blocks on, or back where that leaves the namespace. */
static void
misdirect(const struct nvme_model *m, const struct nvme_fault_rule *rule, struct extent *e)
{
	uint64_t shift = rule->value << m->lba_shift;
	if (rule->value <= m->ns_blocks - e->blocks - e->lba)
		e->offset += shift;
	else if (rule->value <= e->lba)
		e->offset -= shift;
}

static uint16_t
data_command_map(struct nvme_model *m, const struct nvme_sqe *sqe, struct extent *e, uint32_t prot)
{
	uint64_t blocks = NVME_GET(sqe->cdw12, NVME_RW_NLB) + 1ull;
	uint64_t bytes = blocks << m->lba_shift;

	if (bytes > m->transfer_bytes_max)
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	uint16_t status = extent_check(m, sqe->nsid, slba(sqe), blocks, e);
	return status ? status : nvme_prp_map(m, sqe->prp1, sqe->prp2, bytes, prot);
}

static uint16_t
read_write(struct nvme_model *m, const struct nvme_sqe *sqe, const struct nvme_fault_rule *rule)
{
	bool is_write = sqe->opcode == NVME_NVM_WRITE;
	int action = rule ? (int)rule->action : -1;
	struct extent e;
	uint16_t status = data_command_map(m, sqe, &e, is_write ? NVME_MODEL_DMA_READ : NVME_MODEL_DMA_WRITE);

	if (status)
		return status;
	if (action == NVME_FAULT_MISDIRECT)
		misdirect(m, rule, &e);
	uint64_t limit_bytes = e.bytes;
	if (action == NVME_FAULT_TEAR && is_write)
		limit_bytes = torn_bytes(m, e.bytes);
	if (action == NVME_FAULT_DROP_WRITE && is_write)
		limit_bytes = 0;
	status = transfer(m, &e, is_write, limit_bytes);
	if (status)
		return status;
	if (action == NVME_FAULT_FLIP)
		flip_bit(m, &e, is_write);
	m->stats.write_cnt += is_write;
	m->stats.read_cnt += !is_write;
	*(is_write ? &m->stats.written_blocks : &m->stats.read_blocks) += e.blocks;
	return 0;
}

static uint16_t
compare(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	struct extent e;
	uint16_t status = data_command_map(m, sqe, &e, NVME_MODEL_DMA_READ);

	if (status || m->backing.null)
		return status;
	for (uint32_t i = 0; i < m->segment_cnt; i++) {
		const struct nvme_segment *s = &m->segment[i];
		for (uint64_t done = 0, part; done < s->cnt_bytes; done += part, e.offset += part) {
			part = BH_MIN(s->cnt_bytes - done, (uint64_t)sizeof(m->page));
			if (media_read(m, e.offset, m->page, part))
				return NVME_SC_UNRECOVERED_READ;
			if (memcmp(m->page, s->addr + done, part) != 0)
				return NVME_SC_COMPARE_FAILURE;
		}
	}
	return 0;
}

static uint16_t
write_zeroes(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	struct extent e;
	uint16_t status = extent_check(m, sqe->nsid, slba(sqe), NVME_GET(sqe->cdw12, NVME_RW_NLB) + 1ull, &e);

	if (status)
		return status;
	return media_discard(m, e.offset, e.bytes) ? NVME_SC_WRITE_FAULT : 0;
}

static uint16_t
dataset_management(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	uint32_t cnt = (uint32_t)NVME_GET(sqe->cdw10, NVME_DSM_NR) + 1;
	struct nvme_dsm_range range[NVME_DSM_RANGES_MAX];
	struct extent e;
	uint16_t status = nvme_data_in(m, sqe, range, cnt * sizeof(range[0]));

	/* All ranges are checked before the first is touched. */
	for (uint32_t i = 0; i < cnt && !status; i++)
		status = extent_check(m, sqe->nsid, range[i].lba, range[i].lba_cnt, &e);
	if (status || !(sqe->cdw11 & NVME_DSM_AD))
		return status;
	for (uint32_t i = 0; i < cnt; i++) {
		status = extent_check(m, sqe->nsid, range[i].lba, range[i].lba_cnt, &e);
		if (status == 0 && e.bytes > 0 && media_discard(m, e.offset, e.bytes))
			return NVME_SC_WRITE_FAULT;
	}
	return 0;
}

static uint16_t
flush(struct nvme_model *m)
{
	if (m->backing.null || !m->backing.flush)
		return 0;
	return m->backing.flush(m->backing.context) ? NVME_SC_WRITE_FAULT : 0;
}

uint16_t
nvme_io_execute(struct nvme_model *m, const struct nvme_sqe *sqe, const struct nvme_fault_rule *rule)
{
	bool all = sqe->opcode == NVME_NVM_FLUSH && sqe->nsid == NVME_NSID_ALL;

	switch (sqe->opcode) {
	case NVME_NVM_FLUSH:
	case NVME_NVM_WRITE:
	case NVME_NVM_READ:
	case NVME_NVM_COMPARE:
	case NVME_NVM_WRITE_ZEROES:
	case NVME_NVM_DSM:
		break;
	default:
		return NVME_SC_INVALID_OPCODE | NVME_DNR;
	}
	if (sqe->flags & (NVME_SQE_FUSE_MASK | NVME_SQE_PSDT_MASK))
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	if (sqe->nsid - 1 >= m->config.namespace_cnt && !all)
		return NVME_SC_INVALID_NAMESPACE | NVME_DNR;
	switch (sqe->opcode) {
	case NVME_NVM_FLUSH:
		return flush(m);
	case NVME_NVM_COMPARE:
		return compare(m, sqe);
	case NVME_NVM_WRITE_ZEROES:
		return write_zeroes(m, sqe);
	case NVME_NVM_DSM:
		return dataset_management(m, sqe);
	default:
		return read_write(m, sqe, rule);
	}
}
