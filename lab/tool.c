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

static int
collect(int fd, char **out_text)
{
	size_t used = 0, room = 4096;
	char *text = malloc(room);
	while (text != NULL) {
		ssize_t got = read(fd, text + used, room - used - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
		if (room - used > 1)
			continue;
		char *more = room < OUTPUT_BYTES_MAX ? realloc(text, room *= 2) : NULL;
		if (more == NULL)
			free(text);
		text = more;
	}
	if (text != NULL)
		text[used] = '\0';
	*out_text = text;
	return text != NULL ? 0 : -E2BIG;
}

static int
start(const char *path, const char *const *argv, const char *folder, int out_fd, pid_t *out_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (folder != NULL)
		posix_spawn_file_actions_addchdir_np(&actions, folder);
	int err = posix_spawn(out_pid, path, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

int
bh_lab_tool(const char *const *argv, const char *folder, const char *package, char **out_text, struct bh_error *error)
{
	char path[PATH_MAX], *text = NULL;
	int ends[2], status = 0;
	pid_t pid;
	int err = bh_lab_tool_find(argv[0], package, path, sizeof(path), error);
	if (err != 0)
		return err;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return bh_error_set(error, "E203", -errno, "%s: no pipe: %s", argv[0], strerror(errno));
	err = start(path, argv, folder, ends[1], &pid);
	close(ends[1]);
	if (err == 0) {
		err = collect(ends[0], &text);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	close(ends[0]);
	if (err != 0 || !WIFEXITED(status)) {
		free(text);
		return bh_error_set(error, "E203", err != 0 ? err : -EIO, "%s did not run: %s", path,
		                    err != 0 ? strerror(-err) : "ended by a signal");
	}
	if (out_text != NULL)
		*out_text = text;
	else
		free(text);
	return WEXITSTATUS(status);
}
