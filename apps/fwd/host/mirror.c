/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/fwd/host/mirror_private.h"
#include "host/errors/errors.h"

#define EVENTS_ONE_MAX 4096u /* datagrams of events in one turn, so that comparisons go on, too */
#define ASK_MS         1000u
#define TURN_MS        50u

uint64_t
fwd_mirror_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* All groups before anything is dumped: what changes after the dump's look comes as an event. */
static int
join_all(int fd)
{
	static const unsigned group[] = {RTNLGRP_LINK,         RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
	                                 RTNLGRP_IPV6_IFADDR,  RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	                                 RTNLGRP_IPV4_RULE,    RTNLGRP_IPV6_RULE,  RTNLGRP_IPV4_NETCONF,
	                                 RTNLGRP_IPV6_NETCONF, RTNLGRP_NEXTHOP};
	for (size_t i = 0; i < BH_ARRAY_CNT(group); i++) {
		int err = fwd_nl_join(fd, group[i]);
		/* Kernels before 5.3 have no next-hop objects and no such group. */
		if (err != 0 && !(group[i] == RTNLGRP_NEXTHOP && err == -EINVAL))
			return err;
	}
	return 0;
}

static int
sockets_open(struct fwd_mirror *mirror)
{
	mirror->event_fd = fwd_nl_open(mirror->options.receive_bytes);
	mirror->dump_fd = fwd_nl_open(0);
	mirror->ask_fd = fwd_nl_open(0);
	if (mirror->event_fd < 0)
		return mirror->event_fd;
	if (mirror->dump_fd < 0)
		return mirror->dump_fd;
	return mirror->ask_fd < 0 ? mirror->ask_fd : join_all(mirror->event_fd);
}

int
fwd_mirror_open(const struct fwd_mirror_options *options, struct fwd_mirror **out, struct bh_error *error)
{
	struct fwd_mirror *mirror = calloc(1, sizeof(*mirror));
	int err = mirror == NULL ? -ENOMEM : 0;
	if (err == 0) {
		mirror->options = *options;
		if (options->resync_ms == 0)
			mirror->options.resync_ms = FWD_MIRROR_RESYNC_MS_DEFAULT;
		if (options->receive_bytes == 0)
			mirror->options.receive_bytes = FWD_MIRROR_RECEIVE_BYTES_DEFAULT;
		mirror->event_fd = mirror->dump_fd = mirror->ask_fd = -1;
		pthread_mutex_init(&mirror->lock, NULL);
		err = sockets_open(mirror);
	}
	const struct fwd_rib_options rib = {.fib = options->fib,
	                                    .port = options->port,
	                                    .port_cnt = options->port_cnt,
	                                    .ask = fwd_nl_ask,
	                                    .context = mirror};
	if (err == 0)
		err = options->fib == NULL ? -EINVAL : fwd_rib_init(&mirror->rib, &rib);
	if (err != 0) {
		fwd_mirror_close(mirror);
		return bh_error_set(error, "E355", err,
		                    "routes and neighbours of Linux cannot be followed: rtnetlink: %s", strerror(-err));
	}
	mirror->last_sync_ms = fwd_mirror_now_ms();
	*out = mirror;
	return 0;
}

void
fwd_mirror_close(struct fwd_mirror *mirror)
{
	if (mirror == NULL)
		return;
	if (mirror->thread_runs) {
		__atomic_store_n(&mirror->stop, true, __ATOMIC_RELEASE);
		pthread_join(mirror->thread, NULL);
	}
	const int fd[] = {mirror->event_fd, mirror->dump_fd, mirror->ask_fd};
	for (size_t i = 0; i < BH_ARRAY_CNT(fd); i++) {
		if (fd[i] >= 0)
			close(fd[i]);
	}
	fwd_rib_free(&mirror->rib);
	pthread_mutex_destroy(&mirror->lock);
	free(mirror);
}

void
fwd_mirror_message(struct fwd_mirror *mirror, const struct nlmsghdr *message, enum fwd_rib_source source)
{
	mirror->stats.message_cnt++;
	int err = fwd_nl_parse(message, &mirror->event);
	if (err == -EPROTO) {
		mirror->rib.stats.malformed_cnt++;
		return;
	}
	/* No memory: counted, and the rib has asked for a comparison. */
	if (err == 0)
		(void)!fwd_rib_apply(&mirror->rib, &mirror->event, source);
}

