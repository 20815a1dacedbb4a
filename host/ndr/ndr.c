/* SPDX-License-Identifier: Apache-2.0 */
/* Each size: how fast the generator is, the search, latency at parts of what was found. */
#include "host/ndr/ndr.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/compare/program.h"
#include "host/compare/text.h"
#include "host/errors/errors.h"
#include "host/ndr/figures.h"
#include "host/ndr/trial.h"

#define NS_PER_S    1e9
#define IMIX_BYTES  ((7 * 64 + 4 * 570 + 1518) / 12.0)
#define SHORT_TRIES 3u /* a trial that the generator could not offer says nothing of the device: once more, so often */
#define FULL_TRIES  3u
#define RAISES_MAX  4u
#define HEADROOM    1.1 /* one short trial may have been a bad moment of the generator */
#define OVERHEAD_S  1.0 /* that a trial takes beside its time: a cell comes and goes */

static const double parts[BH_NDR_PARTS] = {0.9, 0.5, 0.1};

/* What the search hands to each trial. */
struct work {
	struct bh_ndr *ndr;
	struct bh_ndr_size *size;
	uint64_t begin_ns, share_ns; /* of the search: each goal may take its part, and what those before it left */
	struct bh_error *error;
};

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void
bh_ndr_options_preset(struct bh_ndr_options *options)
{
	*options = (struct bh_ndr_options){
	        .size = {"64", "imix", "1518"},
	        .size_cnt = 3,
	        .min_pps = 1000,
	        .pdr_loss_ratio = 0.005,
	        .tolerance = 0.005,
	        .timing = {.initial_s = 0.25, .final_s = 1, .sum_s = 5, .exceed_ratio = 0.5, .width = 0.01},
	        .warm_up_ns = 50000000,
	        .catch_up_cnt = 64,
	        .limit_ns = UINT64_C(600000000000),
	};
}

static void
say(const struct bh_ndr *ndr, const char *size, const struct bh_ndr_trial *trial, const char *what)
{
	if (ndr->options->progress != NULL)
		fprintf(ndr->options->progress, "%-5s %-8s %9.4f Mpps offered of %9.4f, %4.2f s, loss %.4f %%%s\n",
		        size, what, trial->offered_pps / 1e6, (double)trial->load_pps / 1e6, trial->duration_s,
		        trial->loss_ratio * 100, trial->short_offer ? " (short offer)" : "");
}

/* A trial that is a short offer is not the load that was asked for; where it is so each time, that is the answer. */
static int
measure(void *context, struct bh_ndr_trial *trial)
{
	struct work *work = context;
	struct bh_ndr_size *size = work->size;
	uint32_t at = size->book.trial_cnt;
	const struct bh_ndr_order order = {
	        .size = size->name, .load_pps = trial->load_pps, .duration_s = trial->duration_s};
	int err = 0;
	for (uint32_t i = 0; i < SHORT_TRIES && err == 0; i++) {
		err = bh_ndr_trial_run(work->ndr, &order, &size->figures[at], size->raw[at], work->error);
		if (err != 0)
			break;
		bh_ndr_figures_judge(&size->figures[at], work->ndr->options->tolerance, trial);
		say(work->ndr, size->name, trial, "search");
		if (!trial->short_offer)
			break;
		work->ndr->short_cnt++;
		work->ndr->disturbed_cnt += 2 * trial->load_pps < size->full_pps;
	}
	return err;
}

static bool
out_of_time(void *context, uint32_t goal_idx)
{
	const struct work *work = context;
	return now_ns() - work->begin_ns >= work->share_ns / BH_NDR_GOAL_CNT * (goal_idx + 1);
}

/* A trial outside of the search. */
static int
sound(struct work *work, uint64_t load_pps, struct bh_ndr_trial *trial, uint64_t *out_arrived)
{
	struct bh_ndr_figures figures;
	char raw[64];
	*trial = (struct bh_ndr_trial){.load_pps = load_pps, .duration_s = work->ndr->options->timing.initial_s};
	const struct bh_ndr_order order = {
	        .size = work->size->name, .load_pps = load_pps, .duration_s = trial->duration_s};
	int err = bh_ndr_trial_run(work->ndr, &order, &figures, raw, work->error);
	if (err != 0)
		return err;
	bh_ndr_figures_judge(&figures, work->ndr->options->tolerance, trial);
	*out_arrived = (uint64_t)((double)(figures.sent - figures.lost) / figures.seconds);
	say(work->ndr, work->size->name, trial, load_pps == 0 ? "full" : "first");
	return 0;
}

