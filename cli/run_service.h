/* SPDX-License-Identifier: Apache-2.0 */
/**
 * `bulkhead run` as a service: ready when all cores run, alive while they beat, stopping when it drains.
 */
#ifndef CLI_RUN_SERVICE_H
#define CLI_RUN_SERVICE_H

#include "host/run/notify.h"
#include "host/run/run.h"

struct run_service {
	struct bh_notify notify;
	bool ready_told, stopping_told;
};

/* run_service_open - before the supervisor confines itself. Return: 0; as bh_notify_open, and it then runs without a manager. */
BH_MUST_CHECK int run_service_open(struct run_service *service, struct bh_error *warning);
void run_service_close(struct run_service *service);

/* run_service_tick_ns - how often run_service_tick must be called; 0: any time. */
uint64_t run_service_tick_ns(const struct run_service *service);

/* run_service_tick - while all cores run; drain_ns: as the cell was started with. */
void run_service_tick(struct run_service *service, struct bh_cell *cell, uint64_t drain_ns);

/* run_service_end - when the cell is gone, or never came: `text` is what is to be read in the status, "" nothing new. */
void run_service_end(struct run_service *service, const char *text);

#endif
