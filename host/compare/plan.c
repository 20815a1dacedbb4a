/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/compare/plan.h"

#define NS_PER_MS UINT64_C(1000000)
#define ANY       1024

const struct bh_variant bh_variants[] = {
        {.name = "psync", .engine = "psync", .depth_min = 1, .depth_max = 1},
        {.name = "pvsync2, polled",
         .engine = "pvsync2",
         .option = {"hipri=1"},
         .depth_min = 1,
         .depth_max = 1,
         .polled = true,
         .quick = true},
        {.name = "io_uring, interrupts",
         .engine = "io_uring",
         .option = {"fixedbufs=1", "registerfiles=1", "nonvectored=1"},
         .depth_min = 1,
         .depth_max = ANY,
         .quick = true},
        {.name = "io_uring, interrupts, batched",
         .engine = "io_uring",
         .option = {"fixedbufs=1", "registerfiles=1", "nonvectored=1"},
         .depth_min = 4,
         .depth_max = ANY,
         .batched = true},
        {.name = "io_uring, polled",
         .engine = "io_uring",
         .option = {"hipri=1", "fixedbufs=1", "registerfiles=1", "nonvectored=1"},
         .depth_min = 1,
         .depth_max = ANY,
         .polled = true,
         .quick = true},
        {.name = "io_uring, polled, batched",
         .engine = "io_uring",
         .option = {"hipri=1", "fixedbufs=1", "registerfiles=1", "nonvectored=1"},
         .depth_min = 4,
         .depth_max = ANY,
         .polled = true,
         .batched = true,
         .quick = true},
        {.name = "io_uring, polled, sqpoll",
         .engine = "io_uring",
         .option = {"hipri=1", "fixedbufs=1", "registerfiles=1", "nonvectored=1", "sqthread_poll=1"},
         .depth_min = 1,
         .depth_max = ANY,
         .polled = true,
         .other_cpu = true,
         .quick = true},
        {.name = "io_uring, interrupts, sqpoll",
         .engine = "io_uring",
         .option = {"fixedbufs=1", "registerfiles=1", "nonvectored=1", "sqthread_poll=1"},
         .depth_min = 1,
         .depth_max = ANY,
         .other_cpu = true},
        {.name = "passthrough, interrupts",
         .engine = "io_uring_cmd",
         .option = {"cmd_type=nvme", "fixedbufs=1", "registerfiles=1"},
         .depth_min = 1,
         .depth_max = ANY,
         .passthrough = true},
        {.name = "passthrough, polled",
         .engine = "io_uring_cmd",
         .option = {"cmd_type=nvme", "hipri=1", "fixedbufs=1", "registerfiles=1"},
         .depth_min = 1,
         .depth_max = ANY,
         .polled = true,
         .passthrough = true,
         .quick = true},
        {.name = "passthrough, polled, batched",
         .engine = "io_uring_cmd",
         .option = {"cmd_type=nvme", "hipri=1", "fixedbufs=1", "registerfiles=1"},
         .depth_min = 4,
         .depth_max = ANY,
         .polled = true,
         .passthrough = true,
         .batched = true,
         .quick = true},
};
const size_t bh_variant_cnt = BH_ARRAY_CNT(bh_variants);

static void
add_case(struct bh_case *out, uint32_t *cnt, const char *pattern, uint32_t block_bytes, uint32_t depth)
{
	struct bh_case *which = &out[(*cnt)++];
	*which = (struct bh_case){.pattern = pattern, .block_bytes = block_bytes, .depth = depth};
	snprintf(which->name, sizeof(which->name), "%s-%s-d%u", pattern, block_bytes == 512 ? "512" : "4k", depth);
}

uint32_t
bh_plan_cases(const struct bh_compare_options *options, const struct bh_target *target,
              struct bh_case out[BH_CASES_MAX])
{
	static const char *const pattern[] = {"randread", "randwrite", "randrw"};
	static const uint32_t depth[] = {1, 4, 32, 128}, quick_depth[] = {1, 32};
	uint32_t cnt = 0;

	for (size_t i = 0; i < BH_ARRAY_CNT(pattern); i++) {
		bool writes = i > 0;
		if (writes && options->quick && !options->destructive)
			continue;
		for (size_t j = 0; j < (options->quick ? BH_ARRAY_CNT(quick_depth) : BH_ARRAY_CNT(depth)); j++) {
			add_case(out, &cnt, pattern[i], 4096, options->quick ? quick_depth[j] : depth[j]);
			if (writes && !options->destructive)
				out[cnt - 1].skip = BH_CASE_WRITES;
		}
	}
	for (size_t j = 0; j < BH_ARRAY_CNT(quick_depth); j++) {
		add_case(out, &cnt, "randread", 512, quick_depth[j]);
		out[cnt - 1].reference = true;
		if (target->lba_bytes > 512)
			out[cnt - 1].skip = BH_CASE_BLOCK_SIZE;
	}
	return cnt;
}

