/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets under load, and a supervisor that is killed at any moment: afterwards the device does no DMA, and it starts again.
 *
 * test_vfio_reset RESETS KILLS    how many of each; a test run takes few, a soak many
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "tests/lab/inside.h"

#define CELL   "/lab/tests/cells/reset_load.cell"
#define CONFIG "/tmp/reset.conf"

static char nvme[16];
static unsigned reset_cnt, kill_cnt;

static void
write_config(unsigned resets)
{
	FILE *file = fopen(CONFIG, "we");
	assert_non_null(file);
	fprintf(file,
	        "[cell]\napp = " CELL "\nname = resets-%u\narena = 16M\npages = normal\n"
	        "[device nvme0]\nbackend = vfio\naddress = %s\n",
	        resets, nvme);
	assert_int_equal(fclose(file), 0);
}

/* A counter of the JSON report. */
static unsigned long
counter(const char *json, const char *name)
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\": ", name);
	const char *at = strstr(json, key);
	assert_non_null(at);
	return strtoul(at + strlen(key), NULL, 10);
}

static void
check_done(unsigned resets)
{
	struct command_result result;
	const char *const argv[] = {"/lab/bulkhead", "run", CONFIG, "--json", NULL};
	write_config(resets);
	command_run(argv, 400000, &result);
	print_message("%s", result.exit_code == 0 ? "" : result.err);
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.out, "\"outcome\": \"done\""));
	assert_int_equal(counter(result.out, "load.resets"), resets);
	print_message("%u resets, %lu blocks written and read back, %lu commands failed meanwhile\n", resets,
	              counter(result.out, "load.blocks"), counter(result.out, "load.failed"));
	assert_non_null(strstr(result.out, "nvme0: quiesce    done"));
	assert_non_null(strstr(result.out, "nvme0: controller done"));
	assert_non_null(strstr(result.out, "nvme0: function   done"));
	assert_null(strstr(result.out, "nvme0: power"));
	command_result_free(&result);
	assert_true(inside_wait_quiet(nvme, 0));
}

static void
test_resets_under_load(void **state)
{
	unsigned faults = inside_iommu_faults();
	uint64_t start_ms = inside_now_ms();
	(void)state;
	check_done(reset_cnt);
	print_message("%u resets in %lu ms\n", reset_cnt, (unsigned long)(inside_now_ms() - start_ms));
	assert_int_equal(inside_iommu_faults(), faults);
}

static pid_t
start_run(void)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl("/lab/bulkhead", "bulkhead", "run", CONFIG, "--quiet", NULL);
		_exit(127);
	}
	return pid;
}

/* Whoever has VFIO's nodes open or is a cell: nobody may be left. */
static bool
somebody_is_left(void)
{
	struct command_result result;
	const char *const argv[] = {
	        "/bin/sh", "-c",
	        "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q '/dev/vfio/' || pidof reset_load.cell resets-0", NULL};
	command_run(argv, 10000, &result);
	bool left = result.exit_code == 0;
	command_result_free(&result);
	return left;
}

/* Polled without a pause: the cell resets so often that the device is a bus master for moments only. */
static bool
wait_master(unsigned timeout_ms)
{
	uint64_t end_ms = inside_now_ms() + timeout_ms;
	do {
		uint16_t command = inside_command_register(nvme);
		if (command != 0xffff && (command & 4) != 0)
			return true;
	} while (inside_now_ms() < end_ms);
	return false;
}

/*
 * delay_ms after it was started or, with at_work, after the device first became a bus master, and then as soon as it is
 * one again. Return: whether it was a bus master right before.
 */
static bool
kill_after(unsigned delay_ms, bool at_work)
{
	pid_t pid = start_run();
	bool began = !at_work || wait_master(10000);
	usleep(delay_ms * 1000);
	bool was_master = wait_master(at_work ? 10000 : 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(began);
	/* The kernel cleans up by itself: the cell dies with its tracer, the device stops, then it is unmapped. */
	bool quiet = inside_wait_quiet(nvme, 5000);
	print_message("killed after %u ms, as it was %sa bus master: %s\n", delay_ms, was_master ? "" : "not ",
	              quiet ? "quiet" : "STILL A BUS MASTER");
	assert_true(quiet);
	return was_master;
}

/* By turns: somewhere in the start, and somewhere in the resets under load, where the device may do DMA. */
static void
test_kills(void **state)
{
	unsigned faults = inside_iommu_faults(), master_cnt = 0;
	uint64_t seed = UINT64_C(0x243f6a8885a308d3);
	(void)state;
	write_config(0); /* resets until it is told to stop */
	for (unsigned i = 0; i < kill_cnt; i++) {
		bool at_work = i % 2 == 1;
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		bool was_master = kill_after((unsigned)(seed >> 33) % 800, at_work);
		assert_true(was_master || !at_work);
		master_cnt += was_master;
	}
	print_message("%u kills, %u of them of a bus master\n", kill_cnt, master_cnt);
	/* At once, without a pause: what is still dying is waited for. */
	check_done(1);
	assert_false(somebody_is_left());
	assert_int_equal(inside_iommu_faults(), faults);
}

static int
find_nvme(void **state)
{
	(void)state;
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1");
	inside_bind(inside_find("0x010802", 0, nvme), "vfio-pci");
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_resets_under_load),
	        cmocka_unit_test(test_kills),
	};
	reset_cnt = argc > 1 ? (unsigned)atoi(argv[1]) : 50;
	kill_cnt = argc > 2 ? (unsigned)atoi(argv[2]) : 6;
	return cmocka_run_group_tests(tests, find_nvme, NULL);
}
