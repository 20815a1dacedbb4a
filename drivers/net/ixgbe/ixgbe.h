/* SPDX-License-Identifier: Apache-2.0 */
/* Intel 82599 (X520) and X540: 10 Gb/s, 16 queues with RSS. docs/ixgbe.md */
#ifndef DRIVERS_NET_IXGBE_H
#define DRIVERS_NET_IXGBE_H

#include <bulkhead/spec/intel_ixgbe.h>

#include "drivers/net/intel/intel.h"

extern const struct bh_port_driver bh_ixgbe_driver;

/* link.c: what these cards have elsewhere than the gigabit ones */
extern const struct intel_family bh_ixgbe_family;

/* rx.c */
uint32_t bh_ixgbe_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt);

#define IXGBE_STATUS_LAN_SHIFT 2 /* 8.2.3.1.2: STATUS bits 3:2, which of the two functions this is */

/* bh_ixgbe_is_x540 - or an 82599 (also where the device has another identity, as a software device may) */
bool bh_ixgbe_is_x540(const struct intel_port *ip);

#endif
