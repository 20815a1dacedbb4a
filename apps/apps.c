/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "apps/apps.h"
#include "apps/fwd/host/app.h"
#include "apps/nvme-bench/host/app.h"
#include "apps/pktgen/host/app.h"
#include "apps/xconnect/host/app.h"

const struct bh_app bh_apps[] = {
        {
                .name = "fwd",
                .key = fwd_keys,
                .key_cnt = FWD_KEY_CNT,
                .heap_bytes = UINT64_C(64) << 20,
                .compile = fwd_compile,
                .host = &fwd_app_host,
        },
        {
                .name = "nvme-bench",
                .key = nvme_bench_keys,
                .key_cnt = NVME_BENCH_KEY_CNT,
                .compile = nvme_bench_compile,
        },
        {
                .name = "pktgen",
                .key = pktgen_keys,
                .key_cnt = PKTGEN_KEY_CNT,
                .heap_bytes = UINT64_C(64) << 20,
                .compile = pktgen_compile,
        },
        {
                .name = "xconnect",
                .key = xconnect_keys,
                .key_cnt = XCONNECT_KEY_CNT,
                .compile = xconnect_compile,
        },
};

const size_t bh_app_cnt = BH_ARRAY_CNT(bh_apps);

const struct bh_app_report *
bh_app_report_find(const char *app_name)
{
	static const struct bh_app_report *const reports[] = {&fwd_report, &nvme_bench_report, &pktgen_report,
	                                                      &xconnect_report};
	for (size_t i = 0; i < BH_ARRAY_CNT(reports); i++) {
		if (strcmp(app_name, reports[i]->name) == 0)
			return reports[i];
	}
	return NULL;
}
