/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is left behind: however a run ends, its processes are gone and no file and no hugepage stays.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/cell_run.h"

#define PIDS_MAX 16

static const char config[] = "[cell]\napp = misbehave\n[misbehave]\nwhat = nothing\n"
                             "[device nvme0]\nbackend = softdev\nsize = 16M\n";

/* What could be left of a run, besides processes. */
struct leftovers {
	long entry_cnt[3]; /* no padding: compared as bytes */
	long huge_total, huge_free, huge_reserved, huge_surplus;
};

static int
count_entries(const char *path)
{
	int cnt = 0;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -1;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		cnt += strstr(entry->d_name, "bulkhead") != NULL || strstr(entry->d_name, "bh-") != NULL;
	closedir(dir);
	return cnt;
}

static long
huge_count(const char *name)
{
	char line[128], format[64];
	long value = -1;
	FILE *file = fopen("/proc/meminfo", "re");
	snprintf(format, sizeof(format), "HugePages_%s: %%ld", name);
	while (file != NULL && fgets(line, sizeof(line), file) != NULL && sscanf(line, format, &value) != 1)
		;
	if (file != NULL)
		fclose(file);
	return value;
}

static struct leftovers
take_stock(void)
{
	return (struct leftovers){
	        .entry_cnt = {count_entries("/dev/shm"), count_entries("/dev/hugepages"), count_entries("/tmp")},
	        .huge_total = huge_count("Total"),
	        .huge_free = huge_count("Free"),
	        .huge_reserved = huge_count("Rsvd"),
	        .huge_surplus = huge_count("Surp"),
	};
}

/* Our process's direct children that are not zombies. */
static int
children_of(pid_t parent, pid_t *out)
{
	char path[64];
	int cnt = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	FILE *file = fopen(path, "re");
	while (file != NULL && cnt < PIDS_MAX && fscanf(file, "%d", &out[cnt]) == 1)
		cnt++;
	if (file != NULL)
		fclose(file);
	return cnt;
}

static void
sleep_ms(long ms)
{
	const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	nanosleep(&time, NULL);
}

/* Whether all are gone within ten seconds. A zombie that nobody reaps yet counts as gone: it holds nothing. */
static bool
all_gone(const pid_t *pid, int pid_cnt)
{
	for (int turn = 0; turn < 1000; turn++) {
		int alive = 0;
		for (int i = 0; i < pid_cnt; i++) {
			char path[64], state = 'Z';
			snprintf(path, sizeof(path), "/proc/%d/stat", pid[i]);
			FILE *file = fopen(path, "re");
			if (file == NULL)
				continue;
			alive += fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state != 'Z' && state != 'X';
			fclose(file);
		}
		if (alive == 0)
			return true;
		sleep_ms(10);
	}
	return false;
}

static void
tell_running(struct cell_run *run, struct bh_cell *cell)
{
	(void)cell;
	if (write(*(int *)run->context, "r", 1) != 1)
		_exit(1);
}

/* A supervisor in a process of its own; returns when its cell runs. */
static pid_t
start_supervisor(void)
{
	int ready[2];
	char byte, file[512];
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct cell_run run = {
		        .config = config, .cell_file = file, .running = tell_running, .context = &ready[1]};
		snprintf(file, sizeof(file), "%s/misbehave.cell", args_cell_dir);
		cell_run(&run);
		_exit(run.start_err != 0 ? 100 : run.result.exit_code);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void
check_same(const struct leftovers *before)
{
	struct leftovers after = take_stock();
	/* The kernel gives hugepages back when the last reference goes, which may be a moment after the process. */
	for (int turn = 0; turn < 500 && memcmp(&after, before, sizeof(after)) != 0; turn++) {
		sleep_ms(10);
		after = take_stock();
	}
	for (size_t i = 0; i < BH_ARRAY_CNT(before->entry_cnt); i++)
		assert_int_equal(after.entry_cnt[i], before->entry_cnt[i]);
	assert_int_equal(after.huge_total, before->huge_total);
	assert_int_equal(after.huge_free, before->huge_free);
	assert_int_equal(after.huge_reserved, before->huge_reserved);
	assert_int_equal(after.huge_surplus, before->huge_surplus);
}

static void
check_killed_by(int signal_number)
{
	struct leftovers before = take_stock();
	pid_t pids[PIDS_MAX + 1], supervisor = start_supervisor();
	int status, cnt = children_of(supervisor, pids);
	/* The cell and its device. */
	assert_int_equal(cnt, 2);
	assert_int_equal(kill(supervisor, signal_number), 0);
	assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
	assert_true(all_gone(pids, cnt));
	check_same(&before);
}

static void
test_kill_9_of_the_supervisor(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		check_killed_by(SIGKILL);
}

/* It does not catch this one here, so it ends without a word. */
static void
test_sigterm_of_the_supervisor(void **state)
{
	(void)state;
	check_killed_by(SIGTERM);
}

static void
test_every_other_end(void **state)
{
	static const enum misbehave_what what[] = {MISBEHAVE_return_at_once, MISBEHAVE_fail, MISBEHAVE_write_null,
	                                           MISBEHAVE_syscall_getpid, MISBEHAVE_stall};
	struct leftovers before = take_stock();
	pid_t pids[PIDS_MAX];
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(what); i++) {
		struct cell_run run = {.duration_ns = 10000000000};
		cell_run_misbehave(&run, what[i], 1, 0);
		assert_int_equal(run.start_err, 0);
		assert_int_equal(children_of(getpid(), pids), 0);
	}
	check_same(&before);
}

