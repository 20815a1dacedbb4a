/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fwd/host/fib_private.h"

/* Where an address stands among the known neighbours, or would. */
static uint32_t
place_of(const struct fwd_fib *fib, const struct fwd_neighbours *list, const uint8_t *addr)
{
	uint32_t low = 0, high = list->cnt;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (memcmp(fib->adj[list->adj[middle]].addr.bytes, addr, FWD_ADDR_BYTES_MAX) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
list_add(struct fwd_fib *fib, struct fwd_neighbours *list, uint32_t adj)
{
	if (list->cnt == list->room) {
		uint32_t room = BH_MAX(2 * list->room, 64u);
		uint32_t *larger = realloc(list->adj, room * sizeof(*larger));
		if (larger == NULL)
			return -ENOMEM;
		list->adj = larger;
		list->room = room;
	}
	uint32_t at = place_of(fib, list, fib->adj[adj].addr.bytes);
	memmove(&list->adj[at + 1], &list->adj[at], (list->cnt - at) * sizeof(*list->adj));
	list->adj[at] = adj;
	list->cnt++;
	return 0;
}

static void
list_remove(struct fwd_fib *fib, struct fwd_neighbours *list, uint32_t adj)
{
	uint32_t at = place_of(fib, list, fib->adj[adj].addr.bytes);
	while (list->adj[at] != adj)
		at++;
	list->cnt--;
	memmove(&list->adj[at], &list->adj[at + 1], (list->cnt - at) * sizeof(*list->adj));
}

/* Whether the route over which packets for an address would go has no gateway and that interface. */
static bool
is_direct(const struct fwd_fib *fib, unsigned family, const uint8_t *addr, uint8_t interface)
{
	const struct fwd_prefixes *set = &fib->prefixes[FWD_FAMILY_IDX(family)];
	const struct fwd_entry *entry = NULL;
	for (int len = (int)FWD_ADDR_BITS(family); len >= 0; len = (int)entry->len - 1) {
		entry = fwd_prefixes_cover(set, addr, len);
		if (entry == NULL || entry->hop_set != FWD_NONE)
			break;
	}
	if (entry == NULL || entry->hop_set == FWD_NONE)
		return false;
	const struct fwd_hop_set *hops = &fib->set[entry->hop_set];
	for (uint32_t i = 0; i < hops->hop_cnt; i++) {
		if (hops->hop[i].gateway.family == 0 && hops->hop[i].interface == interface)
			return true;
	}
	return false;
}

/* The same address may be on several links, and then means nothing without one. */
static bool
is_link_local(unsigned family, const uint8_t *addr)
{
	return family == 6 ? addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80 : addr[0] == 169 && addr[1] == 254;
}

/* Which neighbour, if any, packets for an address go to without a gateway: the trie is told if that changed. */
static void
review(struct fwd_fib *fib, unsigned family, const uint8_t *addr)
{
	struct fwd_prefixes *set = &fib->prefixes[FWD_FAMILY_IDX(family)];
	const struct fwd_neighbours *list = &fib->neighbours[FWD_FAMILY_IDX(family)];
	uint32_t found = FWD_NONE;
	for (uint32_t at = place_of(fib, list, addr); at < list->cnt && found == FWD_NONE; at++) {
		const struct fwd_adj *adj = &fib->adj[list->adj[at]];
		if (memcmp(adj->addr.bytes, addr, FWD_ADDR_BYTES_MAX) != 0)
			break;
		if (!is_link_local(family, addr) && is_direct(fib, family, addr, adj->interface))
			found = list->adj[at];
	}
	struct fwd_entry *entry = fwd_prefixes_find(set, addr, FWD_ADDR_BITS(family));
	if (entry == NULL && found != FWD_NONE)
		entry = fwd_prefixes_add(set, addr, FWD_ADDR_BITS(family));
	if (entry == NULL || entry->neighbour == found)
		return;
	entry->neighbour = found;
	if (fwd_entry_apply(fib, family, entry) != 0)
		fib->full_cnt++;
}

void
fwd_neighbours_review(struct fwd_fib *fib, const struct fwd_prefix *prefix)
{
	const struct fwd_neighbours *list = &fib->neighbours[FWD_FAMILY_IDX(prefix->addr.family)];
	uint8_t masked[FWD_ADDR_BYTES_MAX];
	for (uint32_t at = place_of(fib, list, prefix->addr.bytes); at < list->cnt; at++) {
		const uint8_t *addr = fib->adj[list->adj[at]].addr.bytes;
		fwd_addr_mask(addr, prefix->len, masked);
		if (memcmp(masked, prefix->addr.bytes, sizeof(masked)) != 0)
			break;
		review(fib, prefix->addr.family, addr);
	}
}

int
fwd_fib_neighbour_set(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr, const uint8_t mac[6])
{
	if (interface == 0 || (addr->family != 4 && addr->family != 6))
		return -EINVAL;
	uint32_t idx = fwd_adj_get(fib, interface, addr);
	if (idx == FWD_NONE) {
		fib->full_cnt++;
		return -ENOSPC;
	}
	struct fwd_adj *adj = &fib->adj[idx];
	bool was_known = adj->known;
	int err = was_known ? 0 : list_add(fib, &fib->neighbours[FWD_FAMILY_IDX(addr->family)], idx);
	if (err != 0) {
		fwd_adj_release(fib, idx);
		return err;
	}
	memcpy(adj->mac, mac, sizeof(adj->mac));
	adj->known = adj->marked = true;
	fwd_adj_write(fib, idx);
	if (was_known)
		return 0;
	fib->neighbour_cnt++;
	review(fib, addr->family, addr->bytes);
	return 0;
}

static void
forget(struct fwd_fib *fib, uint32_t idx)
{
	struct fwd_adj *adj = &fib->adj[idx];
	const struct fwd_addr addr = adj->addr;
	list_remove(fib, &fib->neighbours[FWD_FAMILY_IDX(addr.family)], idx);
	adj->known = false;
	fib->neighbour_cnt--;
	fwd_adj_write(fib, idx);
	review(fib, addr.family, addr.bytes);
	fwd_adj_release(fib, idx);
}

int
fwd_fib_neighbour_del(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr)
{
	uint32_t idx = fwd_adj_find(fib, interface, addr);
	if (idx == FWD_NONE || !fib->adj[idx].known)
		return -ENOENT;
	forget(fib, idx);
	return 0;
}

void
fwd_fib_neighbour_mark(struct fwd_fib *fib)
{
	for (uint32_t i = 0; i < FWD_ADJACENCY_CNT; i++)
		fib->adj[i].marked = false;
}

uint64_t
fwd_fib_neighbour_sweep(struct fwd_fib *fib)
{
	uint64_t cnt = 0;
	for (uint32_t i = 0; i < FWD_ADJACENCY_CNT; i++) {
		if (!fib->adj[i].used || !fib->adj[i].known || fib->adj[i].marked)
			continue;
		forget(fib, i);
		cnt++;
	}
	return cnt;
}

/* All adjacencies over an interface say what is true now. */
static void
rewrite(struct fwd_fib *fib, uint8_t interface)
{
	for (uint32_t i = FWD_FORWARD; i < FWD_ADJACENCY_CNT; i++) {
		if (fib->adj[i].used && fib->adj[i].interface == interface)
			fwd_adj_write(fib, i);
	}
}

static void
ingress_set(struct fwd_fib *fib, const struct fwd_interface *interface, uint8_t slot)
{
	__atomic_store_n(&fib->ingress[interface->port][interface->vlan], slot, __ATOMIC_RELEASE);
}

int
fwd_fib_interface_set(struct fwd_fib *fib, uint8_t idx, const struct fwd_interface *interface)
{
	if (idx == 0 || interface->port >= FWD_PORTS_MAX || interface->vlan >= FWD_VLAN_CNT)
		return -EINVAL;
	uint8_t old = fib->slot[idx], there = fib->ingress[interface->port][interface->vlan];
	if (there != 0 && there != old)
		return -EEXIST;
	if (old != 0 && memcmp(&fib->interface[old], interface, sizeof(*interface)) == 0)
		return 0;
	uint32_t slot = fwd_index_take(fib, FWD_ITEM_INTERFACE);
	if (slot == FWD_NONE) {
		fwd_fib_commit(fib);
		slot = fwd_index_take(fib, FWD_ITEM_INTERFACE);
	}
	if (slot == FWD_NONE)
		return -ENOSPC;
	fib->interface[slot] = *interface;
	fib->slot[idx] = (uint8_t)slot;
	if (old != 0)
		ingress_set(fib, &fib->interface[old], 0);
	ingress_set(fib, interface, (uint8_t)slot);
	rewrite(fib, idx);
	if (old != 0)
		fwd_retire(fib, FWD_ITEM_INTERFACE, old);
	return 0;
}

void
fwd_fib_interface_del(struct fwd_fib *fib, uint8_t idx)
{
	uint8_t old = fib->slot[idx];
	if (old == 0)
		return;
	ingress_set(fib, &fib->interface[old], 0);
	fib->slot[idx] = 0;
	for (uint32_t i = FWD_FORWARD; i < FWD_ADJACENCY_CNT; i++) {
		if (fib->adj[i].used && fib->adj[i].known && fib->adj[i].interface == idx)
			forget(fib, i);
	}
	rewrite(fib, idx);
	fwd_retire(fib, FWD_ITEM_INTERFACE, old);
}
