/* SPDX-License-Identifier: Apache-2.0 */
/* What is measured: workloads, the ways in which Linux may try to win each, and the commands of both sides. */
#ifndef HOST_COMPARE_PLAN_H
#define HOST_COMPARE_PLAN_H

#include <bulkhead/types.h>

#include "host/compare/compare.h"
#include "host/compare/target.h"

#define BH_CASES_MAX   16u
#define BH_WORDS_MAX   56u
#define BH_RAMP_NS     UINT64_C(300000000)
#define BH_MIX_PERCENT 70u

enum bh_case_skip {
	BH_CASE_RUN = 0,
	BH_CASE_WRITES,    /* writes, and nobody said --destructive */
	BH_CASE_BLOCK_SIZE /* the device's blocks are larger */
};

/* One workload at one depth. */
struct bh_case {
	char name[32];       /* "randread-4k-d32": names files */
	const char *pattern; /* fio's and nvme-bench's word: randread, randwrite, randrw */
	uint32_t block_bytes, depth;
	bool reference; /* the cell alone, against a figure from elsewhere */
	enum bh_case_skip skip;
};

/* A way to drive the device from Linux. */
struct bh_variant {
	const char *name;
	const char *engine;
	const char *option[6]; /* of the engine, NULL-terminated */
	uint32_t depth_min, depth_max;
	bool polled;      /* needs queues without interrupts */
	bool passthrough; /* /dev/ngXnY */
	bool batched;     /* submits and collects many at once */
	bool other_cpu;   /* a kernel thread works on another CPU for it */
	bool quick;       /* also tried with --quick */
};

extern const struct bh_variant bh_variants[];
extern const size_t bh_variant_cnt;

/* bh_plan_cases - the cases in the order in which they run. Return: how many. */
uint32_t bh_plan_cases(const struct bh_compare_options *options, const struct bh_target *target,
                       struct bh_case out[BH_CASES_MAX]);

/* bh_plan_fits - whether a variant can be tried for a case; if not, why_not says why. */
bool bh_plan_fits(const struct bh_variant *variant, const struct bh_case *which, const struct bh_target *target,
                  bool quick, bool poll_queues, const char **why_not);

/* A command under construction; each word from malloc. Words that do not fit or cannot be had set `failed`. */
struct bh_words {
	char *word[BH_WORDS_MAX + 1]; /* NULL-terminated */
	size_t cnt;
	bool failed;
};

BH_PRINTF(2, 3) void bh_words_add(struct bh_words *words, const char *format, ...);
void bh_words_free(struct bh_words *words);

/* bh_plan_fio - side A's command; its JSON goes to standard output. */
void bh_plan_fio(struct bh_words *words, const struct bh_variant *variant, const struct bh_case *which,
                 const struct bh_target *target, unsigned cpu, uint64_t duration_ns);

/* bh_plan_cell - side B's command; its JSON goes to standard output. */
void bh_plan_cell(struct bh_words *words, const char *program, const char *config_path, const struct bh_case *which,
                  uint64_t duration_ns);

/* bh_plan_cell_config - the configuration that bh_plan_cell's command names. Return: 0; -EIO. */
BH_MUST_CHECK int bh_plan_cell_config(const char *path, const struct bh_target *target, unsigned cpu);

#endif
