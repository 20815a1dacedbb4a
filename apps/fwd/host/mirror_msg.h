/* SPDX-License-Identifier: Apache-2.0 */
/**
 * rtnetlink messages as plain structs: links, addresses, neighbours, next-hop objects, routes, rules and forwarding.
 *
 * The only place that looks at netlink's layout. The kernel sends these messages, but nothing here relies on that: each
 * length is checked, an attribute that is shorter than its type or ends behind its message makes the message malformed,
 * and what the forwarder cannot use (MPLS, multicast routing, cached routes) is told apart from what is broken.
 *
 * Addresses are in network order in 16 bytes, those of IPv4 in the first four and the rest zero.
 * Source: rtnetlink(7), linux/rtnetlink.h, linux/nexthop.h, linux/neighbour.h, linux/if_link.h, linux/fib_rules.h.
 */
#ifndef APPS_FWD_HOST_MIRROR_MSG_H
#define APPS_FWD_HOST_MIRROR_MSG_H

#include <bulkhead/types.h>
#include <linux/netlink.h>
#include <net/if.h>

/* Most next hops of one route: FRR is built with at most 256. What is beyond is left out and counted in hop_over_cnt. */
#define FWD_NL_HOPS_MAX 256u

enum fwd_nl_kind {
	FWD_NL_LINK = 0,
	FWD_NL_ADDRESS = 1,
	FWD_NL_NEIGHBOUR = 2,
	FWD_NL_NEXTHOP = 3,
	FWD_NL_ROUTE = 4,
	FWD_NL_RULE = 5,
	FWD_NL_NETCONF = 6,
};

struct fwd_nl_prefix {
	uint8_t addr[16]; /* bits behind length are zero */
	uint8_t family;   /* AF_INET or AF_INET6 */
	uint8_t length;   /* 0 to 32 or 128 */
};

enum fwd_nl_hop_flags {
	FWD_NL_HOP_ENCAP = 1u << 0, /* a tunnel or label is to be put around the packet: only Linux can */
	FWD_NL_HOP_DEAD = 1u << 1,  /* Linux does not use it now: its link is down, or has no address left */
};

/* No padding: two are equal when their bytes are. */
struct fwd_nl_hop {
	uint32_t ifindex;       /* 0: none said */
	uint16_t weight;        /* 1 to 65535 */
	uint8_t gateway_family; /* 0: the destination is on the link; AF_INET, or AF_INET6 for either kind of route */
	uint8_t gateway[16];
	uint8_t flags; /* enum fwd_nl_hop_flags; last, so that what is before it says which hop it is */
};

_Static_assert(sizeof(struct fwd_nl_hop) == 24, "no padding");

struct fwd_nl_link {
	uint32_t ifindex;
	uint32_t mtu_bytes; /* 0: not said */
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	bool has_mac; /* of 6 bytes */
	bool up;      /* IFF_UP: made so by its administrator */
	bool running; /* IFF_RUNNING: it has a carrier, and Linux has told so */
	bool is_vlan; /* 802.1Q over another: */
	uint16_t vlan;
	uint32_t lower_ifindex; /* 0: none */
};

struct fwd_nl_address {
	uint32_t ifindex;
	struct fwd_nl_prefix prefix; /* the address itself, not cut; and the length of its network */
};

struct fwd_nl_neighbour {
	uint32_t ifindex;
	uint16_t state; /* NUD_... */
	uint8_t family;
	uint8_t flags; /* NTF_... */
	bool has_mac;
	uint8_t mac[6];
	uint8_t addr[16];
};

struct fwd_nl_member {
	uint32_t id;
	uint32_t weight; /* 1 to 65536 */
};

/* One next-hop object: a group of others, a black hole, or one hop. */
struct fwd_nl_nexthop {
	uint32_t id;
	bool is_group, blackhole;
	struct fwd_nl_hop hop;
	uint32_t member_cnt, member_over_cnt;
	struct fwd_nl_member member[FWD_NL_HOPS_MAX];
};

