/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/init/init.h"
#include "lab/init/protocol.h"

#define TERMINAL "/dev/hvc0"

static void
use_terminal(void)
{
	int fd = open(TERMINAL, O_RDWR);
	if (fd < 0 || ioctl(fd, TIOCSCTTY, 1) != 0)
		_exit(126);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	setenv("TERM", "linux", 1);
	setenv("PS1", "lab:\\w# ", 1);
}

static void
use_streams(int out_fd, int err_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
}

/* Our end does not block, the command's does. */
static int
make_pipe(struct lab_relay *relay)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
		lab_give_up("no pipe: %s", strerror(errno));
	relay->from = ends[0];
	return ends[1];
}

static void
as_started(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

pid_t
lab_command_start(char **command, struct lab_relay *out, struct lab_relay *err)
{
	static char shell[] = "sh";
	static char *const no_command[] = {shell, NULL};
	const bool is_shell = command[0] == NULL;
	const int out_fd = is_shell ? -1 : make_pipe(out), err_fd = is_shell ? -1 : make_pipe(err);
	pid_t pid = fork();
	if (pid < 0)
		lab_give_up("no process: %s", strerror(errno));
	if (pid != 0) {
		close(out_fd);
		close(err_fd);
		return pid;
	}
	setsid();
	as_started();
	if (is_shell)
		use_terminal();
	else
		use_streams(out_fd, err_fd);
	if (chdir("/root") != 0)
		_exit(126);
	execvp(is_shell ? shell : command[0], is_shell ? no_command : command);
	int code = errno == ENOENT ? 127 : 126;
	fprintf(stderr, "lab: %s: %s\n", command[0], strerror(errno));
	_exit(code);
}

pid_t
lab_get_start(const char *path, unsigned idx, struct lab_relay *relay)
{
	char port[32], folder_copy[4096], base_copy[4096];
	struct stat facts;
	snprintf(port, sizeof(port), LAB_PORT_GET "%u", idx);
	snprintf(folder_copy, sizeof(folder_copy), "%s", path);
	snprintf(base_copy, sizeof(base_copy), "%s", path);
	relay->to = lab_port_open(port, O_NONBLOCK);
	if (relay->to < 0 || stat(path, &facts) != 0)
		return -1; /* the host sees that nothing came */
	const int out_fd = make_pipe(relay);
	pid_t pid = fork();
	if (pid == 0) {
		const char *folder = S_ISDIR(facts.st_mode) ? path : dirname(folder_copy);
		const char *what = S_ISDIR(facts.st_mode) ? "." : basename(base_copy);
		as_started();
		dup2(out_fd, STDOUT_FILENO);
		execlp("tar", "tar", "-c", "-C", folder, "-f", "-", what, (char *)NULL);
		_exit(127);
	}
	close(out_fd);
	return pid;
}

void
lab_window(const char *line)
{
	struct winsize size = {0};
	int fd = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (sscanf(line, "window %hu %hu", &size.ws_row, &size.ws_col) == 2 && fd >= 0)
		ioctl(fd, TIOCSWINSZ, &size);
	if (fd >= 0)
		close(fd);
}
