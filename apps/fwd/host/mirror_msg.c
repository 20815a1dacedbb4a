/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_msg.h"

size_t
fwd_nl_addr_bytes(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

int
fwd_nl_attrs(const void *from, size_t bytes, struct fwd_nl_attrs *out)
{
	const uint8_t *at = from;
	memset(out, 0, sizeof(*out));
	while (bytes >= sizeof(struct nlattr)) {
		const struct nlattr *attr = (const void *)at;
		size_t step = MNL_ALIGN(attr->nla_len);
		uint16_t type = mnl_attr_get_type(attr);
		if (attr->nla_len < sizeof(*attr) || attr->nla_len > bytes)
			return -EPROTO;
		if (type < FWD_NL_ATTRS_MAX)
			out->at[type] = attr;
		if (step >= bytes)
			return 0;
		at += step;
		bytes -= step;
	}
	return bytes == 0 ? 0 : -EPROTO;
}

int
fwd_nl_attrs_of(const struct nlmsghdr *message, size_t header_bytes, struct fwd_nl_attrs *out)
{
	size_t before = MNL_NLMSG_HDRLEN + MNL_ALIGN(header_bytes);
	if (message->nlmsg_len < before)
		return -EPROTO;
	return fwd_nl_attrs((const uint8_t *)message + before, message->nlmsg_len - before, out);
}

int
fwd_nl_u32(const struct fwd_nl_attrs *attrs, unsigned type, uint32_t *out)
{
	const struct nlattr *attr = attrs->at[type];
	if (attr == NULL)
		return 0;
	if (mnl_attr_get_payload_len(attr) != sizeof(*out))
		return -EPROTO;
	memcpy(out, mnl_attr_get_payload(attr), sizeof(*out));
	return 0;
}

int
fwd_nl_addr(const struct fwd_nl_attrs *attrs, unsigned type, uint8_t family, uint8_t out[16])
{
	const struct nlattr *attr = attrs->at[type];
	size_t bytes = fwd_nl_addr_bytes(family);
	if (attr == NULL)
		return 0;
	if (bytes == 0 || mnl_attr_get_payload_len(attr) != bytes)
		return -EPROTO;
	memcpy(out, mnl_attr_get_payload(attr), bytes);
	return 1;
}

/* A hardware address counts when it is Ethernet's. */
static bool
mac_of(const struct fwd_nl_attrs *attrs, unsigned type, uint8_t out[6])
{
	const struct nlattr *attr = attrs->at[type];
	if (attr == NULL || mnl_attr_get_payload_len(attr) != 6)
		return false;
	memcpy(out, mnl_attr_get_payload(attr), 6);
	return true;
}

/* IFLA_LINKINFO holds the kind as text and, for a VLAN, its identifier. */
static int
link_vlan(const struct nlattr *attr, struct fwd_nl_link *out)
{
	struct fwd_nl_attrs info, data;
	if (fwd_nl_attrs(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr), &info) != 0)
		return -EPROTO;
	const struct nlattr *kind = info.at[IFLA_INFO_KIND], *of = info.at[IFLA_INFO_DATA];
	if (kind == NULL || of == NULL || mnl_attr_get_payload_len(kind) < sizeof("vlan") - 1 ||
	    memcmp(mnl_attr_get_payload(kind), "vlan", sizeof("vlan") - 1) != 0)
		return 0;
	if (fwd_nl_attrs(mnl_attr_get_payload(of), mnl_attr_get_payload_len(of), &data) != 0)
		return -EPROTO;
	const struct nlattr *id = data.at[IFLA_VLAN_ID], *protocol = data.at[IFLA_VLAN_PROTOCOL];
	if (id == NULL || mnl_attr_get_payload_len(id) != sizeof(uint16_t))
		return -EPROTO;
	if (protocol != NULL && (mnl_attr_get_payload_len(protocol) != sizeof(uint16_t) ||
	                         memcmp(mnl_attr_get_payload(protocol), "\x81\x00", 2) != 0))
		return 0; /* 802.1ad: of no use to the cell */
	memcpy(&out->vlan, mnl_attr_get_payload(id), sizeof(out->vlan));
	out->is_vlan = true;
	return 0;
}