/* The upper end of the range, and where to begin. A device that forwards nothing under too much may forward something under less. */
static int
range(struct work *work, uint64_t *out_start_pps)
{
	const struct bh_ndr_options *options = work->ndr->options;
	struct bh_ndr_trial trial;
	double most_pps = 0;
	uint64_t arrived_pps = 0;
	int err = 0;
	*out_start_pps = 0;
	for (uint32_t i = 0; i < (options->max_pps == 0 ? FULL_TRIES : 1) && err == 0; i++) {
		err = sound(work, options->max_pps, &trial, &arrived_pps);
		most_pps = BH_MAX(most_pps, trial.offered_pps);
		*out_start_pps = BH_MAX(*out_start_pps, arrived_pps);
	}
	work->size->max_pps = options->max_pps != 0 ? options->max_pps : (uint64_t)(most_pps * HEADROOM);
	work->size->max_measured = options->max_pps == 0;
	work->size->full_pps = (uint64_t)most_pps;
	if (err == 0 && work->size->max_pps < options->min_pps)
		err = bh_error_set(
		        work->error, "E370", -EINVAL,
		        "the generator sends at most %lu frames a second, less than --min-rate %lu; give a lower one",
		        work->size->max_pps, options->min_pps);
	if (err != 0 || *out_start_pps != 0)
		return err;
	err = sound(work, options->min_pps, &trial, out_start_pps);
	if (err == 0 && *out_start_pps == 0)
		err = bh_error_set(
		        work->error, "E375", -EIO,
		        "of %lu frames a second from [port %s] none arrived at [port %s]; look at link, addresses and "
		        "what stands between them: `bulkhead run %s`",
		        options->min_pps, work->ndr->tx, work->ndr->rx, options->config_path);
	return err;
}

static int
latency_trial(struct work *work, uint64_t ndr_pps, double part, struct bh_ndr_latency *out)
{
	struct bh_ndr_trial trial = {.load_pps = (uint64_t)ceil((double)ndr_pps * part),
	                             .duration_s = work->ndr->options->timing.sum_s};
	*out = (struct bh_ndr_latency){.part = part, .load_pps = trial.load_pps};
	snprintf(out->hgrm, sizeof(out->hgrm), "%.15s-%02.0f.hgrm", work->size->name, part * 100);
	const struct bh_ndr_order order = {.size = work->size->name,
	                                   .load_pps = trial.load_pps,
	                                   .duration_s = trial.duration_s,
	                                   .hgrm = out->hgrm};
	int err = bh_ndr_trial_run(work->ndr, &order, &out->figures, out->raw, work->error);
	if (err != 0)
		return err;
	bh_ndr_figures_judge(&out->figures, work->ndr->options->tolerance, &trial);
	out->short_offer = trial.short_offer;
	out->ok = out->figures.received != 0;
	say(work->ndr, work->size->name, &trial, "latency");
	return 0;
}

/* Where even the upper end is good, and only bad moments of the generator put it there, it is raised. */
static int
search_raise(struct bh_ndr_search *search, struct work *work)
{
	struct bh_ndr_size *size = work->size;
	int err = bh_ndr_search_run(search, &size->book, size->rate);
	for (uint32_t i = 0; i < RAISES_MAX && err == 0 && size->max_measured; i++) {
		if (size->rate[0].end != BH_NDR_AT_MAX)
			break;
		search->start_pps = search->max_pps;
		search->max_pps *= 2;
		size->max_pps = search->max_pps;
		err = bh_ndr_search_run(search, &size->book, size->rate);
	}
	return err;
}

