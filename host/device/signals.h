/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C waits until a change of the machine is made or undone. One thread. */
#ifndef HOST_DEVICE_SIGNALS_H
#define HOST_DEVICE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* bh_signals_hold - SIGINT, SIGTERM and SIGHUP wait from here on. */
void bh_signals_hold(sigset_t *out_before);

/* bh_signals_pending - whether one of them waits. */
bool bh_signals_pending(void);

/* bh_signals_release - let them through again; `swallow` takes those that were acted on already. */
void bh_signals_release(const sigset_t *before, bool swallow);

#endif
