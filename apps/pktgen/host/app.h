/* SPDX-License-Identifier: Apache-2.0 */
/* pktgen's host half: its schema, what it compiles into the boot page, and its figures. */
#ifndef PKTGEN_HOST_APP_H
#define PKTGEN_HOST_APP_H

#include "apps/apps.h"

#define PKTGEN_KEY_CNT 16u

extern const struct bh_config_key pktgen_keys[PKTGEN_KEY_CNT];
extern const struct bh_app_report pktgen_report;

BH_MUST_CHECK int pktgen_compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes,
                                 struct bh_error *error);

#endif
