/* SPDX-License-Identifier: Apache-2.0 */
/**
 * xconnect: what its host half compiles into the boot page and its cell half reads, and the names of its metrics.
 * Freestanding; both halves include it.
 */
#ifndef XCONNECT_CONFIG_H
#define XCONNECT_CONFIG_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

#define XCONNECT_BURST_MAX 256u

enum xconnect_mode {
	XCONNECT_FORWARD = 0, /* frames as they are */
	XCONNECT_MACSWAP = 1, /* destination and source address exchanged */
};

struct xconnect_config {
	char port[2][BH_NAME_BYTES]; /* what one receives, the other sends; the same name twice: it sends back */
	uint32_t mode;               /* enum xconnect_mode */
	uint32_t burst_cnt;          /* most frames at a time, 1 .. XCONNECT_BURST_MAX */
	uint32_t pkt_cnt;            /* buffers of each core */
};

/* Frames that the other port's ring had no room for, and the span of forwarding: gauges of each core. */
#define XCONNECT_COUNTER_RING_FULL "xconnect.drop_ring_full"
#define XCONNECT_GAUGE_START       "xconnect.start_tsc"
#define XCONNECT_GAUGE_END         "xconnect.end_tsc"

#endif
