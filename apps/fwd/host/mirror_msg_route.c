/* SPDX-License-Identifier: Apache-2.0 */
/* Routes and next-hop objects: what names the next hops of a packet. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_msg.h"

/* struct rtvia: the family in host order, then the address. */
static int
hop_via(const struct nlattr *attr, struct fwd_nl_hop *hop)
{
	uint16_t family;
	const uint8_t *at = mnl_attr_get_payload(attr);
	size_t bytes = mnl_attr_get_payload_len(attr);
	if (bytes < sizeof(family))
		return -EPROTO;
	memcpy(&family, at, sizeof(family));
	size_t addr_bytes = family > UINT8_MAX ? 0 : fwd_nl_addr_bytes((uint8_t)family);
	if (addr_bytes == 0)
		return -ENOMSG;
	if (bytes != sizeof(family) + addr_bytes)
		return -EPROTO;
	hop->gateway_family = (uint8_t)family;
	memcpy(hop->gateway, at + sizeof(family), addr_bytes);
	return 0;
}

/* A gateway of all zeros is none: IPv6 says so for routes on the link. */
static void
hop_gateway_or_none(struct fwd_nl_hop *hop)
{
	static const uint8_t none[16];
	if (memcmp(hop->gateway, none, sizeof(none)) == 0)
		hop->gateway_family = 0;
}

static int
hop_of(const struct fwd_nl_attrs *attrs, uint8_t family, struct fwd_nl_hop *hop)
{
	int got = fwd_nl_addr(attrs, RTA_GATEWAY, family, hop->gateway);
	if (got < 0)
		return got;
	if (got == 1)
		hop->gateway_family = family;
	if (attrs->at[RTA_VIA] != NULL) {
		got = hop_via(attrs->at[RTA_VIA], hop);
		if (got != 0)
			return got;
	}
	if (attrs->at[RTA_ENCAP_TYPE] != NULL || attrs->at[RTA_ENCAP] != NULL)
		hop->flags |= FWD_NL_HOP_ENCAP;
	hop_gateway_or_none(hop);
	return 0;
}

static int
one_of_many(const struct rtnexthop *header, const uint8_t *at, uint8_t family, struct fwd_nl_hop *hop)
{
	struct fwd_nl_attrs attrs;
	size_t before = NLMSG_ALIGN(sizeof(*header));
	if (fwd_nl_attrs(at + before, header->rtnh_len - before, &attrs) != 0)
		return -EPROTO;
	memset(hop, 0, sizeof(*hop));
	hop->ifindex = (uint32_t)header->rtnh_ifindex;
	hop->weight = (uint16_t)(header->rtnh_hops + 1u);
	hop->flags = (header->rtnh_flags & RTNH_F_DEAD) != 0 ? FWD_NL_HOP_DEAD : 0;
	return hop_of(&attrs, family, hop);
}

static int
hops_of(const struct nlattr *attr, uint8_t family, struct fwd_nl_route *out)
{
	const uint8_t *at = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);
	struct rtnexthop header;
	while (left >= sizeof(header)) {
		memcpy(&header, at, sizeof(header));
		if (header.rtnh_len < sizeof(header) || header.rtnh_len > left)
			return -EPROTO;
		if (out->hop_cnt < FWD_NL_HOPS_MAX) {
			int err = one_of_many(&header, at, family, &out->hop[out->hop_cnt]);
			if (err != 0)
				return err;
			out->hop_cnt++;
		} else {
			out->hop_over_cnt++;
		}
		size_t step = MNL_ALIGN(header.rtnh_len);
		if (step >= left)
			return 0;
		at += step;
		left -= step;
	}
	return left == 0 ? 0 : -EPROTO;
}

/* The one hop of a route without RTA_MULTIPATH, if it has any. */
static int
single_hop(const struct fwd_nl_attrs *attrs, const struct rtmsg *info, struct fwd_nl_route *out)
{
	struct fwd_nl_hop *hop = &out->hop[0];
	hop->flags = (info->rtm_flags & RTNH_F_DEAD) != 0 ? FWD_NL_HOP_DEAD : 0;
	int err = fwd_nl_u32(attrs, RTA_OIF, &hop->ifindex);
	if (err == 0)
		err = hop_of(attrs, info->rtm_family, hop);
	if (err != 0)
		return err;
	hop->weight = 1;
	out->hop_cnt = hop->ifindex != 0 || hop->gateway_family != 0 ? 1 : 0;
	return 0;
}

