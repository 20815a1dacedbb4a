/* SPDX-License-Identifier: Apache-2.0 */
/**
 * pktgen's frames: Ethernet, IPv4, UDP, and 18 bytes that say which frame it is and when it was sent. The rest is zero.
 *
 *	0   Ethernet   14   destination, source, 0800
 *	14  IPv4       20   from 10.1.F.F (F: the flow) to 10.2.0.1, TTL 64
 *	34  UDP         8   from 1024 + flow to PKTGEN_UDP_PORT, with checksum
 *	42  payload    18   magic, flow (2 each), sequence (6), time stamp counter (8): in the sender's byte order
 */
#ifndef PKTGEN_FRAME_H
#define PKTGEN_FRAME_H

#include <bulkhead/pkt.h>

#include "apps/pktgen/config.h"

#define PKTGEN_UDP_PORT     9u /* discard, RFC 863 */
#define PKTGEN_MAGIC        0x6b62u
#define PKTGEN_MAGIC_WARM   0x6b63u /* sent before counting began */
#define PKTGEN_HEADER_BYTES 42u
#define PKTGEN_FRAME_BYTES  60u /* shortest, without FCS */
#define PKTGEN_FCS_BYTES    4u

struct pktgen_mark {
	uint16_t magic, flow;
	uint64_t sequence; /* 48 bits */
	uint64_t tx_tsc;
};

/* A frame of one size, ready but for flow, mark and checksums. */
struct pktgen_template {
	uint8_t bytes[PKTGEN_FRAME_BYTES];
	uint16_t len_bytes; /* of the frame, without FCS */
	uint32_t ip_sum;    /* one's complement sums of what does not change, not folded */
	uint32_t udp_sum;
};

void pktgen_template_make(struct pktgen_template *template, uint16_t len_bytes, const uint8_t *src_mac,
                          const uint8_t *dst_mac);

/* pktgen_frame_write - the first PKTGEN_FRAME_BYTES; what follows must be zero already */
void pktgen_frame_write(const struct pktgen_template *template, const struct pktgen_mark *mark, uint8_t *out_frame);

enum pktgen_verdict {
	PKTGEN_OURS = 0,
	PKTGEN_FOREIGN,
	PKTGEN_CORRUPT, /* ours by its ports, and a length or a checksum is wrong */
};

/* pktgen_frame_read - a received frame of one or more pieces */
enum pktgen_verdict pktgen_frame_read(const struct bh_pkt *pkt, struct pktgen_mark *out_mark);

#endif
