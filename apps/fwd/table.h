/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The router's tables: written by the host half (host/fib.h), read by the cell, in memory that the cell maps read-only.
 *
 *   header | root4 | root6 | adjacencies | groups | interfaces | ingress | nodes ...
 *
 * IPv4 and IPv6 each have a trie whose entries are 32-bit words: a root of 2^20 words for the first 20 bits of an
 * address, then nodes of 16 words, one cache line each, for 4 bits more. Prefixes are pushed down to the leaves, so a
 * look-up is one path without backtracking: an IPv4 route of the Internet takes one or two loads, an IPv6 /48 eight.
 *
 *   word  31: 1: bits 0..30 are a node        31: 0, 30: 1: bits 0..15 are an ECMP group
 *                                             31: 0, 30: 0: bits 0..15 are an adjacency
 *
 * No lock: each word, and each adjacency, is replaced by one aligned store (release), and a node or group is complete
 * before a word names it. What was taken out of use is used again only when every core has passed: a core
 * publishes the epoch that it read before it looked anything up (struct fwd_core_line).
 */
#ifndef APPS_FWD_TABLE_H
#define APPS_FWD_TABLE_H

#include <bulkhead/types.h>

#define FWD_TABLE_MAGIC   UINT64_C(0x424154445746484b)
#define FWD_TABLE_VERSION 1u

#define FWD_ROOT_BITS     20u
#define FWD_ROOT_CNT      (1u << FWD_ROOT_BITS)
#define FWD_STRIDE_BITS   4u
#define FWD_NODE_WORD_CNT (1u << FWD_STRIDE_BITS)

#define FWD_WORD_NODE  (1u << 31)
#define FWD_WORD_GROUP (1u << 30)

#define FWD_ADJACENCY_CNT   65536u
#define FWD_GROUP_CNT       16384u
#define FWD_GROUP_SLOT_CNT  32u
#define FWD_INTERFACE_CNT   256u
#define FWD_PORTS_MAX       8u
#define FWD_VLAN_CNT        4096u
#define FWD_NO_VLAN         0u
#define FWD_EPOCH_OFFLINE   UINT64_MAX
#define FWD_TABLE_BYTES_MIN (UINT64_C(16) << 20)

/* What to do with a packet. "To Linux": through the TAP of the port that it came in by, rate-limited. */
enum fwd_kind {
	FWD_NO_ROUTE = 0,    /* to Linux, which answers with ICMP */
	FWD_HOST = 1,        /* an address of this machine, or a broadcast: to Linux */
	FWD_GLEAN = 2,       /* on a network of ours, neighbour not known: to Linux, which asks for it */
	FWD_BLACKHOLE = 3,   /* dropped without a word */
	FWD_UNREACHABLE = 4, /* to Linux, which answers with ICMP */
	FWD_PROHIBIT = 5,    /* likewise */
	FWD_FORWARD = 6,     /* out of an interface, to a neighbour */
	FWD_KIND_CNT,
};

#define FWD_KIND_NAMES                                                                                                 \
	{                                                                                                              \
		"no_route", "host", "glean", "blackhole", "unreachable", "prohibit", "forward",                        \
	}

/*
 * An adjacency is one 64-bit word: in memory, the 6 bytes of the neighbour's MAC address, then the interface, then the
 * kind. Those below FWD_FORWARD have the index of their kind, and nothing else.
 */
BH_INLINE enum fwd_kind
fwd_adjacency_kind(uint64_t word)
{
	return (enum fwd_kind)(word >> 56);
}

BH_INLINE uint8_t
fwd_adjacency_interface(uint64_t word)
{
	return (uint8_t)(word >> 48);
}

BH_INLINE uint64_t
fwd_adjacency_word(enum fwd_kind kind, uint8_t interface, const uint8_t mac[6])
{
	uint64_t word = (uint64_t)kind << 56 | (uint64_t)interface << 48;
	for (unsigned i = 0; i < 6; i++)
		word |= (uint64_t)mac[i] << (8 * i);
	return word;
}

/* One of several ways: flow hash modulo 32 picks the adjacency; a way of weight 2 of 3 has two thirds of the slots. */
struct fwd_group {
	uint16_t adjacency[FWD_GROUP_SLOT_CNT];
} BH_ALIGNED(64);

