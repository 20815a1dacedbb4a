/* SPDX-License-Identifier: Apache-2.0 */
/* Intel 82574L: one Gb/s, two queues with RSS. docs/e1000e.md */
#ifndef DRIVERS_NET_E1000E_H
#define DRIVERS_NET_E1000E_H

#include "drivers/net/intel/intel.h"

extern const struct bh_port_driver bh_e1000e_driver;

uint32_t bh_e1000e_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);

#endif
