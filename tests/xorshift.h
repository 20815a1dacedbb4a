/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Numbers that look random and are the same in each run (G. Marsaglia, Xorshift RNGs, 2003). A state of 0 stays 0.
 */
#ifndef TESTS_XORSHIFT_H
#define TESTS_XORSHIFT_H

#include <stdint.h>

#define XORSHIFT_START UINT64_C(88172645463325252) /* as in the paper */

static inline uint64_t
xorshift64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