_Static_assert(sizeof(struct fwd_group) == 64, "one line");

/* Where packets leave and enter: a port, or a VLAN on it. Never changed while in use: a change takes another index. */
struct fwd_interface {
	uint8_t mac[6];
	uint16_t vlan; /* FWD_NO_VLAN: untagged */
	uint16_t mtu_bytes;
	uint8_t port; /* index of the application's ports */
	uint8_t up;
	uint32_t flags; /* FWD_IF_* */
};

enum {
	FWD_IF_FORWARD4 = 1u << 0, /* net.ipv4.conf.IF.forwarding; without it all IPv4 goes to Linux */
	FWD_IF_FORWARD6 = 1u << 1,
};

_Static_assert(sizeof(struct fwd_interface) == 16, "four of them in a line");

struct fwd_node {
	uint32_t word[FWD_NODE_WORD_CNT];
} BH_ALIGNED(64);

_Static_assert(sizeof(struct fwd_node) == 64, "one line");

/* At the start of the memory. Offsets are in bytes from there; constant, but for the last line. */
struct fwd_header {
	uint64_t magic;
	uint32_t version;
	uint32_t node_cnt;
	uint64_t size_bytes;
	uint64_t root4_offset, root6_offset; /* uint32_t [FWD_ROOT_CNT] */
	uint64_t adjacency_offset;           /* uint64_t [FWD_ADJACENCY_CNT] */
	uint64_t group_offset;               /* struct fwd_group [FWD_GROUP_CNT] */
	uint64_t interface_offset;           /* struct fwd_interface [FWD_INTERFACE_CNT] */
	uint64_t ingress_offset;             /* uint8_t [FWD_PORTS_MAX][FWD_VLAN_CNT]: interface, 0: none of ours */
	uint64_t node_offset;                /* struct fwd_node [node_cnt] */
	uint64_t pad[6];
	uint64_t epoch; /* grows when something was taken out of use */
	uint64_t pad1[7];
} BH_ALIGNED(64);

_Static_assert(sizeof(struct fwd_header) == 192, "the epoch has a line of its own");

/* A core of the cell, in memory that the cell writes. */
struct fwd_core_line {
	uint64_t epoch; /* read from the header before anything was looked up; FWD_EPOCH_OFFLINE: looks nothing up */
	uint64_t pad[7];
} BH_ALIGNED(64);

/* The same as pointers, for either side. */
struct fwd_tables {
	const struct fwd_header *header;
	const uint32_t *root4, *root6;
	const struct fwd_node *node;
	const uint64_t *adjacency;
	const struct fwd_group *group;
	const struct fwd_interface *interface;
	const uint8_t (*ingress)[FWD_VLAN_CNT];
};

/* An IPv6 address in host order: bit 0 of the address is the top bit of high. */
struct fwd_addr6 {
	uint64_t high, low;
};

/**
 * fwd_tables_open - check a header and make pointers of its offsets
 * Return: 0; -BH_EPROTO no such tables, another version, or an offset outside of size_bytes.
 */
BH_MUST_CHECK int fwd_tables_open(const void *memory, uint64_t size_bytes, struct fwd_tables *out);

BH_INLINE uint32_t
fwd_word_load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* fwd_nibble6 - the 4 bits of an address from bit_idx on; a multiple of 4 */
BH_INLINE uint32_t
fwd_nibble6(struct fwd_addr6 addr, uint32_t bit_idx)
{
	return (uint32_t)((bit_idx < 64 ? addr.high >> (60 - bit_idx) : addr.low >> (124 - bit_idx)) & 15);
}

/* fwd_lookup4, fwd_lookup6 - the leaf word of one address (host order). Any reader. */
BH_INLINE uint32_t
fwd_lookup4(const struct fwd_tables *tables, uint32_t addr)
{
	uint32_t word = fwd_word_load(&tables->root4[addr >> (32 - FWD_ROOT_BITS)]);
	for (uint32_t shift = 8; (word & FWD_WORD_NODE) != 0; shift -= FWD_STRIDE_BITS)
		word = fwd_word_load(&tables->node[word & ~FWD_WORD_NODE].word[addr >> shift & 15]);
	return word;
}

