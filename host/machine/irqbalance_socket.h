/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One exchange with irqbalance. Private to irqbalance.c.
 */
#ifndef HOST_MACHINE_IRQBALANCE_SOCKET_H
#define HOST_MACHINE_IRQBALANCE_SOCKET_H

#include <bulkhead/types.h>
#include <time.h>

BH_INLINE uint64_t
bh_irqbalance_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/**
 * bh_irqbalance_talk - find the socket, send `message` with our credentials, read until the other end hangs up
 * @answer: terminated; bytes that are not printable become '?'
 * Return: 0, also for no answer; -ENOENT no socket; -EAGAIN its queue is full, nothing was sent; -ETIMEDOUT sent, and not
 * answered in time; -EPROTO more than fits; or the error of a call.
 */
BH_MUST_CHECK int bh_irqbalance_talk(const char *root, const char *message, uint64_t deadline_ns, char *answer,
                                     size_t answer_bytes);

#endif
