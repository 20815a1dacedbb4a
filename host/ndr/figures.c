/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ndr/figures.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "host/errors/errors.h"

#define NO_JSON "the trial's output is not what `bulkhead run` of pktgen prints: "

/* -1: missing, or no number that can be a figure. */
static double
real(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	double x = json_is_number(value) ? json_number_value(value) : -1;
	return isfinite(x) && x >= 0 && x < 1e18 ? x : -1;
}

static bool
count(const json_t *object, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(object, key);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static int
counts(const json_t *app, struct bh_ndr_figures *out, struct bh_error *error)
{
	const struct {
		const char *key;
		uint64_t *to;
	} all[] = {
	        {"sent", &out->sent},           {"received", &out->received},     {"lost", &out->lost},
	        {"reordered", &out->reordered}, {"duplicates", &out->duplicates}, {"corrupt", &out->corrupt},
	        {"foreign", &out->foreign},     {"never_sent", &out->never_sent},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(all); i++) {
		if (!count(app, all[i].key, all[i].to))
			return bh_error_set(error, "E372", -EINVAL, NO_JSON "app.%s is missing or no count",
			                    all[i].key);
	}
	out->seconds = real(app, "seconds");
	if (out->seconds <= 0 || out->lost > out->sent || out->received < out->duplicates)
		return bh_error_set(error, "E372", -EINVAL, NO_JSON "its counts contradict each other");
	return 0;
}

static int
latencies(const json_t *latency, struct bh_ndr_figures *out, struct bh_error *error)
{
	const struct {
		const char *key;
		double *to;
	} all[] = {
	        {"min", &out->min_ns}, {"mean", &out->mean_ns}, {"p50", &out->p50_ns},     {"p90", &out->p90_ns},
	        {"p99", &out->p99_ns}, {"max", &out->max_ns},   {"p99_9", &out->p99_9_ns},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(all); i++) {
		*all[i].to = real(latency, all[i].key);
		if (*all[i].to < 0)
			return bh_error_set(error, "E372", -EINVAL, NO_JSON "app.latency_ns.%s is missing or no number",
			                    all[i].key);
	}
	return 0;
}

/* A cell that ended before its time says why; frames that arrived changed (exit code 3) are a result. */
static int
ended(const json_t *root, struct bh_error *error)
{
	const char *outcome = json_string_value(json_object_get(root, "outcome"));
	const char *text = json_string_value(json_object_get(json_object_get(root, "failure"), "text"));
	if (outcome == NULL)
		return bh_error_set(error, "E372", -EINVAL, NO_JSON "it does not say how the cell ended");
	if (strcmp(outcome, "done") != 0)
		return bh_error_set(error, "E373", -EIO, "the trial's cell failed: %.300s",
		                    text != NULL ? text : outcome);
	return 0;
}

int
bh_ndr_figures_parse(const char *text, size_t text_bytes, struct bh_ndr_figures *out, struct bh_error *error)
{
	json_error_t why;
	*out = (struct bh_ndr_figures){0};
	if (text_bytes > BH_NDR_TEXT_MAX)
		return bh_error_set(error, "E372", -EINVAL, NO_JSON "it is %zu bytes long", text_bytes);
	json_t *root = json_loadb(text, text_bytes, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL)
		return bh_error_set(error, "E372", -EINVAL, NO_JSON "%s, line %d", why.text, why.line);
	const json_t *app = json_object_get(root, "app");
	int err = ended(root, error);
	if (err == 0)
		err = counts(app, out, error);
	if (err == 0)
		err = latencies(json_object_get(app, "latency_ns"), out, error);
	json_decref(root);
	return err;
}

void
bh_ndr_figures_judge(const struct bh_ndr_figures *figures, double tolerance, struct bh_ndr_trial *trial)
{
	double sent = (double)figures->sent, intended = sent + (double)figures->never_sent;
	double arrived = (double)(figures->sent - figures->lost);
	trial->offered_pps = sent / figures->seconds;
	trial->short_offer = intended <= 0 || (double)figures->never_sent > tolerance * intended;
	if (trial->short_offer)
		trial->loss_ratio = intended > 0 ? 1 - arrived / intended : 1;
	else
		trial->loss_ratio = (double)figures->lost / sent;
}
