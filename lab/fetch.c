/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads Debian's kernel with apt-get, as anybody may, and unpacks what the lab needs of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/internal.h"

#define META_PACKAGE "linux-image-amd64"

/* "linux-image-6.1.0-56-amd64" of the meta package's dependency. */
static int
package_name(struct bh_lab_signals *signals, char *out, size_t out_bytes, struct bh_error *error)
{
	const char *const show[] = {"apt-cache", "show", "--no-all-versions", META_PACKAGE, NULL};
	char *text = NULL;
	int code = bh_lab_tool(signals, show, NULL, "apt", &text, error);
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
expect_ok(struct bh_lab_signals *signals, const char *const *argv, const char *folder, const char *package,
          const char *what, struct bh_error *error)
{
	int code = bh_lab_tool(signals, argv, folder, package, NULL, error);
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

/* The image and its configuration by plain names; the package, System.map and documentation go: nobody here reads them. */
static int
tidy(const char *folder, const char *deb, const char *version)
{
	char from[256];
	int err = 0, dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	static const char *const kept[] = {"vmlinuz", "config"};
	for (size_t i = 0; i < BH_ARRAY_CNT(kept) && err == 0; i++) {
		snprintf(from, sizeof(from), "boot/%s-%.200s", kept[i], version);
		err = renameat(dir, from, dir, kept[i]) != 0 ? -errno : 0;
	}
	unlinkat(dir, deb, 0);
	close(dir);
	static const char *const dropped[] = {"boot", "usr"};
	for (size_t i = 0; i < BH_ARRAY_CNT(dropped); i++) {
		char path[PATH_MAX];
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, dropped[i]) < sizeof(path))
			bh_lab_remove_tree(path);
	}
	return err;
}

static int
unpack(struct bh_lab_signals *signals, const char *folder, const char *version, struct bh_error *error)
{
	char deb[NAME_MAX + 1];
	int err = find_deb(folder, deb, sizeof(deb));
	if (err != 0)
		return bh_error_set(error, "E206", err, "apt-get download left no package in %.200s", folder);
	const char *const unpacking[] = {"dpkg-deb", "-x", deb, ".", NULL};
	const char *const depmod[] = {"depmod", "-b", ".", version, NULL};
	err = expect_ok(signals, unpacking, folder, "dpkg", "unpacking the kernel", error);
	if (err == 0)
		err = expect_ok(signals, depmod, folder, "kmod", "listing the kernel's modules", error);
	if (err != 0)
		return err;
	err = tidy(folder, deb, version);
	if (err == 0)
		err = bh_lab_cache_list(folder);
	return err == 0 ? 0
	                : bh_error_set(error, "E206", err, "the package in %.200s is not as expected: %s", folder,
	                               strerror(-err));
}

/* Of fetches that were killed; the lock is ours. */
static void
remove_stale(const char *cache)
{
	char path[PATH_MAX];
	DIR *dir = opendir(cache);
	if (dir == NULL)
		return;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (strncmp(entry->d_name, "new.", 4) == 0 &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", cache, entry->d_name) < sizeof(path))
			bh_lab_remove_tree(path);
	}
	closedir(dir);
}

static int
fetch_once(struct bh_lab_signals *signals, const char *cache, struct bh_error *error)
{
	char package[128], folder[PATH_MAX], whole[PATH_MAX];
	int err = package_name(signals, package, sizeof(package), error);
	if (err != 0)
		return err;
	const char *version = package + strlen("linux-image-");
	remove_stale(cache);
	if ((size_t)snprintf(folder, sizeof(folder), "%s/new.XXXXXX", cache) >= sizeof(folder) ||
	    (size_t)snprintf(whole, sizeof(whole), "%s/%s", cache, version) >= sizeof(whole) || mkdtemp(folder) == NULL)
		return bh_error_set(error, "E205", -EIO, "cannot write to the lab's cache %.200s: %s", cache,
		                    strerror(errno));
	fprintf(stderr, "lab: fetching Debian's %s into %s (once; it is unpacked, not installed)\n", package, cache);
	const char *const download[] = {"apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package, NULL};
	err = expect_ok(signals, download, folder, "apt", "downloading the kernel's package", error);
	if (err == 0)
		err = unpack(signals, folder, version, error);
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
int
bh_lab_fetch(struct bh_lab_signals *signals, const char *cache, struct bh_error *error)
{
	const char *const update[] = {"apt-get", "-qq", "update", NULL};
	struct bh_error ignored;
	int err = fetch_once(signals, cache, error);
	if (err == 0 || geteuid() != 0 || strcmp(error->id, "E206") != 0)
		return err;
	fprintf(stderr, "lab: that failed; running apt-get update, and once more\n");
	return bh_lab_tool(signals, update, NULL, "apt", NULL, &ignored) == 0 ? fetch_once(signals, cache, error) : err;
}
