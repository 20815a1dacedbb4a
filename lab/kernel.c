/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stock Debian kernel, unpacked from its package and never installed. What is in the cache is whole: it is made under
 * another name and renamed. Two labs at once wait for each other here, and only here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/internal.h"

#define META_PACKAGE "linux-image-amd64"

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

/* Whether cache/version holds a kernel; fills `out`. */
static bool
is_whole(const char *cache, const char *version, struct bh_lab_kernel *out)
{
	char dep[PATH_MAX];
	struct stat image, modules;
	if ((size_t)snprintf(out->version, sizeof(out->version), "%s", version) >= sizeof(out->version) ||
	    (size_t)snprintf(out->image, sizeof(out->image), "%s/%s/vmlinuz", cache, version) >= sizeof(out->image) ||
	    (size_t)snprintf(out->modules, sizeof(out->modules), "%s/%s/lib/modules/%s", cache, version, version) >=
	            sizeof(out->modules) ||
	    (size_t)snprintf(dep, sizeof(dep), "%s/modules.dep", out->modules) >= sizeof(dep))
		return false;
	return stat(out->image, &image) == 0 && image.st_size > 0 && stat(dep, &modules) == 0 && modules.st_size > 0;
}

/* The newest one in the cache: Debian's versions of one kernel differ in the ABI number, so compare them as versions. */
static bool
find_cached(const char *cache, struct bh_lab_kernel *out)
{
	char best[64] = "";
	DIR *dir = opendir(cache);
	if (dir == NULL)
		return false;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && strverscmp(entry->d_name, best) > 0 &&
		    is_whole(cache, entry->d_name, out))
			snprintf(best, sizeof(best), "%s", out->version);
	}
	closedir(dir);
	return best[0] != '\0' && is_whole(cache, best, out);
}

/* "linux-image-6.1.0-56-amd64" of the meta package's dependency. */
static int
package_name(char *out, size_t out_bytes, struct bh_error *error)
{
	const char *const show[] = {"apt-cache", "show", "--no-all-versions", META_PACKAGE, NULL};
	char *text = NULL;
	int code = bh_lab_tool(show, NULL, "apt", &text, error);
	if (code < 0)
		return code;
	const char *depends = strstr(text, "\nDepends: linux-image-");
	size_t len = depends != NULL ? strcspn(depends + 10, " ,\n") : 0;
	depends += depends != NULL ? 10 : 0;
	bool good = code == 0 && len > 0 && len < out_bytes && memchr(depends, '/', len) == NULL;
	if (good)
		snprintf(out, out_bytes, "%.*s", (int)len, depends);
	free(text);
	return good ? 0
	            : bh_error_set(error, "E206", -ENOENT,
	                           "apt knows no package " META_PACKAGE
	                           "; run apt-get update, and have Debian 12 (main) "
	                           "among its sources");
}

static int
expect_ok(const char *const *argv, const char *folder, const char *package, const char *what, struct bh_error *error)
{
	int code = bh_lab_tool(argv, folder, package, NULL, error);
	if (code <= 0)
		return code;
	return bh_error_set(error, "E206", -EIO, "%s failed (%s ended with exit code %d; its message stands above)%s",
	                    what, argv[0], code,
	                    strcmp(argv[0], "apt-get") == 0 ? "; run apt-get update and look at the network" : "");
}

/* The package's file: apt-get names it after the version. */
static int
find_deb(const char *folder, char *out, size_t out_bytes)
{
	int err = -ENOENT;
	DIR *dir = opendir(folder);
	if (dir == NULL)
		return -errno;
	for (struct dirent *entry = readdir(dir); entry != NULL && err != 0; entry = readdir(dir)) {
		const char *dot = strrchr(entry->d_name, '.');
		if (dot != NULL && strcmp(dot, ".deb") == 0 &&
		    (size_t)snprintf(out, out_bytes, "%s", entry->d_name) < out_bytes)
			err = 0;
	}
	closedir(dir);
	return err;
}

