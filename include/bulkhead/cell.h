/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cell's view of itself: its entry point, its boot page, its cores.
 *
 *	#include <bulkhead/cell.h>
 *	#include <bulkhead/log.h>
 *
 *	int cell_main(unsigned core_idx)
 *	{
 *		bh_log_info("core %u of %u is up", core_idx, bh_core_cnt());
 *		while (!bh_stop_requested())
 *			bh_yield();
 *		return 0;
 *	}
 */
#ifndef BULKHEAD_CELL_H
#define BULKHEAD_CELL_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/abi/shared.h>
#include <bulkhead/arch.h>

/**
 * cell_main - written by the cell's author; called once on each core, as its first fiber, behind the filter
 * @core_idx: 0 .. bh_core_cnt() - 1
 *
 * When every core has returned, the cell ends. Before it returns, an app drains its queues and shuts its devices down.
 * Return: 0, or a negative BH_E* that the supervisor reports.
 */
int cell_main(unsigned core_idx);

/* bh_boot_page - the read-only boot page, checked by boot/. Any core, any time. */
const struct bh_boot_page *bh_boot_page(void);

/* bh_core_idx, bh_core_cnt - index of the calling core; how many cores the cell has. */
unsigned bh_core_idx(void);
unsigned bh_core_cnt(void);

/* bh_stop_requested - whether the supervisor asked the cell to drain and return. One load, usually from the own cache. */
bool bh_stop_requested(void);

/**
 * bh_heartbeat - tell the supervisor that this core makes progress
 *
 * The scheduler does it on every pass; a loop that does not yield calls it at least every 100 ms. A core that is running
 * but silent for 500 ms is reported as stalled and the cell is ended. One store to a line of its own.
 */
void bh_heartbeat(void);

/**
 * bh_app_config - the application's compiled configuration
 * @size_bytes: sizeof of the structure that the app's host half wrote
 * Return: the structure, read-only, or NULL if the page holds another size.
 */
const void *bh_app_config(size_t size_bytes);

/* Cycles and nanoseconds, by the boot page's tsc_hz. Not for the hot path: they divide. */
uint64_t bh_ns_to_tsc(uint64_t ns);
uint64_t bh_tsc_to_ns(uint64_t tsc);

/*
 * bh_barrier_wait - all cores of the cell meet here (start-up and shut-down only); it yields while it waits, and panics
 * when one has not come after a minute.
 */
void bh_barrier_wait(void);

#endif
