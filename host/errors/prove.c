/* SPDX-License-Identifier: Apache-2.0 */
/* prove-iommu: E170 to E179. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_prove[] = {
        {"E170", FAILED, "prove-iommu could not prepare its pages", "The message has the kernel's reason."},
        {"E171", FAILED, "the other cell did not start",
         "A second process with a cell of its own stands beside the hostile one, and its memory is among the targets. "
         "The "
         "message has its reason; the targets that need it are not tested."},
        {"E172", ROOT, "prove-iommu needs root",
         "It reads physical addresses (/proc/self/pagemap), opens VFIO and starts a cell."},
        {"E173", USAGE, "no such target",
         "--only takes names of targets as the JSON and docs/prove-iommu.md have them."},
        {NULL, 0, NULL, NULL},
};
