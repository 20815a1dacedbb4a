/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A software device is this very program in another process, on one end of a socket pair: `bulkhead softdev nvme --fd N`.
 * It is in a process group of its own, so that Ctrl-C reaches the supervisor and not the device that the cell is draining.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/errors/errors.h"
#include "host/run/internal.h"
#include "host/run/softdev_args.h"

#define END_WAIT_NS (UINT64_C(1000) * BH_NS_PER_MS)

static void
make_args(struct bh_softdev_args *args, const struct bh_device_config *config, unsigned cpu, bool shares_cpu)
{
	args->arg[args->cnt++] = "bulkhead";
	bh_softdev_add(args, "softdev", config->model);
	bh_softdev_add_number(args, "--fd", BH_SOFTDEV_FD);
	bh_softdev_add_number(args, "--size", config->size_bytes);
	bh_softdev_add(args, "--backing", config->backing);
	bh_softdev_add_number(args, "--block-size", config->block_size_bytes);
	if (config->service_ns[0] != '\0')
		bh_softdev_add(args, "--service-ns", config->service_ns);
	if (config->seed != 0)
		bh_softdev_add_number(args, "--seed", config->seed);
	if (config->fault[0] != '\0')
		bh_softdev_add(args, "--fault", config->fault);
	bh_softdev_add_number(args, "--cpu", cpu);
	if (shares_cpu)
		args->arg[args->cnt++] = "--yield";
	args->arg[args->cnt] = NULL;
}

/* The descriptors become BH_SOFTDEV_FD, + 1, ...: first out of the way, then into their places. */
static bool
place_fds(int *fds, unsigned fd_cnt)
{
	for (unsigned i = 0; i < fd_cnt; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, BH_SOFTDEV_FD + (int)fd_cnt);
		if (fds[i] < 0)
			return false;
	}
	for (unsigned i = 0; i < fd_cnt; i++) {
		if (dup2(fds[i], BH_SOFTDEV_FD + (int)i) < 0)
			return false;
	}
	return close_range(BH_SOFTDEV_FD + fd_cnt, ~0u, 0) == 0;
}

static BH_NORETURN void
become_softdev(const char *program, const struct bh_softdev_args *args, int *fds, unsigned fd_cnt, pid_t parent)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	/* It goes when we go, also by kill -9; if that was before the call, we have another parent already. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(126);
	if (!place_fds(fds, fd_cnt))
		_exit(126);
	execv(program, (char *const *)(uintptr_t)args->arg);
	_exit(127);
}

void
bh_softdev_add(struct bh_softdev_args *args, const char *name, const char *value)
{
	args->arg[args->cnt++] = name;
	args->arg[args->cnt++] = value;
}

void
bh_softdev_add_number(struct bh_softdev_args *args, const char *name, uint64_t value)
{
	char *text = args->number[args->number_cnt++];
	snprintf(text, sizeof(args->number[0]), "%lu", value);
	bh_softdev_add(args, name, text);
}

static int
make_pairs(int *ours, int *theirs, unsigned fd_cnt)
{
	for (unsigned i = 0; i < fd_cnt; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
			int err = -errno;
			while (i-- > 0) {
				close(ours[i]);
				close(theirs[i]);
			}
			return err;
		}
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	return 0;
}

int
bh_softdev_spawn(const char *name, const struct bh_softdev_args *args, const char *program, int *out_fds,
                 unsigned fd_cnt, pid_t *out_pid, struct bh_error *error)
{
	int theirs[BH_DEVICES_MAX];
	pid_t parent = getpid();
	int err = make_pairs(out_fds, theirs, fd_cnt);
	if (err != 0)
		return bh_error_set(error, "E034", err, "device %s: no socket pair: %s", name, strerror(-err));
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		become_softdev(program, args, theirs, fd_cnt, parent);
	err = pid < 0 ? -errno : 0;
	for (unsigned i = 0; i < fd_cnt; i++) {
		close(theirs[i]);
		if (err != 0)
			close(out_fds[i]);
	}
	if (err != 0)
		return bh_error_set(error, "E034", err, "device %s: cannot start its process: %s", name,
		                    strerror(-err));
	*out_pid = pid;
	return 0;
}

int
bh_softdev_start(const struct bh_device_config *config, const char *program, unsigned cpu, bool shares_cpu, int *out_fd,
                 pid_t *out_pid, struct bh_error *error)
{
	struct bh_softdev_args args = {0};
	make_args(&args, config, cpu, shares_cpu);
	return bh_softdev_spawn(config->name, &args, program, out_fd, 1, out_pid, error);
}

bool
bh_softdev_ended(pid_t *pid, uint64_t wait_ns, int *out_status)
{
	uint64_t deadline_ns = bh_now_ns() + wait_ns;
	if (*pid == 0)
		return false;
	for (;;) {
		pid_t got = waitpid(*pid, out_status, WNOHANG);
		if (got == *pid || (got < 0 && errno == ECHILD)) {
			*pid = 0;
			return true;
		}
		if (bh_now_ns() >= deadline_ns)
			return false;
		bh_sleep_ns(BH_NS_PER_MS);
	}
}

/* Its socket is closed by now, which asks it to end; then with less patience. */
void
bh_softdev_end(pid_t *pid)
{
	int status;
	if (*pid == 0 || bh_softdev_ended(pid, END_WAIT_NS, &status))
		return;
	kill(*pid, SIGTERM);
	if (bh_softdev_ended(pid, END_WAIT_NS, &status))
		return;
	kill(*pid, SIGKILL);
	(void)bh_softdev_ended(pid, END_WAIT_NS, &status);
}
