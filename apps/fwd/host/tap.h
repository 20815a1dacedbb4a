/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A port as Linux sees it: a TAP with the port's name, MAC address, MTU and carrier.
 *
 * What the cell does not forward itself comes in by it, as if the port were Linux's; what Linux sends goes out of the
 * port. An existing persistent TAP of that name (`ip tuntap add NAME mode tap`) is taken, and keeps its addresses when
 * the forwarder ends; one that was made here goes with it.
 *
 * One thread for each, but for fwd_tap_carrier.
 */
#ifndef APPS_FWD_HOST_TAP_H
#define APPS_FWD_HOST_TAP_H

#include <bulkhead/types.h>
#include <net/if.h>

#include "host/device/device.h"

struct fwd_tap {
	int fd;     /* non-blocking; -1: not open */
	int ctl_fd; /* a socket for ioctls */
	bool carrier;
	char name[IF_NAMESIZE];
};

/**
 * fwd_tap_open - make the TAP or take it, without a carrier, and set it up
 * @mac: NULL: leave it
 * Return: 0; -EINVAL a name too long; -EPERM (E359); or what the system said (E358, E360).
 */
BH_MUST_CHECK int fwd_tap_open(struct fwd_tap *tap, const char *name, const uint8_t mac[6], uint32_t mtu_bytes,
                               struct bh_error *error);
void fwd_tap_close(struct fwd_tap *tap);

/* fwd_tap_set - another MAC address and MTU. Return: 0; -EINVAL, -EADDRNOTAVAIL not possible ones; ... */
BH_MUST_CHECK int fwd_tap_set(struct fwd_tap *tap, const uint8_t mac[6], uint32_t mtu_bytes);

/* fwd_tap_carrier - follow the port's link. Return: 0 or a negative errno. */
BH_MUST_CHECK int fwd_tap_carrier(struct fwd_tap *tap, bool carrier);

/**
 * fwd_tap_read - one frame that Linux sends
 * Return: its bytes; -EAGAIN none waits; -EMSGSIZE it is longer than that (and gone); or what the system said.
 */
BH_MUST_CHECK int fwd_tap_read(struct fwd_tap *tap, void *frame, uint32_t bytes_max);
/* fwd_tap_write - one frame to Linux. Return: 0; -EAGAIN its queue is full; -EIO the TAP is down; ... */
BH_MUST_CHECK int fwd_tap_write(struct fwd_tap *tap, const void *frame, uint32_t bytes);

#endif
