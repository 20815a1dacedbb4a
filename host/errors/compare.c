/* SPDX-License-Identifier: Apache-2.0 */
/* compare: E180 to E199. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_compare[] = {
        {NULL, 0, NULL, NULL},
};
