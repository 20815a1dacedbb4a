/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/buffer.h"

#include <string.h>

#include "tests/sim/sim.h"
#include <bulkhead/mem.h>

#define POISON      0xa5
#define BUFFERS_MAX 512u

static const struct sim_buffer *made[BUFFERS_MAX];
static uint32_t made_cnt;

static void
poison_check(const struct sim_buffer *buffer, const uint8_t *from, const uint8_t *to, const char *what)
{
	/* All bytes equal the one before them, and the first is poison. */
	if (from == to || (from[0] == POISON && memcmp(from, from + 1, (size_t)(to - from) - 1) == 0))
		return;
	while (*from == POISON)
		from++;
	sim_fail("%s: byte %ld of a buffer was written by nobody who may", what, (long)(from - buffer->slot));
}

int
buffer_make(struct sim_buffer *buffer, uint32_t bytes_max)
{
	uint32_t slot_bytes = BH_ALIGN_UP(bytes_max + 2 * BUFFER_GUARD_BYTES, BH_PAGE_BYTES) + BH_PAGE_BYTES;
	uint8_t *slot = bh_dma_alloc(slot_bytes, BH_PAGE_BYTES);

	if (slot == NULL || made_cnt == BUFFERS_MAX)
		return -BH_ENOMEM;
	memset(slot, POISON, slot_bytes);
	*buffer = (struct sim_buffer){.slot = slot, .slot_bytes = slot_bytes};
	made[made_cnt++] = buffer;
	return 0;
}

uint8_t *
buffer_take(struct sim_buffer *buffer, uint32_t bytes, uint32_t offset_in_page)
{
	uint32_t offset = offset_in_page < BUFFER_GUARD_BYTES ? BH_PAGE_BYTES + offset_in_page : offset_in_page;

	sim_require(buffer->data == NULL);
	sim_require(offset + bytes + BUFFER_GUARD_BYTES <= buffer->slot_bytes);
	poison_check(buffer, buffer->slot, buffer->slot + buffer->slot_bytes, "after its command had ended");
	buffer->data = buffer->slot + offset;
	buffer->bytes = bytes;
	return buffer->data;
}

void
buffer_release(struct sim_buffer *buffer)
{
	sim_require(buffer->data != NULL);
	const uint8_t *end = buffer->data + buffer->bytes;
	poison_check(buffer, buffer->slot, buffer->data, "before its data");
	poison_check(buffer, end, buffer->slot + buffer->slot_bytes, "behind its data");
	memset(buffer->data, POISON, buffer->bytes);
	buffer->data = NULL;
}

void
buffers_check(void)
{
	for (uint32_t i = 0; i < made_cnt; i++) {
		if (made[i]->data == NULL)
			poison_check(made[i], made[i]->slot, made[i]->slot + made[i]->slot_bytes,
			             "after its command had ended");
	}
}
