/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device/pci.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/errors/errors.h"

#define DEVICES_MAX 65536u

/* At most `digits_max` hexadecimal digits, then `end`. Moves *text behind it. */
static int
take_hex(const char **text, int digits_max, unsigned max, char end, unsigned *out)
{
	const char *at = *text;
	*out = 0;
	while (isxdigit((unsigned char)*at) && at - *text < digits_max) {
		unsigned digit =
		        (unsigned)(isdigit((unsigned char)*at) ? *at - '0' : tolower((unsigned char)*at) - 'a' + 10);
		*out = *out * 16 + digit;
		at++;
	}
	if (at == *text || *at != end || *out > max)
		return -EINVAL;
	*text = at + (end != '\0');
	return 0;
}

int
bh_pci_address_parse(const char *text, char out[BH_PCI_ADDRESS_BYTES])
{
	unsigned domain = 0, bus, device, function;
	const char *colon = strchr(text, ':');
	bool has_domain = colon != NULL && strchr(colon + 1, ':') != NULL;
	if ((has_domain && take_hex(&text, 4, 0xffff, ':', &domain) != 0) || take_hex(&text, 2, 0xff, ':', &bus) != 0 ||
	    take_hex(&text, 2, 0x1f, '.', &device) != 0 || take_hex(&text, 1, 7, '\0', &function) != 0)
		return -EINVAL;
	snprintf(out, BH_PCI_ADDRESS_BYTES, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, device & 0x1f,
	         function & 7);
	return 0;
}

/* The first line of a file below the function's folder, without its newline. Return: 0 or a negative errno. */
static int
read_line(const char *root, const char *address, const char *name, char *out, size_t out_bytes)
{
	char path[PATH_MAX];
	out[0] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root, address, name) >= sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ssize_t got = read(fd, out, out_bytes - 1);
	int err = got < 0 ? -errno : 0;
	close(fd);
	out[BH_MAX(got, 0)] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return err;
}

static int
read_hex(const char *root, const char *address, const char *name, unsigned max, unsigned *out)
{
	char line[32], *end;
	int err = read_line(root, address, name, line, sizeof(line));
	if (err != 0)
		return err;
	unsigned long value = strtoul(line, &end, 16);
	if (end == line || *end != '\0' || value > max)
		return -EIO;
	*out = (unsigned)value;
	return 0;
}

/* The last part of a link's target; "" if there is no such link. */
static void
read_link(const char *root, const char *address, const char *name, char *out, size_t out_bytes)
{
	char path[PATH_MAX], target[PATH_MAX];
	out[0] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root, address, name) >= sizeof(path))
		return;
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	const char *slash = strrchr(target, '/');
	const char *base = slash != NULL ? slash + 1 : target;
	if (strlen(base) < out_bytes)
		memcpy(out, base, strlen(base) + 1);
}

static int
read_number(const char *text, int missing)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	return end == text || *end != '\0' || errno != 0 || value < -1 || value > INT_MAX ? missing : (int)value;
}

static int
read_device(const char *root, const char *address, struct bh_pci_device *out)
{
	unsigned vendor, device, class;
	char text[32];
	*out = (struct bh_pci_device){.group = -1, .node = -1};
	snprintf(out->address, sizeof(out->address), "%s", address);
	int err = read_hex(root, address, "vendor", 0xffff, &vendor);
	if (err == 0)
		err = read_hex(root, address, "device", 0xffff, &device);
	if (err == 0)
		err = read_hex(root, address, "class", 0xffffff, &class);
	if (err != 0)
		return err;
	out->vendor = (uint16_t)vendor;
	out->device = (uint16_t)device;
	out->class = class;
	read_link(root, address, "driver", out->driver, sizeof(out->driver));
	read_link(root, address, "iommu_group", text, sizeof(text));
	out->group = read_number(text, -1);
	if (read_line(root, address, "driver_override", out->driver_override, sizeof(out->driver_override)) != 0 ||
	    strcmp(out->driver_override, "(null)") == 0)
		out->driver_override[0] = '\0';
	if (read_line(root, address, "numa_node", text, sizeof(text)) == 0)
		out->node = read_number(text, -1);
	return 0;
}

