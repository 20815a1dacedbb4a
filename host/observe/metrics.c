/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "host/observe/metrics.h"

static bool
section_fits(const struct bh_view *view, uint64_t offset, uint64_t item_bytes, uint64_t item_cnt)
{
	uint64_t end = offset + item_bytes * item_cnt;
	return end >= offset && end <= view->layout.size_bytes;
}

int
bh_view_check(const struct bh_view *view)
{
	const struct bh_shared_layout *l = &view->layout;
	uint64_t cores = view->core_cnt;
	bool fits = cores > 0 && cores <= BH_CORES_MAX && l->counter_cnt <= 65536 && l->hist_cnt <= 65536 &&
	            section_fits(view, l->control_offset, sizeof(struct bh_control), 1) &&
	            section_fits(view, l->core_offset, sizeof(struct bh_core_status), cores) &&
	            section_fits(view, l->counter_desc_offset, sizeof(struct bh_metric_desc), l->counter_cnt) &&
	            section_fits(view, l->counter_offset, sizeof(uint64_t), cores * l->counter_cnt) &&
	            section_fits(view, l->hist_desc_offset, sizeof(struct bh_metric_desc), l->hist_cnt) &&
	            section_fits(view, l->hist_offset, sizeof(struct bh_hist), cores * l->hist_cnt) &&
	            section_fits(view, l->log_offset, l->log_stride_bytes, cores);
	return fits ? 0 : -EINVAL;
}

static bool
name_is_clean(const char *name, size_t size)
{
	size_t len = strnlen(name, size);
	if (len == 0 || len == size)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") == len;
}

/* Copies descriptor idx of a table; false if it is unused or not what a cell of ours would write. */
static bool
desc_read(const struct bh_view *view, uint32_t table_offset, uint32_t idx, struct bh_metric_desc *out)
{
	const uint8_t *at = view->shared + table_offset + (size_t)idx * sizeof(*out);
	const struct bh_metric_desc *desc = (const void *)at;
	uint32_t kind = __atomic_load_n(&desc->kind, __ATOMIC_ACQUIRE);
	if (kind == BH_METRIC_NONE || kind > BH_METRIC_HIST)
		return false;
	memcpy(out, desc, sizeof(*out));
	out->kind = kind;
	out->unit[sizeof(out->unit) - 1] = '\0';
	if (out->unit[0] != '\0' && !name_is_clean(out->unit, sizeof(out->unit)))
		out->unit[0] = '\0';
	return name_is_clean(out->name, sizeof(out->name));
}

