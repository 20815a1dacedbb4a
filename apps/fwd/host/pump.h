/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The thread that carries frames between the cell's rings (apps/fwd/channel.h) and the TAPs of its ports.
 *
 *	const struct fwd_pump_options options = {.channel = channel, .port = name, .port_cnt = 2, .mtu_bytes = 1500};
 *	if (fwd_pump_open(&options, &pump, &error) == 0 && fwd_pump_start(pump, &error) == 0) {
 *		...                     the cell runs
 *		fwd_pump_close(pump);
 *	}
 *
 * To Linux: a frame that does not fit into Linux's queue is dropped and counted; the cell limits how many come. From
 * Linux: what the ring has no room for stays in the TAP's queue. A TAP gets its port's MAC address and MTU when the
 * cell has said them, and follows its carrier. Bursts are bounded, so that no port keeps the others waiting.
 *
 * Nothing that the cell writes is believed: a length, a port or an index that cannot be ends the frame, or the ring.
 */
#ifndef APPS_FWD_HOST_PUMP_H
#define APPS_FWD_HOST_PUMP_H

#include <net/if.h>

#include "apps/fwd/channel.h"
#include "host/device/device.h"

struct fwd_pump;

struct fwd_pump_options {
	struct fwd_channel *channel; /* the caller's, until fwd_pump_close; as fwd_channel_init left it */
	const char (*port)[IF_NAMESIZE];
	uint32_t port_cnt;
	uint32_t mtu_bytes; /* of the TAPs until the cell says a port's */
};

struct fwd_pump_stats {
	uint64_t to_linux_cnt, to_linux_bytes;
	uint64_t from_linux_cnt, from_linux_bytes;
	uint64_t bad_frame_cnt;   /* of the cell: a length or a port that cannot be */
	uint64_t tap_full_cnt;    /* Linux's queue was full */
	uint64_t tap_down_cnt;    /* the TAP is down: `ip link set NAME up` */
	uint64_t too_long_cnt;    /* of Linux: longer than a slot */
	uint64_t ring_broken_cnt; /* rings whose index the cell made impossible: no longer read */
	uint64_t tap_error_cnt;   /* anything else that a TAP refused */
};

/* fwd_pump_open - the TAPs. Return: 0; -EINVAL, -EPROTO no such channel; -ENOMEM; or as fwd_tap_open. */
BH_MUST_CHECK int fwd_pump_open(const struct fwd_pump_options *options, struct fwd_pump **out, struct bh_error *error);
/* fwd_pump_close - ends the thread, if there is one, and the TAPs that were made here. */
void fwd_pump_close(struct fwd_pump *pump);
/* fwd_pump_turn - what the thread does, once. Return: whether there was anything to do. */
bool fwd_pump_turn(struct fwd_pump *pump);
/* fwd_pump_start - a thread that turns until fwd_pump_close. Return: 0, or a negative errno (E357). */
BH_MUST_CHECK int fwd_pump_start(struct fwd_pump *pump, struct bh_error *error);
/* fwd_pump_stats - any thread. */
void fwd_pump_stats(const struct fwd_pump *pump, struct fwd_pump_stats *out);

#endif
