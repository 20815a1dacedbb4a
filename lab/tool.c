/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the host that the lab needs once, each from a Debian package that the message names. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/internal.h"

#define OUTPUT_BYTES_MAX (4u << 20)
#define TOOL_NS          (600 * BH_LAB_NS_PER_S) /* a download over a thin line */

extern char **environ;

int
bh_lab_tool_find(const char *name, const char *package, char *out_path, size_t path_bytes, struct bh_error *error)
{
	/* depmod and friends are in sbin, which a person's PATH may lack. */
	char folders[4096];
	const char *path = getenv("PATH");
	snprintf(folders, sizeof(folders), "%s:/usr/sbin:/sbin", path != NULL ? path : "/usr/bin:/bin");
	char *rest = folders, *folder;
	while ((folder = strsep(&rest, ":")) != NULL) {
		if (folder[0] == '/' && (size_t)snprintf(out_path, path_bytes, "%s/%s", folder, name) < path_bytes &&
		    access(out_path, X_OK) == 0)
			return 0;
	}
	return bh_error_set(error, "E202", -ENOENT, "the lab needs %s, which is not installed; apt-get install %s",
	                    name, package);
}

struct output {
	char *text;
	size_t used, room;
};

/* One read. Return: 1 more may come; 0 the end; negative errno. */
static int
collect(struct output *output, int fd)
{
	if (output->room - output->used < 2) {
		size_t room = output->room == 0 ? 4096 : output->room * 2;
		char *more = room <= OUTPUT_BYTES_MAX ? realloc(output->text, room) : NULL;
		if (more == NULL)
			return -E2BIG;
		output->text = more;
		output->room = room;
	}
	ssize_t got = read(fd, output->text + output->used, output->room - output->used - 1);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (got < 0)
		return -errno;
	output->used += (size_t)got;
	output->text[output->used] = '\0';
	return got > 0;
}

static int
collect_all(struct bh_lab_signals *signals, const char *name, int fd, struct output *output, struct bh_error *error)
{
	const uint64_t end_ns = bh_lab_now_ns() + TOOL_NS;
	for (;;) {
		struct pollfd polled[2] = {{fd, POLLIN, 0}, {signals->fd, POLLIN, 0}};
		poll(polled, 2, 1000);
		int more = polled[0].revents != 0 ? collect(output, fd) : 1;
		if (more == 0)
			return 0;
		if (more < 0)
			return bh_error_set(error, "E203", more, "%s: %s", name, strerror(-more));
		int err = bh_lab_signals_check(signals, error);
		if (err != 0)
			return err;
		if (bh_lab_now_ns() > end_ns)
			return bh_error_set(error, "E203", -ETIMEDOUT, "%s did not end within %lu s", name,
			                    TOOL_NS / BH_LAB_NS_PER_S);
	}
}

static int
start(const struct bh_lab_signals *signals, const char *path, const char *const *argv, const char *folder, int out_fd,
      pid_t *out_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t pipe_only;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &signals->mask_before);
	posix_spawnattr_setsigdefault(&attributes, &pipe_only);
	posix_spawnattr_setpgroup(&attributes, 0); /* all that it starts is ended with it; Ctrl-C is ours to pass on */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (folder != NULL)
		posix_spawn_file_actions_addchdir_np(&actions, folder);
	int err = posix_spawn(out_pid, path, &actions, &attributes, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -err;
}

int
bh_lab_tool(struct bh_lab_signals *signals, const char *const *argv, const char *folder, const char *package,
            char **out_text, struct bh_error *error)
{
	struct output output = {0};
	char path[PATH_MAX];
	int ends[2], status = 0;
	pid_t pid;
	if (out_text != NULL)
		*out_text = NULL;
	int err = bh_lab_tool_find(argv[0], package, path, sizeof(path), error);
	if (err != 0)
		return err;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return bh_error_set(error, "E203", -errno, "%s: no pipe: %s", argv[0], strerror(errno));
	err = start(signals, path, argv, folder, ends[1], &pid);
	close(ends[1]);
	if (err != 0) {
		close(ends[0]);
		return bh_error_set(error, "E203", err, "%s did not start: %s", path, strerror(-err));
	}
	err = collect_all(signals, argv[0], ends[0], &output, error);
	close(ends[0]);
	if (err != 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (err == 0 && !WIFEXITED(status))
		err = bh_error_set(error, "E203", -EIO, "%s was ended by a signal", path);
	if (err != 0 || out_text == NULL)
		free(output.text);
	else
		*out_text = output.text;
	return err == 0 ? WEXITSTATUS(status) : err;
}
