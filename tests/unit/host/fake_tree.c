/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/host/fake_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
must(bool good, const char *what, const char *path)
{
	if (good)
		return;
	fprintf(stderr, "fake tree: %s %s: %s\n", what, path, strerror(errno));
	abort();
}

void
fake_tree_make(char root[64])
{
	strcpy(root, "/tmp/bulkhead-fake-XXXXXX");
	must(mkdtemp(root) != NULL, "mkdtemp", root);
}

static int
remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	return remove(path);
}

void
fake_tree_remove(const char *root)
{
	must(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, "remove", root);
}

static void
full_path(char out[512], const char *root, const char *path)
{
	snprintf(out, 512, "%s%s", root, path);
	for (char *slash = strchr(out + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		must(mkdir(out, 0755) == 0 || errno == EEXIST, "mkdir", out);
		*slash = '/';
	}
}

void
fake_bytes(const char *root, const char *path, const void *bytes, size_t cnt)
{
	char full[512];
	full_path(full, root, path);
	unlink(full);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	must(fd >= 0 && write(fd, bytes, cnt) == (ssize_t)cnt, "write", full);
	close(fd);
}

void
fake_file(const char *root, const char *path, const char *format, ...)
{
	char text[8192];
	va_list args;
	va_start(args, format);
	int bytes = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	must(bytes >= 0 && (size_t)bytes < sizeof(text), "format", path);
	fake_bytes(root, path, text, (size_t)bytes);
}

void
fake_folder(const char *root, const char *path)
{
	char full[512];
	full_path(full, root, path);
	must(mkdir(full, 0755) == 0 || errno == EEXIST, "mkdir", full);
}

void
fake_link(const char *root, const char *path, const char *target)
{
	char full[512];
	full_path(full, root, path);
	unlink(full);
	must(symlink(target, full) == 0, "symlink", full);
}

void
fake_gone(const char *root, const char *path)
{
	char full[512];
	full_path(full, root, path);
	must(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT, "remove", full);
}

const char *
fake_text(const char *root, const char *path)
{
	static char text[8192];
	char full[512];
	full_path(full, root, path);
	int fd = open(full, O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[got < 0 ? 0 : got] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

void
fake_pci(const char *root, const char *address, unsigned vendor, unsigned device, unsigned class, const char *driver,
         int group)
{
	char path[256], target[256];
#define IN(file) (snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/" file, address), path)
	fake_file(root, IN("vendor"), "0x%04x\n", vendor);
	fake_file(root, IN("device"), "0x%04x\n", device);
	fake_file(root, IN("class"), "0x%06x\n", class);
	fake_file(root, IN("numa_node"), "0\n");
	fake_file(root, IN("driver_override"), "(null)\n");
	if (driver[0] != '\0') {
		snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
		fake_link(root, IN("driver"), target);
	}
	if (group >= 0) {
		snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", group);
		fake_link(root, IN("iommu_group"), target);
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%s", group, address);
		snprintf(target, sizeof(target), "../../../../bus/pci/devices/%s", address);
		fake_link(root, path, target);
	}
#undef IN
}
