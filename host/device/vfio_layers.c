/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers between a device and us, from the firmware up: the first one that is missing is named, with what to do.
 * Read from sysfs below a root, so that tests can show machines that we do not have.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/vfio_private.h"

struct layers {
	const char *root, *name;
	struct bh_pci_device *pci;
	struct bh_error *error;
};

BH_PRINTF(3, 4)
static const char *
path_of(const struct layers *layers, char path[PATH_MAX], const char *format, ...)
{
	va_list args;
	int used = snprintf(path, PATH_MAX, "%s", layers->root);
	va_start(args, format);
	vsnprintf(path + used, PATH_MAX - (size_t)used, format, args);
	va_end(args);
	return path;
}

static bool
exists(const struct layers *layers, const char *file)
{
	char path[PATH_MAX];
	return access(path_of(layers, path, "%s", file), F_OK) == 0;
}

/* The first line of a file without its newline; "" if there is none. */
static const char *
line_of(const struct layers *layers, const char *file, char *line, size_t line_bytes)
{
	char path[PATH_MAX];
	FILE *stream = fopen(path_of(layers, path, "%s", file), "re");
	line[0] = '\0';
	if (stream == NULL)
		return line;
	if (fgets(line, (int)line_bytes, stream) == NULL)
		line[0] = '\0';
	fclose(stream);
	line[strcspn(line, "\n")] = '\0';
	for (char *c = line; *c != '\0'; c++) {
		if (!isprint((unsigned char)*c))
			*c = '?';
	}
	return line;
}

static bool
folder_is_empty(const struct layers *layers, const char *folder)
{
	char path[PATH_MAX];
	DIR *dir = opendir(path_of(layers, path, "%s", folder));
	if (dir == NULL)
		return true;
	const struct dirent *entry;
	bool empty = true;
	while ((entry = readdir(dir)) != NULL)
		empty &= entry->d_name[0] == '.';
	closedir(dir);
	return empty;
}

#define WHO "device %s (%s): "

/* The firmware describes an IOMMU. What does the kernel's command line say of it? */
static int
not_used(const struct layers *layers, bool intel)
{
	char line[4096];
	line_of(layers, "/proc/cmdline", line, sizeof(line));
	const char *why = intel ? "its command line lacks intel_iommu=on. Add that"
	                        : "dmesg | grep AMD-Vi says why. Mend that, or add amd_iommu=force_enable,";
	if (strstr(line, "iommu=off") != NULL)
		why = "its command line switches it off (iommu=off). Take that away";
	return bh_error_set(
	        layers->error, "E103", -EPERM,
	        WHO "refused: the machine has an IOMMU (%s table), but Linux does not use it: %s and boot again",
	        layers->name, layers->pci->address, intel ? "DMAR" : "IVRS", why);
}

/* No group: no IOMMU stands between this device and all memory. Which layer is it that is missing? */
static int
no_group(const struct layers *layers)
{
	bool intel = exists(layers, "/sys/firmware/acpi/tables/DMAR");
	bool amd = exists(layers, "/sys/firmware/acpi/tables/IVRS");
	const char *name = layers->name, *address = layers->pci->address;
	if (!folder_is_empty(layers, "/sys/class/iommu"))
		return bh_error_set(layers->error, "E104", -EPERM,
		                    WHO
		                    "refused: the IOMMU is on, but this device is behind none (it has no IOMMU group). "
		                    "Use a slot that an IOMMU covers; `bulkhead devices` shows the groups",
		                    name, address);
	if (!intel && !amd)
		return bh_error_set(layers->error, "E102", -EPERM,
		                    WHO "refused: this machine has no IOMMU, so the device could reach all memory. The "
		                        "firmware has no DMAR or IVRS table: switch VT-d or AMD-Vi on in its setup; a "
		                        "virtual machine needs an emulated one",
		                    name, address);
	return not_used(layers, intel);
}

