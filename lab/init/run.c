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
	int null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	close(null);
}

pid_t
lab_command_start(char **command, int out_fd, int err_fd)
{
	static char shell[] = "sh";
	static char *const no_command[] = {shell, NULL};
	bool is_shell = command[0] == NULL;
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	setsid();
	signal(SIGPIPE, SIG_DFL);
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

void
lab_get(char **paths)
{
	char port[32], copy[4096], base_copy[4096];
	struct stat facts;
	for (unsigned i = 0; paths[i] != NULL; i++) {
		snprintf(port, sizeof(port), LAB_PORT_GET "%u", i);
		int fd = lab_port_open(port), console = dup(STDOUT_FILENO);
		if (fd < 0 || stat(paths[i], &facts) != 0) {
			fprintf(stderr, "lab-init: --get %s: %s\n", paths[i], strerror(errno));
			continue;
		}
		snprintf(copy, sizeof(copy), "%s", paths[i]);
		snprintf(base_copy, sizeof(base_copy), "%s", paths[i]);
		const char *folder = S_ISDIR(facts.st_mode) ? paths[i] : dirname(copy);
		const char *what = S_ISDIR(facts.st_mode) ? "." : basename(base_copy);
		dup2(fd, STDOUT_FILENO);
		lab_tool((const char *const[]){"tar", "-c", "-C", folder, "-f", "-", what, NULL});
		dup2(console, STDOUT_FILENO);
		close(console);
		close(fd);
	}
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
