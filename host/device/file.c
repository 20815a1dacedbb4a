/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
bh_file_folders(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, mode) == 0 || errno == EEXIST ? 0 : -errno;
}

int
bh_file_put(int fd, const char *text, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t wrote = write(fd, text + done, len - done);
		if (wrote < 0 && errno != EINTR)
			return -errno;
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

int
bh_file_flush_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash - path) >= sizeof(folder))
		return -EINVAL;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	int fd = open(folder[0] != '\0' ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return err;
}

static int
temporary_of(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return -EINVAL;
	int len = snprintf(out, PATH_MAX, "%.*s/.%s.bulkhead-new", (int)(slash - path), path, slash + 1);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

void
bh_file_tidy(const char *path)
{
	char temporary[PATH_MAX];
	if (temporary_of(path, temporary) == 0)
		unlink(temporary);
}

int
bh_file_replace(const char *path, const char *text, mode_t mode)
{
	char temporary[PATH_MAX];
	struct stat old;
	int err = temporary_of(path, temporary);
	if (err != 0)
		return err;
	if (stat(path, &old) == 0)
		mode = old.st_mode & 07777;
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	err = fchmod(fd, mode) == 0 ? bh_file_put(fd, text, strlen(text)) : -errno;
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err == 0 && rename(temporary, path) != 0)
		err = -errno;
	if (err != 0) {
		unlink(temporary);
		return err;
	}
	return bh_file_flush_folder(path);
}

int
bh_file_remove(const char *path)
{
	if (unlink(path) != 0)
		return errno == ENOENT ? 0 : -errno;
	return bh_file_flush_folder(path);
}

uint64_t
bh_text_sum(const char *text, size_t len)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	return sum;
}
