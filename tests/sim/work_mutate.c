/* SPDX-License-Identifier: Apache-2.0 */
/* Deliberate mistakes of a driver or a device, one in a run, to see that the checker finds them. */
#include <string.h>

#include "tests/sim/work.h"

#define FIRST_CNT 10u

static uint64_t seen_cnt;
static bool done;
static uint8_t *late; /* a buffer that a device may come back to */

bool
work_mutate(enum sim_mutation mutation)
{
	if (work.all->mutation != mutation || done || ++seen_cnt < FIRST_CNT)
		return false;
	done = true;
	return true;
}

void
work_mutate_data(struct work_op *op)
{
	uint64_t bytes = op->buffer.bytes;

	if (op->kind == CHECK_READ && work_mutate(SIM_MUTATION_CORRUPT_READ))
		op->data[work_draw(bytes)] ^= (uint8_t)(1u << work_draw(8));
	if (op->kind == CHECK_READ && work_mutate(SIM_MUTATION_STALE_READ))
		memset(op->data, 0xa5, bytes);
	if (op->data != NULL && work_mutate(SIM_MUTATION_OVERRUN))
		op->data[bytes] ^= 1;
	if (op->data != NULL && work_mutate(SIM_MUTATION_LATE_DMA))
		late = op->data;
}

void
work_mutate_late(void)
{
	if (late != NULL)
		*late ^= 1;
	late = NULL;
}
