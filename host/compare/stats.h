/* SPDX-License-Identifier: Apache-2.0 */
/* Medians, spreads and the ratio of pairs. */
#ifndef HOST_COMPARE_STATS_H
#define HOST_COMPARE_STATS_H

#include <bulkhead/types.h>

struct bh_spread {
	uint32_t cnt; /* 0: nothing was measured */
	double median, min, max;
};

/* bh_spread_of - of cnt values; the median of an even number is the middle of the two. Sorts the array. */
struct bh_spread bh_spread_of(double *value, uint32_t cnt);

/* bh_spread_ratio - one[i] / two[i] for each pair; a pair with a value that is not above 0 is left out. cnt <= 64. */
struct bh_spread bh_spread_ratio(const double *one, const double *two, uint32_t cnt);

/* bh_text_ns - "312 ns", "4.51 us": three digits. bh_text_rate - "812", "29.9 k", "4.01 M". Return: text. */
const char *bh_text_ns(char *text, size_t text_bytes, double ns);
const char *bh_text_rate(char *text, size_t text_bytes, double per_s);
/* bh_text_ratio - "0.87", "3.1", "12": two digits, as much as few runs can say. Return: text. */
const char *bh_text_ratio(char *text, size_t text_bytes, double ratio);

#endif
