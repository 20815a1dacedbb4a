/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "apps/nvme-bench/host/app.h"
#include "apps/nvme-bench/host/report.h"

#define SECTION "nvme-bench"

/* In the order of enum nvme_bench_pattern. */
static const char *const patterns[] = {"read", "write", "randread", "randwrite", "randrw", "verify", NULL};

static const char *const no_yes[] = {"no", "yes", NULL};

const struct bh_config_key nvme_bench_keys[NVME_BENCH_KEY_CNT] = {
        {SECTION, "device", BH_VALUE_STRING, NULL, NULL, 0, 0, "the NAME of a [device NAME]"},
        {SECTION, "pattern", BH_VALUE_ENUM, "randread", patterns, 0, 0, "what to do"},
        {SECTION, "mix", BH_VALUE_PERCENT, "70", NULL, 0, 100, "randrw: percent of reads"},
        {SECTION, "block_size", BH_VALUE_SIZE, "4K", NULL, NVME_BENCH_BLOCK_BYTES_MIN, NVME_BENCH_BLOCK_BYTES_MAX,
         "of each I/O, 512 to 1M, a multiple of 512"},
        {SECTION, "queue_depth", BH_VALUE_UINT, "32", NULL, 1, NVME_BENCH_DEPTH_MAX, "of each core, 1 to 1024"},
        {SECTION, "namespace", BH_VALUE_UINT, "1", NULL, 1, UINT32_MAX - 1, "its identifier, 1 for the first"},
        {SECTION, "fill", BH_VALUE_ENUM, "no", no_yes, 0, 0, "write every block once before measuring"},
        {SECTION, "timeout", BH_VALUE_DURATION, "2s", NULL, 10000000, UINT64_C(60000000000),
         "until a command is aborted, 10ms to 60s"},
        {SECTION, "shadow_doorbells", BH_VALUE_ENUM, "yes", no_yes, 0, 0, "use them where the controller has them"},
};

int
nvme_bench_compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes, struct bh_error *error)
{
	struct nvme_bench_config *bench = out;
	const char *device = bh_config_string(config, SECTION, "device");
	const struct bh_device_config *target = bh_config_device(config, device);

	if (target == NULL)
		return bh_config_error(config, SECTION, "device", error,
		                       "no such device; name one that has a [device NAME] section");
	bench->block_bytes = (uint32_t)bh_config_uint(config, SECTION, "block_size");
	if (bench->block_bytes % NVME_BENCH_BLOCK_BYTES_MIN != 0)
		return bh_config_error(config, SECTION, "block_size", error, "must be a multiple of 512");
	if (target->backend == BH_BACKEND_SOFTDEV && bench->block_bytes % target->block_size_bytes != 0)
		return bh_config_error(config, SECTION, "block_size", error,
		                       "must be a multiple of the block_size of [device %s], which is %u", device,
		                       target->block_size_bytes);
	memcpy(bench->device, target->name, sizeof(bench->device));
	bench->pattern = bh_config_enum(config, SECTION, "pattern");
	bench->read_percent = (uint32_t)bh_config_uint(config, SECTION, "mix");
	bench->queue_depth = (uint32_t)bh_config_uint(config, SECTION, "queue_depth");
	bench->namespace_id = (uint32_t)bh_config_uint(config, SECTION, "namespace");
	bench->fill = bh_config_enum(config, SECTION, "fill");
	bench->timeout_ns = bh_config_uint(config, SECTION, "timeout");
	bench->no_shadow_doorbells = bh_config_enum(config, SECTION, "shadow_doorbells") == 0;
	*out_bytes = sizeof(*bench);
	return 0;
}

struct state {
	struct nvme_bench_config config;
	uint64_t tsc_hz;
	uint64_t now_tsc, before_tsc;
	struct nvme_bench_sample now, before;
};

static void
sample(void *opaque, const void *config, const struct bh_view *view, uint64_t now_tsc)
{
	struct state *state = opaque;
	memcpy(&state->config, config, sizeof(state->config));
	state->tsc_hz = view->tsc_hz;
	state->before = state->now;
	state->before_tsc = state->now_tsc;
	state->now_tsc = now_tsc;
	nvme_bench_sample_take(view, &state->now);
}

static void
live(const void *opaque, FILE *stream, double elapsed_s)
{
	const struct state *state = opaque;
	uint64_t from_tsc = state->before.start_tsc != 0 ? state->before_tsc : state->now.start_tsc;
	double interval_s = (double)(state->now_tsc - from_tsc) / (double)state->tsc_hz;
	nvme_bench_live(stream, &state->config, &state->now, &state->before, interval_s, elapsed_s, state->tsc_hz);
}

static double
seconds(const struct state *state)
{
	return nvme_bench_seconds(&state->now, state->now_tsc, state->tsc_hz);
}

static void
table(const void *opaque, FILE *stream)
{
	const struct state *state = opaque;
	nvme_bench_table(stream, &state->config, &state->now, seconds(state), state->tsc_hz);
}

static json_t *
json(const void *opaque)
{
	const struct state *state = opaque;
	return nvme_bench_json(&state->config, &state->now, seconds(state), state->tsc_hz);
}

static const struct bh_hist_snapshot *
latency(const void *opaque)
{
	const struct state *state = opaque;
	return &state->now.latency;
}

static uint64_t
first_io_tsc(const void *opaque)
{
	const struct state *state = opaque;
	return state->now.first_io_tsc;
}

static bool
check_failed(const void *opaque)
{
	const struct state *state = opaque;
	return nvme_bench_verify_failed(&state->now.verify) > 0;
}

const struct bh_app_report nvme_bench_report = {
        .name = "nvme-bench",
        .state_bytes = sizeof(struct state),
        .sample = sample,
        .live = live,
        .table = table,
        .json = json,
        .latency = latency,
        .first_io_tsc = first_io_tsc,
        .check_failed = check_failed,
};
