/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Packets: a buffer in the arena, which devices reach, and its bookkeeping on the heap, which they do not.
 *
 *	struct bh_pkt_pool *pool;
 *	struct bh_pkt *pkt;
 *	int err = bh_pkt_pool_create(NULL, &pool);
 *	if (!err && bh_pkt_get(pool, &pkt, 1) == 1) {
 *		memcpy(pkt->data, frame, frame_bytes);
 *		pkt->len_bytes = frame_bytes;
 *		if (bh_port_tx(queue, &pkt, 1) == 0)
 *			bh_pkt_free(pkt);
 *	}
 *
 *	buf                data                  data + len_bytes        buf + pool->buf_bytes
 *	| headroom         | the frame            | tailroom              |
 *
 * A frame is one packet, or a chain of them (`next`) when it is longer than a buffer: then the first one's seg_cnt says
 * how many, and its frame_bytes is the sum of all len_bytes. A frame begins with its Ethernet header and ends before its
 * FCS. One owner at a time: a pool, a driver (between bh_port_tx and its completion), or the application.
 *
 * A pool belongs to the core that made it. Any core may free a packet: the pool's own core does it with a store, any
 * other through a ring, from which the pool takes when it runs low.
 */
#ifndef BULKHEAD_PKT_H
#define BULKHEAD_PKT_H

#include <bulkhead/ring.h>
#include <bulkhead/types.h>

#define BH_PKT_HEADROOM_BYTES 128u
#define BH_PKT_DATA_BYTES     2048u
#define BH_PKT_SEGS_MAX       32u
#define BH_PKT_BURST_MAX      256u /* most packets in one call of any function here and in port.h */

enum bh_pkt_flags {
	/*
	 * The 16 bits at csum_start + csum_offset hold the sum of the pseudo header only; the one's complement sum from
	 * csum_start to the frame's end is to be put there (virtio's NEEDS_CSUM). On transmit a port does that, by the
	 * device or by itself; on receive the frame comes from a peer on this machine that never computed it.
	 */
	BH_PKT_CSUM_PARTIAL = 1u << 0,
	BH_PKT_CSUM_GOOD = 1u << 1, /* received: the device checked the TCP or UDP checksum */
	BH_PKT_CSUM_BAD = 1u << 2,  /* received: the device found it (or the IP header's) wrong */
	BH_PKT_VLAN = 1u << 3,      /* vlan_tci is valid and not in the data: stripped, or to be inserted */
	BH_PKT_HASH = 1u << 4,      /* hash is what the device's RSS computed */
};

struct bh_pkt_pool;

struct bh_pkt {
	uint8_t *data;            /* first byte; in the arena: the address is the IOVA */
	uint32_t len_bytes;       /* of this packet of the chain */
	uint32_t frame_bytes;     /* of the whole frame; valid in the first of a chain of more than one */
	uint16_t flags;           /* enum bh_pkt_flags; first of a chain */
	uint16_t vlan_tci;        /* PCP, DEI and VLAN identifier, host order */
	uint16_t csum_start;      /* from data */
	uint16_t csum_offset;     /* from csum_start */
	uint32_t hash;            /* RSS */
	uint16_t seg_cnt;         /* 1, or of a chain's first: how many */
	uint16_t port_idx;        /* the port that received it, see bh_port_idx(); else the application's */
	struct bh_pkt *next;      /* of the chain, or NULL */
	uint64_t rx_tsc;          /* when the driver saw it */
	struct bh_pkt_pool *pool; /* constant */
	uint8_t *buf;             /* constant; pool->buf_bytes of it */
};

_Static_assert(sizeof(struct bh_pkt) == 64 || sizeof(void *) != 8, "one line a packet");

/* Zero in a field means its default. */
struct bh_pkt_pool_options {
	uint32_t pkt_cnt;        /* default 4096 */
	uint32_t data_bytes;     /* room for data behind the headroom; default BH_PKT_DATA_BYTES, at most 65536 - 512 */
	uint32_t headroom_bytes; /* default BH_PKT_HEADROOM_BYTES; a multiple of 64, at most 256 */
};

struct bh_pkt_pool {
	struct bh_pkt **free; /* a stack: [0, free_cnt) are free; last freed, first given */
	uint32_t free_cnt;
	uint32_t pkt_cnt;
	uint32_t buf_bytes; /* headroom and data */
	uint32_t data_bytes;
	uint32_t headroom_bytes;
	uint32_t core_idx;   /* owner */
	uint64_t *empty_cnt; /* counter "pkt.pool_empty": a get found fewer than it wanted */
	struct bh_pkt *pkt;
	uint8_t *buf;
	struct bh_mpsc remote;
};

/**
 * bh_pkt_pool_create - buffers from the arena, bookkeeping from the heap; lives as long as the cell
 * @options: NULL for the defaults
 *
 * Context: the core that will own it; start-up.
 * Return: 0; -BH_EINVAL an option out of range; -BH_ENOMEM, logged with what to make larger.
 */
BH_MUST_CHECK int bh_pkt_pool_create(const struct bh_pkt_pool_options *options, struct bh_pkt_pool **out_pool);

