/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stock Debian kernel, unpacked from its package and never installed. What is in the cache is whole: it is made under
 * another name and renamed, and a list of its files with their sizes tells whether it still is. Two labs at once wait for each
 * other while one fetches, and only then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/internal.h"

#define LIST    "whole"
#define LOCK_NS (900 * BH_LAB_NS_PER_S) /* another lab's download */

static int
cache_folder(const char *asked, char *out, size_t out_bytes, struct bh_error *error)
{
	const char *own = getenv("BULKHEAD_LAB_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int used;
	if (asked == NULL)
		asked = own;
	if (asked != NULL)
		used = asked[0] == '/' ? snprintf(out, out_bytes, "%s", asked) : -1;
	else if (xdg != NULL && xdg[0] == '/')
		used = snprintf(out, out_bytes, "%s/bulkhead/lab", xdg);
	else if (home != NULL && home[0] == '/')
		used = snprintf(out, out_bytes, "%s/.cache/bulkhead/lab", home);
	else
		used = snprintf(out, out_bytes, "/var/cache/bulkhead/lab");
	if (used < 0 || (size_t)used >= out_bytes)
		return bh_error_set(error, "E205", -EINVAL, "the lab's cache must be an absolute path: %.200s", asked);
	int err = bh_lab_make_dirs(out);
	return err == 0 ? 0
	                : bh_error_set(error, "E205", err,
	                               "cannot make the lab's cache %.200s: %s; name another with --cache DIR", out,
	                               strerror(-err));
}

/* nftw has no context. */
static FILE *list_file;
static size_t list_root;

static int
list_entry(const char *path, const struct stat *facts, int type, struct FTW *where)
{
	if (type == FTW_F && S_ISREG(facts->st_mode) && strcmp(path + list_root, LIST) != 0)
		fprintf(list_file, "%lu %s\n", (unsigned long)facts->st_size, path + list_root);
	return 0;
}

int
bh_lab_cache_list(const char *folder)
{
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof(path), "%s/" LIST, folder) >= sizeof(path))
		return -ENAMETOOLONG;
	list_file = fopen(path, "we");
	if (list_file == NULL)
		return -errno;
	list_root = strlen(folder) + 1;
	int err = nftw(folder, list_entry, 16, FTW_PHYS | FTW_MOUNT) != 0 ? -EIO : 0;
	fputs("end\n", list_file);
	err = ferror(list_file) || fflush(list_file) != 0 || fsync(fileno(list_file)) != 0 ? -EIO : err;
	fclose(list_file);
	return err;
}

bool
bh_lab_cache_is_whole(const char *folder)
{
	char line[PATH_MAX + 32], path[PATH_MAX], *name;
	struct stat facts;
	size_t cnt = 0;
	bool whole = true, ended = false;
	if ((size_t)snprintf(path, sizeof(path), "%s/" LIST, folder) >= sizeof(path))
		return false;
	FILE *file = fopen(path, "re");
	while (file != NULL && whole && !ended && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		ended = strcmp(line, "end") == 0;
		unsigned long long size = strtoull(line, &name, 10);
		if (!ended)
			whole = *name == ' ' && cnt++ < 100000 &&
			        (size_t)snprintf(path, sizeof(path), "%s/%s", folder, name + 1) < sizeof(path) &&
			        lstat(path, &facts) == 0 && (unsigned long long)facts.st_size == size;
	}
	if (file != NULL)
		fclose(file);
	return whole && ended && cnt > 0;
}

/* Fills `out` with what would be there. Return: false if that does not fit. */
static bool
cached(const char *cache, const char *version, struct bh_lab_kernel *out)
{
	out->packed[0] = '\0';
	return (size_t)snprintf(out->version, sizeof(out->version), "%s", version) < sizeof(out->version) &&
	       (size_t)snprintf(out->image, sizeof(out->image), "%s/%s/vmlinuz", cache, version) < sizeof(out->image) &&
	       (size_t)snprintf(out->modules, sizeof(out->modules), "%s/%s/lib/modules/%s", cache, version, version) <
	               sizeof(out->modules);
}

static bool
is_whole(const char *cache, const char *version)
{
	char path[PATH_MAX];
	return (size_t)snprintf(path, sizeof(path), "%s/%s", cache, version) < sizeof(path) &&
	       bh_lab_cache_is_whole(path);
}

