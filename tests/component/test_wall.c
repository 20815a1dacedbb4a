/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of a running cell: /proc is read here with code of our own, not with the supervisor's.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/cell_run.h"

/* One number of /proc/PID/status, or of one thread's; `format` as for sscanf. */
static uint64_t
status_field(int pid, int tid, const char *format)
{
	char path[64], line[256];
	uint64_t value = UINT64_MAX;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), file) != NULL && sscanf(line, format, &value) != 1)
		;
	fclose(file);
	return value;
}

static int
entries(const char *format, int pid, int *out, int out_max)
{
	char path[64];
	int cnt = 0;
	snprintf(path, sizeof(path), format, pid);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -1;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		if (out != NULL && cnt < out_max)
			out[cnt] = atoi(entry->d_name);
		cnt++;
	}
	closedir(dir);
	return cnt;
}

struct facts {
	unsigned core_cnt;
	bool looked;
	int thread_cnt, thread[BH_CORES_MAX];
	int fd_cnt, root_cnt;
	uint64_t seccomp[BH_CORES_MAX], no_new_privs[BH_CORES_MAX], cap[5][BH_CORES_MAX], uid[4], gid[4];
	uint64_t groups_cnt;
	uint64_t voluntary_first[BH_CORES_MAX], voluntary_last[BH_CORES_MAX];
	unsigned cpu_cnt_allowed[BH_CORES_MAX];
	bool other_namespace[5];
	char maps[65536];
};

