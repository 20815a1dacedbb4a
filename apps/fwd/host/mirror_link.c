/* SPDX-License-Identifier: Apache-2.0 */
/* Links, and which of them are interfaces of the router: the TAPs of the ports, and VLANs on those. */
#include <linux/netconf.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_rib.h"

static struct fwd_rib_link *
link_of(struct fwd_rib_item *item)
{
	return (void *)item;
}

static uint32_t
link_hash(const struct fwd_nl_event *event)
{
	return fwd_rib_hash(0, &event->link.ifindex, sizeof(event->link.ifindex));
}

static bool
link_is(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	return ((const struct fwd_rib_link *)(const void *)item)->link.ifindex == event->link.ifindex;
}

static bool
link_same(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	const struct fwd_nl_link *had = &((const struct fwd_rib_link *)(const void *)item)->link, *said = &event->link;
	return had->mtu_bytes == said->mtu_bytes && strcmp(had->name, said->name) == 0 &&
	       memcmp(had->mac, said->mac, sizeof(had->mac)) == 0 && had->has_mac == said->has_mac &&
	       had->up == said->up && had->running == said->running && had->is_vlan == said->is_vlan &&
	       had->vlan == said->vlan && had->lower_ifindex == said->lower_ifindex;
}

static int
link_set(struct fwd_rib *rib, struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	/* Going down takes routes of IPv4 along or makes hops of theirs dead, coming up wakes those, all in silence. */
	rib->want_dump |= link_of(item)->link.ifindex != 0 && link_of(item)->link.up != event->link.up;
	link_of(item)->link = event->link;
	return 0;
}

struct fwd_rib_link *
fwd_rib_link_find(const struct fwd_rib *rib, uint32_t ifindex)
{
	struct fwd_rib_item *item =
	        fwd_rib_bucket(&rib->table[FWD_RIB_LINK], fwd_rib_hash(0, &ifindex, sizeof(ifindex)));
	while (item != NULL && (link_of(item)->link.ifindex != ifindex || (item->flags & FWD_RIB_GONE) != 0))
		item = item->next;
	return item == NULL ? NULL : link_of(item);
}

/* Return: whether the link is a port's TAP. */
static bool
is_port(const struct fwd_rib *rib, const struct fwd_nl_link *link, uint8_t *out_port)
{
	for (uint32_t i = 0; i < rib->options.port_cnt; i++) {
		if (!link->is_vlan && strcmp(rib->port[i], link->name) == 0) {
			*out_port = (uint8_t)i;
			return true;
		}
	}
	return false;
}

/* Forwarding is the receiving interface's matter in IPv4 (ip_route_input), the machine's in IPv6 (ip6_forward). */
static bool
forwards(const struct fwd_rib *rib, uint8_t family, uint32_t ifindex)
{
	const struct fwd_nl_event event = {
	        .kind = FWD_NL_NETCONF,
	        .netconf = {.family = family, .ifindex = family == AF_INET ? (int32_t)ifindex : NETCONFA_IFINDEX_ALL}};
	const struct fwd_rib_item *item =
	        fwd_rib_find(&rib->table[family == AF_INET ? FWD_RIB_NETCONF4 : FWD_RIB_NETCONF6], &event);
	return item != NULL && (item->flags & FWD_RIB_GONE) == 0 &&
	       ((const struct fwd_rib_netconf *)(const void *)item)->netconf.forwarding;
}

/* What the router shall make of a link. Return: whether it is an interface of its at all. */
static bool
wanted(const struct fwd_rib *rib, const struct fwd_nl_link *link, struct fwd_interface *out)
{
	memset(out, 0, sizeof(*out));
	bool ours = is_port(rib, link, &out->port);
	if (!ours && link->is_vlan && link->vlan != FWD_NO_VLAN && link->vlan < FWD_VLAN_CNT) {
		const struct fwd_rib_link *lower = fwd_rib_link_find(rib, link->lower_ifindex);
		ours = lower != NULL && is_port(rib, &lower->link, &out->port);
		out->vlan = link->vlan;
	}
	if (!ours || !link->has_mac)
		return false;
	memcpy(out->mac, link->mac, sizeof(out->mac));
	out->mtu_bytes = link->mtu_bytes > UINT16_MAX ? UINT16_MAX : (uint16_t)link->mtu_bytes;
	out->up = link->up && link->running;
	out->flags = (forwards(rib, AF_INET, link->ifindex) ? FWD_IF_FORWARD4 : 0u) |
	             (forwards(rib, AF_INET6, link->ifindex) ? FWD_IF_FORWARD6 : 0u);
	return true;
}

