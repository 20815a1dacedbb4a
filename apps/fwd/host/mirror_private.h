/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror.c         opening, the thread
 * mirror_socket.c  messages in and out of netlink sockets
 * mirror_sync.c    comparisons: one class after the other
 */
#ifndef APPS_FWD_HOST_MIRROR_PRIVATE_H
#define APPS_FWD_HOST_MIRROR_PRIVATE_H

#include <pthread.h>

#include "apps/fwd/host/mirror.h"

#define FWD_NL_BUFFER_BYTES 65536u

enum fwd_sync_step {
	FWD_SYNC_IDLE = 0,
	FWD_SYNC_DUMP,   /* the class's answer is being read */
	FWD_SYNC_SETTLE, /* waits until events on their way have come */
};

struct fwd_sync {
	enum fwd_sync_step step;
	enum fwd_rib_class class;
	bool periodic; /* its differences are losses */
	bool doubtful; /* another one is due */
	uint32_t seq;  /* of the dump's request */
	uint64_t begin_ms, step_ms;
	uint64_t diff_cnt;
};

struct fwd_mirror {
	struct fwd_mirror_options options;
	struct fwd_rib rib;
	int event_fd, dump_fd, ask_fd; /* own sockets: a dump's answer does not wait behind events */
	struct fwd_sync sync;
	bool overrun;          /* events were dropped: compare now */
	uint64_t wanted_ms;    /* when rib.want_dump was first seen; 0: it is not set */
	uint64_t last_sync_ms; /* end of the last comparison */
	uint64_t last_ask_ms;
	struct fwd_mirror_stats stats;
	struct fwd_nl_event event; /* the message at hand */
	uint8_t buffer[FWD_NL_BUFFER_BYTES] BH_ALIGNED(8);
	pthread_t thread;
	bool thread_runs;
	bool stop, resync;    /* atomic */
	pthread_mutex_t lock; /* of published */
	struct fwd_mirror_stats published;
};

uint64_t fwd_mirror_now_ms(void);

/* fwd_nl_open - a non-blocking rtnetlink socket. Return: the descriptor, or a negative errno. */
int fwd_nl_open(uint32_t receive_bytes);
BH_MUST_CHECK int fwd_nl_join(int fd, unsigned group);
/* fwd_nl_dump - ask for everything of a class. Return: 0 or a negative errno. */
BH_MUST_CHECK int fwd_nl_dump(int fd, enum fwd_rib_class class, uint32_t seq);
/* fwd_nl_receive - one datagram of the kernel. Return: bytes; -EAGAIN none is there; -ENOBUFS some were dropped. */
BH_MUST_CHECK int fwd_nl_receive(int fd, void *buffer, size_t bytes);
/* fwd_nl_ask - have the kernel look for a neighbour, or check it (NTF_USE). */
void fwd_nl_ask(void *mirror, const struct fwd_nl_neighbour *neighbour);

/* fwd_mirror_message - follow one message of either source */
void fwd_mirror_message(struct fwd_mirror *mirror, const struct nlmsghdr *message, enum fwd_rib_source source);
/* fwd_mirror_events - read events, a bounded number. Return: whether there may be more. */
bool fwd_mirror_events(struct fwd_mirror *mirror);

/* fwd_sync_turn - begin, go on with, or end a comparison */
void fwd_sync_turn(struct fwd_mirror *mirror, uint64_t now_ms);

#endif
