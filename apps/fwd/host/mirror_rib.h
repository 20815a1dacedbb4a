/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What Linux's tables were when last heard of, and the router's tables made of it.
 *
 *   rtnetlink --> mirror_msg --> rib: an item per link, neighbour, next-hop object, route ... --> fib
 *
 * Linux may hold several routes of one prefix; here are all of them, and the fib gets the one that Linux would use.
 *
 * A change comes as an event, or is found by a dump: then an event was lost, or Linux did not send one (it removes IPv4
 * routes in silence when their link goes down). While a table is being dumped its items say which came by event since
 * the dump began: an event is always right, however old what the dump says of the same thing.
 *
 *   mirror_table.c      items by hash; events against dumps; differences
 *   mirror_route.c      which item a route message means: what IPv4 and IPv6 do with the same prefix twice
 *   mirror_nexthop.c    next-hop objects and groups
 *   mirror_link.c       links, forwarding, and the interfaces of the router's tables
 *   mirror_neighbour.c  neighbours, and the questions that keep them fresh
 *   mirror_apply.c      the best route of a prefix, its hops, into the fib
 *
 * One thread.
 */
#ifndef APPS_FWD_HOST_MIRROR_RIB_H
#define APPS_FWD_HOST_MIRROR_RIB_H

#include "apps/fwd/host/fib.h"
#include "apps/fwd/host/mirror_msg.h"

enum fwd_rib_class {
	FWD_RIB_LINK = 0, /* what routes refer to comes first */
	FWD_RIB_NETCONF4 = 1,
	FWD_RIB_NETCONF6 = 2,
	FWD_RIB_NEXTHOP = 3,
	FWD_RIB_ROUTE4 = 4,
	FWD_RIB_ROUTE6 = 5,
	FWD_RIB_NEIGHBOUR4 = 6,
	FWD_RIB_NEIGHBOUR6 = 7,
	FWD_RIB_RULE4 = 8,
	FWD_RIB_RULE6 = 9,
	FWD_RIB_CLASS_CNT,
};

#define FWD_RIB_CLASS_NAMES                                                                                            \
	{                                                                                                              \
		"links", "IPv4 forwarding", "IPv6 forwarding", "next hops", "IPv4 routes", "IPv6 routes",              \
		        "IPv4 neighbours", "IPv6 neighbours", "IPv4 rules", "IPv6 rules",                              \
	}

enum fwd_rib_source {
	FWD_RIB_EVENT,
	FWD_RIB_DUMP,
};

enum fwd_rib_item_flags {
	FWD_RIB_GONE = 1u << 0, /* deleted; stays until the dump that runs has ended */
	FWD_RIB_DIFF = 1u << 1, /* the dump that runs said so, and no event yet */
};

struct fwd_rib_item {
	struct fwd_rib_item *next; /* of the bucket; older first */
	uint32_t hash;
	uint32_t seen;    /* number of the dump that last had it */
	uint32_t touched; /* number of the dump that ran, or ran last, when an event changed it */
	uint8_t flags;
	uint8_t missed_cnt; /* dumps in a row that did not have it */
};

struct fwd_rib_link {
	struct fwd_rib_item item;
	struct fwd_nl_link link;
	uint8_t interface;        /* in the router's tables; 0: none */
	bool dirty;               /* routes over it are to be looked at again */
	struct fwd_interface set; /* as the fib has it */
};

struct fwd_rib_netconf {
	struct fwd_rib_item item;
	struct fwd_nl_netconf netconf;
};

struct fwd_rib_nexthop {
	struct fwd_rib_item item;
	uint32_t id;
	bool is_group, blackhole, dirty;
	struct fwd_nl_hop hop;
	uint32_t member_cnt;
	struct fwd_nl_member *member;
};

struct fwd_rib_neighbour {
	struct fwd_rib_item item;
	struct fwd_nl_neighbour neighbour;
	bool in_fib;
	uint64_t asked_ms; /* when Linux was last asked to check it */
};

struct fwd_rib_rule {
	struct fwd_rib_item item;
	struct fwd_nl_rule rule;
};

/* Hops that many routes share. */
struct fwd_rib_hops {
	struct fwd_rib_hops *next;
	uint32_t hash, ref_cnt;
	uint32_t hop_cnt;
	bool dirty;
	struct fwd_nl_hop hop[];
};

