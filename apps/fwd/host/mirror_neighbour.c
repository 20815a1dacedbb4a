/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/neighbour.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_rib.h"

/* Linux would send to it without asking first. */
#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

#define ASK_MS       30000u /* between two questions for one neighbour */
#define ASK_ONCE_MAX 64u    /* in one call of fwd_rib_ask_again */

static struct fwd_rib_neighbour *
neighbour_of(struct fwd_rib_item *item)
{
	return (void *)item;
}

static uint32_t
addr_hash(uint32_t ifindex, const uint8_t addr[16])
{
	return fwd_rib_hash(ifindex, addr, 16);
}

static uint32_t
neighbour_hash(const struct fwd_nl_event *event)
{
	return addr_hash(event->neighbour.ifindex, event->neighbour.addr);
}

static bool
neighbour_is(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	const struct fwd_nl_neighbour *neighbour = &((const struct fwd_rib_neighbour *)(const void *)item)->neighbour;
	return neighbour->ifindex == event->neighbour.ifindex &&
	       memcmp(neighbour->addr, event->neighbour.addr, sizeof(neighbour->addr)) == 0;
}

bool
fwd_rib_neighbour_usable(const struct fwd_nl_neighbour *neighbour)
{
	return (neighbour->state & NUD_USABLE) != 0 && neighbour->has_mac && (neighbour->mac[0] & 1) == 0;
}

/* Linux changes between usable states by timers, and tells it only sometimes: no difference that counts. */
static bool
neighbour_same(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	const struct fwd_nl_neighbour *had = &((const struct fwd_rib_neighbour *)(const void *)item)->neighbour;
	return memcmp(had->mac, event->neighbour.mac, sizeof(had->mac)) == 0;
}

static int
neighbour_set(struct fwd_rib *rib, struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	neighbour_of(item)->neighbour = event->neighbour;
	return 0;
}

static void
neighbour_refresh(struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	neighbour_of(item)->neighbour = event->neighbour;
}

static void
neighbour_apply(struct fwd_rib *rib, struct fwd_rib_neighbour *neighbour, bool there)
{
	const struct fwd_nl_neighbour *said = &neighbour->neighbour;
	const struct fwd_rib_link *link = fwd_rib_link_find(rib, said->ifindex);
	struct fwd_addr addr = fwd_rib_addr(said->family, said->addr);
	if (link == NULL || link->interface == 0) {
		neighbour->in_fib = false; /* it went with the interface */
		return;
	}
	if (there) {
		fwd_rib_fib(rib, fwd_fib_neighbour_set(rib->options.fib, link->interface, &addr, said->mac));
		neighbour->in_fib = true;
	} else if (neighbour->in_fib) {
		fwd_rib_fib(rib, fwd_fib_neighbour_del(rib->options.fib, link->interface, &addr));
		neighbour->in_fib = false;
	}
}

static void
neighbour_changed(struct fwd_rib *rib, struct fwd_rib_item *item)
{
	neighbour_apply(rib, neighbour_of(item), (item->flags & FWD_RIB_GONE) == 0);
}

const struct fwd_rib_class_ops fwd_rib_neighbour_ops = {
        .item_bytes = sizeof(struct fwd_rib_neighbour),
        .hash = neighbour_hash,
        .is = neighbour_is,
        .same = neighbour_same,
        .set = neighbour_set,
        .refresh = neighbour_refresh,
        .changed = neighbour_changed,
};

static void
review(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	const uint32_t *ifindex = context;
	if (neighbour_of(item)->neighbour.ifindex == *ifindex)
		neighbour_apply(rib, neighbour_of(item), true);
}

void
fwd_rib_neighbours_review(struct fwd_rib *rib, uint32_t ifindex)
{
	fwd_rib_each(rib, FWD_RIB_NEIGHBOUR4, review, &ifindex);
	fwd_rib_each(rib, FWD_RIB_NEIGHBOUR6, review, &ifindex);
}

static void
ask(struct fwd_rib *rib, const struct fwd_nl_neighbour *neighbour)
{
	rib->stats.neighbour_asked_cnt++;
	rib->options.ask(rib->options.context, neighbour);
}

void
fwd_rib_gateways_ask(struct fwd_rib *rib, const struct fwd_nl_hop *hop, uint32_t hop_cnt)
{
	for (uint32_t i = 0; i < hop_cnt && rib->options.ask != NULL; i++) {
		const struct fwd_rib_link *link = fwd_rib_link_find(rib, hop[i].ifindex);
		struct fwd_nl_event want = {.kind = FWD_NL_NEIGHBOUR};
		want.neighbour.family = hop[i].gateway_family;
		want.neighbour.ifindex = hop[i].ifindex;
		memcpy(want.neighbour.addr, hop[i].gateway, sizeof(want.neighbour.addr));
		enum fwd_rib_class class = hop[i].gateway_family == AF_INET ? FWD_RIB_NEIGHBOUR4 : FWD_RIB_NEIGHBOUR6;
		if (hop[i].gateway_family != 0 && link != NULL && link->interface != 0 && link->link.up &&
		    fwd_rib_find(&rib->table[class], &want) == NULL)
			ask(rib, &want.neighbour);
	}
}

struct again {
	uint64_t now_ms;
	uint32_t asked_cnt;
};

static void
ask_if_stale(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	struct fwd_rib_neighbour *neighbour = neighbour_of(item);
	struct again *again = context;
	if (!neighbour->in_fib || neighbour->neighbour.state != NUD_STALE || again->asked_cnt == ASK_ONCE_MAX ||
	    again->now_ms - neighbour->asked_ms < ASK_MS)
		return;
	neighbour->asked_ms = again->now_ms;
	again->asked_cnt++;
	ask(rib, &neighbour->neighbour);
}

void
fwd_rib_ask_again(struct fwd_rib *rib, uint64_t now_ms)
{
	struct again again = {.now_ms = now_ms};
	if (rib->options.ask == NULL)
		return;
	fwd_rib_each(rib, FWD_RIB_NEIGHBOUR4, ask_if_stale, &again);
	fwd_rib_each(rib, FWD_RIB_NEIGHBOUR6, ask_if_stale, &again);
}
