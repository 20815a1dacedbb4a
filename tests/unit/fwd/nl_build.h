/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink messages made by hand, byte by byte as rtnetlink(7) has them. */
#ifndef TESTS_UNIT_FWD_NL_BUILD_H
#define TESTS_UNIT_FWD_NL_BUILD_H

#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct nl_build {
	union {
		struct nlmsghdr message;
		uint8_t bytes[16384];
	};
};

static inline void *
nl_begin(struct nl_build *build, uint16_t type, uint16_t flags, size_t header_bytes)
{
	memset(build, 0, sizeof(*build));
	build->message.nlmsg_type = type;
	build->message.nlmsg_flags = flags;
	build->message.nlmsg_len = (uint32_t)NLMSG_LENGTH(header_bytes);
	return build->bytes + NLMSG_HDRLEN;
}

static inline void
nl_attr(struct nl_build *build, uint16_t type, const void *value, size_t bytes)
{
	uint32_t at = NLMSG_ALIGN(build->message.nlmsg_len);
	struct rtattr attr = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(bytes)};
	memcpy(build->bytes + at, &attr, sizeof(attr));
	memcpy(build->bytes + at + sizeof(attr), value, bytes);
	build->message.nlmsg_len = at + (uint32_t)RTA_LENGTH(bytes);
}

static inline void
nl_attr32(struct nl_build *build, uint16_t type, uint32_t value)
{
	nl_attr(build, type, &value, sizeof(value));
}

/* An attribute whose value is made of others: end it with what begin returned. */
static inline uint32_t
nl_nest(struct nl_build *build, uint16_t type)
{
	uint32_t at = NLMSG_ALIGN(build->message.nlmsg_len);
	nl_attr(build, type, "", 0);
	return at;
}

static inline void
nl_nest_end(struct nl_build *build, uint32_t at)
{
	uint16_t bytes = (uint16_t)(build->message.nlmsg_len - at);
	memcpy(build->bytes + at, &bytes, sizeof(bytes));
}

/* A hop within RTA_MULTIPATH. */
static inline void
nl_hop(struct nl_build *build, int ifindex, uint8_t weight, const void *gateway, size_t gateway_bytes)
{
	uint32_t at = NLMSG_ALIGN(build->message.nlmsg_len);
	struct rtnexthop hop = {.rtnh_ifindex = ifindex, .rtnh_hops = (uint8_t)(weight - 1)};
	build->message.nlmsg_len = at + sizeof(hop);
	if (gateway_bytes != 0)
		nl_attr(build, RTA_GATEWAY, gateway, gateway_bytes);
	hop.rtnh_len = (uint16_t)(build->message.nlmsg_len - at);
	memcpy(build->bytes + at, &hop, sizeof(hop));
}

/* A route without its way. */
static inline void
nl_route(struct nl_build *build, uint16_t type, uint16_t flags, uint8_t family, const void *dst, uint8_t length,
         uint32_t priority)
{
	struct rtmsg *route = nl_begin(build, type, flags, sizeof(*route));
	route->rtm_family = family;
	route->rtm_dst_len = length;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_type = RTN_UNICAST;
	nl_attr32(build, RTA_TABLE, RT_TABLE_MAIN);
	if (length != 0)
		nl_attr(build, RTA_DST, dst, family == AF_INET ? 4 : 16);
	if (priority != 0)
		nl_attr32(build, RTA_PRIORITY, priority);
}

#endif
