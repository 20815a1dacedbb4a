/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/abi/histogram.h>

#include "host/compare/hist.h"
#include "host/observe/hgrm.h"

#define FIO_SUB_BITS 6u /* FIO_IO_U_PLAT_BITS of fio 3: 64 buckets for each power of two */
#define TOTAL_MAX    (UINT64_C(1) << 62)

static int
parse_key(const char *text, uint64_t *out)
{
	char *end;
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' || *out >= TOTAL_MAX ? -EINVAL : 0;
}

/* fio prints the middle of a bucket whose width is a power of two: the bounds follow from its highest bit. */
static void
bounds_fio(struct bh_lat_bin *bin)
{
	unsigned msb = 63u - (unsigned)__builtin_clzll(bin->key | 1);
	uint64_t width = msb <= FIO_SUB_BITS ? 1 : UINT64_C(1) << (msb - FIO_SUB_BITS);
	uint64_t low = bin->key & ~(width - 1);
	bin->low_ns = (double)low;
	bin->high_ns = (double)(low + width);
}

static void
bounds_cell(struct bh_lat_bin *bin, double tsc_hz)
{
	uint32_t idx = bh_hist_bucket_idx(bin->key);
	double ns_per_cycle = 1e9 / tsc_hz;
	bin->low_ns = (double)bh_hist_bucket_low(idx) * ns_per_cycle;
	bin->high_ns = (double)(bh_hist_bucket_low(idx) + bh_hist_bucket_width(idx)) * ns_per_cycle;
}

static int
by_low(const void *a, const void *b)
{
	const struct bh_lat_bin *one = a, *two = b;
	return one->low_ns < two->low_ns ? -1 : one->low_ns > two->low_ns;
}

/* A bucket that stands twice would count twice. */
static int
check_order(const struct bh_lat_hist *hist)
{
	for (size_t i = 1; i < hist->bin_cnt; i++) {
		if (hist->bin[i].low_ns <= hist->bin[i - 1].low_ns)
			return -EINVAL;
	}
	return 0;
}

static int
take_bin(struct bh_lat_hist *hist, const char *key, const json_t *value, enum bh_lat_scheme scheme, double tsc_hz)
{
	struct bh_lat_bin *bin = &hist->bin[hist->bin_cnt];
	json_int_t cnt = json_is_integer(value) ? json_integer_value(value) : -1;
	if (cnt < 0 || (uint64_t)cnt > TOTAL_MAX - hist->total || parse_key(key, &bin->key) != 0)
		return -EINVAL;
	if (cnt == 0)
		return 0;
	bin->cnt = (uint64_t)cnt;
	if (scheme == BH_LAT_FIO)
		bounds_fio(bin);
	else
		bounds_cell(bin, tsc_hz);
	hist->total += bin->cnt;
	hist->bin_cnt++;
	return 0;
}

int
bh_lat_hist_parse(const json_t *bins, enum bh_lat_scheme scheme, double tsc_hz, struct bh_lat_hist *out)
{
	const char *key;
	json_t *value;
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(bins) || json_object_size(bins) > BH_LAT_BINS_MAX ||
	    (scheme == BH_LAT_CELL && !(tsc_hz >= 1e6 && tsc_hz <= 1e11)))
		return -EINVAL;
	out->bin = calloc(json_object_size(bins) + 1, sizeof(*out->bin));
	if (out->bin == NULL)
		return -ENOMEM;
	json_object_foreach((json_t *)(uintptr_t)bins, key, value)
	{
		if (err == 0)
			err = take_bin(out, key, value, scheme, tsc_hz);
	}
	if (err == 0) {
		qsort(out->bin, out->bin_cnt, sizeof(*out->bin), by_low);
		err = check_order(out);
	}
	if (err != 0) {
		bh_lat_hist_free(out);
		return err;
	}
	if (out->bin_cnt > 0) {
		out->min_ns = out->bin[0].low_ns;
		out->max_ns = out->bin[out->bin_cnt - 1].high_ns;
	}
	return 0;
}

