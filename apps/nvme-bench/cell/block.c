/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/nvme-bench/cell/block.h"

#define SECTOR_MAGIC  UINT64_C(0x524f544345534842) /* "BHSECTOR" */
#define PAYLOAD_WORDS 59

struct sector {
	uint64_t magic;
	uint64_t sector_idx;
	uint64_t generation;
	uint64_t run_id;
	uint64_t payload[PAYLOAD_WORDS];
	uint64_t checksum; /* of all words before it */
};

_Static_assert(sizeof(struct sector) == SECTOR_BYTES, "one sector");

/* The finaliser of splitmix64: every bit of the input changes half of the output. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t
sector_checksum(const struct sector *sector)
{
	const uint64_t *word = (const uint64_t *)sector;
	uint64_t sum = UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < offsetof(struct sector, checksum) / sizeof(*word); i++)
		sum = (sum ^ word[i]) * UINT64_C(0x100000001b3) + i;
	return mix(sum);
}

static void
sector_fill(struct sector *sector, uint64_t sector_idx, uint64_t generation, uint64_t run_id)
{
	uint64_t key = mix(run_id ^ mix(sector_idx) ^ mix(~generation));
	sector->magic = SECTOR_MAGIC;
	sector->sector_idx = sector_idx;
	sector->generation = generation;
	sector->run_id = run_id;
	for (unsigned i = 0; i < PAYLOAD_WORDS; i++)
		sector->payload[i] = mix(key + i);
	sector->checksum = sector_checksum(sector);
}

static bool
sector_is_blank(const struct sector *sector)
{
	const uint64_t *word = (const uint64_t *)sector;
	uint64_t any = 0;
	for (size_t i = 0; i < sizeof(*sector) / sizeof(*word); i++)
		any |= word[i];
	return any == 0;
}

void
block_fill(void *buf, uint64_t sector_idx, uint32_t sector_cnt, uint64_t generation, uint64_t run_id)
{
	struct sector *sector = buf;
	for (uint32_t i = 0; i < sector_cnt; i++)
		sector_fill(&sector[i], sector_idx + i, generation, run_id);
}

static enum block_verdict
sector_check(const struct sector *sector, uint64_t sector_idx, uint64_t run_id)
{
	if (sector_is_blank(sector))
		return BLOCK_LOST;
	if (sector->magic != SECTOR_MAGIC || sector->checksum != sector_checksum(sector))
		return BLOCK_CORRUPT;
	if (sector->run_id != run_id)
		return BLOCK_LOST;
	return sector->sector_idx == sector_idx ? BLOCK_OK : BLOCK_MISDIRECTED;
}

/* All sectors are whole and in their places: of which writes are they? */
static enum block_verdict
generations_check(const struct sector *sector, uint32_t sector_cnt, uint64_t generation_min, uint64_t generation_max,
                  uint64_t *out_generation)
{
	bool allowed = true, same = true;

	*out_generation = sector[0].generation;
	for (uint32_t i = 0; i < sector_cnt; i++) {
		allowed = allowed && sector[i].generation >= generation_min && sector[i].generation <= generation_max;
		same = same && sector[i].generation == sector[0].generation;
	}
	if (same)
		return allowed ? BLOCK_OK : BLOCK_LOST;
	return allowed ? BLOCK_MIXED : BLOCK_TORN;
}

enum block_verdict
block_check(const void *buf, uint64_t sector_idx, uint32_t sector_cnt, uint64_t run_id, uint64_t generation_min,
            uint64_t generation_max, uint64_t *out_generation)
{
	const struct sector *sector = buf;
	uint32_t lost_cnt = 0;

	for (uint32_t i = 0; i < sector_cnt; i++) {
		enum block_verdict verdict = sector_check(&sector[i], sector_idx + i, run_id);
		if (verdict == BLOCK_LOST)
			lost_cnt++;
		else if (verdict != BLOCK_OK)
			return verdict;
	}
	if (lost_cnt != 0)
		return lost_cnt == sector_cnt ? BLOCK_LOST : BLOCK_TORN;
	return generations_check(sector, sector_cnt, generation_min, generation_max, out_generation);
}
