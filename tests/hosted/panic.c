/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arch/arch.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void (*panic_hook)(const struct bh_panic_record *record);

void
bh_hosted_on_panic(void (*hook)(const struct bh_panic_record *record))
{
	panic_hook = hook;
}

void
bh_arch_trap(const struct bh_panic_record *record)
{
	if (panic_hook != NULL)
		panic_hook(record);
	fprintf(stderr, "panic at %s:%" PRIu32 ": %s (%#" PRIx64 ", %#" PRIx64 ")\n", record->file, record->line,
	        record->message, record->value[0], record->value[1]);
	abort();
}
