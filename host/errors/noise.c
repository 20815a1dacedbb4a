/* SPDX-License-Identifier: Apache-2.0 */
/* noise: E250 to E259. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_noise[] = {
        {"E250", USAGE, "noise was asked for what it does not measure",
         "At most 16 CPUs at a time, for 100 ms to an hour, with gaps from 100 ns to 1 s. --compare takes two CPUs: "
         "first "
         "the one with load, then the quiet one."},
        {"E251", FAILED, "the measuring cell failed",
         "noise measures with a cell like any other: what the message says about it, bulkhead explain tells more "
         "about. "
         "Ctrl-C also ends a measurement before it has a result."},
        {"E252", ROOT, "measuring needs root",
         "It starts a cell on the CPUs and reads the kernel's tracepoints: sudo bulkhead noise ..."},
        {"E253", FAILED, "a result cannot be written", "See to it that the folder is there and has room."},
        {NULL, 0, NULL, NULL},
};