struct fwd_rib_route {
	struct fwd_rib_item item;
	struct fwd_nl_prefix prefix;
	uint8_t type, tos;
	int32_t order; /* among routes of the same prefix, table and metric: the lowest wins */
	uint32_t table, priority, nh_id;
	struct fwd_rib_hops *hops; /* NULL: none */
};

struct fwd_rib;

/* What differs between the classes of items. */
struct fwd_rib_class_ops {
	size_t item_bytes;
	uint32_t (*hash)(const struct fwd_nl_event *event);
	/* is - whether the event speaks of this item */
	bool (*is)(const struct fwd_rib_item *item, const struct fwd_nl_event *event);
	/* same - whether it says of it what we know */
	bool (*same)(const struct fwd_rib_item *item, const struct fwd_nl_event *event);
	/* set - take over what the event says; key and all for a new one (zeroed but for `item`). 0 or -ENOMEM */
	int (*set)(struct fwd_rib *rib, struct fwd_rib_item *item, const struct fwd_nl_event *event);
	/* refresh - take over what is no difference; may be NULL */
	void (*refresh)(struct fwd_rib_item *item, const struct fwd_nl_event *event);
	/* changed - item came, changed, or (FWD_RIB_GONE) went: make it so in the fib */
	void (*changed)(struct fwd_rib *rib, struct fwd_rib_item *item);
	/* release - before it is freed */
	void (*release)(struct fwd_rib *rib, struct fwd_rib_item *item);
};

struct fwd_rib_table {
	const struct fwd_rib_class_ops *ops;
	struct fwd_rib_item **bucket;
	uint64_t bucket_cnt; /* a power of two */
	uint64_t item_cnt;
	uint32_t dump; /* number of the dump that runs, or ran last */
	bool dumping;
	bool disturbed;    /* an event came while it ran */
	uint64_t diff_cnt; /* of the dump that runs */
};

struct fwd_rib_stats {
	uint64_t event_cnt[FWD_RIB_CLASS_CNT];
	uint64_t malformed_cnt;       /* messages that are not what they say */
	uint64_t hop_over_cnt;        /* hops left out: more than the tables hold for one route */
	uint64_t unmirrored_cnt;      /* routes not followed: of other tables, with a TOS or a source prefix */
	uint64_t unresolved_cnt;      /* routes that name a next-hop object that is not there */
	uint64_t fib_error_cnt;       /* calls that the fib refused: its tables are full */
	uint64_t neighbour_asked_cnt; /* neighbours that Linux was asked to look for or to check */
	uint64_t interface_over_cnt;  /* links for which the tables have no interface left: Linux forwards for them */
	uint64_t no_memory_cnt;
};

struct fwd_rib_options {
	struct fwd_fib *fib;
	const char (*port)[IF_NAMESIZE]; /* name of the TAP of each port; copied */
	uint32_t port_cnt;
	/* ask - have Linux look for a neighbour, or check that it is there; may be NULL */
	void (*ask)(void *context, const struct fwd_nl_neighbour *neighbour);
	void *context;
};

struct fwd_rib {
	struct fwd_rib_options options;
	char port[FWD_PORTS_MAX][IF_NAMESIZE];
	struct fwd_rib_table table[FWD_RIB_CLASS_CNT];
	struct fwd_rib_hops **hops_bucket;
	uint64_t hops_bucket_cnt;
	bool interface_used[FWD_INTERFACE_CNT];
	bool dirty;     /* some link's or next-hop object's `dirty` is set */
	bool want_dump; /* something happened of which Linux does not tell all consequences */
	uint32_t dump;  /* the last number given */
	struct fwd_rib_stats stats;
};

BH_MUST_CHECK int fwd_rib_init(struct fwd_rib *rib, const struct fwd_rib_options *options);
void fwd_rib_free(struct fwd_rib *rib);

/**
 * fwd_rib_apply - take over one message
 * Return: 0; -ENOMEM: it is lost, a dump will find it.
 */
BH_MUST_CHECK int fwd_rib_apply(struct fwd_rib *rib, struct fwd_nl_event *event, enum fwd_rib_source source);

/* fwd_rib_commit - the end of a batch: routes that changes of links and next-hop objects concern, and the fib's epoch. */
void fwd_rib_commit(struct fwd_rib *rib);

