/* SPDX-License-Identifier: Apache-2.0 */
/**
 * pktgen: what its host half compiles into the boot page and its cell half reads, and the names of its metrics.
 * Freestanding; both halves include it.
 */
#ifndef PKTGEN_CONFIG_H
#define PKTGEN_CONFIG_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

#include "apps/xconnect/config.h"

#define PKTGEN_BURST_MAX 256u
#define PKTGEN_FLOWS_MAX 4096u
#define PKTGEN_BYTES_MIN 64u /* of a frame with its FCS, as everybody counts */
#define PKTGEN_BYTES_MAX 9216u
#define PKTGEN_SIZES_MAX 3u

struct pktgen_config {
	char tx[BH_NAME_BYTES]; /* [port NAME] that sends, and the one that receives; may be the same */
	char rx[BH_NAME_BYTES];
	uint64_t rate_pps;     /* 0: as fast as it goes */
	uint64_t frame_cnt;    /* frames to send; 0: until the cell is stopped */
	uint64_t time_ns;      /* how long to send; 0: until the cell is stopped or frame_cnt is reached */
	uint64_t warm_up_ns;   /* before that: frames that no counter of pktgen counts */
	uint64_t link_wait_ns; /* before both: until the links of tx and rx are up, at most so long */
	uint64_t drain_ns;     /* the end: when nothing has come for so long */
	uint32_t catch_up_cnt; /* frames that a pause may cost before the schedule moves on */
	uint32_t burst_cnt;    /* most at a time */
	uint32_t flow_cnt;
	uint32_t size_cnt; /* of bytes[]: sizes with FCS; pattern_cnt indices say in which order */
	uint16_t bytes[PKTGEN_SIZES_MAX];
	uint8_t pattern_cnt;
	uint8_t pattern[12];
	uint8_t dst_mac[6];
	uint8_t dst_is_rx; /* the frames go to rx's own address instead */
	uint32_t connect;  /* not 0: the same core runs this cross-connect, too */
	struct xconnect_config xconnect;
};

/* Counters; "pktgen.missing" is a gauge: frames that were overtaken by a later one of their flow and have not come. */
#define PKTGEN_COUNTER_SENT      "pktgen.sent"
#define PKTGEN_COUNTER_RECEIVED  "pktgen.received"
#define PKTGEN_COUNTER_BYTES     "pktgen.received_bytes"
#define PKTGEN_COUNTER_REORDERED "pktgen.reordered"
#define PKTGEN_COUNTER_DUPLICATE "pktgen.duplicates"
#define PKTGEN_COUNTER_CORRUPT   "pktgen.corrupt"
#define PKTGEN_COUNTER_FOREIGN   "pktgen.foreign"
#define PKTGEN_COUNTER_BEHIND    "pktgen.behind" /* frames that were not sent in their time, and never were */
#define PKTGEN_GAUGE_MISSING     "pktgen.missing"
#define PKTGEN_GAUGE_FIRST       "pktgen.first_tsc"
#define PKTGEN_GAUGE_START       "pktgen.start_tsc"
#define PKTGEN_GAUGE_END         "pktgen.end_tsc" /* the last frame was sent */
#define PKTGEN_HIST_LATENCY      "pktgen.latency"

#endif
