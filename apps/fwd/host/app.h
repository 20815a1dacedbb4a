/* SPDX-License-Identifier: Apache-2.0 */
/* fwd's host half: its schema, what it compiles into the boot page, what runs beside the cell, its figures. */
#ifndef APPS_FWD_HOST_APP_H
#define APPS_FWD_HOST_APP_H

#include "apps/apps.h"
#include "apps/fwd/config.h"
#include "apps/fwd/host/fib.h"
#include "apps/fwd/host/mirror.h"
#include "apps/fwd/host/pump.h"
#include "apps/fwd/settings.h"

#define FWD_SECTION "fwd"
#define FWD_KEY_CNT 16u

extern const struct bh_config_key fwd_keys[FWD_KEY_CNT];
extern const struct bh_app_host fwd_app_host;
extern const struct bh_app_report fwd_report;

BH_MUST_CHECK int fwd_compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes,
                              struct bh_error *error);

/* keys.c */

/* fwd_settings_of - what may change while it runs. Return: 0; -EINVAL (E344, E345). */
BH_MUST_CHECK int fwd_settings_of(const struct bh_run_config *config, struct fwd_settings *out, struct bh_error *error);
/* fwd_tap_names - of each port. Return: 0; -EINVAL (E342, E344). */
BH_MUST_CHECK int fwd_tap_names(const struct bh_run_config *config, char (*out)[IF_NAMESIZE], struct bh_error *error);
/* fwd_fixed_change - whether anything differs that cannot change while it runs; `out` says what: "[fwd] mode" */
bool fwd_fixed_change(const struct bh_run_config *old, const struct bh_run_config *fresh, char *out, size_t out_bytes);

/* What runs beside the cell, for the report; zero in switch mode. As of now, or of the end. */
struct fwd_host_stats {
	bool is_router;
	uint64_t reload_cnt;
	struct fwd_mirror_stats mirror;
	struct fwd_pump_stats pump;
	struct fwd_fib_stats fib;
};
void fwd_host_stats(struct fwd_host_stats *out);

#endif