static int
size_run(struct work *work)
{
	const struct bh_ndr *ndr = work->ndr;
	struct bh_ndr_size *size = work->size;
	uint64_t begin_ns = now_ns();
	struct bh_ndr_search search = {.min_pps = ndr->options->min_pps,
	                               .goal = ndr->goal,
	                               .goal_cnt = BH_NDR_GOAL_CNT,
	                               .context = work,
	                               .measure = measure,
	                               .out_of_time = out_of_time};
	int err = range(work, &search.start_pps);
	search.max_pps = size->max_pps;
	if (err == 0)
		err = search_raise(&search, work);
	uint64_t ndr_pps = size->rate[BH_NDR_GOAL_CNT - 1].bounds.lower_pps;
	for (uint32_t i = 0; i < BH_NDR_PARTS && err == 0 && ndr_pps != 0; i++)
		err = latency_trial(work, ndr_pps, parts[i], &size->latency[i]);
	size->seconds = (double)(now_ns() - begin_ns) / NS_PER_S;
	return err;
}

/* Time is shared: what one size leaves is the next one's. The trials for latency are not part of the search. */
static int
sizes_run(struct bh_ndr *ndr, struct bh_error *error)
{
	double latency_s = BH_NDR_PARTS * (ndr->options->timing.sum_s + OVERHEAD_S);
	uint64_t limit_ns = ndr->begin_ns + ndr->options->limit_ns;
	int err = 0;
	for (uint32_t i = 0; i < ndr->size_cnt && err == 0; i++) {
		uint64_t now = now_ns(), left_ns = limit_ns > now ? limit_ns - now : 0;
		double share_s = (double)left_ns / NS_PER_S / (ndr->size_cnt - i) - latency_s;
		struct work work = {.ndr = ndr, .size = &ndr->size[i], .error = error};
		work.begin_ns = now;
		work.share_ns = (uint64_t)(BH_MAX(share_s, 0.0) * NS_PER_S);
		err = size_run(&work);
		ndr->size_done_cnt = i + (err == 0);
	}
	return err;
}

static void
plan(struct bh_ndr *ndr)
{
	const struct bh_ndr_options *options = ndr->options;
	for (uint32_t i = 0; i < BH_NDR_GOAL_CNT; i++)
		ndr->goal[i] = options->timing;
	ndr->goal[0].name = "pdr";
	ndr->goal[0].loss_ratio = options->pdr_loss_ratio;
	ndr->goal[1].name = "ndr";
	ndr->goal[1].loss_ratio = 0;
	ndr->size_cnt = options->size_cnt;
	for (uint32_t i = 0; i < ndr->size_cnt; i++) {
		struct bh_ndr_size *size = &ndr->size[i];
		snprintf(size->name, sizeof(size->name), "%.15s", options->size[i]);
		uint64_t bytes = 0;
		size->frame_bytes = bh_parse_size(size->name, &bytes) == 0 ? (double)bytes : IMIX_BYTES;
		for (uint32_t j = 0; j < BH_NDR_GOAL_CNT; j++)
			size->rate[j].end = BH_NDR_NO_TIME;
	}
}

static int
app_check(struct bh_ndr *ndr, const struct bh_run_config *config, struct bh_error *error)
{
	if (strcmp(config->app_name, "pktgen") != 0 || config->app == NULL)
		return bh_error_set(
		        error, "E371", -EINVAL,
		        "%s is a configuration of '%s'; ndr needs one of pktgen: examples/pktgen.conf is one",
		        ndr->options->config_path, config->app_name);
	snprintf(ndr->tx, sizeof(ndr->tx), "%s", bh_config_string(config, "pktgen", "tx"));
	snprintf(ndr->rx, sizeof(ndr->rx), "%s", bh_config_string(config, "pktgen", "rx"));
	if (bh_config_string(config, "pktgen", "connect_a")[0] != '\0')
		snprintf(ndr->dut, sizeof(ndr->dut), "a cross-connect on the generator's own core");
	return 0;
}

/* With the user's settings and, unless it is NULL, one more. */
static int
load_check(struct bh_ndr *ndr, const char *set_more, struct bh_error *error)
{
	const struct bh_ndr_options *options = ndr->options;
	const char *set[BH_NDR_SETS_MAX + 1];
	uint64_t compiled[BH_APP_CONFIG_BYTES / sizeof(uint64_t)] = {0};
	uint32_t bytes;
	struct bh_run_config *config = NULL;
	for (uint32_t i = 0; i < options->set_cnt; i++)
		set[i] = options->set[i];
	set[options->set_cnt] = set_more;
	int err = bh_config_load(options->config_path, set, options->set_cnt + (set_more != NULL), options->app,
	                         options->app_cnt, &config, error);
	if (err == 0)
		err = app_check(ndr, config, error);
	if (err == 0)
		err = config->app->compile(config, compiled, &bytes, error);
	bh_config_free(config);
	return err;
}

