/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "apps/apps.h"
#include "apps/nvme-bench/host/app.h"

const struct bh_app bh_apps[] = {
        {
                .name = "nvme-bench",
                .key = nvme_bench_keys,
                .key_cnt = NVME_BENCH_KEY_CNT,
                .compile = nvme_bench_compile,
        },
};

const size_t bh_app_cnt = BH_ARRAY_CNT(bh_apps);

const struct bh_app_report *
bh_app_report_find(const char *app_name)
{
	return strcmp(app_name, nvme_bench_report.name) == 0 ? &nvme_bench_report : NULL;
}
