/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes for a fuzz entry: FUZZ [COUNT [SEED]]. The bytes of a run follow from seed and number alone. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"

#define BYTES_MAX   1024u
#define COUNT       2000u
#define PRINT_EVERY UINT64_C(1000000)

static uint64_t state;

static uint64_t
draw(void)
{
	state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t word = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
	return word ^ word >> 31;
}

/* Small numbers and edges more often than a fair draw has them. */
static uint8_t
byte_draw(void)
{
	static const uint8_t liked[] = {0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff};
	uint64_t word = draw();
	return word & 0x300 ? (uint8_t)word : liked[word >> 16 & 7];
}

int
main(int argc, char **argv)
{
	uint64_t cnt = argc > 1 ? strtoull(argv[1], NULL, 10) : COUNT,
	         seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	for (uint64_t i = 0; i < cnt; i++) {
		state = (seed << 40) + i * UINT64_C(0xd1342543de82ef95);
		size_t bytes = draw() % (BYTES_MAX + 1);
		uint8_t *data = malloc(bytes + 1); /* of exactly this size, so that a sanitizer sees who reads on */
		if (data == NULL)
			return 1;
		for (size_t at = 0; at < bytes; at++)
			data[at] = byte_draw();
		(void)LLVMFuzzerTestOneInput(data, bytes);
		free(data);
		if ((i + 1) % PRINT_EVERY == 0)
			printf("%" PRIu64 " inputs\n", i + 1);
	}
	printf("%" PRIu64 " inputs of seed %" PRIu64 ": nothing found\n", cnt, seed);
	return 0;
}