bool
bh_plan_fits(const struct bh_variant *variant, const struct bh_case *which, const struct bh_target *target, bool quick,
             bool poll_queues, const char **why_not)
{
	*why_not = NULL;
	if (which->depth < variant->depth_min || which->depth > variant->depth_max || (quick && !variant->quick) ||
	    (quick && which->depth >= 4 && !variant->batched && !variant->other_cpu && !variant->passthrough &&
	     variant->polled))
		return false; /* of no use here: nothing to say */
	if (variant->polled && !poll_queues && !target->file)
		*why_not = "the driver has no polled queues here";
	else if (variant->polled && target->file)
		*why_not = "a file cannot be polled";
	else if (variant->passthrough && target->char_path[0] == '\0')
		*why_not = "there is no /dev/ngXnY";
	else if (variant->other_cpu && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		*why_not = "there is no second CPU";
	return *why_not == NULL;
}

void
bh_words_add(struct bh_words *words, const char *format, ...)
{
	va_list args;
	if (words->cnt == BH_WORDS_MAX) {
		words->failed = true;
		return;
	}
	va_start(args, format);
	if (vasprintf(&words->word[words->cnt], format, args) < 0) {
		words->word[words->cnt] = NULL;
		words->failed = true;
	} else {
		words->cnt++;
	}
	va_end(args);
}

void
bh_words_free(struct bh_words *words)
{
	for (size_t i = 0; i < words->cnt; i++)
		free(words->word[i]);
	memset(words, 0, sizeof(*words));
}

/* The CPU of the kernel thread that submits: the one before ours, so that it shares nothing with CPU 0 where it can. */
static unsigned
other_cpu(unsigned cpu)
{
	return cpu > 0 ? cpu - 1 : 1;
}

static void
fio_engine(struct bh_words *words, const struct bh_variant *variant, const struct bh_case *which, unsigned cpu)
{
	bh_words_add(words, "--ioengine=%s", variant->engine);
	for (size_t i = 0; i < BH_ARRAY_CNT(variant->option) && variant->option[i] != NULL; i++)
		bh_words_add(words, "--%s", variant->option[i]);
	if (variant->other_cpu)
		bh_words_add(words, "--sqthread_poll_cpu=%u", other_cpu(cpu));
	if (variant->batched) {
		bh_words_add(words, "--iodepth_batch_submit=%u", BH_MIN(which->depth / 2, 16u));
		bh_words_add(words, "--iodepth_batch_complete_min=1");
		bh_words_add(words, "--iodepth_batch_complete_max=%u", which->depth);
	}
}

void
bh_plan_fio(struct bh_words *words, const struct bh_variant *variant, const struct bh_case *which,
            const struct bh_target *target, unsigned cpu, uint64_t duration_ns)
{
	bh_words_add(words, "fio");
	bh_words_add(words, "--name=%s", which->name);
	bh_words_add(words, "--filename=%s", variant->passthrough ? target->char_path : target->block_path);
	if (!variant->passthrough)
		bh_words_add(words, "--direct=%d", !target->file);
	if (strcmp(which->pattern, "randread") == 0)
		bh_words_add(words, "--readonly");
	bh_words_add(words, "--rw=%s", which->pattern);
	if (strcmp(which->pattern, "randrw") == 0)
		bh_words_add(words, "--rwmixread=%u", BH_MIX_PERCENT);
	bh_words_add(words, "--bs=%u", which->block_bytes);
	bh_words_add(words, "--iodepth=%u", which->depth);
	fio_engine(words, variant, which, cpu);
	bh_words_add(words, "--cpus_allowed=%u", cpu);
	bh_words_add(words, "--thread=1");
	bh_words_add(words, "--norandommap=1");
	bh_words_add(words, "--randrepeat=0");
	bh_words_add(words, "--random_generator=tausworthe64");
	bh_words_add(words, "--time_based=1");
	bh_words_add(words, "--runtime=%lums", duration_ns / NS_PER_MS);
	bh_words_add(words, "--ramp_time=%lums", BH_MIN(BH_RAMP_NS, duration_ns / 2) / NS_PER_MS);
	/*
	 * One clock reading at each end of an I/O: `lat` alone, which is what the cell measures. (Bandwidth samples must stay on:
	 * without them fio 3.33 reads no clock at all and prints nonsense.)
	 */
	bh_words_add(words, "--disable_slat=1");
	bh_words_add(words, "--disable_clat=1");
	bh_words_add(words, "--slat_percentiles=0");
	bh_words_add(words, "--clat_percentiles=0");
	bh_words_add(words, "--lat_percentiles=1");
	bh_words_add(words, "--unified_rw_reporting=mixed");
	bh_words_add(words, "--eta=never");
	bh_words_add(words, "--output-format=json+");
}

void
bh_plan_cell(struct bh_words *words, const char *program, const char *config_path, const struct bh_case *which,
             uint64_t duration_ns)
{
	bh_words_add(words, "%s", program);
	bh_words_add(words, "run");
	bh_words_add(words, "%s", config_path);
	bh_words_add(words, "--set");
	bh_words_add(words, "nvme-bench.pattern=%s", which->pattern);
	if (strcmp(which->pattern, "randrw") == 0) {
		bh_words_add(words, "--set");
		bh_words_add(words, "nvme-bench.mix=%u", BH_MIX_PERCENT);
	}
	bh_words_add(words, "--set");
	bh_words_add(words, "nvme-bench.block_size=%u", which->block_bytes);
	bh_words_add(words, "--set");
	bh_words_add(words, "nvme-bench.queue_depth=%u", which->depth);
	bh_words_add(words, "--duration");
	bh_words_add(words, "%lums", duration_ns / NS_PER_MS);
	bh_words_add(words, "--json");
}

int
bh_plan_cell_config(const char *path, const struct bh_target *target, unsigned cpu)
{
	FILE *stream = fopen(path, "we");
	if (stream == NULL)
		return -errno;
	fprintf(stream,
	        "# Side B of a comparison; pattern, block size and depth come from --set.\n"
	        "[cell]\nname  = compare\napp   = nvme-bench\ncpus  = %u\n\n[device nvme0]\n",
	        cpu);
	if (target->file)
		fprintf(stream, "backend    = softdev\nmodel      = nvme\nsize       = 256M\nblock_size = 512\n");
	else
		fprintf(stream, "backend = vfio\naddress = %s\n", target->address);
	fprintf(stream, "\n[nvme-bench]\ndevice    = nvme0\nnamespace = %u\n", target->nsid);
	return fclose(stream) != 0 ? -EIO : 0;
}
