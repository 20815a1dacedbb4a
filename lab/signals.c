/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the first to the last thing that the lab makes, signals are read and never act by themselves: whatever ends the lab, it
 * takes its things with it. What it starts gets the caller's mask back.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "lab/internal.h"

uint64_t
bh_lab_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * BH_LAB_NS_PER_S + (uint64_t)now.tv_nsec;
}

int
bh_lab_signals_open(struct bh_lab_signals *out, struct bh_error *error)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGWINCH};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;
	*out = (struct bh_lab_signals){.fd = -1};
	sigemptyset(&set);
	for (size_t i = 0; i < BH_ARRAY_CNT(caught); i++)
		sigaddset(&set, caught[i]);
	out->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (out->fd < 0)
		return bh_error_set(error, "E203", -errno, "no descriptor for signals: %s", strerror(errno));
	sigprocmask(SIG_BLOCK, &set, &out->mask_before);
	sigaction(SIGPIPE, &ignore, &out->pipe_before);
	return 0;
}

void
bh_lab_signals_close(struct bh_lab_signals *signals)
{
	if (signals->fd < 0)
		return;
	bh_lab_signals_take(signals); /* what ended the lab is not to end its caller, too: the error tells it */
	close(signals->fd);
	signals->fd = -1;
	sigaction(SIGPIPE, &signals->pipe_before, NULL);
	sigprocmask(SIG_SETMASK, &signals->mask_before, NULL);
}

void
bh_lab_signals_take(struct bh_lab_signals *signals)
{
	struct signalfd_siginfo info;
	while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			signals->window_changed = true;
		else if (info.ssi_signo != SIGCHLD)
			signals->asked = (int)info.ssi_signo;
	}
}

int
bh_lab_signals_check(struct bh_lab_signals *signals, struct bh_error *error)
{
	bh_lab_signals_take(signals);
	if (signals->asked == 0)
		return 0;
	return bh_error_set(error, "E212", -EINTR, "ended by %s", strsignal(signals->asked));
}
