/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The pcap port: what cell and supervisor share. BAR 0 is a capture that was read from a file, BAR 1 a ring of frames
 * for a file; either may be missing (size 0).
 */
#ifndef BULKHEAD_ABI_PCAP_H
#define BULKHEAD_ABI_PCAP_H

#include <bulkhead/types.h>

#define BH_PCAP_MAGIC     UINT64_C(0x504143504b4c4b42)
#define BH_PCAP_BAR_IN    0u
#define BH_PCAP_BAR_OUT   1u
#define BH_PCAP_HEAD      4096u /* where records begin, in both */
#define BH_PCAP_ALIGN     16u   /* of each record */
#define BH_PCAP_FRAME_MAX 9244u

/* A frame; its bytes follow, and padding to BH_PCAP_ALIGN. */
struct bh_pcap_record {
	uint64_t at_ns; /* since the first frame (in), since the port was opened (out) */
	uint32_t len_bytes;
	uint32_t reserved;
};

/* The beginning of BAR 0, written by the supervisor before the cell runs. */
struct bh_pcap_capture {
	uint64_t magic;
	uint64_t record_bytes; /* of all records */
	uint64_t record_cnt;
	uint64_t span_ns;  /* from the first frame to the last */
	uint32_t paced;    /* not 0: frames come as they came; 0: as fast as they are taken */
	uint32_t loop_cnt; /* how often; 0: without end */
};

/* The beginning of BAR 1. Positions only grow; modulo size_bytes they are places behind BH_PCAP_HEAD. */
struct bh_pcap_ring {
	uint64_t magic;
	uint64_t size_bytes; /* a power of two */
	uint64_t pad[6];
	uint64_t head; /* written by the cell, release */
	uint64_t pad1[7];
	uint64_t tail; /* written by the supervisor, release */
	uint64_t pad2[7];
};

_Static_assert(sizeof(struct bh_pcap_record) == BH_PCAP_ALIGN, "records are aligned");
_Static_assert(sizeof(struct bh_pcap_ring) == 192, "a line for each writer");

/* bh_pcap_record_bytes - how much a frame takes */
BH_INLINE uint64_t
bh_pcap_record_bytes(uint32_t len_bytes)
{
	return BH_ALIGN_UP(sizeof(struct bh_pcap_record) + (uint64_t)len_bytes, (uint64_t)BH_PCAP_ALIGN);
}

#endif