static int
check_iommu(const struct layers *layers)
{
	char file[128], text[64];
	if (layers->pci->group < 0)
		return no_group(layers);
	snprintf(file, sizeof(file), "/sys/kernel/iommu_groups/%d/name", layers->pci->group);
	if (strcmp(line_of(layers, file, text, sizeof(text)), "vfio-noiommu") == 0)
		return bh_error_set(layers->error, "E105", -EPERM,
		                    WHO "refused: its group %d is one without an IOMMU (vfio's no-IOMMU mode), so the "
		                        "device could reach all memory. bulkhead has no switch for that: use an IOMMU",
		                    layers->name, layers->pci->address, layers->pci->group);
	line_of(layers, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", text, sizeof(text));
	if (text[0] != 'Y' && text[0] != '1')
		return 0;
	return bh_error_set(
	        layers->error, "E110", -EPERM,
	        WHO "refused: somebody switched allow_unsafe_interrupts on, so a device could forge interrupts. "
	            "Switch it off: echo N > /sys/module/vfio_iommu_type1/parameters/"
	            "allow_unsafe_interrupts, and take it out of /etc/modprobe.d",
	        layers->name, layers->pci->address);
}

static int
check_modules(const struct layers *layers)
{
	static const struct {
		const char *folder, *module, *id;
	} needed[] = {
	        {"/sys/module/vfio", "vfio", "E106"},
	        {"/sys/module/vfio_pci", "vfio-pci", "E107"},
	        {"/sys/module/vfio_iommu_type1", "vfio_iommu_type1", "E108"},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(needed); i++) {
		if (!exists(layers, needed[i].folder))
			return bh_error_set(layers->error, needed[i].id, -ENOENT,
			                    WHO "the kernel's module %s is not loaded: modprobe %s%s%s", layers->name,
			                    layers->pci->address, needed[i].module,
			                    i == 2 ? needed[i].module : "vfio-pci",
			                    i == 2 ? "" : ", then bulkhead bind ", i == 2 ? "" : layers->pci->address);
	}
	return 0;
}

static int
check_binding(const struct layers *layers)
{
	const struct bh_pci_device *pci = layers->pci;
	if (strcmp(pci->driver, "vfio-pci") == 0)
		return 0;
	if (pci->driver[0] == '\0')
		return bh_error_set(layers->error, "E109", -ENOENT,
		                    WHO "it has no driver; bulkhead drives it through vfio-pci: bulkhead bind %s",
		                    layers->name, pci->address, pci->address);
	return bh_error_set(layers->error, "E109", -ENOENT,
	                    WHO "Linux drives it (driver %s): take it from there with bulkhead bind %s", layers->name,
	                    pci->address, pci->driver, pci->address);
}

static int
check_nodes(const struct layers *layers)
{
	char file[64];
	if (!exists(layers, "/dev/vfio/vfio"))
		return bh_error_set(layers->error, "E111", -ENOENT,
		                    WHO
		                    "/dev/vfio/vfio is missing though vfio is loaded: mount devtmpfs on /dev, or pass "
		                    "/dev/vfio into the container",
		                    layers->name, layers->pci->address);
	snprintf(file, sizeof(file), "/dev/vfio/%d", layers->pci->group);
	if (!exists(layers, file))
		return bh_error_set(layers->error, "E112", -ENOENT,
		                    WHO
		                    "%s is missing though the device is bound to vfio-pci: mount devtmpfs on /dev, or "
		                    "pass /dev/vfio into the container",
		                    layers->name, layers->pci->address, file);
	return 0;
}

int
bh_vfio_layers(const char *root, const char *name, const char *address, struct bh_pci_device *out,
               struct bh_error *error)
{
	char full[BH_PCI_ADDRESS_BYTES];
	const struct layers layers = {.root = root, .name = name, .pci = out, .error = error};
	if (bh_pci_address_parse(address, full) != 0)
		return bh_error_set(
		        error, "E101", -EINVAL,
		        "device %s: '%.40s' is no PCI address; write one like 0000:01:00.0 (bulkhead devices "
		        "lists them)",
		        name, address);
	int err = bh_pci_read(root, full, out, error);
	if (err == 0)
		err = check_iommu(&layers);
	if (err == 0)
		err = check_modules(&layers);
	if (err == 0)
		err = check_binding(&layers);
	return err == 0 ? check_nodes(&layers) : err;
}

/* Bridges are the kernel's own and never in the way. */
const char *
bh_vfio_group_blockers(const char *root, int group, char *out, size_t out_bytes)
{
	struct bh_pci_device member[BH_PCI_GROUP_MAX];
	int cnt = bh_pci_group_members(root, group, member, BH_ARRAY_CNT(member));
	size_t used = 0;
	out[0] = '\0';
	for (int i = 0; i < cnt && i < (int)BH_ARRAY_CNT(member) && used < out_bytes; i++) {
		const char *driver = member[i].driver;
		bool harmless = driver[0] == '\0' || strncmp(driver, "vfio", 4) == 0 ||
		                strcmp(driver, "pci-stub") == 0 || member[i].class >> 16 == 0x06;
		if (!harmless)
			used += (size_t)snprintf(out + used, out_bytes - used, "%s%s (driver %s)",
			                         used == 0 ? "" : ", ", member[i].address, driver);
	}
	return out;
}

static bool
has_open(const char *root, const char *pid, const char *node)
{
	char folder[PATH_MAX], target[64];
	snprintf(folder, sizeof(folder), "%s/proc/%.16s/fd", root, pid);
	DIR *dir = opendir(folder);
	bool found = false;
	if (dir == NULL)
		return false;
	for (const struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[BH_MAX(len, 0)] = '\0';
		found = strcmp(target, node) == 0;
	}
	closedir(dir);
	return found;
}

const char *
bh_vfio_holders(const char *root, int group, char *out, size_t out_bytes)
{
	const struct layers layers = {.root = root};
	char path[PATH_MAX], node[64], command[64], file[64];
	size_t used = 0;
	snprintf(node, sizeof(node), "/dev/vfio/%d", group);
	out[0] = '\0';
	DIR *dir = opendir(path_of(&layers, path, "/proc"));
	if (dir == NULL)
		return out;
	for (const struct dirent *entry; used < out_bytes && (entry = readdir(dir)) != NULL;) {
		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid() ||
		    !has_open(root, entry->d_name, node))
			continue;
		snprintf(file, sizeof(file), "/proc/%.16s/comm", entry->d_name);
		used += (size_t)snprintf(out + used, out_bytes - used, "%spid %.16s (%s)", used == 0 ? "" : ", ",
		                         entry->d_name, line_of(&layers, file, command, sizeof(command)));
	}
	closedir(dir);
	return out;
}
