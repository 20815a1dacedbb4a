/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arch/arch.h"
#include "core/internal.h"

static void
text_copy(char *out, size_t out_bytes, const char *text)
{
	size_t i = 0;
	for (; i + 1 < out_bytes && text[i] != '\0'; i++)
		out[i] = text[i];
	out[i] = '\0';
}

/* The build names files from its own folder: "../core/mem/pool.c". */
static const char *
without_parents(const char *file)
{
	while (file[0] == '.' && file[1] == '.' && file[2] == '/')
		file += 3;
	return file;
}

static void
record_publish(struct bh_core *core, const struct bh_panic_record *record)
{
	const struct bh_cell *cell = core->cell;
	struct bh_panic_record *slot = bh_shared_section(cell, cell->page->shared.panic_offset);
	slot += core->core_idx;
	*slot = *record;
	/* Release: whoever sees `valid` sees the rest. */
	__atomic_store_n(&slot->valid, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&core->status->state, BH_CORE_PANICKED, __ATOMIC_RELEASE);
}

BH_NOINLINE void
bh_panic_at(const char *file, unsigned line, const char *message, uint64_t value0, uint64_t value1)
{
	struct bh_core *core = bh_core_self();
	struct bh_panic_record record = {
	        .line = line,
	        .rip = (uintptr_t)__builtin_return_address(0),
	        .rsp = (uintptr_t)__builtin_frame_address(0),
	        .rbp = *(const uint64_t *)__builtin_frame_address(0),
	        .value = {value0, value1},
	};
	text_copy(record.file, sizeof(record.file), without_parents(file));
	text_copy(record.message, sizeof(record.message), message);
	/* A hosted program can get here before it has cores. */
	if (core != NULL)
		record_publish(core, &record);
	bh_arch_trap(&record);
}
