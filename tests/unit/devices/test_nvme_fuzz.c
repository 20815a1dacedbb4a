/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile client: random registers, doorbells, entries, PRPs and times. The model must never touch what was not granted
 * (a sanitizer sees that; the arena and the disk are exact), must always come back, and must work after a reset.
 */
#include "nvme_rig.h"

#define SEEDS 24
#define STEPS 3000

static struct nvme_random random_state;

static uint64_t
below(uint64_t limit)
{
	return nvme_random_below(&random_state, limit);
}

/* Addresses near every edge that matters. */
static uint64_t
some_address(void)
{
	switch (below(24)) {
	case 0:
		return nvme_random_next(&random_state);
	case 1:
		return RIG_IOVA + RIG_ARENA_BYTES - below(8192);
	case 2:
		return RIG_IOVA - below(8192);
	case 3:
		return RIG_IOVA + below(RIG_ARENA_BYTES);
	case 4:
		return UINT64_MAX - below(4096);
	default: /* seldom over the queues themselves */
		return RIG_IOVA + (below(16) ? 8 + below(RIG_ARENA_BYTES / 4096 - 8) : below(8)) * 4096;
	}
}

static uint32_t
some_word(void)
{
	switch (below(6)) {
	case 0:
		return (uint32_t)nvme_random_next(&random_state);
	case 1:
		return UINT32_MAX - (uint32_t)below(3);
	case 2:
		return (uint32_t)below(8) | (uint32_t)below(70) << 16;
	case 3:
		return (uint32_t)below(8192);
	default:
		return (uint32_t)below(20);
	}
}

static void
some_entry(struct nvme_sqe *sqe)
{
	static const uint8_t opcodes[] = {0, 1, 1, 1, 2, 2, 2, 4, 5, 6, 8, 9, 10, 12, 0x7c};

	*sqe = (struct nvme_sqe){.opcode = opcodes[below(sizeof(opcodes))], .cid = (uint16_t)below(32)};
	if (below(10) == 0)
		sqe->opcode = (uint8_t)below(256);
	if (below(20) == 0)
		sqe->flags = (uint8_t)below(256);
	sqe->nsid = below(4) ? 1 + (uint32_t)below(2) : some_word();
	sqe->prp1 = some_address();
	sqe->prp2 = some_address();
	sqe->cdw10 = below(2) ? (uint32_t)below(1000) : some_word();
	sqe->cdw11 = below(8) ? (uint32_t)below(2) * (sqe->opcode > 2) : some_word();
	sqe->cdw12 = below(8) ? (uint32_t)below(300) >> below(8) : some_word();
	sqe->cdw13 = below(4) ? 0 : some_word();
}

/* Queues: page 2 * qid holds the submission queue, the next one the completion queue. */
static struct {
	uint32_t head, phase, entries;
} cq[3];

static void
scribble(struct rig *rig)
{
	uint64_t at = below(RIG_ARENA_BYTES / 64) * 64;
	if (below(2)) {
		uint64_t *list = (uint64_t *)(void *)(rig->arena + at);
		for (int i = 0; i < 8; i++)
			list[i] = below(4) ? RIG_IOVA + below(RIG_ARENA_BYTES / 4096) * 4096 : some_address();
		return;
	}
	some_entry((struct nvme_sqe *)(void *)(rig->arena + at));
}

static void
submit(struct rig *rig)
{
	uint64_t qid = below(3), entries = qid ? 16 : 8;
	struct nvme_sqe *sqe = (struct nvme_sqe *)(void *)(rig->arena + qid * 8192);

	for (uint64_t i = 0; i < entries; i++)
		some_entry(&sqe[i]);
	rig->doorbells[qid * 2 * 16] = (uint32_t)below(entries);
}

/* As a driver does: follow the phase. What was scribbled there may mislead it. */
static void
consume(struct rig *rig)
{
	uint64_t qid = below(3);
	const struct nvme_cqe *cqe = (const struct nvme_cqe *)(const void *)(rig->arena + qid * 8192 + 4096);

	for (uint32_t i = 0; i < cq[qid].entries && (cqe[cq[qid].head].status & 1u) == cq[qid].phase; i++) {
		if (++cq[qid].head == cq[qid].entries) {
			cq[qid].head = 0;
			cq[qid].phase ^= 1;
		}
	}
	rig->doorbells[(qid * 2 + 1) * 16] = cq[qid].head;
}

static void
ring(struct rig *rig)
{
	uint64_t idx = below(nvme_model_doorbell_bytes(&rig->config) / 64) * 16;
	if (below(8) == 0)
		idx = below(nvme_model_doorbell_bytes(&rig->config) / 4);
	rig->doorbells[idx] = below(8) ? (uint32_t)below(20) : some_word();
}