/* The newest one: Debian's versions of one kernel differ in the ABI number, so compare them as versions. */
static bool
find_cached(const char *cache, struct bh_lab_kernel *out)
{
	char best[64] = "";
	DIR *dir = opendir(cache);
	if (dir == NULL)
		return false;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && strlen(entry->d_name) < sizeof(best) &&
		    strverscmp(entry->d_name, best) > 0 && is_whole(cache, entry->d_name))
			snprintf(best, sizeof(best), "%.63s", entry->d_name);
	}
	closedir(dir);
	return best[0] != '\0' && cached(cache, best, out);
}

/* Return: the lock's descriptor; -EINTR, -ETIMEDOUT or another error. */
static int
lock_cache(struct bh_lab_signals *signals, const char *cache, struct bh_error *error)
{
	const uint64_t end_ns = bh_lab_now_ns() + LOCK_NS;
	char path[PATH_MAX];
	bool told = false;
	snprintf(path, sizeof(path), "%.*s/lock", (int)sizeof(path) - 8, cache);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), err = 0;
	while (fd >= 0 && err == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		struct pollfd polled = {signals->fd, POLLIN, 0};
		if (errno != EWOULDBLOCK && errno != EINTR) {
			err = bh_error_set(error, "E205", -errno, "cannot lock %.200s: %s", path, strerror(errno));
			break;
		}
		if (!told)
			fprintf(stderr, "lab: another lab prepares the kernel; waiting for it\n");
		told = true;
		poll(&polled, 1, 100);
		err = bh_lab_signals_check(signals, error);
		if (err == 0 && bh_lab_now_ns() > end_ns)
			err = bh_error_set(error, "E205", -ETIMEDOUT, "another lab holds %.200s for too long", path);
	}
	if (fd < 0)
		return bh_error_set(error, "E205", -errno, "cannot lock %.200s: %s", path, strerror(errno));
	if (err != 0)
		close(fd);
	return err == 0 ? fd : err;
}

/* One that is installed, because the person asked for it: /boot/vmlinuz-6.1.0-56-amd64, /lib/modules/6.1.0-56-amd64. */
static int
find_installed(const char *image, struct bh_lab_kernel *out, struct bh_error *error)
{
	const char *base = strrchr(image, '/');
	char dep[PATH_MAX + 16];
	base = base != NULL ? base + 1 : image;
	if (strncmp(base, "vmlinuz-", 8) != 0 || base[8] == '\0' || strlen(base + 8) >= sizeof(out->version))
		return bh_error_set(error, "E201", -EINVAL,
		                    "--kernel %.200s: an image named vmlinuz-VERSION was meant, with its modules in "
		                    "/lib/modules/VERSION",
		                    image);
	snprintf(out->version, sizeof(out->version), "%s", base + 8);
	snprintf(out->image, sizeof(out->image), "%s", image);
	snprintf(out->modules, sizeof(out->modules), "/lib/modules/%s", out->version);
	snprintf(out->packed, sizeof(out->packed), "--kernel names it");
	snprintf(dep, sizeof(dep), "%s/modules.dep", out->modules);
	for (int i = 0; i < 2; i++) {
		const char *path = i == 0 ? image : dep;
		if (access(path, R_OK) != 0)
			return bh_error_set(error, "E206", -errno, "--kernel: cannot read %.300s: %s", path,
			                    strerror(errno));
	}
	return 0;
}

int
bh_lab_kernel_find(struct bh_lab_signals *signals, const struct bh_lab_options *options, struct bh_lab_kernel *out,
                   struct bh_error *error)
{
	char cache[PATH_MAX];
	if (options->kernel != NULL)
		return find_installed(options->kernel, out, error);
	int err = cache_folder(options->cache, cache, sizeof(cache) - 128, error);
	if (err != 0 || (find_cached(cache, out) && bh_lab_image_ready(out)))
		return err;
	int lock_fd = lock_cache(signals, cache, error);
	if (lock_fd < 0)
		return lock_fd;
	if (!find_cached(cache, out)) {
		err = bh_lab_fetch(signals, cache, error);
		if (err == 0 && !find_cached(cache, out))
			err = bh_error_set(error, "E206", -EIO, "the kernel in %.200s is not whole", cache);
	}
	if (err == 0)
		err = bh_lab_image_unpack(signals, out, error);
	close(lock_fd);
	return err;
}
