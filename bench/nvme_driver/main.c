/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme-driver [--json FILE] [--rounds N]: what the driver itself costs per I/O, one core, 4 KiB reads, 128 outstanding.
 *
 * A round submits 32 reads and rings, lets the ideal device complete 32, and polls. Clock readings stand around the driver's two
 * parts, so the device's time is not in the figures; their own cost (two for 32 I/Os) is. Instructions are counted by callgrind
 * in a second process that runs the same rounds, collecting inside submit_batch() and poll_batch() only.
 */
#define _GNU_SOURCE
#include "bench/nvme_driver/device.h"
#include <bulkhead/hosted.h>
#include <bulkhead/nvme.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEPTH       128u
#define BATCH       32u
#define RUNS        7u
#define ROUNDS      200000u
#define CALL_ROUNDS 2000u

#define TARGET_NS           50.0
#define TARGET_INSTRUCTIONS 150.0

static struct {
	struct bh_nvme_qpair *qp;
	const struct bh_nvme_ns *ns;
	uint8_t *buf;
	uint64_t done_cnt, submitted_cnt;
	uint32_t rounds;
	double cycles_per_ns;
	double submit_ns[RUNS], complete_ns[RUNS], total_ns[RUNS];
} bench;

static void
fail(const char *what, int err)
{
	fprintf(stderr, "nvme-driver: %s (%d)\n", what, err);
	exit(1);
}

static void
read_done(void *arg, uint16_t status)
{
	bench.done_cnt += status == 0;
}

/* Not inlined: callgrind collects between their entry and return. */
BH_NOINLINE void submit_batch(void);
BH_NOINLINE void poll_batch(void);

void
submit_batch(void)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		uint64_t idx = bench.submitted_cnt++ % DEPTH;
		if (bh_nvme_read(bench.qp, bench.ns, idx * 8, 8, bench.buf + idx * 4096, read_done, NULL))
			fail("read refused", 0);
	}
	bh_nvme_ring(bench.qp);
}

void
poll_batch(void)
{
	bh_nvme_poll(bench.qp, BATCH);
}

static void
run(uint32_t rounds, uint64_t *out_submit_tsc, uint64_t *out_complete_tsc)
{
	uint64_t submit_tsc = 0, complete_tsc = 0;
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t t0 = bh_clock_now_tsc();
		submit_batch();
		uint64_t t1 = bh_clock_now_tsc();
		device_step(BATCH);
		uint64_t t2 = bh_clock_now_tsc();
		poll_batch();
		submit_tsc += t1 - t0;
		complete_tsc += bh_clock_now_tsc() - t2;
	}
	*out_submit_tsc = submit_tsc;
	*out_complete_tsc = complete_tsc;
}

static void
set_up(void)
{
	struct bh_nvme *ctrl;
	int err = device_start();
	if (!err)
		err = bh_nvme_open("nvme0", NULL, &ctrl);
	if (!err)
		err = bh_nvme_ns_find(ctrl, 1, &bench.ns);
	if (!err)
		err = bh_nvme_qpair_create(ctrl, DEPTH, &bench.qp);
	bench.buf = bh_dma_alloc((size_t)DEPTH * BH_PAGE_BYTES, BH_PAGE_BYTES);
	if (err || !bench.buf)
		fail("cannot open the model", err);
	device_attach();
	/* All but a batch stay outstanding all the time. */
	for (uint32_t i = 0; i < DEPTH / BATCH - 1; i++)
		submit_batch();
}

static void
measure(void *arg)
{
	uint64_t submit_tsc, complete_tsc;

	set_up();
	run(bench.rounds / 10 + 1, &submit_tsc, &complete_tsc);
	for (uint32_t i = 0; i < RUNS; i++) {
		double per_io = 1.0 / ((double)bench.rounds * BATCH * bench.cycles_per_ns);
		run(bench.rounds, &submit_tsc, &complete_tsc);
		bench.submit_ns[i] = (double)submit_tsc * per_io;
		bench.complete_ns[i] = (double)complete_tsc * per_io;
		bench.total_ns[i] = bench.submit_ns[i] + bench.complete_ns[i];
	}
	if (bench.done_cnt + DEPTH - BATCH != bench.submitted_cnt)
		fail("completions are missing", 0);
}

/* The rounds for callgrind: one I/O is (all that was collected) / (rounds * BATCH). */
static void
count(void *arg)
{
	uint64_t submit_tsc, complete_tsc;
	set_up();
	run(bench.rounds, &submit_tsc, &complete_tsc);
}

static void
calibrate(void)
{
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	uint64_t start_tsc = bh_clock_now_tsc();
	usleep(200000);
	clock_gettime(CLOCK_MONOTONIC_RAW, &b);
	double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	bench.cycles_per_ns = (double)(bh_clock_now_tsc() - start_tsc) / ns;
}

