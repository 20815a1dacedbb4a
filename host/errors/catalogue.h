/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue's parts, one file per area; each ends with an entry whose id is NULL. Ids never change their meaning; a new
 * error takes a new one of its area's range.
 */
#ifndef HOST_ERRORS_CATALOGUE_H
#define HOST_ERRORS_CATALOGUE_H

#include <stddef.h>

#include "host/errors/errors.h"

/* Exit codes, as in cli/cli.h. */
enum { FAILED = 1, USAGE = 2, NOT_MET = 3, REFUSED = 4, REBOOT = 5, ROOT = 6 };

extern const struct bh_error_entry bh_errors_cell[];
extern const struct bh_error_entry bh_errors_vfio[];
extern const struct bh_error_entry bh_errors_bind[];
extern const struct bh_error_entry bh_errors_prove[];
extern const struct bh_error_entry bh_errors_compare[];
extern const struct bh_error_entry bh_errors_fwd[];
extern const struct bh_error_entry bh_errors_lab[];
extern const struct bh_error_entry bh_errors_machine[];
extern const struct bh_error_entry bh_errors_mirror[];
extern const struct bh_error_entry bh_errors_net[];
extern const struct bh_error_entry bh_errors_ndr[];
extern const struct bh_error_entry bh_errors_noise[];
extern const struct bh_error_entry bh_errors_softcard[];
extern const struct bh_error_entry bh_errors_units[];
extern const struct bh_error_entry bh_errors_doctor[];

#endif
