/* SPDX-License-Identifier: Apache-2.0 */
/* The VFIO back end: E100 to E139. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_vfio[] = {
        {NULL, 0, NULL, NULL},
};