static int
compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

/* Instructions of `function`, per I/O, by callgrind. Return: negative: valgrind is not there or failed. */
static double
instructions(const char *self, const char *function)
{
	char command[1024], line[256], *end;
	double per_io = -1;
	uint32_t io_cnt = CALL_ROUNDS * BATCH + (strcmp(function, "submit_batch") == 0 ? DEPTH - BATCH : 0);

	snprintf(command, sizeof(command),
	         "valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=%s %s --count %u 2>&1",
	         function, self, CALL_ROUNDS);
	FILE *pipe = popen(command, "r");
	if (!pipe)
		return -1;
	while (fgets(line, sizeof(line), pipe)) {
		char *at = strstr(line, "Collected : ");
		if (at)
			per_io = strtod(at + strlen("Collected : "), &end) / io_cnt;
	}
	return pclose(pipe) == 0 ? per_io : -1;
}

static void
print(FILE *json, double submit_instructions, double complete_instructions)
{
	double total = submit_instructions + complete_instructions;
	bool counted = submit_instructions >= 0 && complete_instructions >= 0;
	double submit = bench.submit_ns[RUNS / 2], complete = bench.complete_ns[RUNS / 2];
	double both = bench.total_ns[RUNS / 2];

	if (json != NULL) {
		fprintf(json, "{\"depth\": %u, \"batch\": %u, \"block_bytes\": 4096, \"runs\": %u,\n", DEPTH, BATCH,
		        RUNS);
		fprintf(json,
		        " \"ns\": {\"submit\": %.2f, \"complete\": %.2f, \"total\": %.2f, \"min\": %.2f, \"max\": "
		        "%.2f, "
		        "\"target\": %g},\n",
		        submit, complete, both, bench.total_ns[0], bench.total_ns[RUNS - 1], TARGET_NS);
		if (counted)
			fprintf(json,
			        " \"instructions\": {\"submit\": %.1f, \"complete\": %.1f, \"total\": %.1f, "
			        "\"target\": "
			        "%g}}\n",
			        submit_instructions, complete_instructions, total, TARGET_INSTRUCTIONS);
		else
			fprintf(json, " \"instructions\": null}\n");
	}
	printf("%-44s %9s %9s %9s %8s\n", "4 KiB read, depth 128, batches of 32", "submit", "complete", "both",
	       "target");
	printf("%-44s %9.2f %9.2f %9.2f %8g %s\n", "ns per I/O, median of 7, device excluded", submit, complete, both,
	       TARGET_NS, both <= TARGET_NS ? "reached" : "missed");
	if (counted)
		printf("%-44s %9.1f %9.1f %9.1f %8g %s\n", "instructions per I/O, callgrind", submit_instructions,
		       complete_instructions, total, TARGET_INSTRUCTIONS,
		       total <= TARGET_INSTRUCTIONS ? "reached" : "missed");
	else
		printf("%-44s not counted: valgrind is not installed or failed\n", "instructions per I/O, callgrind");
}

int
main(int argc, char **argv)
{
	bool counting = false;
	FILE *json = NULL;
	bench.rounds = ROUNDS;
	for (int i = 1; i < argc; i++) {
		counting |= strcmp(argv[i], "--count") == 0;
		if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = fopen(argv[++i], "w");
			if (json == NULL)
				fail("cannot write the file of --json", 0);
		} else if ((strcmp(argv[i], "--rounds") == 0 || counting) && i + 1 < argc) {
			bench.rounds = (uint32_t)strtoul(argv[++i], NULL, 10);
		} else {
			fprintf(stderr, "usage: nvme-driver [--json FILE] [--rounds N]\n");
			return 2;
		}
	}
	if (bench.rounds == 0 || bench.rounds > 100000000)
		fail("--rounds: 1 to 100000000", 0);
	if (bh_hosted_start(1, 16 << 20, 16 << 20))
		fail("cannot map a hosted cell", 0);
	calibrate();
	if (bh_hosted_run(0, counting ? count : measure, NULL))
		fail("cannot run a fiber", 0);
	if (counting)
		return 0;
	qsort(bench.submit_ns, RUNS, sizeof(double), compare);
	qsort(bench.complete_ns, RUNS, sizeof(double), compare);
	qsort(bench.total_ns, RUNS, sizeof(double), compare);
	char self[512];
	ssize_t got = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[got > 0 ? got : 0] = '\0';
	print(json, instructions(self, "submit_batch"), instructions(self, "poll_batch"));
	return json == NULL || fclose(json) == 0 ? 0 : 1;
}
