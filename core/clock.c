/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole seconds and the rest apart, so that neither product overflows: the rest is below 10^9 ns or tsc_hz cycles, and
 * tsc_hz is below 1.8 * 10^10 (bh_boot_page_check).
 */
#include "core/internal.h"

#define NS_PER_S UINT64_C(1000000000)

/* Times beyond the counter's range stand for its end. */
static uint64_t
add_saturated(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t
bh_ns_to_tsc(uint64_t ns)
{
	uint64_t hz = bh_boot_page()->tsc_hz, whole;
	if (__builtin_mul_overflow(ns / NS_PER_S, hz, &whole))
		return UINT64_MAX;
	return add_saturated(whole, ns % NS_PER_S * hz / NS_PER_S);
}

uint64_t
bh_tsc_to_ns(uint64_t tsc)
{
	uint64_t hz = bh_boot_page()->tsc_hz, whole;
	if (__builtin_mul_overflow(tsc / hz, NS_PER_S, &whole))
		return UINT64_MAX;
	return add_saturated(whole, tsc % hz * NS_PER_S / hz);
}