static void
interface_take_off(struct fwd_rib *rib, struct fwd_rib_link *link)
{
	if (link->interface == 0)
		return;
	fwd_fib_interface_del(rib->options.fib, link->interface);
	rib->interface_used[link->interface] = false;
	link->interface = 0;
}

static uint8_t
interface_free(const struct fwd_rib *rib)
{
	for (unsigned idx = 1; idx < FWD_INTERFACE_CNT; idx++) {
		if (!rib->interface_used[idx])
			return (uint8_t)idx;
	}
	return 0;
}

static void
interface_put(struct fwd_rib *rib, struct fwd_rib_link *link, const struct fwd_interface *want)
{
	bool is_new = link->interface == 0;
	uint8_t idx = is_new ? interface_free(rib) : link->interface;
	if (!is_new && memcmp(&link->set, want, sizeof(*want)) == 0)
		return;
	int err = idx == 0 ? -1 : fwd_fib_interface_set(rib->options.fib, idx, want);
	if (err != 0) {
		rib->stats.interface_over_cnt++;
		interface_take_off(rib, link);
		return;
	}
	link->set = *want;
	link->interface = idx;
	rib->interface_used[idx] = true;
	if (is_new)
		fwd_rib_neighbours_review(rib, link->link.ifindex);
}

static void
link_review(struct fwd_rib *rib, struct fwd_rib_link *link)
{
	struct fwd_interface want;
	if ((link->item.flags & FWD_RIB_GONE) == 0 && wanted(rib, &link->link, &want))
		interface_put(rib, link, &want);
	else
		interface_take_off(rib, link);
}

static void
review_upper(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	const uint32_t *lower = context;
	if (link_of(item)->link.is_vlan && link_of(item)->link.lower_ifindex == *lower) {
		link_review(rib, link_of(item));
		link_of(item)->dirty = true;
	}
}

static void
link_changed(struct fwd_rib *rib, struct fwd_rib_item *item)
{
	struct fwd_rib_link *link = link_of(item);
	uint32_t ifindex = link->link.ifindex;
	link_review(rib, link);
	link->dirty = true;
	rib->dirty = true;
	rib->want_dump |= (item->flags & FWD_RIB_GONE) != 0;
	fwd_rib_each(rib, FWD_RIB_LINK, review_upper, &ifindex);
}

const struct fwd_rib_class_ops fwd_rib_link_ops = {
        .item_bytes = sizeof(struct fwd_rib_link),
        .hash = link_hash,
        .is = link_is,
        .same = link_same,
        .set = link_set,
        .changed = link_changed,
};

static const struct fwd_nl_netconf *
netconf_of(const struct fwd_rib_item *item)
{
	return &((const struct fwd_rib_netconf *)(const void *)item)->netconf;
}

static uint32_t
netconf_hash(const struct fwd_nl_event *event)
{
	return fwd_rib_hash(0, &event->netconf.ifindex, sizeof(event->netconf.ifindex));
}

static bool
netconf_is(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	return netconf_of(item)->ifindex == event->netconf.ifindex;
}

static bool
netconf_same(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	return netconf_of(item)->forwarding == event->netconf.forwarding;
}

static int
netconf_set(struct fwd_rib *rib, struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	((struct fwd_rib_netconf *)(void *)item)->netconf = event->netconf;
	return 0;
}

static void
review_any(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	link_review(rib, link_of(item));
}

static void
netconf_changed(struct fwd_rib *rib, struct fwd_rib_item *item)
{
	fwd_rib_each(rib, FWD_RIB_LINK, review_any, NULL);
}

const struct fwd_rib_class_ops fwd_rib_netconf_ops = {
        .item_bytes = sizeof(struct fwd_rib_netconf),
        .hash = netconf_hash,
        .is = netconf_is,
        .same = netconf_same,
        .set = netconf_set,
        .changed = netconf_changed,
};
