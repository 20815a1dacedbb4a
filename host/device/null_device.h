/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The back end of a port that needs nothing of the host ([port NAME] backend = null): no registers, no memory access.
 */
#ifndef HOST_DEVICE_NULL_DEVICE_H
#define HOST_DEVICE_NULL_DEVICE_H

#include "host/device/device.h"

/* bh_null_device_open - Return: 0; -ENOMEM. */
BH_MUST_CHECK int bh_null_device_open(const char *name, struct bh_backend **out, struct bh_error *error);

#endif
