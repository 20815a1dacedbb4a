/* SPDX-License-Identifier: Apache-2.0 */
/**
 * nvme-bench's host half: its schema, its compiler into the boot page, its figures (see apps/apps.h).
 */
#ifndef NVME_BENCH_APP_H
#define NVME_BENCH_APP_H

#include "apps/apps.h"

#define NVME_BENCH_KEY_CNT 9

extern const struct bh_config_key nvme_bench_keys[NVME_BENCH_KEY_CNT];
extern const struct bh_app_report nvme_bench_report;

/* nvme_bench_compile - struct nvme_bench_config from [nvme-bench]. Return: 0; -EINVAL with `error` filled. */
BH_MUST_CHECK int nvme_bench_compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes,
                                     struct bh_error *error);

#endif
