/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "host/compare/stats.h"

#define RATIOS_MAX 64u

static int
by_value(const void *a, const void *b)
{
	double one = *(const double *)a, two = *(const double *)b;
	return one < two ? -1 : one > two;
}

struct bh_spread
bh_spread_of(double *value, uint32_t cnt)
{
	struct bh_spread spread = {.cnt = cnt};
	if (cnt == 0)
		return spread;
	qsort(value, cnt, sizeof(*value), by_value);
	spread.min = value[0];
	spread.max = value[cnt - 1];
	spread.median = cnt % 2 == 1 ? value[cnt / 2] : (value[cnt / 2 - 1] + value[cnt / 2]) / 2;
	return spread;
}

struct bh_spread
bh_spread_ratio(const double *one, const double *two, uint32_t cnt)
{
	double ratio[RATIOS_MAX];
	uint32_t ratio_cnt = 0;
	for (uint32_t i = 0; i < cnt && ratio_cnt < RATIOS_MAX; i++) {
		if (one[i] > 0 && two[i] > 0)
			ratio[ratio_cnt++] = one[i] / two[i];
	}
	return bh_spread_of(ratio, ratio_cnt);
}

/* Three digits: 4.51, 45.1, 451. */
static int
decimals(double value)
{
	return value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
}

const char *
bh_text_ns(char *text, size_t text_bytes, double ns)
{
	static const char *const unit[] = {"ns", "us", "ms", "s"};
	unsigned i = 0;
	while (ns >= 999.5 && i < 3) {
		ns /= 1000;
		i++;
	}
	snprintf(text, text_bytes, "%.*f %s", i == 0 ? 0 : decimals(ns), ns, unit[i]);
	return text;
}

const char *
bh_text_rate(char *text, size_t text_bytes, double per_s)
{
	if (per_s >= 999.5e3)
		snprintf(text, text_bytes, "%.*f M", decimals(per_s / 1e6), per_s / 1e6);
	else if (per_s >= 9999.5)
		snprintf(text, text_bytes, "%.*f k", decimals(per_s / 1e3), per_s / 1e3);
	else
		snprintf(text, text_bytes, "%.0f", per_s);
	return text;
}

const char *
bh_text_ratio(char *text, size_t text_bytes, double ratio)
{
	snprintf(text, text_bytes, "%.*f", ratio >= 9.95 ? 0 : ratio >= 0.995 ? 1 : 2, ratio);
	return text;
}
