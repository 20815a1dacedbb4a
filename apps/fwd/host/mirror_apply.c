/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_rib.h"

#define WEIGHT_MAX 255u /* of the fib's hops */

/* What the fib is told of a route. */
struct way {
	bool usable; /* else Linux passes over it */
	bool host;   /* a hop is not ours: the packets are Linux's */
	enum fwd_kind kind;
	uint32_t hop_cnt;
	uint32_t weight_max;
	uint32_t weight[FWD_HOPS_MAX];
	struct fwd_hop hop[FWD_HOPS_MAX];
};

struct fwd_addr
fwd_rib_addr(uint8_t family, const uint8_t bytes[16])
{
	struct fwd_addr addr = {.family = family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0};
	if (addr.family != 0)
		memcpy(addr.bytes, bytes, addr.family == 4 ? 4 : 16);
	return addr;
}

void
fwd_rib_fib(struct fwd_rib *rib, int err)
{
	rib->stats.fib_error_cnt += err != 0 && err != -ENOENT;
}

static void
way_add(struct fwd_rib *rib, struct way *way, const struct fwd_nl_hop *hop, uint32_t weight)
{
	const struct fwd_rib_link *link = fwd_rib_link_find(rib, hop->ifindex);
	if (link == NULL || !link->link.up || (hop->flags & FWD_NL_HOP_DEAD) != 0)
		return;
	way->usable = true;
	if (link->interface == 0 || (hop->flags & FWD_NL_HOP_ENCAP) != 0) {
		way->host = true;
		return;
	}
	if (way->hop_cnt == FWD_HOPS_MAX) {
		rib->stats.hop_over_cnt++;
		return;
	}
	way->hop[way->hop_cnt].interface = link->interface;
	way->hop[way->hop_cnt].gateway = fwd_rib_addr(hop->gateway_family, hop->gateway);
	way->weight[way->hop_cnt++] = weight;
	way->weight_max = weight > way->weight_max ? weight : way->weight_max;
}

/* A group's members are hops: Linux allows no groups in groups. */
static void
way_of_nexthop(struct fwd_rib *rib, uint32_t id, struct way *way)
{
	const struct fwd_rib_nexthop *nexthop = fwd_rib_nexthop_find(rib, id), *member;
	if (nexthop == NULL) {
		rib->stats.unresolved_cnt++;
		return;
	}
	if (nexthop->blackhole) {
		way->usable = true;
		way->kind = FWD_BLACKHOLE;
		return;
	}
	if (!nexthop->is_group)
		way_add(rib, way, &nexthop->hop, 1);
	for (uint32_t i = 0; i < nexthop->member_cnt; i++) {
		member = fwd_rib_nexthop_find(rib, nexthop->member[i].id);
		if (member != NULL && !member->is_group && !member->blackhole)
			way_add(rib, way, &member->hop, nexthop->member[i].weight);
	}
}

static void
way_of_unicast(struct fwd_rib *rib, const struct fwd_rib_route *route, struct way *way)
{
	way->kind = FWD_FORWARD;
	if (route->nh_id != 0)
		way_of_nexthop(rib, route->nh_id, way);
	for (uint32_t i = 0; route->hops != NULL && i < route->hops->hop_cnt; i++)
		way_add(rib, way, &route->hops->hop[i], route->hops->hop[i].weight);
	if (way->host)
		way->kind = FWD_HOST;
	for (uint32_t i = 0; i < way->hop_cnt; i++) {
		uint64_t weight = way->weight[i];
		if (way->weight_max > WEIGHT_MAX)
			weight = weight * WEIGHT_MAX / way->weight_max;
		way->hop[i].weight = weight == 0 || way->hop_cnt == 1 ? 1 : (uint8_t)weight;
	}
}

static void
way_of(struct fwd_rib *rib, const struct fwd_rib_route *route, struct way *way)
{
	way->host = false;
	way->hop_cnt = 0;
	way->weight_max = 0;
	way->usable = route->type != RTN_UNICAST;
	switch (route->type) {
	case RTN_UNICAST:
		way_of_unicast(rib, route, way);
		return;
	case RTN_BLACKHOLE:
		way->kind = FWD_BLACKHOLE;
		return;
	case RTN_UNREACHABLE:
		way->kind = FWD_UNREACHABLE;
		return;
	case RTN_PROHIBIT:
		way->kind = FWD_PROHIBIT;
		return;
	case RTN_THROW: /* what follows the main table is empty, or a rule that we say we do not follow */
		way->kind = FWD_NO_ROUTE;
		return;
	default: /* local, broadcast, anycast, multicast */
		way->kind = FWD_HOST;
		return;
	}
}

/* Whether Linux asks `a` before `b`: the local table, then the metric. */
static bool
goes_before(const struct fwd_rib_route *a, const struct fwd_rib_route *b)
{
	if (a->table != b->table)
		return a->table == RT_TABLE_LOCAL;
	return a->priority != b->priority ? a->priority < b->priority : a->order < b->order;
}

