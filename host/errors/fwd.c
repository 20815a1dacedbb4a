/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder: E340 to E369. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_fwd[] = {
        {"E340", USAGE, "the forwarder's tables have no usable size",
         "[fwd] tables is a multiple of 2 MiB from 16M on. 128M holds a full Internet table of both families."},
        {"E341", FAILED, "there is no memory for the forwarder's tables",
         "All of them is taken when the cell starts, so that it never waits for a page. Make [fwd] tables smaller, or "
         "give the machine hugepages (sysctl vm.nr_hugepages)."},
        {"E342", USAGE, "the forwarder's ports cannot be used",
         "It needs two to eight [port NAME] sections, whose names (or [fwd NAME] tap) can be those of network "
         "interfaces: "
         "at most 15 bytes."},
        {"E343", FAILED, "the forwarder's memory beside the cell cannot be made",
         "The system said why; it takes a few MiB beside [fwd] tables."},
        {"E344", USAGE, "a key of [fwd] or [fwd NAME] is not usable", "The message says what was meant."},
        {"E345", USAGE, "a section [fwd NAME] has no port", "NAME is that of a [port NAME] section."},
        {"E346", FAILED, "a configuration that was read anew cannot be taken",
         "The old one stays in use. What can change while the forwarder runs is in docs/fwd.md; for the rest, start it "
         "anew."},
        {NULL, 0, NULL, NULL},
};
