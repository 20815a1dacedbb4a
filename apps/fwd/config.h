/* SPDX-License-Identifier: Apache-2.0 */
/**
 * fwd: what its host half compiles into the boot page and its cell half reads. Freestanding; both halves include it.
 *
 * The host half adds a device "fwd" whose BARs are memory shared with the cell:
 *	BAR 0	the router's tables (apps/fwd/table.h), read-only in the cell; not in switch mode
 *	BAR 1	the channel (apps/fwd/channel.h); not in switch mode
 *	BAR 2	struct fwd_settings, read-only in the cell
 */
#ifndef APPS_FWD_CONFIG_H
#define APPS_FWD_CONFIG_H

#include <bulkhead/abi/boot.h>

#include "apps/fwd/table.h"

#define FWD_DEVICE_NAME  "fwd"
#define FWD_BAR_TABLES   0u
#define FWD_BAR_CHANNEL  1u
#define FWD_BAR_SETTINGS 2u

enum fwd_mode {
	FWD_MODE_ROUTER = 0,
	FWD_MODE_SWITCH = 1,
};

struct fwd_config {
	uint32_t mode; /* enum fwd_mode */
	uint32_t port_cnt;
	uint32_t burst_cnt; /* most frames at a time */
	uint32_t pkt_cnt;   /* buffers of each core */
	uint32_t mac_cnt;   /* of the switch: addresses to have room for */
	char port[FWD_PORTS_MAX][BH_NAME_BYTES];
};

/* Gauges of each core: the span of forwarding. */
#define FWD_GAUGE_START "fwd.start_tsc"
#define FWD_GAUGE_END   "fwd.end_tsc"

#endif
