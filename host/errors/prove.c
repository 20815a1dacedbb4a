/* SPDX-License-Identifier: Apache-2.0 */
/* prove-iommu: E170 to E179. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_prove[] = {
        {NULL, 0, NULL, NULL},
};