static void
confine(struct cell_run *run, struct bh_cell *cell)
{
	struct bh_error error;
	(void)cell;
	*(int *)run->context = bh_cell_confine_supervisor(&error);
}

/* Behind its own filter the supervisor ends cell and device in order, and can start nothing. */
static void
test_confined_supervisor(void **state)
{
	static const enum misbehave_what what[] = {MISBEHAVE_nothing, MISBEHAVE_write_null, MISBEHAVE_syscall_getpid,
	                                           MISBEHAVE_stall};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(what); i++) {
		int status, confined = -1;
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0) {
			struct cell_run run = {.duration_ns = 2000000000, .running = confine, .context = &confined};
			cell_run_misbehave(&run, what[i], 1, 0);
			if (run.start_err == 0 && confined == -EOPNOTSUPP)
				_exit(102); /* built with AddressSanitizer */
			if (run.start_err != 0 || confined != 0 || fork() != -1 || errno != EPERM)
				_exit(100);
			if (execl("/bin/true", "true", NULL) != -1 || errno != EPERM)
				_exit(101);
			_exit((int)run.result.outcome);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 102)
			skip();
		enum bh_outcome expected = i == 0   ? BH_OUTCOME_DONE
		                           : i == 1 ? BH_OUTCOME_CRASHED
		                           : i == 2 ? BH_OUTCOME_SYSCALL
		                                    : BH_OUTCOME_STALLED;
		assert_int_equal(WEXITSTATUS(status), expected);
	}
}

#define HUGEPAGES_FILE "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

/* Return: what the file held before. */
static unsigned long
hugepages_set(unsigned long cnt)
{
	unsigned long before = 0;
	FILE *file = fopen(HUGEPAGES_FILE, "r+");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu", &before) == 1) {
		rewind(file);
		fprintf(file, "%lu", cnt);
	}
	fclose(file);
	return before;
}

static unsigned long hugepages_before;

/* The test reserves what it needs and gives it back; the supervisor itself never changes the number. */
static int
reserve_hugepages(void **state)
{
	hugepages_before = hugepages_set(64);
	if (hugepages_before > 64)
		hugepages_set(hugepages_before);
	return 0;
}

static int
return_hugepages(void **state)
{
	hugepages_set(hugepages_before);
	return 0;
}

/* The cell lies on hugepages, and they come back. */
static void
test_hugepages_come_back(void **state)
{
	struct leftovers before = take_stock();
	char file[512];
	struct cell_run run = {
	        .config = "[cell]\napp = misbehave\narena = 4M\npages = huge\n[misbehave]\nwhat = nothing\n",
	        .cell_file = file,
	        .duration_ns = 200000000};
	(void)state;
	if (before.huge_free - before.huge_reserved < 18)
		skip();
	snprintf(file, sizeof(file), "%s/misbehave.cell", args_cell_dir);
	cell_run(&run);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_int_equal(run.result.memory.page_size_bytes, 2 << 20);
	check_same(&before);
	pid_t pids[PIDS_MAX], supervisor = start_supervisor();
	int cnt = children_of(supervisor, pids);
	kill(supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	assert_true(all_gone(pids, cnt));
	check_same(&before);
}

static int
open_descriptors(void)
{
	int cnt = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		cnt++;
	closedir(dir);
	return cnt;
}

/* The library's own process: no descriptor, no mapping that grows. */
static void
test_no_descriptor_is_lost(void **state)
{
	int before = open_descriptors();
	(void)state;
	for (int i = 0; i < 3; i++) {
		char file[512];
		struct cell_run run = {.config = config, .cell_file = file, .duration_ns = 1000000};
		snprintf(file, sizeof(file), "%s/misbehave.cell", args_cell_dir);
		cell_run(&run);
		assert_int_equal(run.start_err, 0);
	}
	assert_int_equal(open_descriptors(), before);
}

int
main(int argc, char **argv)
{
	args_take(argc, argv);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_kill_9_of_the_supervisor),
	        cmocka_unit_test(test_sigterm_of_the_supervisor),
	        cmocka_unit_test(test_every_other_end),
	        cmocka_unit_test(test_no_descriptor_is_lost),
	        cmocka_unit_test_setup_teardown(test_hugepages_come_back, reserve_hugepages, return_hugepages),
	        cmocka_unit_test(test_confined_supervisor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
