/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The AF_XDP driver: the kernel's rings, mapped into the cell. A thread of the supervisor makes the wake-up calls.
 */
#ifndef DRIVERS_NET_AF_XDP_H
#define DRIVERS_NET_AF_XDP_H

#include <bulkhead/abi/af_xdp.h>

#include "drivers/net/net.h"

extern const struct bh_port_driver bh_af_xdp_driver;

#endif