static void
register_access(struct rig *rig)
{
	static const uint64_t offsets[] = {NVME_REG_CC,   NVME_REG_AQA,   NVME_REG_ASQ,   NVME_REG_ACQ,
	                                   NVME_REG_CSTS, NVME_REG_INTMS, NVME_REG_INTMC, 0x1000};
	uint64_t offset =
	        below(4) ? offsets[below(BH_ARRAY_CNT(offsets))] : nvme_random_next(&random_state) >> below(64);
	uint32_t width = below(3) ? 4 : (uint32_t)below(10);

	if (below(2))
		nvme_model_reg_read(rig->model, offset, width, rig->now_ns);
	else if (offset == NVME_REG_CC && below(4))
		return; /* not disabled all the time */
	else
		nvme_model_reg_write(rig->model, offset, width, below(2) ? some_word() : some_address(), rig->now_ns);
}

/* Brings the controller up with both I/O queues, over whatever memory holds. */
static void
bring_up(struct rig *rig)
{
	struct nvme_sqe *sqe = (struct nvme_sqe *)(void *)rig->arena;

	nvme_model_reset(rig->model, rig->now_ns);
	memset(rig->arena, 0, 6 * 4096);
	rig_write32(rig, NVME_REG_AQA, 7 | 7 << 16);
	rig_write64(rig, NVME_REG_ASQ, RIG_IOVA);
	rig_write64(rig, NVME_REG_ACQ, RIG_IOVA + 4096);
	rig_write32(rig, NVME_REG_CC, NVME_CC_EN | NVME_SET(NVME_CC_IOSQES, 6u) | NVME_SET(NVME_CC_IOCQES, 4u));
	rig_advance(rig, 1000);
	for (uint16_t qid = 1; qid <= 2; qid++) {
		sqe[qid * 2 - 2] = rig_admin(NVME_ADMIN_CREATE_CQ, 0, RIG_IOVA + qid * 8192u + 4096, qid | 15 << 16,
		                             NVME_CREATE_PC);
		sqe[qid * 2 - 1] = rig_admin(NVME_ADMIN_CREATE_SQ, 0, RIG_IOVA + qid * 8192u, qid | 15 << 16,
		                             NVME_CREATE_PC | (uint32_t)qid << 16);
	}
	rig->doorbells[0] = 4;
	rig_advance(rig, 1000);
	for (int qid = 0; qid < 3; qid++) {
		cq[qid].head = 0;
		cq[qid].phase = 1;
		cq[qid].entries = qid ? 16 : 8;
	}
}

static void
step(struct rig *rig)
{
	uint64_t what = below(1000);

	if (what < 300)
		submit(rig);
	else if (what < 700)
		consume(rig);
	else if (what < 900)
		scribble(rig);
	else if (what < 920)
		ring(rig);
	else if (what < 940)
		register_access(rig);
	else if (what < 950)
		nvme_model_dma_unmap(rig->model, some_address(), below(65536));
	else if (what < 990)
		bring_up(rig);
	else
		rig->hole_iova = RIG_IOVA + below(RIG_ARENA_BYTES), rig->hole_bytes = below(3) ? 0 : below(65536);
	rig->now_ns += below(3) ? 0 : below(200000);
	rig_poll(rig, 1);
}

static void
attack(uint64_t seed, const char *script, const char *service)
{
	struct nvme_model_config config = rig_config();
	static struct nvme_fault_rule rules[NVME_FAULT_RULES_MAX];
	char error[256];

	config.seed = seed;
	config.mps_max = seed % 3 == 0 ? 4 : 0;
	config.block_bytes = seed % 2 ? 512 : 4096;
	config.pending_cnt = 128 + (uint32_t)seed % 5;
	config.ready_delay_ns = seed % 2 ? 0 : 500;
	config.rule_cnt = (uint32_t)nvme_fault_parse(script, strlen(script), "f", rules, error, sizeof(error));
	config.rules = rules;
	assert_int_equal(nvme_service_parse(service, &config.service, error, sizeof(error)), 0);
	struct rig *rig = rig_new(&config);
	nvme_random_seed(&random_state, seed);
	bring_up(rig);
	for (int i = 0; i < STEPS; i++)
		step(rig);
	/* Whatever it was, a function level reset ends it. */
	rig->hole_bytes = 0;
	memset(rig->arena, 0, RIG_ARENA_BYTES);
	rig->arena_used = 0;
	nvme_model_reset(rig->model, rig->now_ns);
	rig_enable(rig);
	rig_advance(rig, 1000);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	rig_free(rig);
}

static void
clean_devices_survive(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		attack(seed, "", "0");
}

static void
slow_devices_survive(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		attack(seed, "", "exp:50us");
}

static void
faulty_devices_survive(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		attack(seed,
		       "p 0.05 op any delay 1us..1ms\np 0.02 op any lose\np 0.02 hang\np 0.05 op any duplicate\n"
		       "p 0.05 op any reorder 3\np 0.02 wrong-id\np 0.02 stray\np 0.01 wrong-phase\np 0.01 wrong-sq\n"
		       "p 0.01 wrong-head\np 0.02 status 0x281\np 0.02 dma-outside\np 0.05 flip\np 0.05 tear\n"
		       "p 0.05 misdirect 3\np 0.05 drop-write\np 0.002 fatal\np 0.01 event spare",
		       "uniform:0:100us");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(clean_devices_survive),
	        cmocka_unit_test(slow_devices_survive),
	        cmocka_unit_test(faulty_devices_survive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
