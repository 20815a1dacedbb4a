/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A million routes have a few sets of hops: each is kept once, with the leaf word that all of its routes share. A hop is
 * an adjacency, which many sets share; what changes at a neighbour is one word in the tables.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fwd/host/fib_private.h"

uint32_t
fwd_addr_hash(uint32_t seed, const void *bytes, size_t cnt)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
	const uint8_t *byte = bytes;
	for (size_t i = 0; i < cnt; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash ^ hash >> 32);
}

int
fwd_hops_init(struct fwd_fib *fib)
{
	fib->adj = calloc(FWD_ADJACENCY_CNT, sizeof(*fib->adj));
	fib->adj_bucket = malloc(FWD_HASH_CNT * sizeof(*fib->adj_bucket));
	fib->set_bucket = malloc(FWD_HASH_CNT * sizeof(*fib->set_bucket));
	fib->set_free = FWD_NONE;
	if (fib->adj == NULL || fib->adj_bucket == NULL || fib->set_bucket == NULL)
		return -ENOMEM;
	memset(fib->adj_bucket, 0xff, FWD_HASH_CNT * sizeof(*fib->adj_bucket));
	memset(fib->set_bucket, 0xff, FWD_HASH_CNT * sizeof(*fib->set_bucket));
	for (uint64_t kind = 0; kind < FWD_FORWARD; kind++)
		fib->adjacency[kind] = kind << 56;
	return 0;
}

void
fwd_hops_free(struct fwd_fib *fib)
{
	for (uint32_t i = 0; i < fib->set_cnt; i++)
		free(fib->set[i].hop);
	free(fib->set);
	free(fib->set_bucket);
	free(fib->adj_bucket);
	free(fib->adj);
}

static uint32_t *
adj_bucket(const struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr)
{
	return &fib->adj_bucket[fwd_addr_hash(interface, addr, sizeof(*addr)) % FWD_HASH_CNT];
}

uint32_t
fwd_adj_find(const struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr)
{
	uint32_t idx = *adj_bucket(fib, interface, addr);
	while (idx != FWD_NONE &&
	       (fib->adj[idx].interface != interface || memcmp(&fib->adj[idx].addr, addr, sizeof(*addr)) != 0))
		idx = fib->adj[idx].next;
	return idx;
}

uint32_t
fwd_adj_get(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr)
{
	uint32_t idx = fwd_adj_find(fib, interface, addr);
	if (idx != FWD_NONE)
		return idx;
	idx = fwd_index_take(fib, FWD_ITEM_ADJACENCY);
	if (idx == FWD_NONE)
		return idx;
	uint32_t *bucket = adj_bucket(fib, interface, addr);
	fib->adj[idx] = (struct fwd_adj){.addr = *addr, .interface = interface, .used = true, .next = *bucket};
	*bucket = idx;
	fwd_adj_write(fib, idx);
	return idx;
}

void
fwd_adj_write(struct fwd_fib *fib, uint32_t idx)
{
	const struct fwd_adj *adj = &fib->adj[idx];
	uint8_t slot = fib->slot[adj->interface];
	uint64_t word = (uint64_t)FWD_NO_ROUTE << 56;
	if (slot != 0)
		word = adj->known ? fwd_adjacency_word(FWD_FORWARD, slot, adj->mac) : (uint64_t)FWD_GLEAN << 56;
	__atomic_store_n(&fib->adjacency[idx], word, __ATOMIC_RELEASE);
}

void
fwd_adj_release(struct fwd_fib *fib, uint32_t idx)
{
	struct fwd_adj *adj = &fib->adj[idx];
	if (!adj->used || adj->known || adj->ref_cnt != 0)
		return;
	uint32_t *link = adj_bucket(fib, adj->interface, &adj->addr);
	while (*link != idx)
		link = &fib->adj[*link].next;
	*link = adj->next;
	adj->used = false;
	fwd_retire(fib, FWD_ITEM_ADJACENCY, idx);
}

/* Of one hop: its adjacency. Without a gateway the neighbour is whoever the packet is for. */
static uint32_t
hop_adjacency(struct fwd_fib *fib, const struct fwd_hop *hop)
{
	return hop->gateway.family == 0 ? FWD_GLEAN : fwd_adj_get(fib, hop->interface, &hop->gateway);
}

static void
put_hops(struct fwd_fib *fib, const struct fwd_hop *hop, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t idx =
		        hop[i].gateway.family == 0 ? FWD_NONE : fwd_adj_find(fib, hop[i].interface, &hop[i].gateway);
		if (idx == FWD_NONE)
			continue;
		fib->adj[idx].ref_cnt--;
		fwd_adj_release(fib, idx);
	}
}

/* The 32 slots in proportion to the weights: slot i belongs to the hop whose share of the sum i falls into. */
static void
fill_group(struct fwd_group *group, const uint32_t *adjacency, const struct fwd_hop *hop, uint32_t cnt)
{
	uint32_t sum = 0, at = 0, below = 0;
	for (uint32_t i = 0; i < cnt; i++)
		sum += hop[i].weight;
	for (uint32_t slot = 0; slot < FWD_GROUP_SLOT_CNT; slot++) {
		while (at + 1 < cnt && (2 * slot + 1) * sum >= 2 * FWD_GROUP_SLOT_CNT * (below + hop[at].weight))
			below += hop[at++].weight;
		group->adjacency[slot] = (uint16_t)adjacency[at];
	}
}

