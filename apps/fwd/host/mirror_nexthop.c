/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fwd/host/mirror_rib.h"

static const struct fwd_rib_nexthop *
nexthop_of(const struct fwd_rib_item *item)
{
	return (const void *)item;
}

static uint32_t
nexthop_hash(const struct fwd_nl_event *event)
{
	return fwd_rib_hash(0, &event->nexthop.id, sizeof(event->nexthop.id));
}

static bool
nexthop_is(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	return nexthop_of(item)->id == event->nexthop.id;
}

static bool
nexthop_same(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	const struct fwd_rib_nexthop *nexthop = nexthop_of(item);
	const struct fwd_nl_nexthop *said = &event->nexthop;
	return nexthop->is_group == said->is_group && nexthop->blackhole == said->blackhole &&
	       memcmp(&nexthop->hop, &said->hop, sizeof(said->hop)) == 0 && nexthop->member_cnt == said->member_cnt &&
	       (said->member_cnt == 0 ||
	        memcmp(nexthop->member, said->member, said->member_cnt * sizeof(said->member[0])) == 0);
}

static int
nexthop_set(struct fwd_rib *rib, struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	struct fwd_rib_nexthop *nexthop = (void *)item;
	const struct fwd_nl_nexthop *said = &event->nexthop;
	struct fwd_nl_member *member = NULL;
	if (said->member_cnt != 0) {
		member = malloc(said->member_cnt * sizeof(*member));
		if (member == NULL)
			return -ENOMEM;
		memcpy(member, said->member, said->member_cnt * sizeof(*member));
	}
	free(nexthop->member);
	nexthop->member = member;
	nexthop->member_cnt = said->member_cnt;
	nexthop->id = said->id;
	nexthop->is_group = said->is_group;
	nexthop->blackhole = said->blackhole;
	nexthop->hop = said->hop;
	rib->stats.hop_over_cnt += said->member_over_cnt;
	return 0;
}

/* Routes that go with an object go in silence (fib_flush). */
static void
nexthop_changed(struct fwd_rib *rib, struct fwd_rib_item *item)
{
	struct fwd_rib_nexthop *nexthop = (void *)item;
	nexthop->dirty = true;
	rib->dirty = true;
	rib->want_dump |= (item->flags & FWD_RIB_GONE) != 0;
	if ((item->flags & FWD_RIB_GONE) == 0 && !nexthop->is_group && !nexthop->blackhole)
		fwd_rib_gateways_ask(rib, &nexthop->hop, 1);
}

static void
nexthop_release(struct fwd_rib *rib, struct fwd_rib_item *item)
{
	free(((struct fwd_rib_nexthop *)(void *)item)->member);
}

const struct fwd_rib_class_ops fwd_rib_nexthop_ops = {
        .item_bytes = sizeof(struct fwd_rib_nexthop),
        .hash = nexthop_hash,
        .is = nexthop_is,
        .same = nexthop_same,
        .set = nexthop_set,
        .changed = nexthop_changed,
        .release = nexthop_release,
};

struct fwd_rib_nexthop *
fwd_rib_nexthop_find(const struct fwd_rib *rib, uint32_t id)
{
	struct fwd_rib_item *item = fwd_rib_bucket(&rib->table[FWD_RIB_NEXTHOP], fwd_rib_hash(0, &id, sizeof(id)));
	while (item != NULL && (nexthop_of(item)->id != id || (item->flags & FWD_RIB_GONE) != 0))
		item = item->next;
	return (void *)item;
}
