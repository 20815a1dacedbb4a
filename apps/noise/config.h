/* SPDX-License-Identifier: Apache-2.0 */
/**
 * noise: what the host orders, and where the cell leaves its gaps. Freestanding; both sides include it.
 *
 * The arena holds one struct noise_core per core. A core writes its own; the host reads all of it as hostile input.
 */
#ifndef APPS_NOISE_CONFIG_H
#define APPS_NOISE_CONFIG_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

#define NOISE_GAPS        8192u /* a power of two; a ring: at 2,000 a second four seconds */
#define NOISE_HIST        "noise.turn"
#define NOISE_BEAT_TURNS  4096u
#define NOISE_READ_NS     UINT64_C(2000000000) /* how long a core waits to be read, at most */
#define NOISE_ARENA_BYTES (UINT64_C(2) << 20)

struct noise_config {
	uint64_t duration_tsc;
	uint64_t threshold_tsc; /* turns that take longer are gaps */
};

struct noise_gap {
	uint64_t start_tsc, end_tsc;
};

enum { NOISE_MEASURING = 1, NOISE_DONE = 2 };

struct noise_core {
	uint64_t head; /* gaps written so far; entry i is gap[i % NOISE_GAPS]. Release. */
	uint64_t turn_cnt;
	uint64_t start_tsc, end_tsc;
	uint64_t state; /* release */
	uint64_t read;  /* written by the host: all of it was read */
	uint64_t pad[2];
	struct noise_gap gap[NOISE_GAPS];
};

_Static_assert(sizeof(struct noise_core) % 64 == 0, "each core writes lines of its own");

#endif
