/* SPDX-License-Identifier: Apache-2.0 */
/* One trial: a run of pktgen's cell with a rate, a size and a time. */
#ifndef HOST_NDR_TRIAL_H
#define HOST_NDR_TRIAL_H

#include "host/ndr/ndr.h"

struct bh_ndr_order {
	const char *size;  /* pktgen's word */
	uint64_t load_pps; /* 0: as fast as it goes */
	double duration_s;
	const char *hgrm; /* a file's name in the report's folder; NULL: none */
};

/**
 * bh_ndr_trial_run - make a trial; one that fails is repeated once
 * @out_raw: 64 bytes: the file's name in the report's folder
 * Return: 0; -EIO failed twice; -EINVAL its output is none; -EINTR a signal asked us to stop; -errno it cannot be started.
 */
BH_MUST_CHECK int bh_ndr_trial_run(struct bh_ndr *ndr, const struct bh_ndr_order *order, struct bh_ndr_figures *out,
                                   char *out_raw, struct bh_error *error);

#endif
