/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a process's pipe into a port, counted: the host ends the machine when it has them all. The process sees a pipe, as it
 * would on the host, and waits where the host takes no more.
 */
#include <errno.h>
#include <unistd.h>

#include "lab/init/init.h"

struct pollfd
lab_relay_poll(const struct lab_relay *relay)
{
	if (relay->start < relay->end)
		return (struct pollfd){relay->to, POLLOUT, 0};
	return (struct pollfd){relay->from, POLLIN, 0};
}

static void
pull(struct lab_relay *relay)
{
	ssize_t got = read(relay->from, relay->held, sizeof(relay->held));
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		close(relay->from);
		relay->from = -1;
		return;
	}
	relay->start = 0;
	relay->end = (size_t)got;
}

static void
push(struct lab_relay *relay)
{
	while (relay->start < relay->end) {
		ssize_t done = write(relay->to, relay->held + relay->start, relay->end - relay->start);
		if (done <= 0)
			return;
		relay->start += (size_t)done;
		relay->byte_cnt += (unsigned long)done;
	}
}

void
lab_relay_turn(struct lab_relay *relay)
{
	if (relay->start == relay->end && relay->from >= 0)
		pull(relay);
	push(relay);
}

bool
lab_relay_empty(const struct lab_relay *relay)
{
	struct pollfd polled = {relay->from, POLLIN, 0};
	return relay->start == relay->end && (relay->from < 0 || poll(&polled, 1, 0) == 0);
}