int
bh_lat_hist_add(struct bh_lat_hist *to, const struct bh_lat_hist *from)
{
	size_t old_cnt = to->bin_cnt;
	if (from->total == 0)
		return 0;
	struct bh_lat_bin *bin = calloc(old_cnt + from->bin_cnt, sizeof(*bin));
	if (bin == NULL)
		return -ENOMEM;
	size_t a = 0, b = 0, cnt = 0;
	while (a < old_cnt || b < from->bin_cnt) {
		if (b == from->bin_cnt || (a < old_cnt && to->bin[a].low_ns < from->bin[b].low_ns)) {
			bin[cnt++] = to->bin[a++];
		} else {
			bin[cnt] = from->bin[b++];
			if (a < old_cnt && to->bin[a].key == bin[cnt].key)
				bin[cnt].cnt += to->bin[a++].cnt;
			cnt++;
		}
	}
	to->min_ns = to->total == 0 ? from->min_ns : BH_MIN(to->min_ns, from->min_ns);
	to->max_ns = to->total == 0 ? from->max_ns : BH_MAX(to->max_ns, from->max_ns);
	to->total += from->total;
	free(to->bin);
	to->bin = bin;
	to->bin_cnt = cnt;
	return 0;
}

void
bh_lat_hist_free(struct bh_lat_hist *hist)
{
	free(hist->bin);
	memset(hist, 0, sizeof(*hist));
}

static double
middle(const struct bh_lat_hist *hist, const struct bh_lat_bin *bin)
{
	double value = bin->high_ns - bin->low_ns <= 1 ? bin->low_ns : (bin->low_ns + bin->high_ns) / 2;
	return BH_MAX(hist->min_ns, BH_MIN(hist->max_ns, value));
}

double
bh_lat_percentile(const struct bh_lat_hist *hist, double percent)
{
	uint64_t seen = 0;
	double wanted = ceil((double)hist->total * percent / 100);
	if (percent >= 100)
		return hist->max_ns;
	for (size_t i = 0; i < hist->bin_cnt; i++) {
		seen += hist->bin[i].cnt;
		if ((double)seen >= wanted)
			return middle(hist, &hist->bin[i]);
	}
	return hist->max_ns;
}

double
bh_lat_mean(const struct bh_lat_hist *hist)
{
	double sum = 0;
	for (size_t i = 0; i < hist->bin_cnt; i++)
		sum += middle(hist, &hist->bin[i]) * (double)hist->bin[i].cnt;
	return hist->total > 0 ? sum / (double)hist->total : 0;
}

static double
stddev(const struct bh_lat_hist *hist, double mean)
{
	double sum = 0;
	for (size_t i = 0; i < hist->bin_cnt; i++) {
		double from_mean = middle(hist, &hist->bin[i]) - mean;
		sum += from_mean * from_mean * (double)hist->bin[i].cnt;
	}
	return hist->total > 0 ? sqrt(sum / (double)hist->total) : 0;
}

int
bh_lat_hgrm(const struct bh_lat_hist *hist, FILE *stream)
{
	struct bh_hgrm_steps steps = {.stream = stream, .total = hist->total};
	double mean = bh_lat_mean(hist);

	bh_hgrm_begin(&steps);
	for (size_t i = 0; i < hist->bin_cnt; i++)
		bh_hgrm_bucket(&steps, BH_MIN(hist->bin[i].high_ns, hist->max_ns), hist->bin[i].cnt);
	return bh_hgrm_end(&steps, hist->max_ns, mean, stddev(hist, mean));
}

json_t *
bh_lat_json(const struct bh_lat_hist *hist)
{
	json_t *bins = json_object();
	char key[24];
	for (size_t i = 0; i < hist->bin_cnt; i++) {
		snprintf(key, sizeof(key), "%lu", hist->bin[i].key);
		json_object_set_new(bins, key, json_integer((json_int_t)hist->bin[i].cnt));
	}
	return bins;
}
