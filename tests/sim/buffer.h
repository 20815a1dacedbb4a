/* SPDX-License-Identifier: Apache-2.0 */
/**
 * DMA buffers that tell who writes where: poison before, behind, and everywhere while no command has them.
 */
#ifndef TESTS_SIM_BUFFER_H
#define TESTS_SIM_BUFFER_H

#include <bulkhead/types.h>

#define BUFFER_GUARD_BYTES 192u

struct sim_buffer {
	uint8_t *slot; /* arena */
	uint32_t slot_bytes;
	uint8_t *data; /* NULL: no command has it */
	uint32_t bytes;
};

/* buffer_make - room for bytes_max at any offset in a page. In a fiber. Return: 0; -BH_ENOMEM. */
BH_MUST_CHECK int buffer_make(struct sim_buffer *buffer, uint32_t bytes_max);

/* buffer_take - bytes at that offset in a page; what is there is poison. Checks that nobody wrote since the release. */
uint8_t *buffer_take(struct sim_buffer *buffer, uint32_t bytes, uint32_t offset_in_page);

/* buffer_release - its command has ended: check the poison around it, poison it all. */
void buffer_release(struct sim_buffer *buffer);

/* buffers_check - every buffer that was made and is not taken. */
void buffers_check(void);

#endif