static int
desc_find(const struct bh_view *view, uint32_t table_offset, uint32_t cnt, const char *name)
{
	struct bh_metric_desc desc;
	for (uint32_t i = 0; i < cnt; i++) {
		if (desc_read(view, table_offset, i, &desc) && strcmp(desc.name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

static uint64_t
counter_read(const struct bh_view *view, uint32_t core_idx, uint32_t idx)
{
	const uint64_t *values = (const void *)(view->shared + view->layout.counter_offset);
	return __atomic_load_n(&values[(size_t)core_idx * view->layout.counter_cnt + idx], __ATOMIC_RELAXED);
}

static uint64_t
counter_sum(const struct bh_view *view, uint32_t idx)
{
	uint64_t sum = 0;
	for (uint32_t core = 0; core < view->core_cnt; core++)
		sum += counter_read(view, core, idx);
	return sum;
}

int
bh_view_counter(const struct bh_view *view, const char *name, uint64_t *out_value)
{
	int idx = desc_find(view, view->layout.counter_desc_offset, view->layout.counter_cnt, name);
	*out_value = idx < 0 ? 0 : counter_sum(view, (uint32_t)idx);
	return idx < 0 ? idx : 0;
}

int
bh_view_counter_core(const struct bh_view *view, const char *name, uint32_t core_idx, uint64_t *out_value)
{
	*out_value = 0;
	if (core_idx >= view->core_cnt)
		return -EINVAL;
	int idx = desc_find(view, view->layout.counter_desc_offset, view->layout.counter_cnt, name);
	if (idx < 0)
		return idx;
	*out_value = counter_read(view, core_idx, (uint32_t)idx);
	return 0;
}

void
bh_view_each_counter(const struct bh_view *view,
                     void (*fn)(void *context, const char *name, const char *unit, uint32_t kind, uint64_t sum),
                     void *context)
{
	struct bh_metric_desc desc;
	for (uint32_t i = 0; i < view->layout.counter_cnt; i++) {
		if (desc_read(view, view->layout.counter_desc_offset, i, &desc) && desc.kind != BH_METRIC_HIST)
			fn(context, desc.name, desc.unit, desc.kind, counter_sum(view, i));
	}
}

static void
hist_add(struct bh_hist_snapshot *snapshot, const struct bh_hist *hist)
{
	uint64_t min = __atomic_load_n(&hist->min, __ATOMIC_RELAXED);
	uint64_t max = __atomic_load_n(&hist->max, __ATOMIC_RELAXED);
	snapshot->sum += __atomic_load_n(&hist->sum, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++) {
		uint64_t count = __atomic_load_n(&hist->bucket[i], __ATOMIC_RELAXED);
		snapshot->bucket[i] += count;
		snapshot->count += count;
	}
	snapshot->min = BH_MIN(snapshot->min, min);
	snapshot->max = BH_MAX(snapshot->max, max);
}

/* Cores [first, end). */
static int
hist_of(const struct bh_view *view, const char *name, uint32_t first, uint32_t end,
        struct bh_hist_snapshot *out_snapshot)
{
	memset(out_snapshot, 0, sizeof(*out_snapshot));
	int idx = desc_find(view, view->layout.hist_desc_offset, view->layout.hist_cnt, name);
	if (idx < 0)
		return idx;
	out_snapshot->min = UINT64_MAX;
	for (uint32_t core = first; core < end; core++) {
		size_t slot = (size_t)core * view->layout.hist_cnt + (uint32_t)idx;
		hist_add(out_snapshot,
		         (const struct bh_hist *)(const void *)(view->shared + view->layout.hist_offset) + slot);
	}
	if (out_snapshot->count == 0)
		out_snapshot->min = out_snapshot->max = 0;
	return 0;
}

int
bh_view_hist(const struct bh_view *view, const char *name, struct bh_hist_snapshot *out_snapshot)
{
	return hist_of(view, name, 0, view->core_cnt, out_snapshot);
}

int
bh_view_hist_core(const struct bh_view *view, const char *name, uint32_t core_idx,
                  struct bh_hist_snapshot *out_snapshot)
{
	memset(out_snapshot, 0, sizeof(*out_snapshot));
	return core_idx < view->core_cnt ? hist_of(view, name, core_idx, core_idx + 1, out_snapshot) : -EINVAL;
}

void
bh_hist_since(const struct bh_hist_snapshot *now, const struct bh_hist_snapshot *before, struct bh_hist_snapshot *out)
{
	memset(out, 0, sizeof(*out));
	out->sum = now->sum - before->sum;
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++) {
		uint64_t count = now->bucket[i] - BH_MIN(before->bucket[i], now->bucket[i]);
		if (count == 0)
			continue;
		out->bucket[i] = count;
		if (out->count == 0)
			out->min = bh_hist_bucket_low(i);
		out->max = BH_MIN(bh_hist_bucket_low(i) + bh_hist_bucket_width(i) - 1, now->max);
		out->count += count;
	}
}

uint64_t
bh_hist_percentile(const struct bh_hist_snapshot *snapshot, double percent)
{
	uint64_t seen = 0;
	double wanted = ceil((double)snapshot->count * percent / 100.0);
	if (snapshot->count == 0)
		return 0;
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++) {
		seen += snapshot->bucket[i];
		if (seen > 0 && (double)seen >= wanted)
			return BH_MIN(bh_hist_bucket_low(i) + bh_hist_bucket_width(i) - 1, snapshot->max);
	}
	return snapshot->max;
}

static double
bucket_middle(uint32_t idx)
{
	return (double)bh_hist_bucket_low(idx) + (double)(bh_hist_bucket_width(idx) - 1) / 2.0;
}

double
bh_hist_mean(const struct bh_hist_snapshot *snapshot)
{
	double total = 0;
	if (snapshot->count == 0)
		return 0;
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++)
		total += (double)snapshot->bucket[i] * bucket_middle(i);
	return total / (double)snapshot->count;
}

double
bh_hist_stddev(const struct bh_hist_snapshot *snapshot)
{
	double mean = bh_hist_mean(snapshot);
	double total = 0;
	if (snapshot->count == 0)
		return 0;
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++) {
		double off = bucket_middle(i) - mean;
		total += (double)snapshot->bucket[i] * off * off;
	}
	return sqrt(total / (double)snapshot->count);
}
