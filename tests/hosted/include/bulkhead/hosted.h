/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cell's ground inside an ordinary process, for unit tests and micro-benchmarks: the regions at their fixed
 * addresses, a valid boot page, the cores' contexts. No supervisor, no filter. One at a time in a process.
 *
 *	assert_int_equal(bh_hosted_start(1, 16 << 20, 16 << 20), 0);
 *	assert_int_equal(bh_hosted_run(0, test_body, NULL), 0);
 *	bh_hosted_stop();
 *
 * Under AddressSanitizer the regions lie in its shadow gap, which this library's options open; the arena must then stay
 * below 2 GiB.
 */
#ifndef BULKHEAD_HOSTED_H
#define BULKHEAD_HOSTED_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/abi/shared.h>
#include <bulkhead/sched.h>
#include <bulkhead/types.h>

struct bh_core;

#define BH_HOSTED_FIBER_CNT         32u
#define BH_HOSTED_FIBER_STACK_BYTES (256u << 10)
#define BH_HOSTED_TSC_HZ            UINT64_C(2600000000)

/**
 * bh_hosted_map - map everything and write the boot page, but make no core yet: for a test that changes the page first
 * @core_cnt: 1 .. BH_CORES_MAX; @arena_bytes, @heap_bytes: rounded up to pages
 *
 * tsc_hz is BH_HOSTED_TSC_HZ whatever the machine has.
 * Return: 0 or a negative errno of mmap; -BH_EBUSY started already; -BH_EINVAL a count or size that the boot page
 * cannot hold.
 */
BH_MUST_CHECK int bh_hosted_map(unsigned core_cnt, size_t arena_bytes, size_t heap_bytes);

/*
 * bh_hosted_init - make the cores of a mapped cell; the calling thread is core 0's. -BH_EINVAL: bh_boot_page_check
 * refuses.
 */
BH_MUST_CHECK int bh_hosted_init(void);

/*
 * What bh_hosted_init and bh_hosted_stop do but for setting the thread's core: for the simulator, which sets its own.
 */
BH_MUST_CHECK int bh_hosted_cores_init(void);
void bh_hosted_unmap(void);

/* bh_hosted_start - bh_hosted_map and bh_hosted_init. */
BH_MUST_CHECK int bh_hosted_start(unsigned core_cnt, size_t arena_bytes, size_t heap_bytes);

/* bh_hosted_stop - unmap everything. Outside of fibers. Nothing that was allocated is valid any more. */
void bh_hosted_stop(void);

/* bh_hosted_page - the boot page, writable. bh_hosted_page_seal - recompute its checksum after a change. */
struct bh_boot_page *bh_hosted_page(void);
void bh_hosted_page_seal(void);

/* bh_hosted_shared - a section of the shared region: an offset of page->shared. */
void *bh_hosted_shared(uint32_t offset);

/* bh_hosted_core_get - context of a core. */
struct bh_core *bh_hosted_core_get(unsigned core_idx);

/*
 * bh_hosted_core_set - the calling thread is this core from now on (not in the simulator, which has its own idea of
 * it).
 */
void bh_hosted_core_set(unsigned core_idx);

/**
 * bh_hosted_run - as this core, run fn(arg) as a fiber with the core's pollers and other fibers until it returns
 * Context: outside of fibers; any thread, one per core.
 * Return: as bh_core_run_fn: 0, -BH_EAGAIN, -BH_EBUSY.
 */
BH_MUST_CHECK int bh_hosted_run(unsigned core_idx, bh_fiber_fn fn, void *arg);

/*
 * bh_hosted_on_panic - call this instead of printing and abort(). It must not return (longjmp, exit). NULL: the
 * default.
 */
void bh_hosted_on_panic(void (*hook)(const struct bh_panic_record *record));

#endif
