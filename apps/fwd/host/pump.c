/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/fwd/host/pump.h"
#include "apps/fwd/host/tap.h"
#include "host/errors/errors.h"

#define BURST_MAX     64u
#define FRAME_MIN     14u
#define BUSY_NS       20000  /* between looks while there is something now and then */
#define IDLE_NS       250000 /* and after IDLE_TURNS without anything; a frame of Linux ends the wait */
#define IDLE_TURNS    50u
#define PORT_LOOK_CNT 32u /* turns between looks at the ports' lines */

struct fwd_pump {
	struct fwd_channel *channel;
	uint32_t core_cnt, port_cnt;
	struct fwd_tap tap[FWD_PORTS_MAX];
	bool set[FWD_PORTS_MAX]; /* the TAP has its port's MAC address and MTU */
	struct fwd_ring_end to_linux[FWD_CHANNEL_CORES_MAX];
	struct fwd_ring_end from_linux;
	uint32_t turn_cnt, next_port;
	struct fwd_pump_stats stats;
	pthread_t thread;
	bool thread_runs;
	bool stop; /* atomic */
	uint8_t frame[FWD_SLOT_BYTES_MAX];
};

/* One writer; readers see whole values. */
static void
count(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static int
ends_open(struct fwd_pump *pump)
{
	uint64_t bytes = pump->channel->size_bytes;
	pump->core_cnt = pump->channel->core_cnt;
	int err = fwd_channel_end(pump->channel, bytes, pump->core_cnt, true, &pump->from_linux);
	for (uint32_t i = 0; i < pump->core_cnt && err == 0; i++)
		err = fwd_channel_end(pump->channel, bytes, i, false, &pump->to_linux[i]);
	return err == 0 ? 0 : -EPROTO;
}

int
fwd_pump_open(const struct fwd_pump_options *options, struct fwd_pump **out, struct bh_error *error)
{
	struct fwd_pump *pump = calloc(1, sizeof(*pump));
	if (pump == NULL || options->port_cnt > FWD_PORTS_MAX) {
		free(pump);
		return bh_error_set(error, "E360", pump == NULL ? -ENOMEM : -EINVAL, "%u TAPs: %s", options->port_cnt,
		                    pump == NULL ? "no memory" : "too many");
	}
	pump->channel = options->channel;
	int err = ends_open(pump);
	if (err != 0)
		(void)bh_error_set(error, "E360", err, "the memory shared with the cell is not laid out");
	for (; pump->port_cnt < options->port_cnt && err == 0; pump->port_cnt++) {
		err = fwd_tap_open(&pump->tap[pump->port_cnt], options->port[pump->port_cnt], NULL, options->mtu_bytes,
		                   error);
		if (err != 0)
			break;
	}
	if (err != 0) {
		fwd_pump_close(pump);
		return err;
	}
	*out = pump;
	return 0;
}

void
fwd_pump_close(struct fwd_pump *pump)
{
	if (pump == NULL)
		return;
	if (pump->thread_runs) {
		__atomic_store_n(&pump->stop, true, __ATOMIC_RELEASE);
		pthread_join(pump->thread, NULL);
	}
	for (uint32_t i = 0; i < pump->port_cnt; i++)
		fwd_tap_close(&pump->tap[i]);
	free(pump);
}

/* The frame is copied before it is looked at: the cell may change it meanwhile. */
static void
frame_to_linux(struct fwd_pump *pump, const struct fwd_slot *slot, uint32_t frame_max)
{
	uint32_t bytes = __atomic_load_n(&slot->bytes, __ATOMIC_RELAXED);
	uint8_t port = __atomic_load_n(&slot->port, __ATOMIC_RELAXED);
	if (bytes < FRAME_MIN || bytes > frame_max || port >= pump->port_cnt) {
		count(&pump->stats.bad_frame_cnt, 1);
		return;
	}
	memcpy(pump->frame, slot->frame, bytes);
	int err = fwd_tap_write(&pump->tap[port], pump->frame, bytes);
	if (err == 0) {
		count(&pump->stats.to_linux_cnt, 1);
		count(&pump->stats.to_linux_bytes, bytes);
	} else {
		count(err == -EAGAIN || err == -ENOBUFS ? &pump->stats.tap_full_cnt
		      : err == -EIO                     ? &pump->stats.tap_down_cnt
		                                        : &pump->stats.tap_error_cnt,
		      1);
	}
}

static bool
ring_to_linux(struct fwd_pump *pump, struct fwd_ring_end *end)
{
	const struct fwd_slot *slot;
	uint32_t cnt = 0;
	bool was_broken = end->broken;
	while (cnt < BURST_MAX && (slot = fwd_ring_next(end)) != NULL) {
		frame_to_linux(pump, slot, fwd_ring_frame_max(end));
		fwd_ring_drop(end);
		cnt++;
	}
	if (cnt != 0)
		fwd_ring_publish(end);
	if (end->broken && !was_broken)
		count(&pump->stats.ring_broken_cnt, 1);
	return cnt != 0;
}

static bool
tap_from_linux(struct fwd_pump *pump, uint8_t port)
{
	struct fwd_ring_end *end = &pump->from_linux;
	struct fwd_slot *slot;
	uint32_t cnt = 0;
	while (cnt < BURST_MAX && (slot = fwd_ring_room(end)) != NULL) {
		int got = fwd_tap_read(&pump->tap[port], slot->frame, fwd_ring_frame_max(end));
		if (got == -EMSGSIZE) {
			count(&pump->stats.too_long_cnt, 1);
			continue;
		}
		if (got < 0) {
			count(&pump->stats.tap_error_cnt, got != -EAGAIN && got != -EIO);
			break;
		}
		fwd_ring_put(end, (uint32_t)got, port, 0);
		count(&pump->stats.from_linux_cnt, 1);
		count(&pump->stats.from_linux_bytes, (uint64_t)got);
		cnt++;
	}
	if (cnt != 0)
		fwd_ring_publish(end);
	return cnt != 0;
}

/* What the cell says of its port: once for MAC address and MTU, and the link as it changes. */
static void
port_look(struct fwd_pump *pump, uint32_t port)
{
	const struct fwd_port_line *line = &pump->channel->port[port];
	struct fwd_tap *tap = &pump->tap[port];
	if (__atomic_load_n(&line->ready, __ATOMIC_ACQUIRE) == 0)
		return;
	if (!pump->set[port]) {
		const struct fwd_port_line said = *line;
		pump->set[port] = true;
		if (fwd_tap_set(tap, said.mac, said.mtu_bytes) != 0)
			count(&pump->stats.tap_error_cnt, 1);
	}
	bool link_up = __atomic_load_n(&line->link_up, __ATOMIC_RELAXED) != 0;
	if (link_up != tap->carrier && fwd_tap_carrier(tap, link_up) != 0) {
		tap->carrier = link_up; /* said once, not every turn */
		count(&pump->stats.tap_error_cnt, 1);
	}
}

bool
fwd_pump_turn(struct fwd_pump *pump)
{
	bool any = false;
	if (pump->turn_cnt++ % PORT_LOOK_CNT == 0) {
		for (uint32_t i = 0; i < pump->port_cnt; i++)
			port_look(pump, i);
	}
	for (uint32_t i = 0; i < pump->core_cnt; i++)
		any |= ring_to_linux(pump, &pump->to_linux[i]);
	/* Another port first each time: all share one ring. */
	for (uint32_t i = 0; i < pump->port_cnt; i++)
		any |= tap_from_linux(pump, (uint8_t)((pump->next_port + i) % pump->port_cnt));
	pump->next_port++;
	return any;
}

static void
wait_for_linux(struct fwd_pump *pump, long ns)
{
	struct pollfd fd[FWD_PORTS_MAX];
	const struct timespec wait = {.tv_nsec = ns};
	bool room = fwd_ring_room(&pump->from_linux) != NULL; /* else the TAPs' frames are no news */
	for (uint32_t i = 0; i < pump->port_cnt; i++)
		fd[i] = (struct pollfd){.fd = pump->tap[i].fd, .events = room ? POLLIN : 0};
	(void)ppoll(fd, room ? pump->port_cnt : 0, &wait, NULL);
}

static void *
thread_main(void *arg)
{
	struct fwd_pump *pump = arg;
	uint32_t idle = 0;
	while (!__atomic_load_n(&pump->stop, __ATOMIC_ACQUIRE)) {
		idle = fwd_pump_turn(pump) ? 0 : idle + 1;
		if (idle != 0)
			wait_for_linux(pump, idle < IDLE_TURNS ? BUSY_NS : IDLE_NS);
	}
	return NULL;
}

int
fwd_pump_start(struct fwd_pump *pump, struct bh_error *error)
{
	int err = -pthread_create(&pump->thread, NULL, thread_main, pump);
	if (err != 0)
		return bh_error_set(error, "E357", err, "no thread to carry frames to Linux: %s", strerror(-err));
	pump->thread_runs = true;
	return 0;
}

void
fwd_pump_stats(const struct fwd_pump *pump, struct fwd_pump_stats *out)
{
	const uint64_t *from = (const uint64_t *)(const void *)&pump->stats;
	uint64_t *to = (uint64_t *)(void *)out;
	for (size_t i = 0; i < sizeof(*out) / sizeof(uint64_t); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
