/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A static-pie without an interpreter relocates itself. Nothing here may use a pointer that is stored in data: only what
 * the code addresses relative to itself is valid. System V gABI (dynamic section), x86-64 psABI 4.4 (relocations).
 */
#include "boot/boot.h"

#include "boot/syscall.h"

enum { DT_NULL = 0, DT_PLTRELSZ = 2, DT_RELA = 7, DT_RELASZ = 8, DT_JMPREL = 23 };
enum { R_X86_64_RELATIVE = 8, R_X86_64_IRELATIVE = 37 };

struct dynamic {
	int64_t tag;
	uint64_t value;
};

struct rela {
	uint64_t offset;
	uint32_t type;
	uint32_t symbol;
	int64_t addend;
};

/* Hidden: reached relative to the code, not through a table that is not relocated yet. */
extern const struct dynamic dynamic_section[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));
extern const uint8_t image_start[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));

/* IRELATIVE resolvers may look at what RELATIVE entries fix, so they have a pass of their own. */
static void
apply(uintptr_t base, uint64_t offset, uint64_t size_bytes, uint32_t type)
{
	const struct rela *rela = (const struct rela *)(base + offset);
	for (; size_bytes >= sizeof(*rela); size_bytes -= sizeof(*rela), rela++) {
		uint64_t *where = (uint64_t *)(base + rela->offset);
		uint64_t value = base + (uint64_t)rela->addend;
		if (rela->type != R_X86_64_RELATIVE && rela->type != R_X86_64_IRELATIVE)
			SYSCALL1(SYS_EXIT_GROUP, BH_CELL_EXIT_BOOT_STEP);
		if (rela->type == type)
			*where = type == R_X86_64_RELATIVE ? value : ((uint64_t(*)(void))value)();
	}
}

void
bh_boot_relocate(void)
{
	uintptr_t base = (uintptr_t)image_start;
	uint64_t rela = 0, rela_bytes = 0, jmprel = 0, jmprel_bytes = 0;
	for (const struct dynamic *entry = dynamic_section; entry->tag != DT_NULL; entry++) {
		if (entry->tag == DT_RELA)
			rela = entry->value;
		else if (entry->tag == DT_RELASZ)
			rela_bytes = entry->value;
		else if (entry->tag == DT_JMPREL)
			jmprel = entry->value;
		else if (entry->tag == DT_PLTRELSZ)
			jmprel_bytes = entry->value;
	}
	apply(base, rela, rela_bytes, R_X86_64_RELATIVE);
	apply(base, rela, rela_bytes, R_X86_64_IRELATIVE);
	apply(base, jmprel, jmprel_bytes, R_X86_64_IRELATIVE);
}
