/* SPDX-License-Identifier: Apache-2.0 */
/* The lab: E200 to E229. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_lab[] = {
        {NULL, 0, NULL, NULL},
};