/* What is there of the same kind helps whoever mistyped. */
static int
no_such_device(const char *root, const char *address, struct bh_error *error)
{
	struct bh_pci_device *list = NULL;
	size_t cnt = 0, used = 0;
	char there[256] = "";
	if (bh_pci_list(root, &list, &cnt) != 0)
		return bh_error_set(error, "E100", -ENODEV, "no PCI device %s: this machine has no PCI bus", address);
	for (size_t i = 0; i < cnt && used + 24 < sizeof(there); i++) {
		if ((list[i].class >> 16) == 0x01 || (list[i].class >> 16) == 0x02)
			used += (size_t)snprintf(there + used, sizeof(there) - used, "%s%s", used > 0 ? ", " : "",
			                         list[i].address);
	}
	free(list);
	return bh_error_set(error, "E100", -ENODEV,
	                    "no PCI device %s; disks and network cards are at: %s; 'bulkhead devices' lists them",
	                    address, used > 0 ? there : "none");
}

int
bh_pci_read(const char *root, const char *address, struct bh_pci_device *out, struct bh_error *error)
{
	char full[BH_PCI_ADDRESS_BYTES];
	if (bh_pci_address_parse(address, full) != 0)
		return bh_error_set(error, "E101", -EINVAL,
		                    "'%.64s' is no PCI address; write it as 0000:01:00.0 or 01:00.0", address);
	int err = read_device(root, full, out);
	if (err == -ENOENT || err == -ENODEV)
		return no_such_device(root, full, error);
	return err == 0 ? 0
	                : bh_error_set(error, "E136", -EIO, "PCI device %s: sysfs cannot be read: %s", full,
	                               strerror(-err));
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct bh_pci_device *)a)->address, ((const struct bh_pci_device *)b)->address);
}

/* The functions that a folder lists, sorted; names that are no addresses and functions that just went are left out. */
static int
list_folder(const char *root, const char *folder, struct bh_pci_device **out, size_t *out_cnt)
{
	char address[BH_PCI_ADDRESS_BYTES];
	struct bh_pci_device *list = NULL;
	size_t cnt = 0;
	int err = 0;
	DIR *dir = opendir(folder);
	if (dir == NULL)
		return -errno;
	for (struct dirent *entry = readdir(dir); entry != NULL && err == 0 && cnt < DEVICES_MAX;
	     entry = readdir(dir)) {
		if (bh_pci_address_parse(entry->d_name, address) != 0)
			continue;
		struct bh_pci_device *more = realloc(list, (cnt + 1) * sizeof(*list));
		err = more == NULL ? -ENOMEM : 0;
		list = more != NULL ? more : list;
		if (err == 0 && read_device(root, address, &list[cnt]) == 0)
			cnt++;
	}
	closedir(dir);
	if (err != 0) {
		free(list);
		return err;
	}
	if (cnt > 0)
		qsort(list, cnt, sizeof(*list), compare);
	*out = list;
	*out_cnt = cnt;
	return 0;
}

int
bh_pci_list(const char *root, struct bh_pci_device **out, size_t *out_cnt)
{
	char folder[PATH_MAX];
	*out = NULL;
	*out_cnt = 0;
	if ((size_t)snprintf(folder, sizeof(folder), "%s/sys/bus/pci/devices", root) >= sizeof(folder))
		return -ENAMETOOLONG;
	return list_folder(root, folder, out, out_cnt);
}

int
bh_pci_group_members(const char *root, int group, struct bh_pci_device *out, size_t max)
{
	char folder[PATH_MAX];
	struct bh_pci_device *list;
	size_t cnt;
	if ((size_t)snprintf(folder, sizeof(folder), "%s/sys/kernel/iommu_groups/%d/devices", root, group) >=
	    sizeof(folder))
		return -ENAMETOOLONG;
	int err = list_folder(root, folder, &list, &cnt);
	if (err != 0)
		return err;
	if (cnt > 0)
		memcpy(out, list, BH_MIN(cnt, max) * sizeof(*out));
	free(list);
	return (int)BH_MIN(cnt, (size_t)INT_MAX);
}

const char *
bh_pci_class_name(uint32_t class)
{
	static const struct {
		uint32_t mask, value;
		const char *name;
	} known[] = {
	        {0xffffff, 0x010802, "nvme"},    {0xff0000, 0x010000, "disk"},   {0xff0000, 0x020000, "network"},
	        {0xff0000, 0x030000, "display"}, {0xffff00, 0x060400, "bridge"}, {0xff0000, 0x060000, "bridge"},
	        {0xff0000, 0x0c0000, "bus"},     {0xff0000, 0x040000, "audio"},  {0xff0000, 0x070000, "serial"},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(known); i++) {
		if ((class & known[i].mask) == known[i].value)
			return known[i].name;
	}
	return "other";
}
