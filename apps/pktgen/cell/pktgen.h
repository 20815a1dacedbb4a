/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The generator's and the sink's work on one core, a burst at a time. A library, so that a core can run it beside other
 * work.
 */
#ifndef PKTGEN_CELL_H
#define PKTGEN_CELL_H

#include <bulkhead/abi/histogram.h>
#include <bulkhead/port.h>

#include "apps/pktgen/cell/frame.h"

#define PKTGEN_WINDOW_BITS 1024u /* how late a frame may be and still be told from a duplicate */

/* What the sink knows of a flow. */
struct pktgen_flow {
	uint64_t next; /* one above the highest sequence seen */
	uint64_t seen[PKTGEN_WINDOW_BITS / 64];
};

struct pktgen {
	const struct pktgen_config *config;
	/* Generator */
	struct bh_port_queue *tx;
	struct bh_pkt_pool *pool;
	struct pktgen_template template[PKTGEN_SIZES_MAX];
	uint64_t *sequence; /* by flow: the next to send */
	uint64_t due_tsc;   /* of the next frame, in 2^-16 cycles since start */
	uint64_t step;      /* between two frames, likewise; 0: no rate */
	uint64_t start_tsc;
	uint64_t sent_cnt;
	uint32_t flow, pattern_idx;
	uint16_t magic; /* of the frames sent, and of those that count */
	/* Sink */
	struct bh_port_queue *rx;
	uint8_t rx_mac[6];
	struct pktgen_flow *seen;
	uint64_t *cnt_sent, *cnt_received, *cnt_bytes, *cnt_reordered, *cnt_duplicate, *cnt_corrupt, *cnt_foreign;
	uint64_t *cnt_behind, *missing;
	struct bh_hist *latency;
};

/**
 * pktgen_init - templates, flows, metrics
 * @tx_mac, @rx_mac: of the two ports
 * @pool: for the generator alone: what stands behind the first 60 bytes of its buffers stays zero
 *
 * Return: 0; -BH_ENOMEM.
 */
BH_MUST_CHECK int pktgen_init(struct pktgen *gen, const struct pktgen_config *config, const uint8_t *tx_mac,
                              const uint8_t *rx_mac, struct bh_port_queue *tx, struct bh_pkt_pool *pool,
                              struct bh_port_queue *rx);

/**
 * pktgen_warm - from now on frames are for the far end to learn from: pktgen_begin forgets them
 * pktgen_begin - counts, sequences and schedule begin anew; what comes late of those before counts as foreign
 */
void pktgen_warm(struct pktgen *gen);
void pktgen_begin(struct pktgen *gen);
/* pktgen_announce - the sink says who and where it is: one frame out of its port */
void pktgen_announce(struct pktgen *gen);

/* pktgen_send - what is due now, at most a burst. Return: frames sent. */
uint32_t pktgen_send(struct pktgen *gen);
/* pktgen_done - whether all that the configuration asks for is sent */
bool pktgen_done(const struct pktgen *gen);
/* pktgen_receive - a burst, looked at and freed. Return: frames received. */
uint32_t pktgen_receive(struct pktgen *gen);

#endif
