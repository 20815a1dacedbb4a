/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the NVMe model itself costs: one thread, queues filled beforehand, so no cache line moves between cores and no
 * driver runs. Reads of 4 KiB at random blocks, `depth` entries at a ring of the doorbell. Nanoseconds for each command.
 *
 *	nvme-model [--json FILE]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "devices/nvme/nvme_model.h"

#define IOVA        UINT64_C(0x1000000000)
#define ARENA_BYTES (UINT64_C(64) << 20)
#define DISK_BYTES  (UINT64_C(1) << 30)
#define ENTRIES     1024u
#define BUFFERS     128u
#define ROUND_NS    UINT64_C(40000000)
#define ROUNDS      9

struct bench {
	struct nvme_model *model;
	uint8_t *arena, *disk;
	volatile uint32_t *doorbells;
	uint32_t tail;
	struct nvme_random random;
};

static uint64_t
cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *
memory(uint64_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	madvise(at, bytes, MADV_HUGEPAGE);
	memset(at, 1, bytes);
	return at;
}

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct nvme_model_window *out)
{
	struct bench *bench = context;
	*out = (struct nvme_model_window){IOVA, ARENA_BYTES, bench->arena, NVME_MODEL_DMA_READ | NVME_MODEL_DMA_WRITE};
	return iova >= IOVA && iova - IOVA < ARENA_BYTES && size_bytes <= ARENA_BYTES - (iova - IOVA);
}

static volatile uint32_t *
doorbell(struct bench *bench, uint32_t qid, uint32_t is_cq)
{
	return bench->doorbells + (nvme_doorbell_offset(qid, is_cq, 4) - NVME_REG_DOORBELLS) / 4;
}

/* Admin queues on pages 0 and 1; the I/O queue pair on 16 and 32; buffers from 1 MiB on. */
static void
bring_up(struct bench *bench)
{
	struct nvme_sqe *admin = (struct nvme_sqe *)(void *)bench->arena;

	memset(bench->arena, 0, 1 << 20);
	nvme_model_reg_write(bench->model, NVME_REG_AQA, 4, 7 | 7 << 16, 0);
	nvme_model_reg_write(bench->model, NVME_REG_ASQ, 8, IOVA, 0);
	nvme_model_reg_write(bench->model, NVME_REG_ACQ, 8, IOVA + 4096, 0);
	nvme_model_reg_write(bench->model, NVME_REG_CC, 4,
	                     NVME_CC_EN | NVME_SET(NVME_CC_IOSQES, 6u) | NVME_SET(NVME_CC_IOCQES, 4u), 0);
	nvme_model_poll(bench->model, 0);
	admin[0] = (struct nvme_sqe){.opcode = NVME_ADMIN_CREATE_CQ,
	                             .prp1 = IOVA + 32 * 4096,
	                             .cdw10 = 1 | (ENTRIES - 1) << 16,
	                             .cdw11 = NVME_CREATE_PC};
	admin[1] = (struct nvme_sqe){.opcode = NVME_ADMIN_CREATE_SQ,
	                             .prp1 = IOVA + 16 * 4096,
	                             .cdw10 = 1 | (ENTRIES - 1) << 16,
	                             .cdw11 = NVME_CREATE_PC | 1 << 16};
	*doorbell(bench, 0, 0) = 2;
	nvme_model_poll(bench->model, 0);
}

/* New random blocks each lap: what is read was not read shortly before. */
static void
fill_queue(struct bench *bench)
{
	struct nvme_sqe *sqe = (struct nvme_sqe *)(void *)(bench->arena + 16 * 4096);

	for (uint32_t i = 0; i < ENTRIES; i++)
		sqe[i] = (struct nvme_sqe){.opcode = NVME_NVM_READ,
		                           .cid = (uint16_t)i,
		                           .nsid = 1,
		                           .prp1 = IOVA + (1 << 20) + i % BUFFERS * 4096,
		                           .cdw10 = (uint32_t)nvme_random_below(&bench->random, DISK_BYTES / 4096) * 8,
		                           .cdw12 = 7};
}

/* One ring of `depth` entries, until all are completed. */
static void
ring(struct bench *bench, uint32_t depth)
{
	bench->tail = (bench->tail + depth) % ENTRIES;
	*doorbell(bench, 1, 0) = bench->tail;
	uint32_t done_cnt = 0;
	while (done_cnt < depth)
		done_cnt += nvme_model_poll(bench->model, 0);
	*doorbell(bench, 1, 1) = bench->tail;
}

static int
compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double
measure(struct bench *bench, uint32_t depth)
{
	double ns[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t spent_ns = 0, cnt = 0;
		for (; spent_ns < ROUND_NS; cnt += ENTRIES) {
			fill_queue(bench);
			uint64_t from_ns = cpu_ns();
			for (uint32_t i = 0; i < ENTRIES; i += depth)
				ring(bench, depth);
			spent_ns += cpu_ns() - from_ns;
		}
		ns[round] = (double)spent_ns / (double)cnt;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), compare_double);
	return ns[ROUNDS / 2];
}

static double
run(struct bench *bench, bool null, uint32_t depth)
{
	struct nvme_model_config config = NVME_MODEL_CONFIG_DEFAULT;
	struct nvme_model_host host = {.context = bench, .dma_window = window, .doorbells = bench->doorbells};
	struct nvme_model_backing backing = {.null = null, .memory = null ? NULL : bench->disk};

	config.size_bytes = DISK_BYTES;
	if (nvme_model_create(&config, &host, &backing, &bench->model) != 0) {
		fprintf(stderr, "nvme-model: cannot create the model\n");
		exit(1);
	}
	bench->tail = 0;
	bring_up(bench);
	nvme_random_seed(&bench->random, 1);
	double ns = measure(bench, depth);
	nvme_model_destroy(bench->model);
	return ns;
}

int
main(int argc, char **argv)
{
	static const uint32_t depths[] = {1, 32, 128};
	struct bench bench = {.arena = memory(ARENA_BYTES), .disk = memory(DISK_BYTES)};
	FILE *json = argc == 3 && strcmp(argv[1], "--json") == 0 ? fopen(argv[2], "w") : NULL;
	const char *separator = "{\"nvme_model\": [";

	if (argc > 1 && json == NULL) {
		fprintf(stderr, "usage: nvme-model [--json FILE]\n");
		return 2;
	}
	bench.doorbells = memory(2 << 20);
	printf("%-8s %5s %10s %10s\n", "backing", "depth", "ns/command", "GB/s");
	for (int null = 1; null >= 0; null--) {
		for (size_t i = 0; i < BH_ARRAY_CNT(depths); i++) {
			const char *name = null ? "null" : "memory";
			double ns = run(&bench, null, depths[i]);
			printf("%-8s %5u %10.1f %10.1f\n", name, depths[i], ns, null ? 0 : 4096 / ns);
			if (json != NULL)
				fprintf(json, "%s{\"backing\": \"%s\", \"depth\": %u, \"ns\": %.2f}", separator, name,
				        depths[i], ns);
			separator = ", ";
		}
	}
	if (json == NULL)
		return 0;
	fprintf(json, "]}\n");
	return fclose(json) == 0 ? 0 : 1;
}
