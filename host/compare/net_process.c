/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of a comparison of networks: lines of a shell, and what runs beside a measurement. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/compare/net.h"
#include "host/compare/program.h"
#include "host/compare/text.h"

#define SH_NS    UINT64_C(30000000000)
#define READY_MS 20000
#define END_MS   20000
#define LINKS_MS 3000
#define STEP_MS  20

int
bh_net_said(struct bh_why *why, int err, const char *what, const char *reason)
{
	snprintf(why->text, sizeof(why->text), "%.100s: %.140s", what, reason);
	return err;
}

/* A shell may have an ip of its own that knows no namespaces (busybox): the one on the PATH is meant. */
static void
add_ip(char *line, size_t line_bytes)
{
	char path[256];
	const char *list = getenv("PATH");
	for (const char *dir = list != NULL ? list : ""; *dir != '\0'; dir += *dir == ':') {
		size_t len = strcspn(dir, ":");
		bh_text_path(path, sizeof(path), "%.*s/ip", (int)len, dir);
		if (path[0] == '/' && access(path, X_OK) == 0) {
			snprintf(line, line_bytes, "ip() { %s \"$@\"; }; ", path);
			return;
		}
		dir += len;
	}
}

static int
shell(struct bh_why *why, const char *out_path, const char *text)
{
	char line[3072] = "", err_path[] = "/tmp/bulkhead-compare-sh.XXXXXX", words[160] = "";
	add_ip(line, sizeof(line));
	if (bh_text_add(line, sizeof(line), "%s", text) != 0)
		return bh_net_said(why, -ENOSPC, text, "too long");
	const char *argv[] = {"/bin/sh", "-c", line, NULL};
	int fd = mkstemp(err_path), exit_code = -1;
	if (fd < 0)
		return bh_net_said(why, -errno, "a temporary file", strerror(errno));
	close(fd);
	int err = bh_program_run_through(argv, out_path, err_path, SH_NS, &exit_code);
	bh_text_last_words(err_path, words, sizeof(words));
	unlink(err_path);
	if (err != 0)
		return bh_net_said(why, err, text, strerror(-err));
	return exit_code == 0 ? 0 : bh_net_said(why, -EIO, text, words);
}

int
bh_net_sh(struct bh_why *why, const char *format, ...)
{
	char text[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return shell(why, "/dev/null", text);
}

int
bh_net_sh_line(struct bh_why *why, char *out, size_t out_bytes, const char *format, ...)
{
	char text[2048], path[] = "/tmp/bulkhead-compare-out.XXXXXX";
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	int fd = mkstemp(path);
	if (fd < 0)
		return bh_net_said(why, -errno, "a temporary file", strerror(errno));
	close(fd);
	int err = shell(why, path, text);
	if (err == 0)
		err = bh_text_file(out, out_bytes, path);
	unlink(path);
	return err;
}

static void
child(const char *const *argv, const struct bh_net_process *process)
{
	int out = open(process->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int err = open(process->err_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static unsigned
count_text(const char *path, const char *wanted)
{
	char *text = NULL;
	size_t bytes;
	unsigned cnt = 0;
	if (bh_text_read_all(path, 1u << 20, &text, &bytes) != 0)
		return 0;
	for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
		cnt++;
	free(text);
	return cnt;
}

static void
sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

int
bh_net_spawn(const char *const *argv, const char *ready, struct bh_net_process *process, struct bh_why *why)
{
	char text[160] = "";
	process->pid = fork();
	if (process->pid < 0)
		return bh_net_said(why, -errno, argv[0], strerror(errno));
	if (process->pid == 0)
		child(argv, process);
	for (int ms = 0; ms < READY_MS; ms += STEP_MS) {
		if (count_text(process->out_path, ready) > 0)
			return 0;
		if (bh_program_stopped())
			return -EINTR;
		if (waitpid(process->pid, NULL, WNOHANG) == process->pid) {
			process->pid = 0;
			bh_text_last_words(process->err_path, text, sizeof(text));
			return bh_net_said(why, -EIO, "it ended before it was ready", text);
		}
		sleep_ms(STEP_MS);
	}
	return bh_net_said(why, -ETIMEDOUT, ready, "it did not get ready");
}

void
bh_net_links(const struct bh_net_process *process)
{
	for (int ms = 0; ms < LINKS_MS && !bh_program_stopped(); ms += STEP_MS) {
		if (count_text(process->err_path, ", link up 1") + count_text(process->err_path, ": link up, ") >= 2)
			return;
		sleep_ms(STEP_MS);
	}
}

int
bh_net_stop(struct bh_net_process *process, struct bh_why *why)
{
	char text[160] = "";
	int status = 0;
	if (process->pid == 0)
		return 0;
	kill(process->pid, SIGINT);
	for (int ms = 0; waitpid(process->pid, &status, WNOHANG) == 0; ms += STEP_MS) {
		if (ms == END_MS)
			kill(process->pid, SIGKILL);
		sleep_ms(STEP_MS);
	}
	process->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	bh_text_last_words(process->err_path, text, sizeof(text));
	return bh_net_said(why, -EIO, "what forwards did not end well", text);
}