struct fwd_nl_route {
	struct fwd_nl_prefix prefix;
	uint32_t table;    /* RT_TABLE_... */
	uint32_t priority; /* the metric: the lowest wins */
	uint32_t nh_id;    /* next-hop object; 0: none, then hop[] says it */
	uint8_t type;      /* RTN_... */
	uint8_t protocol;  /* RTPROT_...: who put it there */
	uint8_t tos;
	bool cloned;     /* a cache entry, no route */
	bool has_source; /* only for packets from some source prefix */
	uint32_t hop_cnt, hop_over_cnt;
	struct fwd_nl_hop hop[FWD_NL_HOPS_MAX];
};

struct fwd_nl_rule {
	uint32_t priority;
	uint32_t table;
	uint8_t family;
	uint8_t action; /* FR_ACT_... */
	bool selective; /* asks for more than the packet's being there */
};

/* What an interface does with packets of one family. */
struct fwd_nl_netconf {
	int32_t ifindex; /* or NETCONFA_IFINDEX_ALL, NETCONFA_IFINDEX_DEFAULT, which are negative */
	uint8_t family;
	bool forwarding;
};

struct fwd_nl_event {
	enum fwd_nl_kind kind;
	bool deleted; /* RTM_DEL..., else RTM_NEW... */
	bool replace; /* NLM_F_REPLACE, or NLM_F_EXCL: now there is no other of its key, or one less */
	bool append;  /* NLM_F_APPEND */
	union {
		struct fwd_nl_link link;
		struct fwd_nl_address address;
		struct fwd_nl_neighbour neighbour;
		struct fwd_nl_nexthop nexthop;
		struct fwd_nl_route route;
		struct fwd_nl_rule rule;
		struct fwd_nl_netconf netconf;
	};
};

/**
 * fwd_nl_parse - one message
 * @message: nlmsg_len bytes of it are there (mnl_nlmsg_ok)
 *
 * Return: 0; -ENOMSG it is well formed, or of a kind that nobody here follows, and there is nothing to do; -EPROTO it
 * is malformed (*out is not to be looked at).
 */
BH_MUST_CHECK int fwd_nl_parse(const struct nlmsghdr *message, struct fwd_nl_event *out);

/* fwd_nl_parse_route, _nexthop - the parts of fwd_nl_parse that are in files of their own; return as it does. */
BH_MUST_CHECK int fwd_nl_parse_route(const struct nlmsghdr *message, struct fwd_nl_route *out);
BH_MUST_CHECK int fwd_nl_parse_nexthop(const struct nlmsghdr *message, struct fwd_nl_nexthop *out);

/* Attributes by type, NULL where the message has none. */
#define FWD_NL_ATTRS_MAX 80u
struct nlattr;
struct fwd_nl_attrs {
	const struct nlattr *at[FWD_NL_ATTRS_MAX];
};

/* Sort bytes of attributes by type; the last of a type counts, types above FWD_NL_ATTRS_MAX are passed over. Return: 0
 * or -EPROTO: one is shorter than its header or ends behind `bytes`. */
BH_MUST_CHECK int fwd_nl_attrs(const void *from, size_t bytes, struct fwd_nl_attrs *out);
/* The attributes of a message whose own header has header_bytes. Return: 0 or -EPROTO. */
BH_MUST_CHECK int fwd_nl_attrs_of(const struct nlmsghdr *message, size_t header_bytes, struct fwd_nl_attrs *out);
/* A 32-bit attribute; left alone when it is not there. Return: 0; -EPROTO: it is shorter. */
BH_MUST_CHECK int fwd_nl_u32(const struct fwd_nl_attrs *attrs, unsigned type, uint32_t *out);
/* An address of that family. Return: 1 it was there, 0 it was not, -EPROTO of another length. */
BH_MUST_CHECK int fwd_nl_addr(const struct fwd_nl_attrs *attrs, unsigned type, uint8_t family, uint8_t out[16]);
/* Bytes of an address: 4, 16; 0 of no family that is forwarded. */
size_t fwd_nl_addr_bytes(uint8_t family);

#endif
