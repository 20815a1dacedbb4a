/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; what is removed lets those behind it move up, so there are no tombstones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fwd/host/fib_private.h"

#define SLOT_CNT_FIRST 1024u

int
fwd_prefixes_init(struct fwd_prefixes *set, unsigned family)
{
	set->family = family;
	set->slot_cnt = SLOT_CNT_FIRST;
	set->entry = calloc(set->slot_cnt, sizeof(*set->entry));
	return set->entry != NULL ? 0 : -ENOMEM;
}

void
fwd_addr_mask(const uint8_t *addr, unsigned len, uint8_t out[FWD_ADDR_BYTES_MAX])
{
	unsigned whole = len / 8;
	memset(out, 0, FWD_ADDR_BYTES_MAX);
	memcpy(out, addr, whole);
	if (len % 8 != 0)
		out[whole] = addr[whole] & (uint8_t)(0xff00 >> (len % 8));
}

static uint64_t
slot_of(const struct fwd_prefixes *set, const uint8_t *addr, unsigned len)
{
	uint64_t part[2];
	memcpy(part, addr, sizeof(part));
	uint64_t hash = (part[0] ^ UINT64_C(0x9e3779b97f4a7c15) * (len + 1)) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 31 ^ part[1]) * UINT64_C(0x94d049bb133111eb);
	return (hash ^ hash >> 29) & (set->slot_cnt - 1);
}

static bool
is_at(const struct fwd_entry *entry, const uint8_t *addr, unsigned len)
{
	return entry->len == len && memcmp(entry->addr, addr, FWD_ADDR_BYTES_MAX) == 0;
}

struct fwd_entry *
fwd_prefixes_find(const struct fwd_prefixes *set, const uint8_t *addr, unsigned len)
{
	for (uint64_t slot = slot_of(set, addr, len);; slot = (slot + 1) & (set->slot_cnt - 1)) {
		struct fwd_entry *entry = &set->entry[slot];
		if ((entry->flags & FWD_ENTRY_USED) == 0)
			return NULL;
		if (is_at(entry, addr, len))
			return entry;
	}
}

static struct fwd_entry *
free_slot(const struct fwd_prefixes *set, const uint8_t *addr, unsigned len)
{
	uint64_t slot = slot_of(set, addr, len);
	while ((set->entry[slot].flags & FWD_ENTRY_USED) != 0)
		slot = (slot + 1) & (set->slot_cnt - 1);
	return &set->entry[slot];
}

static int
grow(struct fwd_prefixes *set)
{
	struct fwd_prefixes larger = *set;
	larger.slot_cnt = 2 * set->slot_cnt;
	larger.entry = calloc(larger.slot_cnt, sizeof(*larger.entry));
	if (larger.entry == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i < set->slot_cnt; i++) {
		const struct fwd_entry *entry = &set->entry[i];
		if ((entry->flags & FWD_ENTRY_USED) != 0)
			*free_slot(&larger, entry->addr, entry->len) = *entry;
	}
	free(set->entry);
	*set = larger;
	return 0;
}

struct fwd_entry *
fwd_prefixes_add(struct fwd_prefixes *set, const uint8_t *addr, unsigned len)
{
	struct fwd_entry *entry = fwd_prefixes_find(set, addr, len);
	if (entry != NULL)
		return entry;
	if (4 * (set->used_cnt + 1) > 3 * set->slot_cnt && grow(set) != 0)
		return NULL;
	entry = free_slot(set, addr, len);
	*entry = (struct fwd_entry){
	        .hop_set = FWD_NONE, .neighbour = FWD_NONE, .len = (uint8_t)len, .flags = FWD_ENTRY_USED};
	memcpy(entry->addr, addr, FWD_ADDR_BYTES_MAX);
	set->used_cnt++;
	set->len_cnt[len]++;
	return entry;
}

void
fwd_prefixes_remove(struct fwd_prefixes *set, struct fwd_entry *entry)
{
	const uint64_t mask = set->slot_cnt - 1;
	uint64_t hole = (uint64_t)(entry - set->entry);
	set->used_cnt--;
	set->len_cnt[entry->len]--;
	for (uint64_t slot = (hole + 1) & mask; (set->entry[slot].flags & FWD_ENTRY_USED) != 0;
	     slot = (slot + 1) & mask) {
		const struct fwd_entry *other = &set->entry[slot];
		uint64_t home = slot_of(set, other->addr, other->len);
		/* It may move into the hole unless its home lies behind the hole. */
		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue;
		set->entry[hole] = *other;
		hole = slot;
	}
	set->entry[hole].flags = 0;
}

struct fwd_entry *
fwd_prefixes_cover(const struct fwd_prefixes *set, const uint8_t *addr, int len_max)
{
	uint8_t masked[FWD_ADDR_BYTES_MAX];
	for (int len = len_max; len >= 0; len--) {
		if (set->len_cnt[len] == 0)
			continue;
		fwd_addr_mask(addr, (unsigned)len, masked);
		struct fwd_entry *entry = fwd_prefixes_find(set, masked, (unsigned)len);
		if (entry != NULL)
			return entry;
	}
	return NULL;
}
