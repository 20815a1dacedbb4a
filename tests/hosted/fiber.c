/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arch/arch.h"
#include "core/arch/x86_64/frame.h"

/* Only an AddressSanitizer build has it. */
void __asan_unpoison_memory_region(const volatile void *addr, size_t size_bytes) __attribute__((weak));

/* The frames of a stack's last user were never left, so the sanitizer still holds its red zones there. */
void *
bh_arch_fiber_prepare(uintptr_t low, uintptr_t high, void (*fn)(void *), void *arg)
{
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region((const volatile void *)low, high - low);
	return bh_fiber_frame_init(high, fn, arg);
}
