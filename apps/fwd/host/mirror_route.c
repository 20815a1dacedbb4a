/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the routes that we know a message means. A route is known by prefix, table and metric, and by more where
 * Linux allows several of those:
 *
 *   IPv4   `ip route append` and `prepend` put a route with other hops behind or before the first.
 *   IPv6   routes with gateways are one route with several hops: a message of a new hop has all of them (since Linux
 *          4.11), one of a deletion those that go.
 *          Routes without (fe80::/64 of each link) stand side by side, in the order in which they came.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_rib.h"

#define HOPS_LOAD_MAX 2u

static const struct fwd_rib_route *
route_of(const struct fwd_rib_item *item)
{
	return (const void *)item;
}

static uint32_t
route_hash(const struct fwd_nl_event *event)
{
	const struct fwd_nl_prefix *prefix = &event->route.prefix;
	return fwd_rib_hash(prefix->length, prefix->addr, prefix->family == AF_INET ? 4 : 16);
}

static bool
route_is(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	const struct fwd_rib_route *route = route_of(item);
	return memcmp(&route->prefix, &event->route.prefix, sizeof(route->prefix)) == 0 &&
	       route->table == event->route.table && route->priority == event->route.priority &&
	       route->tos == event->route.tos;
}

static bool
route_same(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	const struct fwd_rib_route *route = route_of(item);
	const struct fwd_nl_route *said = &event->route;
	uint32_t hop_cnt = route->hops != NULL ? route->hops->hop_cnt : 0;
	return route->type == said->type && route->nh_id == said->nh_id && hop_cnt == said->hop_cnt &&
	       (hop_cnt == 0 || memcmp(route->hops->hop, said->hop, hop_cnt * sizeof(said->hop[0])) == 0);
}

/* The same route, whatever Linux says of the state of its hops. */
static bool
route_alike(const struct fwd_rib_route *route, const struct fwd_nl_route *said)
{
	uint32_t hop_cnt = route->hops != NULL ? route->hops->hop_cnt : 0;
	if (route->type != said->type || route->nh_id != said->nh_id || hop_cnt != said->hop_cnt)
		return false;
	for (uint32_t i = 0; i < hop_cnt; i++) {
		if (memcmp(&route->hops->hop[i], &said->hop[i], offsetof(struct fwd_nl_hop, flags)) != 0)
			return false;
	}
	return true;
}

/* Before or behind all others that only their hops tell apart. */
static int32_t
order_of(const struct fwd_rib_table *table, const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	bool any = false;
	int32_t first = 0, last = 0;
	for (const struct fwd_rib_item *at = fwd_rib_bucket(table, item->hash); at != NULL; at = at->next) {
		if (at == item || at->hash != item->hash || !route_is(at, event))
			continue;
		int32_t order = route_of(at)->order;
		first = !any || order < first ? order : first;
		last = !any || order > last ? order : last;
		any = true;
	}
	return !any ? 0 : event->append ? last + 1 : first - 1;
}

static int
route_set(struct fwd_rib *rib, struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	struct fwd_rib_route *route = (void *)item;
	const struct fwd_nl_route *said = &event->route;
	struct fwd_rib_hops *hops = NULL;
	if (said->hop_cnt != 0) {
		hops = fwd_rib_hops_get(rib, said->hop, said->hop_cnt);
		if (hops == NULL)
			return -ENOMEM;
	}
	if (route->prefix.family == 0) {
		route->prefix = said->prefix;
		route->table = said->table;
		route->priority = said->priority;
		route->tos = said->tos;
		route->order = order_of(&rib->table[said->prefix.family == AF_INET ? FWD_RIB_ROUTE4 : FWD_RIB_ROUTE6],
		                        item, event);
	}
	if (route->hops != NULL)
		fwd_rib_hops_put(rib, route->hops);
	route->hops = hops;
	route->type = said->type;
	route->nh_id = said->nh_id;
	return 0;
}

static void
route_changed(struct fwd_rib *rib, struct fwd_rib_item *item)
{
	fwd_rib_prefix_apply(rib, route_of(item));
}

static void
route_release(struct fwd_rib *rib, struct fwd_rib_item *item)
{
	struct fwd_rib_route *route = (void *)item;
	if (route->hops != NULL)
		fwd_rib_hops_put(rib, route->hops);
	route->hops = NULL;
}

const struct fwd_rib_class_ops fwd_rib_route_ops = {
        .item_bytes = sizeof(struct fwd_rib_route),
        .hash = route_hash,
        .is = route_is,
        .same = route_same,
        .set = route_set,
        .changed = route_changed,
        .release = route_release,
};

/* Hops that share one route of IPv6 (rt6_qualify_for_ecmp). */
static bool
hops_join(const struct fwd_nl_prefix *prefix, uint32_t nh_id, const struct fwd_nl_hop *hop, uint32_t hop_cnt)
{
	if (prefix->family != AF_INET6 || nh_id != 0 || hop_cnt == 0)
		return false;
	for (uint32_t i = 0; i < hop_cnt; i++) {
		if (hop[i].gateway_family == 0)
			return false;
	}
	return true;
}

static bool
route_joins(const struct fwd_rib_route *route)
{
	return route->hops != NULL && hops_join(&route->prefix, route->nh_id, route->hops->hop, route->hops->hop_cnt);
}

static bool
has_hop(const struct fwd_nl_hop *hop, uint32_t hop_cnt, const struct fwd_nl_hop *wanted)
{
	for (uint32_t i = 0; i < hop_cnt; i++) {
		if (hop[i].ifindex == wanted->ifindex && hop[i].gateway_family == wanted->gateway_family &&
		    memcmp(hop[i].gateway, wanted->gateway, sizeof(wanted->gateway)) == 0)
			return true;
	}
	return false;
}

