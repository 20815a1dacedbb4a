/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The AF_XDP port: what the supervisor tells the cell of the sockets that it made. BAR i holds the rings of queue i, each
 * in a window of its own at a multiple of BH_XDP_RING_STEP; BAR 4 is this page. The rings are the kernel's
 * (Documentation/networking/af_xdp.rst); buffer addresses in them count from the arena's start.
 */
#ifndef BULKHEAD_ABI_AF_XDP_H
#define BULKHEAD_ABI_AF_XDP_H

#include <bulkhead/types.h>

#define BH_XDP_MAGIC      UINT64_C(0x5044585f4b4c4b42)
#define BH_XDP_QUEUES_MAX 4u
#define BH_XDP_INFO_BAR   4u
#define BH_XDP_RING_STEP  UINT64_C(0x100000)
#define BH_XDP_ENTRIES    1024u
#define BH_XDP_CHUNK      2048u /* of the UMEM, unaligned mode */
#define BH_XDP_HEADROOM   256u  /* that the kernel keeps in front of a received frame (XDP_PACKET_HEADROOM) */

/* A received or sent frame (struct xdp_desc). In unaligned mode the upper 16 bits of a received address are an offset. */
struct bh_xdp_desc {
	uint64_t addr;
	uint32_t len;
	uint32_t options;
};

#define BH_XDP_ADDR_BITS 48u

enum bh_xdp_ring_kind {
	BH_XDP_RX = 0,
	BH_XDP_TX,
	BH_XDP_FILL,
	BH_XDP_COMPLETION,
	BH_XDP_RING_CNT,
};

/* Places in a ring's window. */
struct bh_xdp_ring_info {
	uint32_t producer, consumer, flags, desc;
};

struct bh_xdp_info {
	uint64_t magic;
	uint64_t arena_addr; /* IOVA of the UMEM's first byte */
	uint32_t queue_cnt;
	uint32_t zero_copy; /* not 0: no copy between the driver and us */
	uint32_t native;    /* not 0: the program runs in the card's driver; 0: generic XDP, in the network stack */
	uint32_t mtu_bytes;
	uint8_t mac[6];
	uint16_t reserved;
	struct bh_xdp_ring_info ring[BH_XDP_RING_CNT]; /* the same in every queue */
	/* Written by the supervisor while the cell runs. */
	uint32_t link_up;
	uint32_t speed_mbps;
	uint64_t rx_dropped_cnt; /* frames that found no buffer or no room in the ring, all queues */
	uint64_t tx_invalid_cnt; /* descriptors that the kernel refused */
};

#endif