/* Bits behind the length are no part of a prefix. */
static void
prefix_cut(struct fwd_nl_prefix *prefix)
{
	for (unsigned bit = prefix->length; bit < 128; bit++)
		prefix->addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

static int
route_header(const struct rtmsg *info, const struct fwd_nl_attrs *attrs, struct fwd_nl_route *out)
{
	size_t addr_bytes = fwd_nl_addr_bytes(info->rtm_family);
	if (info->rtm_dst_len > 8 * addr_bytes)
		return -EPROTO;
	out->prefix.family = info->rtm_family;
	out->prefix.length = info->rtm_dst_len;
	int got = fwd_nl_addr(attrs, RTA_DST, info->rtm_family, out->prefix.addr);
	if (got < 0 || (got == 0 && info->rtm_dst_len != 0))
		return -EPROTO;
	prefix_cut(&out->prefix);
	out->type = info->rtm_type;
	out->protocol = info->rtm_protocol;
	out->tos = info->rtm_tos;
	out->table = info->rtm_table;
	out->cloned = (info->rtm_flags & RTM_F_CLONED) != 0;
	out->has_source = info->rtm_src_len != 0;
	return 0;
}

int
fwd_nl_parse_route(const struct nlmsghdr *message, struct fwd_nl_route *out)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct fwd_nl_attrs attrs;
	if (fwd_nl_attrs_of(message, sizeof(*info), &attrs) != 0)
		return -EPROTO;
	if (fwd_nl_addr_bytes(info->rtm_family) == 0)
		return -ENOMSG;
	int err = route_header(info, &attrs, out);
	if (err == 0)
		err = fwd_nl_u32(&attrs, RTA_TABLE, &out->table);
	if (err == 0)
		err = fwd_nl_u32(&attrs, RTA_PRIORITY, &out->priority);
	if (err == 0)
		err = fwd_nl_u32(&attrs, RTA_NH_ID, &out->nh_id);
	if (err != 0 ||
	    out->nh_id != 0) /* the object says the hops; what the message repeats of them is not looked at */
		return err;
	if (attrs.at[RTA_MULTIPATH] != NULL)
		return hops_of(attrs.at[RTA_MULTIPATH], info->rtm_family, out);
	return single_hop(&attrs, info, out);
}

/* struct nexthop_grp's weight is one less than it means; its upper 8 bits are in resvd1. */
static int
members_of(const struct nlattr *attr, struct fwd_nl_nexthop *out)
{
	const uint8_t *at = mnl_attr_get_payload(attr);
	size_t bytes = mnl_attr_get_payload_len(attr);
	struct nexthop_grp member;
	if (bytes == 0 || bytes % sizeof(member) != 0)
		return -EPROTO;
	out->is_group = true;
	for (; bytes != 0; bytes -= sizeof(member), at += sizeof(member)) {
		memcpy(&member, at, sizeof(member));
		if (out->member_cnt == FWD_NL_HOPS_MAX) {
			out->member_over_cnt++;
			continue;
		}
		out->member[out->member_cnt].id = member.id;
		out->member[out->member_cnt++].weight = ((uint32_t)member.resvd1 << 8 | member.weight) + 1u;
	}
	return 0;
}

static int
nexthop_hop(const struct fwd_nl_attrs *attrs, const struct nhmsg *info, struct fwd_nl_hop *hop)
{
	uint8_t family = info->nh_family;
	hop->flags = (info->nh_flags & RTNH_F_DEAD) != 0 ? FWD_NL_HOP_DEAD : 0;
	int err = fwd_nl_u32(attrs, NHA_OIF, &hop->ifindex);
	if (err != 0)
		return err;
	int got = fwd_nl_addr(attrs, NHA_GATEWAY, family, hop->gateway);
	if (got < 0)
		return got;
	if (got == 1)
		hop->gateway_family = family;
	if (attrs->at[NHA_ENCAP_TYPE] != NULL || attrs->at[NHA_ENCAP] != NULL)
		hop->flags |= FWD_NL_HOP_ENCAP;
	hop->weight = 1;
	hop_gateway_or_none(hop);
	return 0;
}

int
fwd_nl_parse_nexthop(const struct nlmsghdr *message, struct fwd_nl_nexthop *out)
{
	const struct nhmsg *info = mnl_nlmsg_get_payload(message);
	struct fwd_nl_attrs attrs;
	if (fwd_nl_attrs_of(message, sizeof(*info), &attrs) != 0)
		return -EPROTO;
	if (attrs.at[NHA_FDB] != NULL) /* for VXLAN's forwarding table */
		return -ENOMSG;
	int err = fwd_nl_u32(&attrs, NHA_ID, &out->id);
	if (err != 0 || out->id == 0)
		return -EPROTO;
	out->blackhole = attrs.at[NHA_BLACKHOLE] != NULL;
	if (attrs.at[NHA_GROUP] != NULL)
		return members_of(attrs.at[NHA_GROUP], out);
	return nexthop_hop(&attrs, info, &out->hop);
}