/**
 * A full comparison of one class: begin; everything that Linux has through fwd_rib_apply(FWD_RIB_DUMP), events between
 * it; then end (all items that the dump did not have go), then what events are left, then settle.
 *
 * An item that is missing while events came goes only at the second time: a dump is no snapshot.
 * Return of fwd_rib_dump_end: how many are in doubt that way: then another dump is due.
 * Return of fwd_rib_dump_settle: differences that no event explains.
 */
void fwd_rib_dump_begin(struct fwd_rib *rib, enum fwd_rib_class class);
BH_MUST_CHECK uint64_t fwd_rib_dump_end(struct fwd_rib *rib, enum fwd_rib_class class);
BH_MUST_CHECK uint64_t fwd_rib_dump_settle(struct fwd_rib *rib, enum fwd_rib_class class);

/* fwd_rib_ask_again - ask Linux to check neighbours that it has not looked at for long; a few at a time. */
void fwd_rib_ask_again(struct fwd_rib *rib, uint64_t now_ms);

/* Within the rib. */

extern const struct fwd_rib_class_ops fwd_rib_link_ops, fwd_rib_netconf_ops, fwd_rib_nexthop_ops, fwd_rib_route_ops,
        fwd_rib_neighbour_ops, fwd_rib_rule_ops;

uint32_t fwd_rib_hash(uint32_t seed, const void *bytes, size_t cnt);
/* fwd_rib_bucket - first item of a hash's bucket; others follow by `next`. Items of other hashes are among them. */
struct fwd_rib_item *fwd_rib_bucket(const struct fwd_rib_table *table, uint32_t hash);
/* fwd_rib_find - by the class's own `is`, gone ones too; or NULL */
struct fwd_rib_item *fwd_rib_find(const struct fwd_rib_table *table, const struct fwd_nl_event *event);
/* fwd_rib_put - like fwd_rib_apply, for an item that was looked up (NULL: a new one). */
BH_MUST_CHECK int fwd_rib_put(struct fwd_rib *rib, enum fwd_rib_class class, struct fwd_rib_item *item,
                              const struct fwd_nl_event *event, enum fwd_rib_source source);
/* fwd_rib_each - every item that is not gone; the function may change it, but add and remove none. */
void fwd_rib_each(struct fwd_rib *rib, enum fwd_rib_class class,
                  void (*each)(struct fwd_rib *rib, struct fwd_rib_item *item, void *context), void *context);

/* fwd_rib_policy_cnt - rules beside those that every machine has: the cell does not follow them */
uint64_t fwd_rib_policy_cnt(struct fwd_rib *rib);

/* fwd_rib_addr - an address as the fib has it */
struct fwd_addr fwd_rib_addr(uint8_t family, const uint8_t bytes[16]);
/* fwd_rib_neighbour_usable - whether Linux would send to it without asking first; only those are items */
bool fwd_rib_neighbour_usable(const struct fwd_nl_neighbour *neighbour);
/* fwd_rib_neighbours_review - those of a link whose interface came or changed */
void fwd_rib_neighbours_review(struct fwd_rib *rib, uint32_t ifindex);
/* fwd_rib_gateways_ask - have Linux look for gateways that it does not know */
void fwd_rib_gateways_ask(struct fwd_rib *rib, const struct fwd_nl_hop *hop, uint32_t hop_cnt);
/* fwd_rib_fib - count what the fib refused */
void fwd_rib_fib(struct fwd_rib *rib, int err);

struct fwd_rib_link *fwd_rib_link_find(const struct fwd_rib *rib, uint32_t ifindex);
struct fwd_rib_nexthop *fwd_rib_nexthop_find(const struct fwd_rib *rib, uint32_t id);

/* fwd_rib_hops_get - the shared copy, one reference more; NULL: no memory. */
struct fwd_rib_hops *fwd_rib_hops_get(struct fwd_rib *rib, const struct fwd_nl_hop *hop, uint32_t hop_cnt);
void fwd_rib_hops_put(struct fwd_rib *rib, struct fwd_rib_hops *hops);

/* fwd_rib_route_put - fwd_rib_apply for routes. */
BH_MUST_CHECK int fwd_rib_route_put(struct fwd_rib *rib, struct fwd_nl_event *event, enum fwd_rib_source source);

/* fwd_rib_prefix_apply - what Linux would do with packets to exactly this prefix, into the fib */
void fwd_rib_prefix_apply(struct fwd_rib *rib, const struct fwd_rib_route *any);
/* fwd_rib_review - all routes that a dirty link or next-hop object concerns */
void fwd_rib_review(struct fwd_rib *rib);

#endif
