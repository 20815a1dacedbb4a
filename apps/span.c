/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/span.h"

void
bh_span_take(struct bh_span *out, const struct bh_view *view, const char *start_gauge, const char *end_gauge)
{
	uint64_t start, end;
	*out = (struct bh_span){.tsc_hz = view->tsc_hz};
	for (uint32_t i = 0; i < view->core_cnt; i++) {
		(void)bh_view_counter_core(view, start_gauge, i, &start);
		(void)bh_view_counter_core(view, end_gauge, i, &end);
		if (start != 0 && (out->start_tsc == 0 || start < out->start_tsc))
			out->start_tsc = start;
		out->end_tsc = BH_MAX(out->end_tsc, end);
	}
}

double
bh_span_between_s(const struct bh_span *span, uint64_t from_tsc, uint64_t to_tsc)
{
	return from_tsc == 0 || to_tsc <= from_tsc ? 0 : (double)(to_tsc - from_tsc) / (double)span->tsc_hz;
}

double
bh_span_s(const struct bh_span *span, uint64_t now_tsc)
{
	return bh_span_between_s(span, span->start_tsc, span->end_tsc != 0 ? span->end_tsc : now_tsc);
}

double
bh_span_rate_m(uint64_t cnt, double seconds)
{
	return seconds > 0 ? (double)cnt / seconds / 1e6 : 0;
}
