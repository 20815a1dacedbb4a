/* SPDX-License-Identifier: Apache-2.0 */
/* Models of software network cards: E390 to E394. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_softcard[] = {
        {"E390", USAGE, "a port that is no software card has a model",
         "model = virtio-net or ixgbe chooses what a card with backend = softdev is. What any other port is, its card "
         "or its "
         "server says: take the line out."},
        {"E391", USAGE, "a key that an 82599 has no use for",
         "ring and queue_size describe virtio's cards. Rings of an 82599 are made by its driver: take the line out, or "
         "use "
         "model = virtio-net."},
        {"E392", USAGE, "a fault for software cards of two models",
         "One process plays all of them, and the names of the lies differ: bulkhead softdev --help. Give all software "
         "ports of the cell the same model, or serve the lying card by hand (bulkhead softdev ixgbe --socket PATH "
         "--fault "
         "...) and use backend = vfio-user."},
        {NULL, 0, NULL, NULL},
};