BH_INLINE uint32_t
fwd_lookup6(const struct fwd_tables *tables, struct fwd_addr6 addr)
{
	uint32_t word = fwd_word_load(&tables->root6[addr.high >> (64 - FWD_ROOT_BITS)]);
	for (uint32_t bit_idx = FWD_ROOT_BITS; (word & FWD_WORD_NODE) != 0; bit_idx += FWD_STRIDE_BITS)
		word = fwd_word_load(&tables->node[word & ~FWD_WORD_NODE].word[fwd_nibble6(addr, bit_idx)]);
	return word;
}

/**
 * fwd_lookup4_burst, fwd_lookup6_burst - the same for many at once: the loads of different packets overlap
 * @out_words: leaf words; cnt of them
 */
BH_INLINE void
fwd_lookup4_burst(const struct fwd_tables *tables, const uint32_t *addr, uint32_t *out_words, uint32_t cnt)
{
	uint32_t open = 0;
	for (uint32_t i = 0; i < cnt; i++)
		__builtin_prefetch(&tables->root4[addr[i] >> (32 - FWD_ROOT_BITS)]);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t word = fwd_word_load(&tables->root4[addr[i] >> (32 - FWD_ROOT_BITS)]);
		out_words[i] = word;
		open |= word;
		/* Of a leaf that is some line near the first node: harmless. */
		__builtin_prefetch(&tables->node[word & (FWD_WORD_GROUP - 1)]);
	}
	for (uint32_t shift = 8; (open & FWD_WORD_NODE) != 0; shift -= FWD_STRIDE_BITS) {
		open = 0;
		for (uint32_t i = 0; i < cnt; i++) {
			uint32_t word = out_words[i];
			if ((word & FWD_WORD_NODE) == 0)
				continue;
			word = fwd_word_load(&tables->node[word & ~FWD_WORD_NODE].word[addr[i] >> shift & 15]);
			out_words[i] = word;
			open |= word;
			__builtin_prefetch(&tables->node[word & (FWD_WORD_GROUP - 1)]);
		}
	}
}

BH_INLINE void
fwd_lookup6_burst(const struct fwd_tables *tables, const struct fwd_addr6 *addr, uint32_t *out_words, uint32_t cnt)
{
	uint32_t open = 0;
	for (uint32_t i = 0; i < cnt; i++)
		__builtin_prefetch(&tables->root6[addr[i].high >> (64 - FWD_ROOT_BITS)]);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t word = fwd_word_load(&tables->root6[addr[i].high >> (64 - FWD_ROOT_BITS)]);
		out_words[i] = word;
		open |= word;
		__builtin_prefetch(&tables->node[word & (FWD_WORD_GROUP - 1)]);
	}
	for (uint32_t bit_idx = FWD_ROOT_BITS; (open & FWD_WORD_NODE) != 0; bit_idx += FWD_STRIDE_BITS) {
		open = 0;
		for (uint32_t i = 0; i < cnt; i++) {
			uint32_t word = out_words[i];
			if ((word & FWD_WORD_NODE) == 0)
				continue;
			word = fwd_word_load(&tables->node[word & ~FWD_WORD_NODE].word[fwd_nibble6(addr[i], bit_idx)]);
			out_words[i] = word;
			open |= word;
			__builtin_prefetch(&tables->node[word & (FWD_WORD_GROUP - 1)]);
		}
	}
}

/* fwd_adjacency - the adjacency behind a leaf word; a group is resolved by the flow's hash. */
BH_INLINE uint64_t
fwd_adjacency(const struct fwd_tables *tables, uint32_t leaf, uint32_t flow_hash)
{
	uint32_t idx = leaf & (FWD_ADJACENCY_CNT - 1);
	if ((leaf & FWD_WORD_GROUP) != 0)
		idx = tables->group[idx & (FWD_GROUP_CNT - 1)].adjacency[flow_hash % FWD_GROUP_SLOT_CNT];
	return __atomic_load_n(&tables->adjacency[idx], __ATOMIC_ACQUIRE);
}

#endif
