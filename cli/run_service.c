/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_service.h"

#include <time.h>

/* After the drain: the reset ladder of each device, and giving memory back. */
#define RELEASE_NS UINT64_C(30000000000)

int
run_service_open(struct run_service *service, struct bh_error *warning)
{
	*service = (struct run_service){0};
	return bh_notify_open(&service->notify, warning);
}

void
run_service_close(struct run_service *service)
{
	bh_notify_close(&service->notify);
}

uint64_t
run_service_tick_ns(const struct run_service *service)
{
	return service->notify.watchdog_ns / 4;
}

static void
tell_stopping(struct run_service *service, uint64_t drain_ns)
{
	if (!service->stopping_told)
		service->stopping_told = bh_notify_send(&service->notify, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lu",
		                                        (drain_ns + RELEASE_NS) / 1000) == 0;
}

void
run_service_tick(struct run_service *service, struct bh_cell *cell, uint64_t drain_ns)
{
	struct timespec now;
	if (!service->ready_told)
		service->ready_told = bh_notify_send(&service->notify, "READY=1") == 0;
	if (bh_cell_live(cell)->stop_requested)
		tell_stopping(service, drain_ns);
	clock_gettime(CLOCK_MONOTONIC, &now);
	bh_notify_beat(&service->notify, (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec,
	               bh_cell_silence_ns(cell));
}

void
run_service_end(struct run_service *service, const char *text)
{
	tell_stopping(service, 0);
	if (text[0] != '\0')
		bh_notify_status(&service->notify, text);
}
