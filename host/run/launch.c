/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/errors/errors.h"
#include "host/run/internal.h"

#define UID_FIRST 64000u
#define UID_CNT   1000u
/* A child that dies is noticed at once. A network namespace waits for those that end meanwhile: seconds on a busy machine. */
#define LAUNCH_WAIT_NS (UINT64_C(30) * BH_NS_PER_S)

/* One that no account has; different cells usually get different ones. */
static uid_t
choose_uid(void)
{
	uid_t first = UID_FIRST + (uid_t)getpid() % UID_CNT;
	for (uid_t uid = first; uid < first + UID_CNT; uid++) {
		if (getpwuid(uid) == NULL)
			return uid;
	}
	return first;
}

/*
 * Memory that the cell may only read goes by a descriptor that can be read only: then no mapping of it can be made
 * writable, whatever the cell's file does before its filter stands.
 */
static int
open_read_only(int fd)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int copy = open(path, O_RDONLY | O_CLOEXEC);
	return copy >= 0 ? copy : -errno;
}

static void
close_read_only(const struct bh_cell *cell, const struct bh_child *child)
{
	for (uint32_t i = 1; i < child->fd_cnt; i++) {
		if (child->fd[i] != cell->region_fd[i - 1])
			close(child->fd[i]);
	}
}

static int
fill_child(struct bh_cell *cell, struct bh_child *child, int page_fd)
{
	child->exec_fd = cell->elf.fd;
	child->fd[child->fd_cnt++] = page_fd;
	for (uint32_t i = 0; i < cell->page.region_cnt; i++) {
		bool writes = (cell->page.region[i].flags & BH_REGION_WRITE) != 0;
		int fd = writes ? cell->region_fd[i] : open_read_only(cell->region_fd[i]);
		if (fd < 0)
			return fd;
		child->fd[child->fd_cnt++] = fd;
	}
	child->uid = choose_uid();
	child->name = cell->page.cell_name;
	CPU_ZERO(&child->cpus);
	for (uint32_t i = 0; i < cell->cpus.cell_cnt; i++)
		CPU_SET(cell->cpus.cell[i], &child->cpus);
	return 0;
}

/* fork with a PID namespace of its own where that is possible; the child tells where not. */
static pid_t
make_process(struct bh_child *child)
{
	fflush(NULL);
	long pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0 && (errno == EPERM || errno == EINVAL || errno == ENOSPC)) {
		child->unshare_flags = CLONE_NEWPID;
		pid = fork();
	}
	if (pid == 0)
		bh_child_run(child);
	return (pid_t)pid;
}

static int
not_started(struct bh_error *error, const char *what, int err)
{
	return bh_error_set(error, "E065", err, "cannot start the cell's process: %s: %s", what, strerror(-err));
}

/* Until the descriptor closes at exec. Return: 0 executed, or why not. */
static int
follow_child(struct bh_cell *cell, int report_fd, struct bh_error *error)
{
	uint64_t deadline_ns = bh_now_ns() + LAUNCH_WAIT_NS;
	struct bh_child_report text;
	while (bh_now_ns() < deadline_ns) {
		struct pollfd ready = {.fd = report_fd, .events = POLLIN};
		bh_trace_poll(cell);
		if (poll(&ready, 1, 1) <= 0)
			continue;
		ssize_t got = read(report_fd, &text, sizeof(text));
		if (got == 0)
			return cell->pid != 0 ? 0 : not_started(error, "it ended before it ran", -ECHILD);
		if (got != (ssize_t)sizeof(text))
			return not_started(error, "reading its report", got < 0 ? -errno : -EPROTO);
		text.what[sizeof(text.what) - 1] = '\0';
		if (text.fatal != 0)
			return not_started(error, text.what, text.err);
		bh_warn(cell, "E066", "the cell runs without %s: %s", text.what, strerror(-text.err));
	}
	return not_started(error, "it did not get ready", -ETIMEDOUT);
}

static int
trace(pid_t pid)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	return ptrace(PTRACE_SEIZE, pid, NULL, options) == 0 ? 0 : -errno;
}

static int
start_child(struct bh_cell *cell, struct bh_child *child, const int go[2], const int report[2], struct bh_error *error)
{
	child->go_fd = go[0];
	child->go_write_fd = go[1];
	child->report_fd = report[1];
	pid_t pid = make_process(child);
	if (pid < 0)
		return not_started(error, "clone", -errno);
	cell->pid = pid;
	cell->thread[0] = (struct bh_thread){.tid = pid, .started = true};
	cell->thread_cnt = 1;
	int err = trace(pid);
	if (err != 0)
		return not_started(error, "ptrace (is another tracer or a security module in the way?)", err);
	err = bh_partition_join(pid, &child->cpus);
	if (err != 0)
		return not_started(error, "moving it into the partition /sys/fs/cgroup/bulkhead", err);
	return write(go[1], "g", 1) == 1 ? 0 : not_started(error, "the start signal", -errno);
}

int
bh_launch(struct bh_cell *cell, struct bh_error *error)
{
	struct bh_child child = {0};
	int go[2] = {-1, -1}, report[2] = {-1, -1};
	int page_fd = bh_page_seal(&cell->page);
	if (page_fd < 0)
		return bh_error_set(error, "E035", page_fd, "cannot make the boot page: %s", strerror(-page_fd));
	struct bh_proc_status own = {.seccomp_filters = BH_FILTERS_UNKNOWN};
	(void)!bh_proc_status(getpid(), getpid(), &own);
	cell->filters_before = own.seccomp_filters;
	int err = 0;
	if (pipe2(go, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0)
		err = not_started(error, "no pipes", -errno);
	if (err == 0) {
		err = fill_child(cell, &child, page_fd);
		if (err != 0)
			not_started(error, "memory that it may only read", err);
	}
	if (err == 0) {
		err = bh_child_filter_build(child.fd_cnt, &child.filter);
		if (err != 0)
			not_started(error, "its system call filter", err);
	}
	if (err == 0) {
		err = start_child(cell, &child, go, report, error);
	}
	if (err == 0) {
		close(report[1]);
		report[1] = -1;
		err = follow_child(cell, report[0], error);
	}
	close_read_only(cell, &child);
	const int fds[] = {page_fd, go[0], go[1], report[0], report[1]};
	for (size_t i = 0; i < BH_ARRAY_CNT(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (err != 0)
		bh_trace_kill(cell);
	return err;
}