static int
hop_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fwd_nl_hop));
}

/* In one order, whatever the message had: then sets are equal when their bytes are. */
static void
hops_sort(struct fwd_nl_route *route)
{
	if (route->hop_cnt > 1)
		qsort(route->hop, route->hop_cnt, sizeof(route->hop[0]), hop_order);
}

/* What is left of the route's hops without the message's: then it is not gone. */
static void
hops_take_away(struct fwd_nl_event *event, const struct fwd_rib_hops *had)
{
	struct fwd_nl_hop left[FWD_NL_HOPS_MAX];
	uint32_t left_cnt = 0;
	for (uint32_t i = 0; i < had->hop_cnt; i++) {
		if (!has_hop(event->route.hop, event->route.hop_cnt, &had->hop[i]))
			left[left_cnt++] = had->hop[i];
	}
	if (left_cnt == 0)
		return;
	memcpy(event->route.hop, left, left_cnt * sizeof(left[0]));
	event->route.hop_cnt = left_cnt;
	event->deleted = false;
}

/* Items of the same prefix, table and metric as a message. */
struct candidates {
	struct fwd_rib_item *same;    /* with its type and hops, too */
	struct fwd_rib_item *joining; /* IPv6: to which its hops can be added */
	struct fwd_rib_item *first;   /* that is there */
	struct fwd_rib_item *unseen;  /* that the dump did not have yet; may be gone */
	struct fwd_rib_item *gone;    /* that a dump did not have: an event may yet say why */
};

static void
candidates_find(const struct fwd_rib_table *table, const struct fwd_nl_event *event, struct candidates *out)
{
	uint32_t hash = route_hash(event);
	memset(out, 0, sizeof(*out));
	for (struct fwd_rib_item *item = fwd_rib_bucket(table, hash); item != NULL; item = item->next) {
		if (item->hash != hash || !route_is(item, event))
			continue;
		bool gone = (item->flags & FWD_RIB_GONE) != 0;
		if (route_alike(route_of(item), &event->route) && (out->same == NULL || !gone))
			out->same = item;
		if (item->seen != table->dump && out->unseen == NULL)
			out->unseen = item;
		if (gone && out->gone == NULL)
			out->gone = item;
		if (gone)
			continue;
		if (route_joins(route_of(item)) && out->joining == NULL)
			out->joining = item;
		if (out->first == NULL || route_of(item)->order < route_of(out->first)->order)
			out->first = item;
	}
}

static int
dump_put(struct fwd_rib *rib, enum fwd_rib_class class, struct fwd_nl_event *event, const struct candidates *found)
{
	struct fwd_rib_item *item = found->same != NULL ? found->same : found->unseen;
	event->append = true;
	return fwd_rib_put(rib, class, item, event, FWD_RIB_DUMP);
}

/*
 * What the message replaces: if the new one is known already, a dump was ahead of this event, and what it replaces is
 * still there beside it.
 */
static int
event_new(struct fwd_rib *rib, enum fwd_rib_class class, struct fwd_nl_event *event, const struct candidates *found)
{
	struct fwd_nl_route *said = &event->route;
	struct fwd_rib_item *item = found->same;
	bool joins = hops_join(&said->prefix, said->nh_id, said->hop, said->hop_cnt);
	event->append |= class == FWD_RIB_ROUTE6;
	if (item == NULL && joins && found->joining != NULL)
		item = found->joining; /* a message has all hops of its route */
	else if (item == NULL && event->replace)
		item = found->first;
	else if (item != NULL && event->replace && found->first != NULL && found->first != item) {
		event->deleted = true;
		int err = fwd_rib_put(rib, class, found->first, event, FWD_RIB_EVENT);
		event->deleted = false;
		if (err != 0)
			return err;
	}
	return fwd_rib_put(rib, class, item != NULL ? item : found->gone, event, FWD_RIB_EVENT);
}

static int
event_del(struct fwd_rib *rib, enum fwd_rib_class class, struct fwd_nl_event *event, const struct candidates *found)
{
	struct fwd_nl_route *said = &event->route;
	struct fwd_rib_item *item = found->same;
	if (item == NULL && found->joining != NULL && hops_join(&said->prefix, said->nh_id, said->hop, said->hop_cnt)) {
		item = found->joining;
		hops_take_away(event, route_of(item)->hops);
	}
	if (item == NULL && found->first == NULL)
		item = found->gone;
	else if (item == NULL)
		rib->want_dump = true; /* it speaks of a route of which we never heard */
	return item == NULL ? 0 : fwd_rib_put(rib, class, item, event, FWD_RIB_EVENT);
}

int
fwd_rib_route_put(struct fwd_rib *rib, struct fwd_nl_event *event, enum fwd_rib_source source)
{
	struct fwd_nl_route *said = &event->route;
	enum fwd_rib_class class = said->prefix.family == AF_INET ? FWD_RIB_ROUTE4 : FWD_RIB_ROUTE6;
	struct candidates found;
	if (said->cloned)
		return 0;
	if ((said->table != RT_TABLE_MAIN && said->table != RT_TABLE_LOCAL) || said->tos != 0 || said->has_source) {
		rib->stats.unmirrored_cnt += source == FWD_RIB_EVENT && !event->deleted;
		return 0;
	}
	rib->stats.hop_over_cnt += said->hop_over_cnt;
	hops_sort(said);
	candidates_find(&rib->table[class], event, &found);
	if (source == FWD_RIB_DUMP)
		return dump_put(rib, class, event, &found);
	return event->deleted ? event_del(rib, class, event, &found) : event_new(rib, class, event, &found);
}
