/* SPDX-License-Identifier: Apache-2.0 */
/* What a trial's cell printed, as numbers. */
#ifndef HOST_NDR_FIGURES_H
#define HOST_NDR_FIGURES_H

#include "host/ndr/ndr.h"

#define BH_NDR_TEXT_MAX (4u << 20)

/**
 * bh_ndr_figures_parse - the JSON of `bulkhead run` of pktgen
 * Return: 0; -EINVAL no such JSON, or numbers that contradict each other; -EIO the cell failed. `error` says which.
 */
BH_MUST_CHECK int bh_ndr_figures_parse(const char *text, size_t text_bytes, struct bh_ndr_figures *out,
                                       struct bh_error *error);

/**
 * bh_ndr_figures_judge - fill loss_ratio, offered_pps and short_offer of a trial
 *
 * Loss is what part of the frames sent did not arrive whole. Where the generator left more than `tolerance` of the intended frames
 * unsent, the trial is a short offer, and loss is what part of the intended ones did not arrive (RFC 9971, Trial Forwarding Ratio).
 */
void bh_ndr_figures_judge(const struct bh_ndr_figures *figures, double tolerance, struct bh_ndr_trial *trial);

#endif
