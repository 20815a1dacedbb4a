/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One relay per stream of the machine: bytes come from QEMU's socket and go to a descriptor of ours. While ours cannot take
 * more, nothing is read: the command inside waits as it would on a pipe here, and signals and deadlines are still served.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lab/internal.h"

/* A pipe that polls writable takes this much without blocking (pipe(7)). */
#define PIECE_BYTES 4096u

struct pollfd
bh_lab_relay_poll(const struct bh_lab_relay *relay)
{
	if (relay->start < relay->end)
		return (struct pollfd){.fd = relay->to, .events = POLLOUT};
	return (struct pollfd){.fd = relay->from, .events = POLLIN};
}

ssize_t
bh_lab_relay_pull(struct bh_lab_relay *relay)
{
	ssize_t got = read(relay->from, relay->held, sizeof(relay->held));
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	relay->start = 0;
	relay->end = got > 0 ? (size_t)got : 0;
	if (got <= 0) {
		close(relay->from);
		relay->from = -1;
		return 0;
	}
	relay->byte_cnt += (uint64_t)got;
	if (relay->to < 0)
		relay->start = relay->end; /* looked at by the caller, and dropped */
	return got;
}

void
bh_lab_relay_push(struct bh_lab_relay *relay)
{
	while (relay->start < relay->end) {
		struct pollfd polled = {.fd = relay->to, .events = POLLOUT};
		if (poll(&polled, 1, 0) <= 0)
			return;
		ssize_t done =
		        write(relay->to, relay->held + relay->start, BH_MIN(relay->end - relay->start, PIECE_BYTES));
		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (done < 0) {
			relay->reader_gone = true;
			relay->to = -1;
			relay->start = relay->end;
			return;
		}
		relay->start += (size_t)done;
	}
}

bool
bh_lab_relay_holds(const struct bh_lab_relay *relay)
{
	return relay->start < relay->end;
}