static void
event_datagram(struct fwd_mirror *mirror, int bytes)
{
	const struct nlmsghdr *message = (const void *)mirror->buffer;
	for (; mnl_nlmsg_ok(message, bytes); message = mnl_nlmsg_next(message, &bytes)) {
		if (message->nlmsg_type >= NLMSG_MIN_TYPE)
			fwd_mirror_message(mirror, message, FWD_RIB_EVENT);
	}
}

bool
fwd_mirror_events(struct fwd_mirror *mirror)
{
	for (unsigned i = 0; i < EVENTS_ONE_MAX; i++) {
		int got = fwd_nl_receive(mirror->event_fd, mirror->buffer, sizeof(mirror->buffer));
		if (got == -EAGAIN)
			return false;
		if (got < 0) { /* ENOBUFS, and whatever else costs events */
			mirror->overrun = true;
			mirror->stats.overrun_cnt++;
			return got == -ENOBUFS;
		}
		event_datagram(mirror, got);
	}
	return true;
}

static void
stats_publish(struct fwd_mirror *mirror)
{
	mirror->stats.rib = mirror->rib.stats;
	mirror->stats.syncing = mirror->sync.step != FWD_SYNC_IDLE;
	for (unsigned i = 0; i < FWD_RIB_CLASS_CNT; i++)
		mirror->stats.item_cnt[i] = mirror->rib.table[i].item_cnt;
	pthread_mutex_lock(&mirror->lock);
	mirror->published = mirror->stats;
	pthread_mutex_unlock(&mirror->lock);
}

void
fwd_mirror_turn(struct fwd_mirror *mirror, uint32_t wait_ms)
{
	struct pollfd fd[2] = {{.fd = mirror->event_fd, .events = POLLIN}, {.fd = mirror->dump_fd, .events = POLLIN}};
	if (mirror->sync.step == FWD_SYNC_SETTLE && wait_ms > 5)
		wait_ms = 5;
	(void)poll(fd, mirror->sync.step == FWD_SYNC_DUMP ? 2 : 1, (int)wait_ms);
	(void)fwd_mirror_events(mirror);
	uint64_t now_ms = fwd_mirror_now_ms();
	fwd_sync_turn(mirror, now_ms);
	if (now_ms - mirror->last_ask_ms >= ASK_MS) {
		mirror->last_ask_ms = now_ms;
		fwd_rib_ask_again(&mirror->rib, now_ms);
	}
	fwd_rib_commit(&mirror->rib);
	stats_publish(mirror);
}

int
fwd_mirror_sync(struct fwd_mirror *mirror, uint32_t timeout_ms, struct bh_error *error)
{
	uint64_t begin_ms = fwd_mirror_now_ms(), before = mirror->stats.sync_cnt;
	fwd_mirror_resync(mirror);
	while (mirror->stats.sync_cnt == before || mirror->sync.step != FWD_SYNC_IDLE) {
		if (fwd_mirror_now_ms() - begin_ms > timeout_ms)
			return bh_error_set(error, "E356", -ETIMEDOUT,
			                    "the kernel's tables could not be read within %u ms (read so far: %s)",
			                    timeout_ms, (const char *const[])FWD_RIB_CLASS_NAMES[mirror->sync.class]);
		fwd_mirror_turn(mirror, 5);
	}
	return 0;
}

static void *
thread_main(void *arg)
{
	struct fwd_mirror *mirror = arg;
	while (!__atomic_load_n(&mirror->stop, __ATOMIC_ACQUIRE))
		fwd_mirror_turn(mirror, TURN_MS);
	return NULL;
}

int
fwd_mirror_start(struct fwd_mirror *mirror, struct bh_error *error)
{
	int err = -pthread_create(&mirror->thread, NULL, thread_main, mirror);
	if (err != 0)
		return bh_error_set(error, "E357", err, "no thread to follow Linux's routes: %s", strerror(-err));
	mirror->thread_runs = true;
	return 0;
}

void
fwd_mirror_resync(struct fwd_mirror *mirror)
{
	__atomic_store_n(&mirror->resync, true, __ATOMIC_RELAXED);
}

void
fwd_mirror_stats(struct fwd_mirror *mirror, struct fwd_mirror_stats *out)
{
	pthread_mutex_lock(&mirror->lock);
	*out = mirror->published;
	pthread_mutex_unlock(&mirror->lock);
}