static bool
namespace_differs(int pid, const char *name)
{
	char path[64], ours[64] = "", theirs[64] = "";
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	if (readlink(path, theirs, sizeof(theirs) - 1) <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return readlink(path, ours, sizeof(ours) - 1) > 0 && strcmp(ours, theirs) != 0;
}

static void
look_at_thread(struct facts *facts, int pid, int i)
{
	static const char *const cap[] = {"CapInh: %lx", "CapPrm: %lx", "CapEff: %lx", "CapBnd: %lx", "CapAmb: %lx"};
	int tid = facts->thread[i];
	facts->seccomp[i] = status_field(pid, tid, "Seccomp: %lu");
	facts->no_new_privs[i] = status_field(pid, tid, "NoNewPrivs: %lu");
	for (size_t j = 0; j < BH_ARRAY_CNT(cap); j++)
		facts->cap[j][i] = status_field(pid, tid, cap[j]);
	facts->voluntary_first[i] = status_field(pid, tid, "voluntary_ctxt_switches: %lu");
}

static void
look(struct cell_run *run, struct bh_cell *cell)
{
	static const char *const space[] = {"net", "mnt", "ipc", "uts", "pid"};
	static const char *const id[] = {"%*lu", "%*lu %*lu", "%*lu %*lu %*lu"};
	struct facts *facts = run->context;
	int pid = bh_cell_pid(cell);
	char format[32], path[64];
	facts->thread_cnt = entries("/proc/%d/task", pid, facts->thread, BH_CORES_MAX);
	facts->fd_cnt = entries("/proc/%d/fd", pid, NULL, 0);
	facts->root_cnt = entries("/proc/%d/root", pid, NULL, 0);
	for (int i = 0; i < facts->thread_cnt; i++)
		look_at_thread(facts, pid, i);
	for (size_t i = 0; i < 4; i++) {
		snprintf(format, sizeof(format), "Uid: %s%%lu", i == 0 ? "" : id[i - 1]);
		facts->uid[i] = status_field(pid, pid, format);
		snprintf(format, sizeof(format), "Gid: %s%%lu", i == 0 ? "" : id[i - 1]);
		facts->gid[i] = status_field(pid, pid, format);
	}
	facts->groups_cnt = status_field(pid, pid, "Groups: %lu");
	for (size_t i = 0; i < BH_ARRAY_CNT(space); i++)
		facts->other_namespace[i] = namespace_differs(pid, space[i]);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	if (maps != NULL) {
		facts->maps[fread(facts->maps, 1, sizeof(facts->maps) - 1, maps)] = '\0';
		fclose(maps);
	}
	facts->looked = true;
}

static void
look_again(struct cell_run *run, struct bh_cell *cell)
{
	struct facts *facts = run->context;
	/* A thread that ends switches; from here on it may. */
	if (bh_cell_live(cell)->stop_requested)
		return;
	for (int i = 0; i < facts->thread_cnt; i++)
		facts->voluntary_last[i] =
		        status_field(bh_cell_pid(cell), facts->thread[i], "voluntary_ctxt_switches: %lu");
}

/* Whether [low, high) is mapped with these permissions in one or more neighbouring lines. */
static bool
mapped(const char *maps, uint64_t low, uint64_t high, const char *permissions)
{
	uint64_t at = low;
	for (const char *line = maps; line != NULL && *line != '\0' && at < high; line = strchr(line, '\n')) {
		uint64_t from, to;
		char got[8];
		line += *line == '\n';
		if (sscanf(line, "%lx-%lx %7s", &from, &to, got) == 3 && from <= at && to > at &&
		    strcmp(got, permissions) == 0)
			at = to;
	}
	return at >= high;
}

static void
check_threads(const struct facts *facts)
{
	assert_int_equal(facts->thread_cnt, facts->core_cnt);
	for (int i = 0; i < facts->thread_cnt; i++) {
		assert_int_equal(facts->seccomp[i], 2);
		assert_int_equal(facts->no_new_privs[i], 1);
		for (size_t j = 0; j < 5; j++)
			assert_int_equal(facts->cap[j][i], 0);
		assert_int_not_equal(facts->voluntary_first[i], UINT64_MAX);
		assert_int_equal(facts->voluntary_last[i], facts->voluntary_first[i]);
	}
}

static void
check_identity(const struct facts *facts)
{
	for (size_t i = 0; i < 4; i++) {
		assert_int_not_equal(facts->uid[i], 0);
		assert_int_not_equal(facts->gid[i], 0);
		assert_int_equal(facts->uid[i], facts->uid[0]);
	}
	assert_int_equal(facts->groups_cnt, UINT64_MAX); /* the list is empty: no number to read */
	assert_int_equal(facts->fd_cnt, 0);
	assert_int_equal(facts->root_cnt, 0);
	for (size_t i = 0; i < 5; i++)
		assert_true(facts->other_namespace[i]);
}

static void
check_guards(const struct facts *facts, const struct bh_cell_result *result)
{
	const struct {
		uint64_t addr, size_bytes;
		const char *permissions;
	} region[] = {
	        {BH_ADDR_ARENA, result->memory.arena_bytes, "rw-s"},
	        {BH_ADDR_HEAP, result->memory.heap_bytes, "rw-s"},
	        {BH_ADDR_SHARED, result->memory.shared_bytes, "rw-s"},
	        {BH_ADDR_BOOT, BH_ALIGN_UP(sizeof(struct bh_boot_page), (size_t)BH_PAGE_BYTES), "r--s"},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(region); i++) {
		uint64_t low = region[i].addr, high = low + region[i].size_bytes;
		assert_true(mapped(facts->maps, low - BH_GUARD_BYTES, low, "---p"));
		assert_true(mapped(facts->maps, low, high, region[i].permissions));
		assert_true(mapped(facts->maps, high, high + BH_GUARD_BYTES, "---p"));
	}
	/* Nothing that can be written can be executed. */
	assert_null(strstr(facts->maps, " rwx"));
	assert_null(strstr(facts->maps, " -wx"));
}

static void
check_wall(unsigned core_cnt)
{
	static struct facts facts;
	struct cell_run run = {.duration_ns = 1000000000, .running = look, .tick = look_again, .context = &facts};
	facts = (struct facts){.core_cnt = core_cnt};
	cell_run_misbehave(&run, MISBEHAVE_nothing, core_cnt, 0);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	if (core_cnt < cpu_cnt())
		assert_string_equal(run.warnings, "");
	assert_true(facts.looked);
	check_threads(&facts);
	check_identity(&facts);
	check_guards(&facts, &run.result);
	/* The supervisor's own account is the same. */
	assert_true(run.result.isolation.valid);
	assert_int_equal(run.result.isolation.seccomp, 2);
	assert_int_equal(run.result.isolation.seccomp_filters, 2);
	assert_int_equal(run.result.isolation.no_new_privs, 1);
	assert_int_equal(run.result.isolation.cap_eff | run.result.isolation.cap_bnd, 0);
	assert_int_equal(run.result.isolation.uid, facts.uid[0]);
	assert_int_equal(run.result.isolation.open_fds, 0);
	assert_int_equal(run.result.isolation.voluntary_switches, 0);
}

static void
test_wall_one_core(void **state)
{
	(void)state;
	check_wall(1);
}

static void
test_wall_two_cores(void **state)
{
	(void)state;
	if (cpu_cnt() < 2)
		skip();
	check_wall(2);
}

static void
read_rounds(struct cell_run *run, struct bh_cell *cell)
{
	uint64_t *rounds = run->context;
	(void)bh_view_counter(bh_cell_view(cell), "ring.rounds", rounds);
}

static void
test_rings_between_cores(void **state)
{
	uint64_t rounds = 0;
	char file[512];
	struct cell_run run = {.config = "[cell]\napp = ring\ncpus = auto:2\npages = normal\n",
	                       .cell_file = file,
	                       .duration_ns = 60000000000,
	                       .finished = read_rounds,
	                       .context = &rounds};
	(void)state;
	if (cpu_cnt() < 2)
		skip();
	snprintf(file, sizeof(file), "%s/ring.cell", args_cell_dir);
	cell_run(&run);
	assert_int_equal(run.start_err, 0);
	print_message("%s\n", run.result.error.text);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_int_equal(rounds, 200000);
}

static void
test_registers_of_a_device(void **state)
{
	char file[512];
	struct cell_run run = {.config = "[cell]\napp = registers\npages = normal\n[device nvme0]\nbackend = softdev\n"
	                                 "size = 16M\nbacking = null\n",
	                       .cell_file = file,
	                       .duration_ns = 10000000000};
	(void)state;
	snprintf(file, sizeof(file), "%s/registers.cell", args_cell_dir);
	cell_run(&run);
	print_message("%s%s\n", run.error.text, run.result.error.text);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
}

static void
test_relocation(void **state)
{
	char file[512];
	struct cell_run run = {
	        .config = "[cell]\napp = relocate\npages = normal\n", .cell_file = file, .duration_ns = 10000000000};
	(void)state;
	snprintf(file, sizeof(file), "%s/relocate.cell", args_cell_dir);
	cell_run(&run);
	print_message("%s%s\n", run.error.text, run.result.error.text);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
}

/* A file that takes over before boot/ begins neither cuts memory from under us, nor hangs us, nor runs on. */
static void
test_foreign_code(void **state)
{
	char file[512];
	struct cell_run run = {
	        .config = "[cell]\napp = foreign\npages = normal\n", .cell_file = file, .duration_ns = 10000000000};
	(void)state;
	snprintf(file, sizeof(file), "%s/foreign.cell", args_cell_dir);
	cell_run(&run);
	print_message("%s%s\n", run.error.text, run.result.error.text);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "boot-failed");
	assert_string_equal(run.result.error.id, "E086");
	assert_non_null(strstr(run.result.error.text, "its wall does not stand"));
	assert_false(run.result.stop_requested);
}

