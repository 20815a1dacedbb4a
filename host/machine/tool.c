/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/device/sysfs.h"

struct kept {
	int fd; /* -1: at its end */
	char *text;
	size_t used, room;
	bool tail; /* of standard error: only the end is kept */
};

struct running {
	pid_t pid;
	uint64_t deadline_ns;
	struct kept stream[2];
};

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static const char *
folders_of(const struct bh_tool *tool)
{
	return tool->folders != NULL ? tool->folders : BH_TOOL_FOLDERS;
}

int
bh_tool_find(const struct bh_tool *tool, const char *name, char *out, size_t out_bytes)
{
	for (const char *at = folders_of(tool); *at != '\0';) {
		int len = (int)strcspn(at, ":");
		if (snprintf(out, out_bytes, "%.*s/%s", len, at, name) < (int)out_bytes && access(out, X_OK) == 0)
			return 0;
		at += len + (at[len] == ':');
	}
	return -ENOENT;
}

/* Return: a descriptor that reads the text; the error of a call. */
static int
input_fd(const char *text)
{
	if (text == NULL) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd >= 0 ? fd : -errno;
	}
	int fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (size_t done = 0, len = strlen(text); done < len;) {
		ssize_t wrote = write(fd, text + done, len - done);
		if (wrote <= 0) {
			int err = wrote < 0 ? -errno : -EIO;
			close(fd);
			return err;
		}
		done += (size_t)wrote;
	}
	return lseek(fd, 0, SEEK_SET) == 0 ? fd : -EIO;
}

BH_NORETURN static void
be_tool(const struct bh_tool *tool, const char *path, const char *const *argv, const int fd[3])
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setenv("PATH", folders_of(tool), 1) != 0 ||
	    chdir(tool->work_folder != NULL ? tool->work_folder : "/") != 0)
		_exit(127);
	for (int i = 0; i < 3; i++) {
		if (dup2(fd[i], i) != i)
			_exit(127);
	}
	close_range(3, UINT_MAX, 0);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Above the standard ones, so that the child's dup2 never overwrites one that it needs. */
static int
make_pipe(int out[2])
{
	int low[2];
	if (pipe2(low, O_CLOEXEC) != 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		out[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
		close(low[i]);
	}
	return out[0] >= 0 && out[1] >= 0 ? 0 : -EMFILE;
}

static void
close_all(int *fd, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
	}
}

static int
start(const struct bh_tool *tool, const char *path, const char *const *argv, struct running *run)
{
	int in = input_fd(tool->input), out[2] = {-1, -1}, err[2] = {-1, -1};
	int code = in < 0 ? in : make_pipe(out);
	if (code == 0)
		code = make_pipe(err);
	if (code == 0) {
		const int fd[3] = {in, out[1], err[1]};
		run->pid = fork();
		if (run->pid == 0)
			be_tool(tool, path, argv, fd);
		code = run->pid < 0 ? -errno : 0;
	}
	close_all((int[]){in, out[1], err[1]}, 3);
	run->stream[0].fd = out[0];
	run->stream[1].fd = err[0];
	if (code != 0)
		close_all((int[]){out[0], err[0]}, 2);
	return code;
}

/* Room for another piece and a zero. */
static int
make_room(struct kept *kept, size_t piece_bytes)
{
	if (kept->tail && kept->used > BH_TOOL_SAID_BYTES / 2 && kept->used + piece_bytes >= BH_TOOL_SAID_BYTES) {
		const size_t keep = BH_TOOL_SAID_BYTES / 2;
		memmove(kept->text, kept->text + kept->used - keep, keep);
		kept->used = keep;
	}
	if (kept->used + piece_bytes > BH_TOOL_OUTPUT_MAX)
		return -EFBIG;
	if (kept->used + piece_bytes + 1 <= kept->room)
		return 0;
	size_t room = (kept->used + piece_bytes + 1) * 2;
	char *text = realloc(kept->text, room);
	if (text == NULL)
		return -ENOMEM;
	kept->text = text;
	kept->room = room;
	return 0;
}

static int
take(struct kept *kept)
{
	char piece[4096];
	ssize_t got = read(kept->fd, piece, sizeof(piece));
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (got == 0) {
		close(kept->fd);
		kept->fd = -1;
		return 0;
	}
	int err = make_room(kept, (size_t)got);
	if (err != 0)
		return err;
	memcpy(kept->text + kept->used, piece, (size_t)got);
	kept->used += (size_t)got;
	kept->text[kept->used] = '\0';
	return 0;
}

static int
collect(struct running *run)
{
	int err = 0;
	while (err == 0 && (run->stream[0].fd >= 0 || run->stream[1].fd >= 0)) {
		struct pollfd wait[2] = {{.fd = run->stream[0].fd, .events = POLLIN},
		                         {.fd = run->stream[1].fd, .events = POLLIN}};
		uint64_t now = now_ns();
		if (now >= run->deadline_ns)
			return -ETIMEDOUT;
		int ready = poll(wait, 2, (int)BH_MIN((run->deadline_ns - now) / 1000000 + 1, UINT64_C(60000)));
		if (ready < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < 2 && ready > 0 && err == 0; i++) {
			if (wait[i].revents != 0)
				err = take(&run->stream[i]);
		}
	}
	return err;
}

/* Its output has ended or it is no longer wanted; what it started goes with it. Return: its exit code, or -ETIMEDOUT. */
static int
finish(struct running *run, int err)
{
	int status = 0;
	pid_t got = 0;
	while (err == 0 && (got = waitpid(run->pid, &status, WNOHANG)) == 0) {
		if (now_ns() >= run->deadline_ns)
			err = -ETIMEDOUT;
		else
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	if (err != 0) {
		kill(-run->pid, SIGKILL);
		kill(run->pid, SIGKILL);
		while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
			;
		return err;
	}
	if (got < 0)
		return -errno;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void
last_line(struct kept *kept, char said[BH_TOOL_SAID_BYTES])
{
	said[0] = '\0';
	if (kept->used == 0)
		return;
	while (kept->used > 0 && strchr(" \n", kept->text[kept->used - 1]) != NULL)
		kept->text[--kept->used] = '\0';
	const char *line = memrchr(kept->text, '\n', kept->used);
	snprintf(said, BH_TOOL_SAID_BYTES, "%s", line != NULL ? line + 1 : kept->text);
	bh_sys_clean(said);
}

int
bh_tool_run(const struct bh_tool *tool, const char *const *argv, char **out, char said[BH_TOOL_SAID_BYTES])
{
	char path[PATH_MAX];
	struct running run = {.deadline_ns = now_ns() + tool->wait_ns, .stream = {[1].tail = true}};
	said[0] = '\0';
	if (out != NULL)
		*out = NULL;
	int code = bh_tool_find(tool, argv[0], path, sizeof(path));
	if (code == 0)
		code = make_room(&run.stream[0], 0);
	if (code == 0)
		code = start(tool, path, argv, &run);
	if (code == 0) {
		run.stream[0].text[0] = '\0';
		code = finish(&run, collect(&run));
		close_all((int[]){run.stream[0].fd, run.stream[1].fd}, 2);
		last_line(&run.stream[1], said);
	}
	free(run.stream[1].text);
	if (code >= 0 && out != NULL)
		*out = run.stream[0].text;
	else
		free(run.stream[0].text);
	return code;
}
