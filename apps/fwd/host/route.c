/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "apps/fwd/host/fib_private.h"

#define RETIRED_CNT_COMMIT 1024u /* so many in one batch: do not wait for its end */

static uint32_t
leaf_of(const struct fwd_fib *fib, const struct fwd_entry *entry)
{
	return entry->neighbour != FWD_NONE ? entry->neighbour : fib->set[entry->hop_set].leaf;
}

static void
remove_from_trie(struct fwd_fib *fib, unsigned family, const uint8_t *addr, unsigned len)
{
	const struct fwd_entry *cover = fwd_prefixes_cover(&fib->prefixes[FWD_FAMILY_IDX(family)], addr, (int)len - 1);
	fwd_trie_del(fib, family, addr, len, cover != NULL ? leaf_of(fib, cover) : FWD_NO_ROUTE,
	             cover != NULL ? cover->len : 0);
}

int
fwd_entry_apply(struct fwd_fib *fib, unsigned family, struct fwd_entry *entry)
{
	uint8_t addr[FWD_ADDR_BYTES_MAX];
	unsigned len = entry->len;
	memcpy(addr, entry->addr, sizeof(addr));
	int err = 0;
	if (entry->hop_set != FWD_NONE || entry->neighbour != FWD_NONE) {
		err = fwd_trie_set(fib, family, addr, len, leaf_of(fib, entry));
		if (err == 0)
			return 0;
		/* A prefix whose nodes do not fit has none of them, so there is nothing to take out of the trie. */
		fwd_prefixes_remove(&fib->prefixes[FWD_FAMILY_IDX(family)], entry);
		return err;
	}
	fwd_prefixes_remove(&fib->prefixes[FWD_FAMILY_IDX(family)], entry);
	remove_from_trie(fib, family, addr, len);
	return 0;
}

static bool
is_valid(const struct fwd_prefix *prefix)
{
	uint8_t masked[FWD_ADDR_BYTES_MAX];
	if ((prefix->addr.family != 4 && prefix->addr.family != 6) || prefix->len > FWD_ADDR_BITS(prefix->addr.family))
		return false;
	fwd_addr_mask(prefix->addr.bytes, prefix->len, masked);
	return memcmp(masked, prefix->addr.bytes, sizeof(masked)) == 0;
}

static bool
are_valid(enum fwd_kind kind, const struct fwd_hop *hop, uint32_t hop_cnt)
{
	if (kind >= FWD_KIND_CNT || (kind == FWD_FORWARD) != (hop_cnt != 0) || hop_cnt > FWD_HOPS_MAX)
		return false;
	for (uint32_t i = 0; i < hop_cnt; i++) {
		if (hop[i].interface == 0 || hop[i].weight == 0)
			return false;
	}
	return true;
}

int
fwd_fib_route_set(struct fwd_fib *fib, const struct fwd_prefix *prefix, enum fwd_kind kind, const struct fwd_hop *hop,
                  uint32_t hop_cnt)
{
	uint32_t hop_set;
	if (!is_valid(prefix) || !are_valid(kind, hop, hop_cnt))
		return -EINVAL;
	unsigned family_idx = FWD_FAMILY_IDX(prefix->addr.family);
	int err = fwd_hop_set_get(fib, kind, hop, hop_cnt, &hop_set);
	struct fwd_entry *entry =
	        err == 0 ? fwd_prefixes_add(&fib->prefixes[family_idx], prefix->addr.bytes, prefix->len) : NULL;
	if (err == 0 && entry == NULL) {
		fwd_hop_set_put(fib, hop_set);
		err = -ENOMEM;
	}
	if (err != 0) {
		fib->full_cnt += err == -ENOSPC;
		(void)!fwd_fib_route_del(fib, prefix); /* what it would have replaced, if anything */
		return err;
	}
	uint32_t old = entry->hop_set;
	entry->flags |= FWD_ENTRY_MARKED;
	if (old == hop_set) {
		fwd_hop_set_put(fib, hop_set);
		return 0;
	}
	entry->hop_set = hop_set;
	fib->route_cnt[family_idx] += old == FWD_NONE;
	err = fwd_entry_apply(fib, prefix->addr.family, entry);
	if (err != 0) {
		fwd_hop_set_put(fib, hop_set);
		fib->route_cnt[family_idx]--;
		fib->full_cnt++;
	}
	fwd_neighbours_review(fib, prefix);
	if (old != FWD_NONE)
		fwd_hop_set_put(fib, old);
	if (fib->retired_cnt >= RETIRED_CNT_COMMIT)
		fwd_fib_commit(fib);
	return err;
}

