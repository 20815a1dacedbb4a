/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Keeps the router's tables in step with Linux: routes, neighbours, links and forwarding by rtnetlink, in the network
 * namespace that it was opened in.
 *
 *	struct fwd_mirror *mirror;
 *	if (fwd_mirror_open(&options, &mirror, &error) == 0 && fwd_mirror_sync(mirror, 10000, &error) == 0 &&
 *	    fwd_mirror_start(mirror, &error) == 0) {
 *		...
 *		fwd_mirror_close(mirror);
 *	}
 *
 * Events are followed as they come. Everything is also read anew and compared: at the start, every resync_ms, when the
 * kernel says that it had to drop events (ENOBUFS), and when something happened of which Linux does not tell all
 * consequences (a link that goes down takes its IPv4 routes along in silence). A comparison of the periodic kind that
 * finds a difference which no event explains counts it in diff_cnt: 0 as long as nothing is lost. The others count in
 * healed_cnt.
 *
 * What is mirrored: the main and local tables of IPv4 and IPv6, with the route of the lowest metric; several hops and
 * their weights; next-hop objects and groups; black holes, unreachable and prohibited prefixes; neighbours; the TAPs
 * of ports, and VLANs on them. What leaves by any other link, or in a tunnel, goes to Linux. Not followed, and counted: other tables,
 * rules (`ip rule`), routes by TOS or source. docs/mirror.md
 */
#ifndef APPS_FWD_HOST_MIRROR_H
#define APPS_FWD_HOST_MIRROR_H

#include "apps/fwd/host/mirror_rib.h"
#include "host/device/device.h"

#define FWD_MIRROR_RESYNC_MS_DEFAULT     60000u
#define FWD_MIRROR_RECEIVE_BYTES_DEFAULT (128u << 20)

struct fwd_mirror;

/* Zero in a field means its default. */
struct fwd_mirror_options {
	struct fwd_fib *fib;             /* of the mirror's thread alone from open to close; NULL is an error */
	const char (*port)[IF_NAMESIZE]; /* the TAP of each port; copied */
	uint32_t port_cnt;
	uint32_t resync_ms;     /* between periodic comparisons; UINT32_MAX: none */
	uint32_t receive_bytes; /* of the kernel's buffer for events that were not read yet */
};

struct fwd_mirror_stats {
	struct fwd_rib_stats rib;
	uint64_t item_cnt[FWD_RIB_CLASS_CNT]; /* what is known now */
	uint64_t message_cnt;                 /* read, dumps included */
	uint64_t overrun_cnt;                 /* times that the kernel dropped events */
	uint64_t sync_cnt;                    /* comparisons that were completed */
	uint64_t sync_failed_cnt;             /* comparisons that were broken off; they are tried again */
	uint64_t sync_ms;                     /* how long the last one took */
	uint64_t diff_cnt;                    /* found by periodic ones: events were lost, or never sent */
	uint64_t healed_cnt;                  /* found by others */
	uint64_t policy_cnt;                  /* rules that the cell does not follow */
	bool syncing;
};

/**
 * fwd_mirror_open - sockets and memberships; nothing is read yet
 * Return: 0; -EINVAL; -ENOMEM; or what the system said (E355).
 */
BH_MUST_CHECK int fwd_mirror_open(const struct fwd_mirror_options *options, struct fwd_mirror **out,
                                  struct bh_error *error);

/* fwd_mirror_close - ends the thread, if there is one. The fib is the caller's again, as it is. */
void fwd_mirror_close(struct fwd_mirror *mirror);

/**
 * fwd_mirror_sync - read everything and compare, before there is a thread
 * Return: 0; -ETIMEDOUT (E356).
 */
BH_MUST_CHECK int fwd_mirror_sync(struct fwd_mirror *mirror, uint32_t timeout_ms, struct bh_error *error);

/* fwd_mirror_turn - what the thread does, once: wait at most wait_ms for messages, and follow them. */
void fwd_mirror_turn(struct fwd_mirror *mirror, uint32_t wait_ms);

/* fwd_mirror_start - a thread that turns until fwd_mirror_close. Return: 0, or a negative errno (E357). */
BH_MUST_CHECK int fwd_mirror_start(struct fwd_mirror *mirror, struct bh_error *error);

/* fwd_mirror_resync - begin a comparison as soon as may be; its differences count in diff_cnt. Any thread. */
void fwd_mirror_resync(struct fwd_mirror *mirror);

/* fwd_mirror_stats - as of the last turn. Any thread. */
void fwd_mirror_stats(struct fwd_mirror *mirror, struct fwd_mirror_stats *out);

#endif