static int
unpack(const char *folder, const char *version, struct bh_error *error)
{
	char deb[NAME_MAX + 1], from[256];
	int err = find_deb(folder, deb, sizeof(deb));
	if (err != 0)
		return bh_error_set(error, "E206", err, "apt-get download left no package in %.200s", folder);
	const char *const unpacking[] = {"dpkg-deb", "-x", deb, ".", NULL};
	const char *const depmod[] = {"depmod", "-b", ".", version, NULL};
	err = expect_ok(unpacking, folder, "dpkg", "unpacking the kernel", error);
	if (err == 0)
		err = expect_ok(depmod, folder, "kmod", "listing the kernel's modules", error);
	if (err != 0)
		return err;
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(from, sizeof(from), "boot/vmlinuz-%.200s", version);
	err = dir < 0 || renameat(dir, from, dir, "vmlinuz") != 0 ? -errno : 0;
	if (dir >= 0) {
		unlinkat(dir, deb, 0);
		close(dir);
	}
	return err == 0 ? 0 : bh_error_set(error, "E206", err, "the package holds no %s: %s", from, strerror(-err));
}

static int
fetch_once(const char *cache, struct bh_error *error)
{
	char package[128], folder[PATH_MAX], whole[PATH_MAX];
	int err = package_name(package, sizeof(package), error);
	if (err != 0)
		return err;
	const char *version = package + strlen("linux-image-");
	if ((size_t)snprintf(folder, sizeof(folder), "%s/new.XXXXXX", cache) >= sizeof(folder) ||
	    (size_t)snprintf(whole, sizeof(whole), "%s/%s", cache, version) >= sizeof(whole) || mkdtemp(folder) == NULL)
		return bh_error_set(error, "E205", -EIO, "cannot write to the lab's cache %.200s: %s", cache,
		                    strerror(errno));
	fprintf(stderr, "lab: fetching Debian's %s into %s (once; it is unpacked, not installed)\n", package, cache);
	const char *const download[] = {"apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package, NULL};
	err = expect_ok(download, folder, "apt", "downloading the kernel's package", error);
	if (err == 0)
		err = unpack(folder, version, error);
	if (err == 0) {
		bh_lab_remove_tree(whole); /* a damaged one */
		chmod(folder, 0755);
		if (rename(folder, whole) != 0)
			err = bh_error_set(error, "E205", -errno, "cannot rename %.200s: %s", folder, strerror(errno));
	}
	if (err != 0)
		bh_lab_remove_tree(folder);
	return err;
}

/* The lists of packages are missing on a fresh machine, and on an old one name versions that are gone: fetched once more. */
static int
fetch(const char *cache, struct bh_error *error)
{
	const char *const update[] = {"apt-get", "-qq", "update", NULL};
	struct bh_error ignored;
	int err = fetch_once(cache, error);
	if (err == 0 || geteuid() != 0 || strcmp(error->id, "E206") != 0)
		return err;
	fprintf(stderr, "lab: that failed; running apt-get update, and once more\n");
	return bh_lab_tool(update, NULL, "apt", NULL, &ignored) == 0 ? fetch_once(cache, error) : err;
}

int
bh_lab_kernel_find(const char *asked, struct bh_lab_kernel *out, struct bh_error *error)
{
	char cache[PATH_MAX], lock[PATH_MAX];
	int err = cache_folder(asked, cache, sizeof(cache) - 128, error);
	if (err != 0 || find_cached(cache, out))
		return err;
	snprintf(lock, sizeof(lock), "%.*s/lock", (int)sizeof(lock) - 8, cache);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		err = bh_error_set(error, "E205", -errno, "cannot lock %.200s: %s", lock, strerror(errno));
	if (err == 0 && !find_cached(cache, out)) {
		err = fetch(cache, error);
		if (err == 0 && !find_cached(cache, out))
			err = bh_error_set(error, "E206", -EIO, "the kernel in %.200s is not whole", cache);
	}
	if (fd >= 0)
		close(fd);
	return err;
}
