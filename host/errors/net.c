/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: E300 to E339. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_net[] = {
        {"E330", USAGE, "two software network cards of a cell contradict each other",
         "One process plays all cards of a cell and the wires between them, so rate, delay, loss and the like are the "
         "same for all: say them at one port only, or say the same."},
        {NULL, 0, NULL, NULL},
};
