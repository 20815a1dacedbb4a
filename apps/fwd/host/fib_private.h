/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The parts of the fib, each in a file of its own:
 *
 *   fib.c        memory, epochs, what is out of use
 *   route.c      routes: set, delete, compare
 *   trie.c       words and nodes: prefixes pushed down to the leaves
 *   prefixes.c   the set of all prefixes, one hash table a family
 *   hops.c       adjacencies; sets of hops, shared by all routes that have the same
 *   neighbour.c  interfaces and neighbours
 */
#ifndef APPS_FWD_HOST_FIB_PRIVATE_H
#define APPS_FWD_HOST_FIB_PRIVATE_H

#include "apps/fwd/host/fib.h"

#define FWD_NONE           UINT32_MAX
#define FWD_HASH_CNT       65536u /* buckets of adjacencies and of hop sets */
#define FWD_FAMILY_IDX(f)  ((f) == 6 ? 1u : 0u)
#define FWD_ADDR_BITS(f)   ((f) == 6 ? 128u : 32u)
#define FWD_ADDR_BYTES_MAX 16u

/* prefixes.c */

enum {
	FWD_ENTRY_USED = 1u << 0,
	FWD_ENTRY_MARKED = 1u << 1,
};

/* A prefix that has a route, or the address of a neighbour that is forwarded to directly, or both. */
struct fwd_entry {
	uint8_t addr[FWD_ADDR_BYTES_MAX];
	uint32_t hop_set;   /* of the route; FWD_NONE: no route */
	uint32_t neighbour; /* adjacency that wins over the route; FWD_NONE: none */
	uint8_t len;
	uint8_t flags;
};

struct fwd_prefixes {
	struct fwd_entry *entry;
	uint64_t slot_cnt; /* a power of two */
	uint64_t used_cnt;
	uint64_t len_cnt[129]; /* entries of each length */
	unsigned family;
};

BH_MUST_CHECK int fwd_prefixes_init(struct fwd_prefixes *set, unsigned family);
struct fwd_entry *fwd_prefixes_find(const struct fwd_prefixes *set, const uint8_t *addr, unsigned len);
/* fwd_prefixes_add - find, or add one without route and neighbour. NULL: no memory. Moves entries. */
struct fwd_entry *fwd_prefixes_add(struct fwd_prefixes *set, const uint8_t *addr, unsigned len);
/* fwd_prefixes_remove - entries move: every other pointer is dead. */
void fwd_prefixes_remove(struct fwd_prefixes *set, struct fwd_entry *entry);
/* fwd_prefixes_cover - the longest that covers addr and has at most len_max bits; NULL: none */
struct fwd_entry *fwd_prefixes_cover(const struct fwd_prefixes *set, const uint8_t *addr, int len_max);
/* fwd_addr_mask - copy with all bits behind len cleared */
void fwd_addr_mask(const uint8_t *addr, unsigned len, uint8_t out[FWD_ADDR_BYTES_MAX]);

/* trie.c */

struct fwd_trie {
	uint32_t *root[2];
	uint8_t *root_depth[2]; /* how long the prefix is that a leaf word comes from */
	struct fwd_node *node;
	uint8_t (*node_depth)[FWD_NODE_WORD_CNT];
};

/* fwd_trie_set - leaf for all of a prefix that no longer one has. Return: 0; -ENOSPC: nothing was changed. */
BH_MUST_CHECK int fwd_trie_set(struct fwd_fib *fib, unsigned family, const uint8_t *addr, unsigned len, uint32_t leaf);
/* fwd_trie_del - what had the leaf of this prefix gets that of the one that covers it */
void fwd_trie_del(struct fwd_fib *fib, unsigned family, const uint8_t *addr, unsigned len, uint32_t cover_leaf,
                  unsigned cover_len);

/* hops.c */

/* A neighbour by interface and address: the way to it, known or not. Its index is that in the tables. */
struct fwd_adj {
	struct fwd_addr addr;
	uint8_t interface; /* the caller's number */
	uint8_t mac[6];
	bool used, known, marked;
	uint32_t ref_cnt; /* hops that name it; a known neighbour stays without any */
	uint32_t next;    /* of its bucket */
};