static int
parse_link(const struct nlmsghdr *message, struct fwd_nl_link *out)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct fwd_nl_attrs attrs;
	if (fwd_nl_attrs_of(message, sizeof(*info), &attrs) != 0)
		return -EPROTO;
	if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0) /* AF_BRIDGE: what a bridge says of its ports */
		return -ENOMSG;
	const struct nlattr *name = attrs.at[IFLA_IFNAME];
	if (name != NULL) {
		size_t bytes = mnl_attr_get_payload_len(name);
		if (bytes == 0 || bytes > sizeof(out->name))
			return -EPROTO;
		memcpy(out->name, mnl_attr_get_payload(name), bytes);
		out->name[sizeof(out->name) - 1] = '\0';
	}
	out->ifindex = (uint32_t)info->ifi_index;
	out->up = (info->ifi_flags & IFF_UP) != 0;
	out->running = (info->ifi_flags & IFF_RUNNING) != 0;
	out->has_mac = mac_of(&attrs, IFLA_ADDRESS, out->mac);
	if (attrs.at[IFLA_LINKINFO] != NULL && link_vlan(attrs.at[IFLA_LINKINFO], out) != 0)
		return -EPROTO;
	int err = fwd_nl_u32(&attrs, IFLA_LINK, &out->lower_ifindex);
	return err != 0 ? err : fwd_nl_u32(&attrs, IFLA_MTU, &out->mtu_bytes);
}

static int
parse_address(const struct nlmsghdr *message, struct fwd_nl_address *out)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct fwd_nl_attrs attrs;
	if (fwd_nl_attrs_of(message, sizeof(*info), &attrs) != 0)
		return -EPROTO;
	size_t bytes = fwd_nl_addr_bytes(info->ifa_family);
	if (bytes == 0)
		return -ENOMSG;
	if (info->ifa_prefixlen > 8 * bytes)
		return -EPROTO;
	out->ifindex = info->ifa_index;
	out->prefix.family = info->ifa_family;
	out->prefix.length = info->ifa_prefixlen;
	/* IFA_LOCAL is ours; IFA_ADDRESS is the peer's on a point-to-point link, and ours elsewhere. */
	int got = fwd_nl_addr(&attrs, IFA_LOCAL, info->ifa_family, out->prefix.addr);
	if (got == 0)
		got = fwd_nl_addr(&attrs, IFA_ADDRESS, info->ifa_family, out->prefix.addr);
	return got < 0 ? got : got == 0 ? -EPROTO : 0;
}

static int
parse_neighbour(const struct nlmsghdr *message, struct fwd_nl_neighbour *out)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	struct fwd_nl_attrs attrs;
	if (fwd_nl_attrs_of(message, sizeof(*info), &attrs) != 0)
		return -EPROTO;
	if (fwd_nl_addr_bytes(info->ndm_family) == 0 || info->ndm_ifindex <= 0 || (info->ndm_flags & NTF_PROXY) != 0)
		return -ENOMSG;
	int got = fwd_nl_addr(&attrs, NDA_DST, info->ndm_family, out->addr);
	if (got <= 0)
		return got < 0 ? got : -EPROTO;
	out->ifindex = (uint32_t)info->ndm_ifindex;
	out->state = info->ndm_state;
	out->family = info->ndm_family;
	out->flags = info->ndm_flags;
	out->has_mac = mac_of(&attrs, NDA_LLADDR, out->mac);
	return 0;
}

static int
parse_rule(const struct nlmsghdr *message, struct fwd_nl_rule *out)
{
	const struct fib_rule_hdr *info = mnl_nlmsg_get_payload(message);
	static const uint16_t selector[] = {FRA_DST,         FRA_SRC,         FRA_IIFNAME,   FRA_OIFNAME,
	                                    FRA_FWMARK,      FRA_L3MDEV,      FRA_UID_RANGE, FRA_IP_PROTO,
	                                    FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_TUN_ID};
	struct fwd_nl_attrs attrs;
	if (fwd_nl_attrs_of(message, sizeof(*info), &attrs) != 0)
		return -EPROTO;
	if (fwd_nl_addr_bytes(info->family) == 0)
		return -ENOMSG;
	out->family = info->family;
	out->action = info->action;
	out->table = info->table;
	for (size_t i = 0; i < BH_ARRAY_CNT(selector); i++)
		out->selective |= attrs.at[selector[i]] != NULL;
	out->selective |= info->tos != 0 || (info->flags & FIB_RULE_INVERT) != 0;
	int err = fwd_nl_u32(&attrs, FRA_PRIORITY, &out->priority);
	return err != 0 ? err : fwd_nl_u32(&attrs, FRA_TABLE, &out->table);
}

