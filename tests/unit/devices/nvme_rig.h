/* SPDX-License-Identifier: Apache-2.0 */
/* A host for the NVMe model in tests: an arena, doorbells, a disk, and a small driver that takes no short cuts. */
#ifndef TESTS_UNIT_DEVICES_NVME_RIG_H
#define TESTS_UNIT_DEVICES_NVME_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/nvme/nvme_model.h"

#define RIG_IOVA        UINT64_C(0x1000000000)
#define RIG_ARENA_BYTES (UINT64_C(4) << 20)
#define RIG_DISK_BYTES  (UINT64_C(8) << 20)
#define RIG_QUEUES      4u
#define RIG_VECTORS     8u

struct rig_queue {
	uint64_t sq_iova, cq_iova;
	uint32_t entries, tail, head, phase;
};

struct rig {
	struct nvme_model *model;
	struct nvme_model_config config;
	uint8_t *arena; /* exactly RIG_ARENA_BYTES from malloc: a sanitizer sees the first byte outside */
	uint8_t *disk;
	volatile uint32_t *doorbells;
	uint64_t arena_used;
	uint64_t now_ns;
	uint32_t irq_cnt[RIG_VECTORS];
	uint64_t readonly_iova, readonly_bytes; /* part of the arena that the device may only read */
	uint64_t hole_iova, hole_bytes;         /* part of the arena that is not granted */
	struct rig_queue queue[RIG_QUEUES + 1];
	uint16_t cid;
};

struct rig_result {
	bool done;
	uint16_t status; /* SCT << 8 | SC */
	bool no_retry;
	uint32_t result;
	uint16_t cid, sq_id, sq_head;
};

/* A controller with this configuration (NULL: defaults for tests), not enabled. */
struct rig *rig_new(const struct nvme_model_config *config);
struct nvme_model_config rig_config(void);
/* The same with a fault script. */
struct rig *rig_new_faulty(const char *script);
void rig_free(struct rig *rig);
/* What the rig offers to a model. */
void rig_host(struct rig *rig, struct nvme_model_host *out);

/* cnt_bytes of the arena, page aligned, zeroed: its IOVA; and the address of an IOVA. */
uint64_t rig_alloc(struct rig *rig, uint64_t cnt_bytes);
void *rig_at(struct rig *rig, uint64_t iova);

/* Registers at the rig's time. */
uint32_t rig_read32(struct rig *rig, uint64_t offset);
void rig_write32(struct rig *rig, uint64_t offset, uint32_t value);
void rig_write64(struct rig *rig, uint64_t offset, uint64_t value);

/* Polls cnt times without moving time; moves time by ns, polling at each event on the way. */
void rig_poll(struct rig *rig, uint32_t cnt);
void rig_advance(struct rig *rig, uint64_t ns);

/* Admin queues of 16 entries, and CC.EN; rig_start() is ready afterwards and has I/O queue 1 of 16 entries. */
void rig_enable(struct rig *rig);
void rig_start(struct rig *rig);
void rig_create_queue(struct rig *rig, uint16_t qid, uint32_t entries);

/* Writes one entry and rings; returns its identifier. */
uint16_t rig_submit(struct rig *rig, uint16_t qid, const struct nvme_sqe *sqe);
/* The next completion of a queue, taken without and with telling the device. */
struct rig_result rig_peek(struct rig *rig, uint16_t qid);
struct rig_result rig_take(struct rig *rig, uint16_t qid);
/* Submit, poll, take; fails the test if there is no completion. */
struct rig_result rig_run(struct rig *rig, uint16_t qid, const struct nvme_sqe *sqe);
uint16_t rig_status(struct rig *rig, uint16_t qid, const struct nvme_sqe *sqe);

/* Commands. */
struct nvme_sqe rig_rw(uint8_t opcode, uint64_t lba, uint32_t blocks, uint64_t prp1, uint64_t prp2);
struct nvme_sqe rig_admin(uint8_t opcode, uint32_t nsid, uint64_t prp1, uint32_t cdw10, uint32_t cdw11);

#endif
