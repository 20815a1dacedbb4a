/* SPDX-License-Identifier: Apache-2.0 */
/* What one run measured, read from what fio or `bulkhead run --json` printed: hostile text, bounded and checked. */
#ifndef HOST_COMPARE_FIGURES_H
#define HOST_COMPARE_FIGURES_H

#include "host/compare/hist.h"
#include "host/device/device.h"

#define BH_FIGURES_TEXT_MAX (16u << 20)

struct bh_figures {
	double iops, seconds;
	uint64_t ios, errors;
	double tsc_hz;            /* the cell's; 0 for fio */
	double cpu_user, cpu_sys; /* percent; fio's own */
	char version[32];
	struct bh_lat_hist hist;
};

/**
 * bh_figures_fio - one job of `fio --output-format=json+ --unified_rw_reporting=mixed --lat_percentiles=1`
 *
 * Notes that fio prints before the JSON are skipped. Latency is fio's `lat`: from handing over to seeing the completion.
 * Return: 0; -EINVAL not that, cut short, or it contradicts itself (E190); -EIO the job reports an error (E191).
 */
BH_MUST_CHECK int bh_figures_fio(const char *text, size_t text_bytes, struct bh_figures *out, struct bh_error *error);

/**
 * bh_figures_pktgen - what it printed for pktgen: frames that arrived count as I/Os; frames that were changed are errors
 * Return: as bh_figures_cell.
 */
BH_MUST_CHECK int bh_figures_pktgen(const char *text, size_t text_bytes, struct bh_figures *out,
                                    struct bh_error *error);

/**
 * bh_figures_cell - what `bulkhead run --json` printed for nvme-bench
 * Return: 0; -EINVAL as above (E192); -EIO the cell did not end well or had I/O errors (E193).
 */
BH_MUST_CHECK int bh_figures_cell(const char *text, size_t text_bytes, struct bh_figures *out, struct bh_error *error);

void bh_figures_free(struct bh_figures *figures);

#endif