static int
parse_netconf(const struct nlmsghdr *message, struct fwd_nl_netconf *out)
{
	const struct netconfmsg *info = mnl_nlmsg_get_payload(message);
	struct fwd_nl_attrs attrs;
	uint32_t ifindex = 0, forwarding = 0;
	if (fwd_nl_attrs_of(message, sizeof(*info), &attrs) != 0)
		return -EPROTO;
	if (fwd_nl_addr_bytes(info->ncm_family) == 0 || attrs.at[NETCONFA_IFINDEX] == NULL ||
	    attrs.at[NETCONFA_FORWARDING] == NULL)
		return -ENOMSG; /* says something else of the interface */
	int err = fwd_nl_u32(&attrs, NETCONFA_IFINDEX, &ifindex);
	if (err == 0)
		err = fwd_nl_u32(&attrs, NETCONFA_FORWARDING, &forwarding);
	out->family = info->ncm_family;
	out->ifindex = (int32_t)ifindex;
	out->forwarding = forwarding != 0;
	return err;
}

/* The next hops' room, 6 KiB, is left as it is: each entry is written before it counts. */
_Static_assert(offsetof(struct fwd_nl_event, nexthop.member) <= offsetof(struct fwd_nl_event, route.hop) &&
                       offsetof(struct fwd_nl_event, route.hop) > sizeof(struct fwd_nl_link),
               "what is cleared holds all but the arrays");

int
fwd_nl_parse(const struct nlmsghdr *message, struct fwd_nl_event *out)
{
	memset(out, 0, offsetof(struct fwd_nl_event, route.hop[1]));
	out->replace = (message->nlmsg_flags & (NLM_F_REPLACE | NLM_F_EXCL)) != 0;
	out->append = (message->nlmsg_flags & NLM_F_APPEND) != 0;
	switch (message->nlmsg_type) {
	case RTM_DELLINK:
	case RTM_NEWLINK:
		out->kind = FWD_NL_LINK;
		out->deleted = message->nlmsg_type == RTM_DELLINK;
		return parse_link(message, &out->link);
	case RTM_DELADDR:
	case RTM_NEWADDR:
		out->kind = FWD_NL_ADDRESS;
		out->deleted = message->nlmsg_type == RTM_DELADDR;
		return parse_address(message, &out->address);
	case RTM_DELNEIGH:
	case RTM_NEWNEIGH:
		out->kind = FWD_NL_NEIGHBOUR;
		out->deleted = message->nlmsg_type == RTM_DELNEIGH;
		return parse_neighbour(message, &out->neighbour);
	case RTM_DELNEXTHOP:
	case RTM_NEWNEXTHOP:
		out->kind = FWD_NL_NEXTHOP;
		out->deleted = message->nlmsg_type == RTM_DELNEXTHOP;
		return fwd_nl_parse_nexthop(message, &out->nexthop);
	case RTM_DELROUTE:
	case RTM_NEWROUTE:
		out->kind = FWD_NL_ROUTE;
		out->deleted = message->nlmsg_type == RTM_DELROUTE;
		return fwd_nl_parse_route(message, &out->route);
	case RTM_DELRULE:
	case RTM_NEWRULE:
		out->kind = FWD_NL_RULE;
		out->deleted = message->nlmsg_type == RTM_DELRULE;
		return parse_rule(message, &out->rule);
	case RTM_DELNETCONF:
	case RTM_NEWNETCONF:
		out->kind = FWD_NL_NETCONF;
		out->deleted = message->nlmsg_type == RTM_DELNETCONF;
		return parse_netconf(message, &out->netconf);
	default:
		return -ENOMSG;
	}
}