static int
make_leaf(struct fwd_fib *fib, const struct fwd_hop *hop, uint32_t cnt, uint32_t *out_leaf)
{
	uint32_t adjacency[FWD_HOPS_MAX], group = FWD_NONE;
	if (cnt > 1 && (group = fwd_index_take(fib, FWD_ITEM_GROUP)) == FWD_NONE)
		return -ENOSPC;
	for (uint32_t i = 0; i < cnt; i++) {
		adjacency[i] = hop_adjacency(fib, &hop[i]);
		if (adjacency[i] == FWD_NONE) {
			put_hops(fib, hop, i);
			if (group != FWD_NONE)
				fwd_retire(fib, FWD_ITEM_GROUP, group);
			return -ENOSPC;
		}
		if (hop[i].gateway.family != 0)
			fib->adj[adjacency[i]].ref_cnt++;
	}
	*out_leaf = cnt == 1 ? adjacency[0] : FWD_WORD_GROUP | group;
	if (cnt > 1)
		fill_group(&fib->group[group], adjacency, hop, cnt);
	return 0;
}

static uint32_t
set_hash(enum fwd_kind kind, const struct fwd_hop *hop, uint32_t cnt)
{
	return fwd_addr_hash((uint32_t)kind, hop, cnt * sizeof(*hop));
}

static uint32_t
find_set(const struct fwd_fib *fib, uint32_t hash, enum fwd_kind kind, const struct fwd_hop *hop, uint32_t cnt)
{
	uint32_t idx = fib->set_bucket[hash % FWD_HASH_CNT];
	for (; idx != FWD_NONE; idx = fib->set[idx].next) {
		const struct fwd_hop_set *set = &fib->set[idx];
		if (set->hash == hash && set->kind == kind && set->hop_cnt == cnt &&
		    (cnt == 0 || memcmp(set->hop, hop, cnt * sizeof(*hop)) == 0))
			return idx;
	}
	return FWD_NONE;
}

/* A place for a set: one that was freed, or a new one. */
static uint32_t
set_place(struct fwd_fib *fib)
{
	uint32_t idx = fib->set_free;
	if (idx != FWD_NONE) {
		fib->set_free = fib->set[idx].next;
		return idx;
	}
	if (fib->set_cnt == fib->set_room) {
		uint32_t room = BH_MAX(2 * fib->set_room, 64u);
		struct fwd_hop_set *larger = realloc(fib->set, room * sizeof(*larger));
		if (larger == NULL)
			return FWD_NONE;
		fib->set = larger;
		fib->set_room = room;
	}
	return fib->set_cnt++;
}

static void
give_place_back(struct fwd_fib *fib, uint32_t idx)
{
	fib->set[idx] = (struct fwd_hop_set){.next = fib->set_free};
	fib->set_free = idx;
}

static int
make_set(struct fwd_fib *fib, uint32_t hash, enum fwd_kind kind, const struct fwd_hop *hop, uint32_t cnt,
         uint32_t *out_set)
{
	uint32_t idx = set_place(fib), leaf = kind;
	if (idx == FWD_NONE)
		return -ENOMEM;
	struct fwd_hop *copy = cnt != 0 ? malloc(cnt * sizeof(*copy)) : NULL;
	int err = cnt != 0 && copy == NULL ? -ENOMEM : cnt != 0 ? make_leaf(fib, hop, cnt, &leaf) : 0;
	if (err != 0) {
		free(copy);
		give_place_back(fib, idx);
		return err;
	}
	if (cnt != 0)
		memcpy(copy, hop, cnt * sizeof(*copy));
	uint32_t *bucket = &fib->set_bucket[hash % FWD_HASH_CNT];
	fib->set[idx] = (struct fwd_hop_set){
	        .ref_cnt = 1, .leaf = leaf, .next = *bucket, .hash = hash, .kind = kind, .hop_cnt = cnt, .hop = copy};
	*bucket = idx;
	*out_set = idx;
	return 0;
}

int
fwd_hop_set_get(struct fwd_fib *fib, enum fwd_kind kind, const struct fwd_hop *hop, uint32_t hop_cnt, uint32_t *out_set)
{
	uint32_t hash = set_hash(kind, hop, hop_cnt);
	uint32_t idx = find_set(fib, hash, kind, hop, hop_cnt);
	if (idx == FWD_NONE)
		return make_set(fib, hash, kind, hop, hop_cnt, out_set);
	fib->set[idx].ref_cnt++;
	*out_set = idx;
	return 0;
}

void
fwd_hop_set_put(struct fwd_fib *fib, uint32_t idx)
{
	struct fwd_hop_set *set = &fib->set[idx];
	if (--set->ref_cnt != 0)
		return;
	uint32_t *link = &fib->set_bucket[set->hash % FWD_HASH_CNT];
	while (*link != idx)
		link = &fib->set[*link].next;
	*link = set->next;
	if ((set->leaf & FWD_WORD_GROUP) != 0)
		fwd_retire(fib, FWD_ITEM_GROUP, set->leaf & ~FWD_WORD_GROUP);
	put_hops(fib, set->hop, set->hop_cnt);
	free(set->hop);
	give_place_back(fib, idx);
}
