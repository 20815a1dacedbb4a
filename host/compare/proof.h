/* SPDX-License-Identifier: Apache-2.0 */
/* What `bulkhead prove-iommu --json` said, as a criterion: memory decides; interrupts are told. */
#ifndef HOST_COMPARE_PROOF_H
#define HOST_COMPARE_PROOF_H

#include <bulkhead/types.h>

struct bh_proof {
	bool ran;  /* it came to a result about memory */
	bool held; /* every attempt to reach memory was held */
	char text[256];
};

/**
 * bh_proof_read - from its output and its exit code (0 all held, 3 not all; else it did not finish)
 *
 * An attempt on memory that escaped: ran, not held. One that stayed unclear or was not made: not ran, nothing is proven.
 * Text that is not its JSON: not ran. `text` always says which.
 */
void bh_proof_read(struct bh_proof *proof, const char *text, size_t text_bytes, int exit_code);

#endif
