/* SPDX-License-Identifier: Apache-2.0 */
/* Intel 82576: one Gb/s, 16 queues with RSS. docs/igb.md */
#ifndef DRIVERS_NET_IGB_H
#define DRIVERS_NET_IGB_H

#include "drivers/net/intel/intel.h"

extern const struct bh_port_driver bh_igb_driver;

#endif
