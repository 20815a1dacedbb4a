/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: E260 to E264. What it finds has ids of its own (bulkhead explain irq.affinity). */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_doctor[] = {
        {"E260", USAGE, "there is no such area or check",
         "--area takes an area (cpu, irq, kernel, ...) or one check's id (irq.affinity). 'bulkhead explain' lists all "
         "ids; an area is what stands before the dot."},
        {"E261", FAILED, "not enough memory to look at the machine",
         "Nothing was changed. Try again with less running."},
        {NULL, 0, NULL, NULL},
};