/* Nor does it get to call what boot/ does not: it is killed at the first, and the call is named. */
static void
test_foreign_calls(void **state)
{
	static const struct {
		int number;
		const char *name;
	} call[] = {{77, "ftruncate"},
	            {16, "ioctl"},
	            {257, "openat"},
	            {41, "socket"},
	            {425, "io_uring_setup"},
	            {322, "execveat"},
	            {59, "execve"},
	            {57, "fork"},
	            {101, "ptrace"},
	            {310, "process_vm_readv"},
	            /* What boot/ calls, with other arguments: BH_BOOT_FD and zeroes. */
	            {56, "clone"},
	            {72, "fcntl"},
	            {157, "prctl"},
	            {158, "arch_prctl"},
	            {203, "sched_setaffinity"},
	            {317, "seccomp"}};
	(void)state;
	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++) {
		char file[512], config[128];
		struct cell_run run = {.config = config, .cell_file = file, .duration_ns = 10000000000};
		snprintf(file, sizeof(file), "%s/foreign.cell", args_cell_dir);
		snprintf(config, sizeof(config), "[cell]\nname = call-%d\napp = foreign\npages = normal\n",
		         call[i].number);
		cell_run(&run);
		print_message("%s: %s%s\n", call[i].name, run.error.text, run.result.error.text);
		assert_int_equal(run.start_err, 0);
		assert_string_equal(bh_outcome_name(run.result.outcome), "syscall");
		assert_int_equal(run.result.syscall_number, call[i].number);
		assert_string_equal(run.result.syscall_name, call[i].name);
	}
}

static int
children(int *out, int out_max)
{
	char path[64];
	int cnt = 0, pid;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	FILE *file = fopen(path, "re");
	while (file != NULL && fscanf(file, "%d", &pid) == 1 && cnt < out_max)
		out[cnt++] = pid;
	if (file != NULL)
		fclose(file);
	return cnt;
}

static void
kill_device(struct cell_run *run, struct bh_cell *cell)
{
	int pid[8], cnt = children(pid, 8);
	(void)run;
	for (int i = 0; i < cnt; i++) {
		if (pid[i] != bh_cell_pid(cell))
			kill(pid[i], SIGKILL);
	}
}

/* The cell is asked to stop when its device's process is gone, and the device is named. */
static void
test_device_process_dies(void **state)
{
	char file[512];
	struct cell_run run = {.config = "[cell]\napp = misbehave\npages = normal\n[misbehave]\nwhat = nothing\n"
	                                 "[device nvme7]\nbackend = softdev\nsize = 16M\nbacking = null\n",
	                       .cell_file = file,
	                       .duration_ns = 30000000000,
	                       .running = kill_device};
	(void)state;
	snprintf(file, sizeof(file), "%s/misbehave.cell", args_cell_dir);
	cell_run(&run);
	print_message("%s%s\n", run.error.text, run.result.error.text);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "device-gone");
	assert_int_equal(run.result.exit_code, 1);
	assert_non_null(strstr(run.result.error.text, "nvme7"));
}

int
main(int argc, char **argv)
{
	args_take(argc, argv);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_wall_one_core),
	        cmocka_unit_test(test_wall_two_cores),
	        cmocka_unit_test(test_relocation),
	        cmocka_unit_test(test_foreign_code),
	        cmocka_unit_test(test_foreign_calls),
	        cmocka_unit_test(test_rings_between_cores),
	        cmocka_unit_test(test_registers_of_a_device),
	        cmocka_unit_test(test_device_process_dies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
