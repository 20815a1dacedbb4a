/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "host/compare/figures.h"
#include "host/errors/errors.h"

/* A number that can be a figure: finite, not negative, not absurd. -1: it is none. */
static double
number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	double x = json_is_number(value) ? json_number_value(value) : -1;
	return isfinite(x) && x >= 0 && x < 1e18 ? x : -1;
}

static int64_t
count(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value) : -1;
}

static void
copy_version(struct bh_figures *out, const json_t *value)
{
	const char *text = json_is_string(value) ? json_string_value(value) : "unknown";
	snprintf(out->version, sizeof(out->version), "%s", text);
}

static json_t *
load(const char *text, size_t text_bytes, const char *who, const char *id, struct bh_error *error)
{
	json_error_t why;
	json_t *root;
	if (text_bytes > BH_FIGURES_TEXT_MAX) {
		bh_error_set(error, id, -EINVAL, "%s printed %zu bytes, more than a report can be", who, text_bytes);
		return NULL;
	}
	root = json_loadb(text, text_bytes, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL)
		bh_error_set(error, id, -EINVAL, "%s printed no JSON that can be read: %s, line %d", who, why.text,
		             why.line);
	return root;
}

/* fio's notes stand before the JSON, which begins with a brace at the start of a line. */
static size_t
json_start(const char *text, size_t text_bytes)
{
	for (size_t i = 0; i < text_bytes; i++) {
		if (text[i] == '{' && (i == 0 || text[i - 1] == '\n'))
			return i;
	}
	return text_bytes;
}

static int
take_range(struct bh_figures *out, double min_ns, double max_ns)
{
	if (min_ns < 0 || max_ns < min_ns)
		return -EINVAL;
	out->hist.min_ns = min_ns;
	out->hist.max_ns = max_ns;
	return 0;
}

static int
fio_job(const json_t *job, struct bh_figures *out)
{
	const json_t *mixed = json_object_get(job, "mixed"), *lat = json_object_get(mixed, "lat_ns");
	int64_t ios = count(mixed, "total_ios");
	int err = bh_lat_hist_parse(json_object_get(lat, "bins"), BH_LAT_FIO, 0, &out->hist);
	if (err != 0)
		return err;
	out->iops = number(mixed, "iops");
	out->seconds = number(mixed, "runtime") / 1000;
	out->ios = ios < 0 ? 0 : (uint64_t)ios;
	out->cpu_user = number(job, "usr_cpu");
	out->cpu_sys = number(job, "sys_cpu");
	if (out->iops <= 0 || out->seconds <= 0 || ios <= 0 || out->hist.total == 0)
		return -EINVAL;
	return take_range(out, number(lat, "min"), number(lat, "max"));
}

int
bh_figures_fio(const char *text, size_t text_bytes, struct bh_figures *out, struct bh_error *error)
{
	size_t start = text_bytes <= BH_FIGURES_TEXT_MAX ? json_start(text, text_bytes) : 0;
	memset(out, 0, sizeof(*out));
	json_t *root = load(text + start, text_bytes - start, "fio", "E190", error);
	if (root == NULL)
		return -EINVAL;
	const json_t *jobs = json_object_get(root, "jobs"), *job = json_array_get(jobs, 0);
	int64_t job_error = count(job, "error");
	int err;
	if (json_array_size(jobs) != 1 || job_error < 0)
		err = bh_error_set(error, "E190", -EINVAL, "fio's JSON does not hold exactly one job");
	else if (job_error != 0)
		err = bh_error_set(error, "E191", -EIO, "fio's job failed: %s", strerror((int)job_error));
	else if ((err = fio_job(job, out)) != 0)
		err = bh_error_set(error, "E190", err,
		                   "fio's JSON holds no figures of a run: iops, runtime, total_ios and lat_ns.bins of "
		                   "\"mixed\" must be there");
	copy_version(out, json_object_get(root, "fio version"));
	json_decref(root);
	if (err != 0)
		bh_figures_free(out);
	return err;
}

