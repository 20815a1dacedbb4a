/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a service tells its manager: ready, alive, stopping, and a line for `systemctl status` (sd_notify(3)).
 *
 * libsystemd's sd_notify makes a new socket for each message, and a supervisor that has confined itself can make none. So the
 * socket is opened before, and the protocol, datagrams of VARIABLE=value lines, is spoken here. No call waits: what the manager
 * does not take at once is -EAGAIN, and the caller's next turn.
 *
 * Without a manager ($NOTIFY_SOCKET is not set) every call does nothing and succeeds.
 */
#ifndef HOST_RUN_NOTIFY_H
#define HOST_RUN_NOTIFY_H

#include <bulkhead/types.h>

#include "host/device/device.h"

#define BH_NOTIFY_TEXT_BYTES 512

struct bh_notify {
	int fd;               /* -1: no manager */
	uint64_t watchdog_ns; /* it wants to hear of us that often; 0: it does not */
	uint64_t next_beat_ns;
};

/**
 * bh_notify_open - connect to $NOTIFY_SOCKET, read $WATCHDOG_USEC, and take both (and $WATCHDOG_PID) out of the environment, so
 * that no child speaks in our name
 * Return: 0, also without a manager; -EINVAL an address that is neither a path nor abstract (@), or no number of microseconds;
 * the error of connecting (E268). On errors `out` is as without a manager.
 */
BH_MUST_CHECK int bh_notify_open(struct bh_notify *out, struct bh_error *error);
void bh_notify_close(struct bh_notify *notify);

/* bh_notify_send - one message: "READY=1", "STOPPING=1\nSTATUS=...". Return: 0; -EAGAIN; the error of sending. */
BH_PRINTF(2, 3) BH_MUST_CHECK int bh_notify_send(const struct bh_notify *notify, const char *format, ...);

/* bh_notify_status - STATUS= of any text: control characters of it become '?'. One that is not taken is dropped. */
void bh_notify_status(const struct bh_notify *notify, const char *text);

/**
 * bh_notify_beat - WATCHDOG=1 at half of the watchdog's time, if the cell beats
 * @silence_ns: how long the cell has been silent; from half of the watchdog's time on, nothing is sent
 */
void bh_notify_beat(struct bh_notify *notify, uint64_t now_ns, uint64_t silence_ns);

#endif
