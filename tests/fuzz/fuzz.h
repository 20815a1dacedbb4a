/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Fuzz entries. Each program here has one function, LLVMFuzzerTestOneInput(), which takes bytes for the choices of
 * somebody hostile. main.c calls it with random bytes, so many times, from a seed: that is the test. With clang and
 * libFuzzer (`tests/fuzz/run.sh`) the bytes are looked for by coverage, under sanitizers, as long as wanted.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* fuzz_take - the next cnt bytes as a number; what is not there any more is 0 */
static inline uint64_t
fuzz_take(struct fuzz_input *input, size_t cnt)
{
	uint64_t value = 0;
	size_t part = cnt < input->left ? cnt : input->left;
	if (part != 0)
		memcpy(&value, input->at, part);
	input->at += part;
	input->left -= part;
	return value;
}

/* fuzz_require - what must hold whatever the bytes are */
#define fuzz_require(condition)                                                                                        \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			abort();                                                                                       \
	} while (0)

#endif
