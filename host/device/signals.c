/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device/signals.h"

#include <time.h>

#include <bulkhead/types.h>

static const int held[] = {SIGINT, SIGTERM, SIGHUP};

void
bh_signals_hold(sigset_t *out_before)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < BH_ARRAY_CNT(held); i++)
		sigaddset(&set, held[i]);
	sigprocmask(SIG_BLOCK, &set, out_before);
}

bool
bh_signals_pending(void)
{
	sigset_t pending;
	bool any = false;
	if (sigpending(&pending) != 0)
		return false;
	for (size_t i = 0; i < BH_ARRAY_CNT(held); i++)
		any = any || sigismember(&pending, held[i]) == 1;
	return any;
}

void
bh_signals_release(const sigset_t *before, bool swallow)
{
	const struct timespec now = {0};
	sigset_t one;
	for (size_t i = 0; i < BH_ARRAY_CNT(held) && swallow; i++) {
		sigemptyset(&one);
		sigaddset(&one, held[i]);
		while (sigtimedwait(&one, NULL, &now) > 0)
			;
	}
	sigprocmask(SIG_SETMASK, before, NULL);
}