struct fwd_hop_set {
	uint32_t ref_cnt; /* routes */
	uint32_t leaf;
	uint32_t next;
	uint32_t hash;
	enum fwd_kind kind;
	uint32_t hop_cnt;
	struct fwd_hop *hop;
};

BH_MUST_CHECK int fwd_hops_init(struct fwd_fib *fib);
void fwd_hops_free(struct fwd_fib *fib);
/* fwd_hop_set_get - the set with these hops, one reference more. Return: 0; -ENOSPC, -ENOMEM. */
BH_MUST_CHECK int fwd_hop_set_get(struct fwd_fib *fib, enum fwd_kind kind, const struct fwd_hop *hop, uint32_t hop_cnt,
                                  uint32_t *out_set);
void fwd_hop_set_put(struct fwd_fib *fib, uint32_t set);
/* fwd_adj_find, fwd_adj_get - get makes it if there is none; FWD_NONE: none, or no room */
uint32_t fwd_adj_find(const struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr);
uint32_t fwd_adj_get(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr);
/* fwd_adj_release - free it if nothing needs it */
void fwd_adj_release(struct fwd_fib *fib, uint32_t adj);
/* fwd_adj_write - put what is known of it into the tables */
void fwd_adj_write(struct fwd_fib *fib, uint32_t adj);
uint32_t fwd_addr_hash(uint32_t seed, const void *bytes, size_t cnt);

/* neighbour.c */

/* Known neighbours of a family, sorted by address. */
struct fwd_neighbours {
	uint32_t *adj;
	uint32_t cnt, room;
};

/* fwd_neighbours_review - a route of that prefix came, changed or went: which neighbours are reached directly now */
void fwd_neighbours_review(struct fwd_fib *fib, const struct fwd_prefix *prefix);

/* fib.c */

enum fwd_item_kind {
	FWD_ITEM_NODE,
	FWD_ITEM_ADJACENCY,
	FWD_ITEM_GROUP,
	FWD_ITEM_INTERFACE,
	FWD_ITEM_CNT,
};

struct fwd_item {
	uint64_t epoch;
	uint32_t idx;
	enum fwd_item_kind kind;
};

/* Indexes of one kind: never used ones from next on, and those that came back. */
struct fwd_indexes {
	uint32_t *free;
	uint32_t free_cnt, next, cnt;
};

struct fwd_fib {
	int fd;
	uint8_t *memory;
	uint64_t size_bytes;
	struct fwd_fib_options options;
	struct fwd_header *header;
	struct fwd_tables tables;
	/* The same memory, to be written. */
	uint64_t *adjacency;
	struct fwd_group *group;
	struct fwd_interface *interface;
	uint8_t (*ingress)[FWD_VLAN_CNT];

	struct fwd_trie trie;
	struct fwd_prefixes prefixes[2];
	struct fwd_adj *adj; /* [FWD_ADJACENCY_CNT] */
	uint32_t *adj_bucket, *set_bucket;
	struct fwd_hop_set *set;
	uint32_t set_cnt, set_room, set_free;
	struct fwd_neighbours neighbours[2];
	uint8_t slot[FWD_INTERFACE_CNT]; /* of the caller's interface: its record in the tables; 0: none */

	struct fwd_indexes indexes[FWD_ITEM_CNT];
	struct fwd_item *waiting; /* a ring */
	uint64_t waiting_first, waiting_cnt, waiting_room;
	uint64_t retired_cnt; /* since the last commit */
	uint64_t route_cnt[2], neighbour_cnt, full_cnt;
};

/* fwd_index_take - a free index, or FWD_NONE */
uint32_t fwd_index_take(struct fwd_fib *fib, enum fwd_item_kind kind);
uint32_t fwd_index_free_cnt(const struct fwd_fib *fib, enum fwd_item_kind kind);
/* fwd_retire - no word names it any more; it comes back when every core has passed */
void fwd_retire(struct fwd_fib *fib, enum fwd_item_kind kind, uint32_t idx);
/* route.c */

/* fwd_entry_apply - put into the trie what the entry now says; removes it if it says nothing. 0 or -ENOSPC. */
BH_MUST_CHECK int fwd_entry_apply(struct fwd_fib *fib, unsigned family, struct fwd_entry *entry);

#endif
