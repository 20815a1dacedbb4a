/* SPDX-License-Identifier: Apache-2.0 */
/* One apply or restore at a time, and where tests end them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "host/device/file.h"
#include "host/errors/errors.h"
#include "host/machine/journal.h"

#define LOCK_PATH    "/run/bulkhead/lock"
#define WAIT_MS_MAX  10000
#define WAIT_STEP_MS 20

static int
open_lock(const char *root)
{
	char path[BH_SYS_PATH_BYTES];
	int err = bh_sys_path(path, root, "/run/bulkhead");
	if (err == 0)
		err = bh_file_folders(path, 0700);
	if (err == 0)
		err = bh_sys_path(path, root, LOCK_PATH);
	if (err != 0)
		return err;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 ? fd : -errno;
}

int
bh_machine_lock(const char *root, struct bh_error *error)
{
	int fd = open_lock(root);
	if (fd < 0)
		return bh_error_set(error, "E221", fd, "the lock " LOCK_PATH " cannot be used: %s", strerror(-fd));
	for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += WAIT_STEP_MS) {
		int err = -errno;
		if ((err != -EWOULDBLOCK && err != -EINTR) || waited_ms >= WAIT_MS_MAX) {
			close(fd);
			return bh_error_set(error, "E224", err == -EWOULDBLOCK ? -EBUSY : err,
			                    "another bulkhead applies or restores right now (" LOCK_PATH
			                    " is held); try again when it is done");
		}
		poll(NULL, 0, WAIT_STEP_MS);
	}
	return fd;
}

void
bh_fault_point(void)
{
	static long cnt;
	const char *text = getenv("BULKHEAD_KILL_AT");
	if (text != NULL && ++cnt == strtol(text, NULL, 10))
		raise(SIGKILL);
}
