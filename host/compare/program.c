/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/compare/program.h"

#define GRACE_NS   UINT64_C(15000000000) /* a cell drains and its device is reset within that */
#define LOOK_MS    50
#define NS_PER_SEC UINT64_C(1000000000)

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[BH_ARRAY_CNT(caught)];
static volatile sig_atomic_t stopped;

static void
on_signal(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

int
bh_program_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	stopped = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(caught); i++) {
		if (sigaction(caught[i], &action, &before[i]) != 0)
			return -errno;
	}
	return 0;
}

void
bh_program_release_signals(void)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(caught); i++)
		sigaction(caught[i], &before[i], NULL);
}

bool
bh_program_stopped(void)
{
	return stopped != 0;
}

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static int
open_output(const char *path, int as_fd)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 || dup2(fd, as_fd) < 0 ? -errno : 0;
}

/* In the child. What goes wrong before the program runs is told through fd. */
static void
become(const char *const *argv, const char *out_path, const char *err_path, pid_t parent, int tell_fd)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), err = null_fd < 0 || dup2(null_fd, 0) < 0 ? -errno : 0;
	setpgid(0, 0);
	for (size_t i = 0; i < BH_ARRAY_CNT(caught); i++)
		sigaction(caught[i], &action, NULL);
	if (err == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
		err = -errno;
	if (err == 0 && getppid() != parent)
		_exit(127);
	if (err == 0)
		err = open_output(out_path, STDOUT_FILENO);
	if (err == 0)
		err = open_output(err_path, STDERR_FILENO);
	if (err == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		err = -errno;
	}
	if (write(tell_fd, &err, sizeof(err)) != sizeof(err))
		_exit(126);
	_exit(127);
}

static int
start(const char *const *argv, const char *out_path, const char *err_path, pid_t *out_pid)
{
	int tell[2], err = 0;
	pid_t parent = getpid();
	if (pipe2(tell, O_CLOEXEC) != 0)
		return -errno;
	*out_pid = fork();
	if (*out_pid == 0)
		become(argv, out_path, err_path, parent, tell[1]);
	if (*out_pid < 0)
		err = -errno;
	close(tell[1]);
	if (err == 0) {
		ssize_t got;
		do
			got = read(tell[0], &err, sizeof(err));
		while (got < 0 && errno == EINTR);
		if (got <= 0)
			err = 0;
		else
			waitpid(*out_pid, NULL, 0);
	}
	close(tell[0]);
	return err;
}

/* Waits until the child ends or `until` passes or, with `stoppable`, a signal asks us to stop. True: it has ended. */
static bool
wait_for(int pid_fd, uint64_t until_ns, bool stoppable)
{
	struct pollfd fd = {.fd = pid_fd, .events = POLLIN};
	while (now_ns() < until_ns && !(stoppable && bh_program_stopped())) {
		if (poll(&fd, 1, LOOK_MS) > 0)
			return true;
	}
	return false;
}

static int
run(const char *const *argv, const char *out_path, const char *err_path, uint64_t timeout_ns, bool stoppable,
    int *out_exit)
{
	pid_t pid = -1;
	int status, err = start(argv, out_path, err_path, &pid);
	*out_exit = -1;
	if (err != 0)
		return err;
	int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool ended = pid_fd >= 0 && wait_for(pid_fd, now_ns() + timeout_ns, stoppable);
	if (!ended) {
		err = pid_fd < 0 ? -errno : stoppable && bh_program_stopped() ? -EINTR : -ETIMEDOUT;
		kill(-pid, SIGTERM);
		if (pid_fd < 0 || !wait_for(pid_fd, now_ns() + GRACE_NS, false))
			kill(-pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid_fd >= 0)
		close(pid_fd);
	*out_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return err;
}

int
bh_program_run(const char *const *argv, const char *out_path, const char *err_path, uint64_t timeout_ns, int *out_exit)
{
	return run(argv, out_path, err_path, timeout_ns, true, out_exit);
}

int
bh_program_run_through(const char *const *argv, const char *out_path, const char *err_path, uint64_t timeout_ns,
                       int *out_exit)
{
	return run(argv, out_path, err_path, timeout_ns, false, out_exit);
}
