/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder: E340 to E369. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_fwd[] = {
        {"E340", USAGE, "the forwarder's tables have no usable size",
         "[fwd] tables is a multiple of 2 MiB from 16M on. 128M holds a full Internet table of both families."},
        {"E341", FAILED, "there is no memory for the forwarder's tables",
         "All of them is taken when the cell starts, so that it never waits for a page. Make [fwd] tables smaller, or "
         "give the machine hugepages (sysctl vm.nr_hugepages)."},
        {NULL, 0, NULL, NULL},
};