/* bh_pkt_pool_reclaim - take in what other cores have freed. Owner core; bh_pkt_get does it when it runs low. */
void bh_pkt_pool_reclaim(struct bh_pkt_pool *pool);

/* bh_pkt_get_low - the part of bh_pkt_get for a pool that holds fewer than cnt */
uint32_t bh_pkt_get_low(struct bh_pkt_pool *pool, struct bh_pkt **out_pkts, uint32_t cnt);

/* bh_pkt_reset - an empty single packet with the full headroom */
BH_INLINE void
bh_pkt_reset(struct bh_pkt *pkt)
{
	pkt->data = pkt->buf + pkt->pool->headroom_bytes;
	pkt->len_bytes = 0;
	pkt->frame_bytes = 0;
	pkt->flags = 0;
	pkt->seg_cnt = 1;
	pkt->next = NULL;
}

/**
 * bh_pkt_take - up to cnt packets whose fields are whatever they were: for drivers, which set every field that they
 * report
 *
 * Context: the pool's core. Return: how many, fewer than cnt when the pool is empty (counted in "pkt.pool_empty").
 */
BH_INLINE uint32_t
bh_pkt_take(struct bh_pkt_pool *pool, struct bh_pkt **out_pkts, uint32_t cnt)
{
	if (BH_UNLIKELY(pool->free_cnt < cnt))
		return bh_pkt_get_low(pool, out_pkts, cnt);
	struct bh_pkt **from = pool->free + (pool->free_cnt -= cnt);
	for (size_t i = 0; i < cnt; i++)
		out_pkts[i] = from[i];
	return cnt;
}

/* bh_pkt_get - likewise, each reset to an empty packet. Context and return as bh_pkt_take. */
BH_INLINE uint32_t
bh_pkt_get(struct bh_pkt_pool *pool, struct bh_pkt **out_pkts, uint32_t cnt)
{
	uint32_t got = bh_pkt_take(pool, out_pkts, cnt);
	for (uint32_t i = 0; i < got; i++)
		bh_pkt_reset(out_pkts[i]);
	return got;
}

/*
 * bh_pkt_free_slow - any core, chains, any pool. A packet that its pool holds already panics where it is noticed: when
 * the pool would hold more than it has.
 */
void bh_pkt_free_slow(struct bh_pkt *pkt);

/**
 * bh_pkt_free - give a frame, with its whole chain, back
 * bh_pkt_free_burst - cnt frames; those of `pool` (which must be the calling core's) by a store each
 */
BH_INLINE void
bh_pkt_free(struct bh_pkt *pkt)
{
	bh_pkt_free_slow(pkt);
}

BH_INLINE void
bh_pkt_free_burst(struct bh_pkt_pool *pool, struct bh_pkt *const *pkts, uint32_t cnt)
{
	struct bh_pkt **const to = pool->free + pool->free_cnt;
	size_t i = 0, room = pool->pkt_cnt - pool->free_cnt;
	for (; i < cnt && i < room && BH_LIKELY(pkts[i]->pool == pool && pkts[i]->next == NULL); i++)
		to[i] = pkts[i];
	pool->free_cnt += (uint32_t)i;
	/* From the first on that is not as usual. */
	for (; i < cnt; i++) {
		struct bh_pkt *pkt = pkts[i];
		if (pkt->pool == pool && pkt->next == NULL && pool->free_cnt < pool->pkt_cnt)
			pool->free[pool->free_cnt++] = pkt;
		else
			bh_pkt_free_slow(pkt);
	}
}

/* bh_pkt_frame_bytes - length of the whole frame */
BH_INLINE uint32_t
bh_pkt_frame_bytes(const struct bh_pkt *pkt)
{
	return BH_LIKELY(pkt->next == NULL) ? pkt->len_bytes : pkt->frame_bytes;
}

BH_INLINE uint32_t
bh_pkt_headroom(const struct bh_pkt *pkt)
{
	return (uint32_t)(pkt->data - pkt->buf);
}

BH_INLINE uint32_t
bh_pkt_tailroom(const struct bh_pkt *pkt)
{
	return pkt->pool->buf_bytes - bh_pkt_headroom(pkt) - pkt->len_bytes;
}

/**
 * bh_pkt_csum_finish - do in software what BH_PKT_CSUM_PARTIAL asks for, and take the flag off
 * Return: 0; -BH_EINVAL the place is outside of the frame's first packet (nothing was written).
 * Source: VIRTIO 1.2, 5.1.6.2; RFC 1071; a UDP sum of 0 is sent as ffff (RFC 768).
 */
BH_MUST_CHECK int bh_pkt_csum_finish(struct bh_pkt *pkt);

/**
 * bh_pkt_vlan_insert - put vlan_tci into the data as an 802.1Q tag behind the addresses, and take BH_PKT_VLAN off
 * Return: 0; -BH_ENOSPC no headroom; -BH_EINVAL shorter than an Ethernet header.
 */
BH_MUST_CHECK int bh_pkt_vlan_insert(struct bh_pkt *pkt);

#endif
