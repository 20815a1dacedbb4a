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

#define SOFTDEV_FD  3
#define ARGS_MAX    32
#define END_WAIT_NS (UINT64_C(1000) * BH_NS_PER_MS)

struct args {
	const char *arg[ARGS_MAX + 1];
	char number[8][24];
	unsigned cnt, number_cnt;
};

static void
add(struct args *args, const char *name, const char *value)
{
	args->arg[args->cnt++] = name;
	args->arg[args->cnt++] = value;
}

static void
add_number(struct args *args, const char *name, uint64_t value)
{
	char *text = args->number[args->number_cnt++];
	snprintf(text, sizeof(args->number[0]), "%lu", value);
	add(args, name, text);
}

static void
make_args(struct args *args, const struct bh_device_config *config, unsigned cpu, bool shares_cpu)
{
	args->arg[args->cnt++] = "bulkhead";
	add(args, "softdev", config->model);
	add_number(args, "--fd", SOFTDEV_FD);
	add_number(args, "--size", config->size_bytes);
	add(args, "--backing", config->backing);
	add_number(args, "--block-size", config->block_size_bytes);
	if (config->service_ns[0] != '\0')
		add(args, "--service-ns", config->service_ns);
	if (config->seed != 0)
		add_number(args, "--seed", config->seed);
	if (config->fault[0] != '\0')
		add(args, "--fault", config->fault);
	add_number(args, "--cpu", cpu);
	if (shares_cpu)
		args->arg[args->cnt++] = "--yield";
	args->arg[args->cnt] = NULL;
}

static BH_NORETURN void
become_softdev(const char *program, const struct args *args, int fd, pid_t parent)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	/* It goes when we go, also by kill -9; if that was before the call, we have another parent already. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(126);
	if (fd == SOFTDEV_FD ? fcntl(fd, F_SETFD, 0) != 0 : dup2(fd, SOFTDEV_FD) < 0)
		_exit(126);
	close_range(SOFTDEV_FD + 1, ~0u, 0);
	execv(program, (char *const *)(uintptr_t)args->arg);
	_exit(127);
}

int
bh_softdev_start(const struct bh_device_config *config, const char *program, unsigned cpu, bool shares_cpu, int *out_fd,
                 pid_t *out_pid, struct bh_error *error)
{
	struct args args = {0};
	int pair[2];
	pid_t parent = getpid();
	make_args(&args, config, cpu, shares_cpu);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return bh_error_set(error, "E034", -errno, "device %s: no socket pair: %s", config->name,
		                    strerror(errno));
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		become_softdev(program, &args, pair[1], parent);
	int err = pid < 0 ? -errno : 0;
	close(pair[1]);
	if (err != 0) {
		close(pair[0]);
		return bh_error_set(error, "E034", err, "device %s: cannot start its process: %s", config->name,
		                    strerror(-err));
	}
	*out_fd = pair[0];
	*out_pid = pid;
	return 0;
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
