/* SPDX-License-Identifier: Apache-2.0 */
/* xconnect's host half: its schema, what it compiles into the boot page, and its figures. */
#ifndef XCONNECT_HOST_APP_H
#define XCONNECT_HOST_APP_H

#include "apps/apps.h"

#define XCONNECT_KEY_CNT 5u

extern const struct bh_config_key xconnect_keys[XCONNECT_KEY_CNT];
extern const struct bh_app_report xconnect_report;

BH_MUST_CHECK int xconnect_compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes,
                                   struct bh_error *error);

#endif
