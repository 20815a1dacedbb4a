/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two cores pass numbers around through two rings, and count.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/ring.h>
#include <bulkhead/sched.h>

#define SLOT_CNT  64u
#define ROUND_CNT UINT64_C(100000)

static struct bh_spsc ring[2]; /* [0]: core 0 to core 1 */
static uint64_t item[2][SLOT_CNT];

static int
receive(struct bh_spsc *from, uint64_t *out)
{
	while (bh_spsc_pop(from, out, 1) == 0) {
		if (bh_stop_requested())
			return -BH_ECANCELED;
		bh_yield();
	}
	return 0;
}

static int
send(struct bh_spsc *to, uint64_t value)
{
	while (bh_spsc_push(to, &value, 1) == 0) {
		if (bh_stop_requested())
			return -BH_ECANCELED;
		bh_yield();
	}
	return 0;
}

int
cell_main(unsigned core_idx)
{
	uint64_t *rounds = bh_counter_register("ring.rounds", "");
	uint64_t got;
	int err = 0;
	if (bh_core_cnt() != 2)
		return -BH_EINVAL;
	if (core_idx == 0 &&
	    (bh_spsc_init(&ring[0], item[0], SLOT_CNT) != 0 || bh_spsc_init(&ring[1], item[1], SLOT_CNT) != 0))
		return -BH_EINVAL;
	bh_barrier_wait();
	for (uint64_t i = 0; i < ROUND_CNT && err == 0; i++) {
		if (core_idx == 0)
			err = send(&ring[0], i);
		if (err == 0)
			err = receive(&ring[core_idx == 0], &got);
		if (err == 0 && got != i)
			err = -BH_EIO;
		if (err == 0 && core_idx == 1)
			err = send(&ring[1], got);
		bh_counter_add(rounds, 1);
	}
	bh_log_info("core %u: %lu rounds", core_idx, *rounds);
	return err;
}
