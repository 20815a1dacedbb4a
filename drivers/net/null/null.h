/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The null port: receives as many frames as are asked for (60 bytes; what is in the buffer is what was there before),
 * and sends into nothing. For measuring an application alone.
 */
#ifndef DRIVERS_NET_NULL_H
#define DRIVERS_NET_NULL_H

#include "drivers/net/net.h"

#define BH_NULL_FRAME_BYTES 60u

extern const struct bh_port_driver bh_null_driver;

#endif