int
fwd_fib_route_del(struct fwd_fib *fib, const struct fwd_prefix *prefix)
{
	unsigned family_idx = FWD_FAMILY_IDX(prefix->addr.family);
	if (!is_valid(prefix))
		return -ENOENT;
	struct fwd_entry *entry = fwd_prefixes_find(&fib->prefixes[family_idx], prefix->addr.bytes, prefix->len);
	if (entry == NULL || entry->hop_set == FWD_NONE)
		return -ENOENT;
	uint32_t old = entry->hop_set;
	entry->hop_set = FWD_NONE;
	fib->route_cnt[family_idx]--;
	if (fwd_entry_apply(fib, prefix->addr.family, entry) != 0)
		fib->full_cnt++;
	fwd_neighbours_review(fib, prefix);
	fwd_hop_set_put(fib, old);
	if (fib->retired_cnt >= RETIRED_CNT_COMMIT)
		fwd_fib_commit(fib);
	return 0;
}

static void
route_of(const struct fwd_fib *fib, unsigned family, const struct fwd_entry *entry, struct fwd_route *out)
{
	const struct fwd_hop_set *set = &fib->set[entry->hop_set];
	*out = (struct fwd_route){.kind = set->kind, .hop_cnt = set->hop_cnt};
	out->prefix.addr.family = (uint8_t)family;
	out->prefix.len = entry->len;
	memcpy(out->prefix.addr.bytes, entry->addr, sizeof(out->prefix.addr.bytes));
	if (set->hop_cnt != 0)
		memcpy(out->hop, set->hop, set->hop_cnt * sizeof(*set->hop));
}

int
fwd_fib_route_get(const struct fwd_fib *fib, const struct fwd_prefix *prefix, struct fwd_route *out)
{
	if (!is_valid(prefix))
		return -ENOENT;
	const struct fwd_entry *entry =
	        fwd_prefixes_find(&fib->prefixes[FWD_FAMILY_IDX(prefix->addr.family)], prefix->addr.bytes, prefix->len);
	if (entry == NULL || entry->hop_set == FWD_NONE)
		return -ENOENT;
	route_of(fib, prefix->addr.family, entry, out);
	return 0;
}

int
fwd_fib_route_each(const struct fwd_fib *fib, int (*each)(void *context, const struct fwd_route *route), void *context)
{
	struct fwd_route route;
	for (unsigned i = 0; i < 2; i++) {
		const struct fwd_prefixes *set = &fib->prefixes[i];
		for (uint64_t slot = 0; slot < set->slot_cnt; slot++) {
			if ((set->entry[slot].flags & FWD_ENTRY_USED) == 0 || set->entry[slot].hop_set == FWD_NONE)
				continue;
			route_of(fib, set->family, &set->entry[slot], &route);
			int err = each(context, &route);
			if (err < 0)
				return err;
		}
	}
	return 0;
}

void
fwd_fib_mark(struct fwd_fib *fib)
{
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t slot = 0; slot < fib->prefixes[i].slot_cnt; slot++)
			fib->prefixes[i].entry[slot].flags &= (uint8_t)~FWD_ENTRY_MARKED;
	}
}

static uint64_t
sweep_family(struct fwd_fib *fib, struct fwd_prefixes *set)
{
	uint64_t cnt = 0;
	for (uint64_t slot = 0; slot < set->slot_cnt;) {
		const struct fwd_entry *entry = &set->entry[slot];
		bool stays = (entry->flags & FWD_ENTRY_USED) == 0 || entry->hop_set == FWD_NONE ||
		             (entry->flags & FWD_ENTRY_MARKED) != 0;
		if (stays) {
			slot++;
			continue;
		}
		/* Another may have moved into this slot afterwards: it is looked at again. */
		struct fwd_prefix prefix = {.addr = {.family = (uint8_t)set->family}, .len = entry->len};
		memcpy(prefix.addr.bytes, entry->addr, sizeof(prefix.addr.bytes));
		if (fwd_fib_route_del(fib, &prefix) != 0)
			slot++;
		else
			cnt++;
	}
	return cnt;
}

uint64_t
fwd_fib_sweep(struct fwd_fib *fib)
{
	uint64_t cnt = sweep_family(fib, &fib->prefixes[0]) + sweep_family(fib, &fib->prefixes[1]);
	fwd_fib_commit(fib);
	return cnt;
}
