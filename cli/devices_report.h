/* SPDX-License-Identifier: Apache-2.0 */
/* What `bulkhead devices` prints: for a person, and for a program. */
#ifndef CLI_DEVICES_REPORT_H
#define CLI_DEVICES_REPORT_H

#include <stdio.h>

#include "host/device/inventory.h"

/* devices_report_table - at most 100 columns; longer evidence is broken at words. */
void devices_report_table(FILE *stream, const struct bh_inventory *inventory, bool all);

/* devices_report_json - one object; docs/devices.md lists its keys. */
void devices_report_json(FILE *stream, const struct bh_inventory *inventory);

#endif
