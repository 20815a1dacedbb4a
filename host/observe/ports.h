/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The figures of a cell's ports, read from its metrics ("<port>.rx_pkts" and so on; <bulkhead/port.h> lists them).
 */
#ifndef HOST_OBSERVE_PORTS_H
#define HOST_OBSERVE_PORTS_H

#include <bulkhead/port.h>

#include "host/observe/metrics.h"

struct bh_port_sample {
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes;
	uint64_t drop[BH_DROP_CNT];
	uint64_t link_changes, resets;
	bool link_up;
};

/* bh_port_sample_take - now, all cores together. A port that the cell has not opened yet gives zeroes. */
void bh_port_sample_take(const struct bh_view *view, const char *port_name, struct bh_port_sample *out);

/* bh_port_sample_since - out = now - before; link_up is now's */
void bh_port_sample_since(const struct bh_port_sample *now, const struct bh_port_sample *before,
                          struct bh_port_sample *out);

uint64_t bh_port_sample_drops(const struct bh_port_sample *sample);

/* bh_drop_name - "rx_no_buffer", ...: as the cell's counters spell it */
const char *bh_drop_name(enum bh_drop_reason reason);

#endif
