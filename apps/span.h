/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From when to when an application's cores worked, by gauges in which each core notes its cycle counter; and rates over it.
 */
#ifndef APPS_SPAN_H
#define APPS_SPAN_H

#include "host/observe/metrics.h"

struct bh_span {
	uint64_t tsc_hz;
	uint64_t start_tsc, end_tsc; /* earliest start, latest end; 0: not begun; not ended */
};

/* bh_span_take - from the first core that began to the last that ended */
void bh_span_take(struct bh_span *out, const struct bh_view *view, const char *start_gauge, const char *end_gauge);

/* bh_span_between_s - seconds between two times; 0 if the first is 0 or not before the second */
double bh_span_between_s(const struct bh_span *span, uint64_t from_tsc, uint64_t to_tsc);

/* bh_span_s - how long it is; until now_tsc if it has not ended */
double bh_span_s(const struct bh_span *span, uint64_t now_tsc);

/* bh_span_rate_m - millions a second; 0 where there is no time */
double bh_span_rate_m(uint64_t cnt, double seconds);

#endif
