/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The temporary folder of one machine. A lock file inside tells whether its lab still lives: the kernel drops the lock with
 * the process, so what a killed lab left is found and removed by the next one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lab/internal.h"

#define PREFIX  "bulkhead-lab."
#define KEPT    "command" /* lab.c writes it with --keep */
#define YOUNG_S 600

static const char *
temp_root(void)
{
	const char *root = getenv("TMPDIR");
	return root != NULL && root[0] == '/' ? root : "/tmp";
}

static int
remove_entry(const char *path, const struct stat *facts, int type, struct FTW *where)
{
	return remove(path);
}

void
bh_lab_remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

int
bh_lab_make_dirs(const char *path)
{
	char part[PATH_MAX];
	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return -errno;
		if (slash == NULL)
			return 0;
		*slash = '/';
	}
}

static void
remove_if_dead(const char *path)
{
	char lock[PATH_MAX];
	struct stat facts;
	if (lstat(path, &facts) != 0 || !S_ISDIR(facts.st_mode) || facts.st_uid != geteuid() ||
	    (size_t)snprintf(lock, sizeof(lock), "%s/lock", path) >= sizeof(lock))
		return;
	int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		bh_lab_remove_tree(path);
	/* One that has no lock yet belongs to a lab that starts, or died doing so long ago; a kept one says so. */
	if (fd < 0 && errno == ENOENT && time(NULL) - facts.st_mtime > YOUNG_S &&
	    (size_t)snprintf(lock, sizeof(lock), "%s/" KEPT, path) < sizeof(lock) && access(lock, F_OK) != 0)
		bh_lab_remove_tree(path);
	if (fd >= 0)
		close(fd);
}

static void
remove_stale(void)
{
	char path[PATH_MAX];
	DIR *dir = opendir(temp_root());
	if (dir == NULL)
		return;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", temp_root(), entry->d_name) < sizeof(path))
			remove_if_dead(path);
	}
	closedir(dir);
}

int
bh_lab_folder_make(struct bh_lab_folder *out, struct bh_error *error)
{
	char lock[PATH_MAX], unlocked[PATH_MAX];
	out->lock_fd = -1;
	remove_stale();
	if ((size_t)snprintf(out->path, sizeof(out->path), "%s/" PREFIX "XXXXXX", temp_root()) >= sizeof(out->path) ||
	    mkdtemp(out->path) == NULL) {
		out->path[0] = '\0';
		return bh_error_set(error, "E204", -EIO,
		                    "no temporary folder in %s: %s; set TMPDIR to one that can be written", temp_root(),
		                    strerror(errno));
	}
	snprintf(lock, sizeof(lock), "%.*s/lock", (int)sizeof(lock) - 16, out->path);
	snprintf(unlocked, sizeof(unlocked), "%.*s/unlocked", (int)sizeof(lock) - 16, out->path);
	/* Locked before it has the name that another lab looks for. */
	out->lock_fd = open(unlocked, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (out->lock_fd >= 0 && flock(out->lock_fd, LOCK_EX | LOCK_NB) == 0 && rename(unlocked, lock) == 0)
		return 0;
	return bh_error_set(error, "E204", -EIO, "cannot lock %.300s: %s", lock, strerror(errno));
}

void
bh_lab_folder_remove(struct bh_lab_folder *folder, bool keep)
{
	if (folder->path[0] != '\0' && !keep)
		bh_lab_remove_tree(folder->path);
	if (folder->lock_fd >= 0) {
		char lock[PATH_MAX];
		/* A kept folder without its lock is nobody's to remove. */
		if (keep && (size_t)snprintf(lock, sizeof(lock), "%s/lock", folder->path) < sizeof(lock))
			unlink(lock);
		close(folder->lock_fd);
	}
	*folder = (struct bh_lab_folder){.lock_fd = -1};
}