/* The file must be a generator's, and every size one of its sizes: better said now than in the tenth trial. */
static int
config_check(struct bh_ndr *ndr, struct bh_error *error)
{
	char set[64];
	int err = load_check(ndr, NULL, error);
	for (uint32_t i = 0; i < ndr->size_cnt && err == 0; i++) {
		snprintf(set, sizeof(set), "pktgen.size=%s", ndr->size[i].name);
		err = load_check(ndr, set, error);
	}
	return err;
}

static int
report_dir_make(struct bh_ndr *ndr, struct bh_error *error)
{
	char path[300], stamp[32];
	time_t now = time(NULL);
	struct tm utc;
	const char *dir = ndr->options->report_dir;
	gmtime_r(&now, &utc);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &utc);
	if (dir != NULL && strlen(dir) >= sizeof(ndr->report_dir))
		return bh_error_set(error, "E370", -ENAMETOOLONG, "--report %.60s...: the path is too long", dir);
	if (dir != NULL)
		snprintf(ndr->report_dir, sizeof(ndr->report_dir), "%s", dir);
	else
		snprintf(ndr->report_dir, sizeof(ndr->report_dir), "bulkhead-ndr-%s", stamp);
	bh_text_path(path, sizeof(path), "%s/raw", ndr->report_dir);
	if ((mkdir(ndr->report_dir, 0755) != 0 && errno != EEXIST) || (mkdir(path, 0755) != 0 && errno != EEXIST))
		return bh_error_set(error, "E374", -errno,
		                    "cannot make the report's folder %s: %s; name another with --report",
		                    ndr->report_dir, strerror(errno));
	return 0;
}

static void
program_find(struct bh_ndr *ndr)
{
	ssize_t len = -1;
	if (ndr->options->program != NULL)
		snprintf(ndr->program, sizeof(ndr->program), "%s", ndr->options->program);
	else
		len = readlink("/proc/self/exe", ndr->program, sizeof(ndr->program) - 1);
	if (len > 0)
		ndr->program[len] = '\0';
}

static int
measure_all(struct bh_ndr *ndr, struct bh_error *error)
{
	int err = bh_program_catch_signals();
	if (err != 0)
		return bh_error_set(error, "E373", err, "signals cannot be caught: %s", strerror(-err));
	ndr->begin_ns = now_ns();
	err = sizes_run(ndr, error);
	ndr->end_ns = now_ns();
	ndr->interrupted = err == -EINTR;
	bh_program_release_signals();
	return err;
}

int
bh_ndr_run(const struct bh_ndr_options *options, struct bh_ndr **out, struct bh_error *error)
{
	*out = NULL;
	if (geteuid() != 0)
		return bh_error_set(error, "E377", -EPERM, "ndr starts cells, and only root can: use sudo");
	struct bh_ndr *ndr = calloc(1, sizeof(*ndr));
	if (ndr == NULL)
		return bh_error_set(error, "E374", -ENOMEM, "no memory for the report");
	ndr->options = options;
	program_find(ndr);
	plan(ndr);
	int err = config_check(ndr, error);
	if (err == 0)
		err = report_dir_make(ndr, error);
	if (err != 0) {
		bh_ndr_free(ndr);
		return err;
	}
	*out = ndr;
	err = measure_all(ndr, error);
	int report_err = bh_ndr_report_write(ndr, err == 0 ? error : NULL);
	return err != 0 ? err : report_err;
}

bool
bh_ndr_disturbed(const struct bh_ndr_size *size, uint32_t goal_idx)
{
	const struct bh_ndr_rate *rate = &size->rate[goal_idx];
	return rate->by_generator && 2 * rate->bounds.upper_pps < size->full_pps;
}

void
bh_ndr_free(struct bh_ndr *ndr)
{
	free(ndr);
}