static int
cell_app(const json_t *app, struct bh_figures *out)
{
	const json_t *raw = json_object_get(app, "latency_histogram"), *lat = json_object_get(app, "latency_ns");
	int64_t reads = count(app, "reads"), writes = count(app, "writes"), errors = count(app, "errors");
	out->tsc_hz = number(raw, "tsc_hz");
	int err = bh_lat_hist_parse(json_object_get(raw, "bins"), BH_LAT_CELL, out->tsc_hz, &out->hist);
	if (err != 0)
		return err;
	out->iops = number(app, "iops");
	out->seconds = number(app, "seconds");
	if (reads < 0 || writes < 0 || errors < 0 || out->iops <= 0 || out->seconds <= 0 || out->hist.total == 0)
		return -EINVAL;
	out->ios = (uint64_t)reads + (uint64_t)writes;
	out->errors = (uint64_t)errors;
	return take_range(out, number(lat, "min"), number(lat, "max"));
}

static int
pktgen_app(const json_t *app, struct bh_figures *out)
{
	const json_t *raw = json_object_get(app, "latency_histogram"), *lat = json_object_get(app, "latency_ns");
	int64_t received = count(app, "received"), corrupt = count(app, "corrupt");
	out->tsc_hz = number(raw, "tsc_hz");
	int err = bh_lat_hist_parse(json_object_get(raw, "bins"), BH_LAT_CELL, out->tsc_hz, &out->hist);
	if (err != 0)
		return err;
	out->seconds = number(app, "seconds");
	if (received <= 0 || corrupt < 0 || out->seconds <= 0 || out->hist.total == 0)
		return -EINVAL;
	out->ios = (uint64_t)received;
	out->iops = (double)received / out->seconds;
	out->errors = (uint64_t)corrupt;
	return take_range(out, number(lat, "min"), number(lat, "max"));
}

static int
cell_failed(const json_t *root, const struct bh_figures *figures, struct bh_error *error)
{
	const char *text = json_string_value(json_object_get(json_object_get(root, "failure"), "text"));
	if (text != NULL)
		return bh_error_set(error, "E193", -EIO, "the cell: %s", text);
	return bh_error_set(error, "E193", -EIO, "the cell had %lu I/O errors", figures->errors);
}

static int
cell_figures(const char *text, size_t text_bytes, int (*take)(const json_t *app, struct bh_figures *out),
             struct bh_figures *out, struct bh_error *error)
{
	memset(out, 0, sizeof(*out));
	json_t *root = load(text, text_bytes, "the cell's run", "E192", error);
	if (root == NULL)
		return -EINVAL;
	const json_t *outcome = json_object_get(root, "outcome");
	int err = take(json_object_get(root, "app"), out);
	if (!json_is_string(outcome))
		err = bh_error_set(error, "E192", -EINVAL, "the cell's JSON does not say how the cell ended");
	else if (strcmp(json_string_value(outcome), "done") != 0 || (err == 0 && out->errors > 0))
		err = cell_failed(root, out, error);
	else if (err != 0)
		err = bh_error_set(error, "E192", err,
		                   "the cell's JSON holds no figures of a run: a rate, seconds and "
		                   "latency_histogram must be there");
	copy_version(out, json_object_get(json_object_get(root, "versions"), "bulkhead"));
	json_decref(root);
	if (err != 0)
		bh_figures_free(out);
	return err;
}

int
bh_figures_cell(const char *text, size_t text_bytes, struct bh_figures *out, struct bh_error *error)
{
	return cell_figures(text, text_bytes, cell_app, out, error);
}

int
bh_figures_pktgen(const char *text, size_t text_bytes, struct bh_figures *out, struct bh_error *error)
{
	return cell_figures(text, text_bytes, pktgen_app, out, error);
}

void
bh_figures_free(struct bh_figures *figures)
{
	bh_lat_hist_free(&figures->hist);
}
