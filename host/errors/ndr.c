/* SPDX-License-Identifier: Apache-2.0 */
/* ndr: E370 to E379. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_ndr[] = {
        {"E370", USAGE, "an option of ndr is not valid", "`bulkhead ndr --help` lists them with their ranges."},
        {"E371", USAGE, "not a configuration of a generator",
         "ndr drives pktgen: its file has [cell] app = pktgen, two ports, and [pktgen] tx and rx. examples/pktgen.conf "
         "is one; "
         "docs/ndr.md has one for each kind of port."},
        {"E372", FAILED, "a trial's output is not what was asked for",
         "It is kept in the report's folder, raw/. An older bulkhead beside a newer one may be the reason."},
        {"E373", FAILED, "a trial failed twice",
         "Its cell's own messages are in the report's folder, raw/*.err, and its command is in the message: it can be "
         "repeated by hand."},
        {"E374", FAILED, "the report could not be written", "Look at the folder's permissions and room."},
        {"E375", FAILED, "nothing arrives",
         "The generator sent as fast as it can and the sink received nothing, so there is no rate to look for. Is "
         "there a link? "
         "Does what stands between the ports know where to send the frames (docs/ndr.md: addresses, learning, "
         "neighbours)?"},
        {"E376", FAILED, "the measurement was interrupted",
         "A signal ended it. The report holds what was found until then."},
        {"E377", ROOT, "ndr needs root", "Each trial starts a cell, and cells are started by root: use sudo."},
        {NULL, 0, NULL, NULL},
};
