/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Needs what boot/ relocates: addresses in constant and in writable data (RELATIVE), and a function that is chosen when
 * the program is loaded (IRELATIVE).
 */
#include <bulkhead/cell.h>
#include <bulkhead/mem.h>

static int
one(void)
{
	return 1;
}

static int
two(void)
{
	return 2;
}

/* Volatile: the compiler must load the addresses. */
static int (*const volatile constant[])(void) = {one, two};
static int (*volatile writable)(void) = two;
static const char *const volatile text = "relocated";

/* Runs before anything else of the cell, but behind the RELATIVE entries. */
__attribute__((used)) static int (*resolve(void))(void)
{
	return constant[1];
}

int chosen(void) __attribute__((ifunc("resolve")));

int
cell_main(unsigned core_idx)
{
	if (constant[0]() != 1 || constant[1]() != 2 || writable() != 2 || chosen() != 2)
		return -BH_EFAULT;
	return memcmp(text, "relocated", 10) == 0 ? 0 : -BH_EFAULT;
}