void
fwd_rib_prefix_apply(struct fwd_rib *rib, const struct fwd_rib_route *any)
{
	const struct fwd_rib_table *table =
	        &rib->table[any->prefix.family == AF_INET ? FWD_RIB_ROUTE4 : FWD_RIB_ROUTE6];
	const struct fwd_rib_route *best = NULL;
	struct way way[2]; /* of the best so far, and of the one at hand */
	unsigned at_hand = 0;
	for (const struct fwd_rib_item *item = fwd_rib_bucket(table, any->item.hash); item != NULL; item = item->next) {
		const struct fwd_rib_route *route = (const void *)item;
		if ((item->flags & FWD_RIB_GONE) != 0 ||
		    memcmp(&route->prefix, &any->prefix, sizeof(any->prefix)) != 0 ||
		    (best != NULL && goes_before(best, route)))
			continue;
		way_of(rib, route, &way[at_hand]);
		if (!way[at_hand].usable)
			continue;
		best = route;
		at_hand ^= 1;
	}
	struct fwd_prefix prefix = {.addr = fwd_rib_addr(any->prefix.family, any->prefix.addr),
	                            .len = any->prefix.length};
	if (best == NULL) {
		fwd_rib_fib(rib, fwd_fib_route_del(rib->options.fib, &prefix));
		return;
	}
	const struct way *of = &way[at_hand ^ 1];
	uint32_t hop_cnt = of->kind == FWD_FORWARD ? of->hop_cnt : 0;
	fwd_rib_fib(rib, fwd_fib_route_set(rib->options.fib, &prefix, of->kind, of->hop, hop_cnt));
}

static struct fwd_rib_hops **
hops_slot(struct fwd_rib *rib, uint32_t hash)
{
	return &rib->hops_bucket[hash & (rib->hops_bucket_cnt - 1)];
}

struct fwd_rib_hops *
fwd_rib_hops_get(struct fwd_rib *rib, const struct fwd_nl_hop *hop, uint32_t hop_cnt)
{
	size_t bytes = hop_cnt * sizeof(*hop);
	uint32_t hash = fwd_rib_hash(hop_cnt, hop, bytes);
	struct fwd_rib_hops **slot = hops_slot(rib, hash), *hops;
	for (hops = *slot; hops != NULL; hops = hops->next) {
		if (hops->hash == hash && hops->hop_cnt == hop_cnt && memcmp(hops->hop, hop, bytes) == 0) {
			hops->ref_cnt++;
			return hops;
		}
	}
	hops = calloc(1, sizeof(*hops) + bytes);
	if (hops == NULL)
		return NULL;
	hops->hash = hash;
	hops->ref_cnt = 1;
	hops->hop_cnt = hop_cnt;
	memcpy(hops->hop, hop, bytes);
	hops->next = *slot;
	*slot = hops;
	fwd_rib_gateways_ask(rib, hop, hop_cnt);
	return hops;
}

void
fwd_rib_hops_put(struct fwd_rib *rib, struct fwd_rib_hops *hops)
{
	struct fwd_rib_hops **at = hops_slot(rib, hops->hash);
	if (--hops->ref_cnt != 0)
		return;
	while (*at != hops)
		at = &(*at)->next;
	*at = hops->next;
	free(hops);
}

static bool
hop_dirty(const struct fwd_rib *rib, const struct fwd_nl_hop *hop)
{
	const struct fwd_rib_link *link = fwd_rib_link_find(rib, hop->ifindex);
	return link == NULL || link->dirty;
}

static bool
nexthop_dirty(const struct fwd_rib *rib, uint32_t id)
{
	const struct fwd_rib_nexthop *nexthop = fwd_rib_nexthop_find(rib, id), *member;
	if (nexthop == NULL || nexthop->dirty)
		return true;
	bool dirty = !nexthop->is_group && hop_dirty(rib, &nexthop->hop);
	for (uint32_t i = 0; i < nexthop->member_cnt && !dirty; i++) {
		member = fwd_rib_nexthop_find(rib, nexthop->member[i].id);
		dirty = member == NULL || member->dirty || hop_dirty(rib, &member->hop);
	}
	return dirty;
}

static void
review_route(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	const struct fwd_rib_route *route = (const void *)item;
	if (route->nh_id != 0 ? nexthop_dirty(rib, route->nh_id) : route->hops != NULL && route->hops->dirty)
		fwd_rib_prefix_apply(rib, route);
}

static void
link_clean(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	((struct fwd_rib_link *)(void *)item)->dirty = false;
}

static void
nexthop_clean(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	((struct fwd_rib_nexthop *)(void *)item)->dirty = false;
}

void
fwd_rib_review(struct fwd_rib *rib)
{
	for (uint64_t b = 0; b < rib->hops_bucket_cnt; b++) {
		for (struct fwd_rib_hops *hops = rib->hops_bucket[b]; hops != NULL; hops = hops->next) {
			hops->dirty = false;
			for (uint32_t i = 0; i < hops->hop_cnt && !hops->dirty; i++)
				hops->dirty = hop_dirty(rib, &hops->hop[i]);
		}
	}
	fwd_rib_each(rib, FWD_RIB_ROUTE4, review_route, NULL);
	fwd_rib_each(rib, FWD_RIB_ROUTE6, review_route, NULL);
	fwd_rib_each(rib, FWD_RIB_LINK, link_clean, NULL);
	fwd_rib_each(rib, FWD_RIB_NEXTHOP, nexthop_clean, NULL);
	rib->dirty = false;
}

void
fwd_rib_commit(struct fwd_rib *rib)
{
	if (rib->dirty)
		fwd_rib_review(rib);
	fwd_fib_commit(rib->options.fib);
}
