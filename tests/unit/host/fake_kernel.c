/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/host/fake_kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake_kernel fake;

#define DEVICES "/sys/bus/pci/devices/"
#define DRIVERS "/sys/bus/pci/drivers/"

static void
set_driver(const char *address, const char *driver)
{
	char path[256], target[256];
	snprintf(path, sizeof(path), DEVICES "%s/driver", address);
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	fake_gone(fake.root, path);
	if (driver[0] != '\0')
		fake_link(fake.root, path, target);
}

static bool
has_driver(const char *address)
{
	return bh_sys_exists(fake.root, DEVICES "%s/driver", address);
}

static void
write_override(const char *path, const char *text)
{
	fake_file(fake.root, path + strlen(fake.root), "%s\n", text[0] == '\n' ? "(null)" : text);
}

static int
probe(const char *address)
{
	char override[64];
	if (has_driver(address))
		return 0;
	(void)bh_sys_read(override, sizeof(override), fake.root, DEVICES "%s/driver_override", address);
	if (strcmp(override, "(null)") != 0 && bh_sys_exists(fake.root, DRIVERS "%s", override))
		set_driver(address, override);
	return 0;
}

/* .../drivers/NAME/bind: -ENODEV where an override names another driver. */
static int
bind_to(const char *path, const char *address)
{
	char name[64] = "", override[64];
	(void)sscanf(strstr(path, DRIVERS) + strlen(DRIVERS), "%63[^/]", name);
	(void)bh_sys_read(override, sizeof(override), fake.root, DEVICES "%s/driver_override", address);
	if (has_driver(address) || (strcmp(override, "(null)") != 0 && strcmp(override, name) != 0))
		return -ENODEV;
	set_driver(address, name);
	return 0;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);
	return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

static int
fake_write(const char *path, const char *text)
{
	bool hit = fake.fault_at != 0 && ++fake.write_cnt == fake.fault_at;
	bool behind = fake.fault_at != 0 && fake.write_cnt >= fake.fault_at;
	if ((hit && fake.fault == FAKE_REFUSE) || (behind && fake.fault == FAKE_REFUSE_ALL))
		return -EIO;
	if ((hit && fake.fault == FAKE_IGNORE) || (behind && fake.fault == FAKE_DIE))
		return 0;
	if (ends_with(path, "/driver_override"))
		write_override(path, text);
	else if (ends_with(path, "/unbind"))
		set_driver(text, "");
	else if (ends_with(path, "/drivers_probe"))
		return probe(text);
	else if (ends_with(path, "/bind"))
		return bind_to(path, text);
	else
		return -ENOENT;
	return 0;
}

static int
fake_load(const char *name)
{
	char path[128];
	if (!fake.has_module)
		return -ENOENT;
	snprintf(path, sizeof(path), DRIVERS "%s", name);
	fake_folder(fake.root, path);
	return 0;
}

static int
fake_open(const char *path, uint32_t major, uint32_t minor, bool exclusive)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(fake.busy); i++) {
		if (exclusive && fake.busy[i][0] != '\0' && ends_with(path, fake.busy[i]))
			return -EBUSY;
	}
	if (fake.unreadable[0] != '\0' && ends_with(path, fake.unreadable))
		return -EACCES;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int
fake_group(const char *path)
{
	return fake.group_busy ? -EBUSY : 0;
}

static int
fake_addresses(struct bh_bind_if_address *out, size_t max)
{
	memcpy(out, fake.address, sizeof(*out) * (size_t)fake.address_cnt);
	return fake.address_cnt;
}

static int
fake_defaults(char (*out)[BH_SYS_NAME_BYTES], size_t max)
{
	for (int i = 0; i < fake.default_cnt; i++)
		memcpy(out[i], fake.default_route[i], BH_SYS_NAME_BYTES);
	return fake.default_cnt;
}

static int
fake_route(const struct bh_bind_ip *ip, char out[BH_SYS_NAME_BYTES])
{
	if (fake.route[0] == '\0')
		return -ENETUNREACH;
	strcpy(out, fake.route);
	return 0;
}

static uint64_t fake_ns;

/* Time passes at once. */
static void
fake_pause(uint64_t ns)
{
	fake_ns += ns;
}

static uint64_t
fake_now(void)
{
	return fake_ns;
}

static const struct bh_bind_ops fake_ops = {
        .write = fake_write,
        .load_module = fake_load,
        .open_disk = fake_open,
        .try_group = fake_group,
        .addresses = fake_addresses,
        .default_routes = fake_defaults,
        .route = fake_route,
        .pause = fake_pause,
        .now_ns = fake_now,
};

int
fake_start(void **state)
{
	static struct bh_bind_ops ops;
	memset(&fake, 0, sizeof(fake));
	fake.has_module = true;
	ops = fake_ops;
	bh_bind_ops = &ops;
	fake_tree_make(fake.root);
	fake_folder(fake.root, DRIVERS "vfio-pci");
	fake_folder(fake.root, DRIVERS "nvme");
	fake_folder(fake.root, DRIVERS "e1000e");
	fake_folder(fake.root, "/sys/class/block");
	fake_folder(fake.root, "/sys/class/net");
	fake_folder(fake.root, "/dev");
	fake_file(fake.root, "/proc/self/mountinfo", "1 1 0:2 / / rw - rootfs rootfs rw\n");
	fake_pci(fake.root, NVME, 0x1b36, 0x0010, 0x010802, "nvme", 6);
	fake_pci(fake.root, NIC, 0x8086, 0x10d3, 0x020000, "e1000e", 7);
	fake_disk(NVME, "nvme0n1", 0);
	fake_disk(NVME, "nvme0n1p1", 1);
	fake_interface(NIC, "eth0");
	return 0;
}

int
fake_stop(void **state)
{
	fake_tree_remove(fake.root);
	bh_bind_ops = &bh_bind_ops_linux;
	return 0;
}

static void
fake_block(const char *name, const char *folder, unsigned major, unsigned minor)
{
	char path[256], target[256];
	snprintf(path, sizeof(path), "%s/dev", folder);
	fake_file(fake.root, path, "%u:%u\n", major, minor);
	snprintf(path, sizeof(path), "%s/size", folder);
	fake_file(fake.root, path, "%u\n", FAKE_DISK_BYTES / 512);
	snprintf(path, sizeof(path), "%s/holders", folder);
	fake_folder(fake.root, path);
	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	snprintf(target, sizeof(target), "../../..%s", folder);
	fake_link(fake.root, path, target);
	snprintf(path, sizeof(path), "/dev/%s", name);
	fake_bytes(fake.root, path, "", 0);
	snprintf(path, sizeof(path), "%s/dev/%s", fake.root, name);
	if (truncate(path, FAKE_DISK_BYTES) != 0)
		abort();
}

void
fake_disk(const char *address, const char *name, unsigned minor)
{
	char folder[200], path[256], disk[64];
	const char *part = strchr(name, 'p');
	snprintf(disk, sizeof(disk), "%.*s", part != NULL ? (int)(part - name) : (int)strlen(name), name);
	snprintf(folder, sizeof(folder), DEVICES "%s/nvme/nvme0/%s%s%s", address, disk, part != NULL ? "/" : "",
	         part != NULL ? name : "");
	fake_block(name, folder, 259, minor);
	snprintf(path, sizeof(path), "%s/partition", folder);
	if (part != NULL)
		fake_file(fake.root, path, "1\n");
}

void
fake_stacked(const char *name, unsigned minor, const char *below)
{
	char folder[200], path[256];
	snprintf(folder, sizeof(folder), "/sys/devices/virtual/block/%s", name);
	fake_block(name, folder, 253, minor);
	snprintf(path, sizeof(path), "/sys/class/block/%s/holders/%s", below, name);
	fake_link(fake.root, path, "/nowhere");
}

void
fake_interface(const char *address, const char *name)
{
	char folder[200], path[256], target[256];
	if (address[0] != '\0')
		snprintf(folder, sizeof(folder), DEVICES "%s/net/%s", address, name);
	else
		snprintf(folder, sizeof(folder), "/sys/devices/virtual/net/%s", name);
	snprintf(path, sizeof(path), "%s/address", folder);
	fake_file(fake.root, path, "52:54:00:00:00:01\n");
	snprintf(path, sizeof(path), "%s/operstate", folder);
	fake_file(fake.root, path, "up\n");
	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	snprintf(target, sizeof(target), "../../..%s", folder);
	fake_link(fake.root, path, target);
}

void
fake_upper(const char *below, const char *above)
{
	char path[256], target[256];
	snprintf(path, sizeof(path), "/sys/class/net/%s/upper_%s", below, above);
	snprintf(target, sizeof(target), "../../../../../class/net/%s", above);
	fake_link(fake.root, path, target);
}

void
fake_process(unsigned pid, unsigned parent, const char *comm)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fake_file(fake.root, path, "%s\n", comm);
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fake_file(fake.root, path, "%u (%s) S %u 1 1\n", pid, comm, parent);
	snprintf(path, sizeof(path), "/proc/%u/ns/mnt", pid);
	fake_link(fake.root, path, "mnt:[4026531840]");
	snprintf(path, sizeof(path), "/proc/%u/mountinfo", pid);
	fake_file(fake.root, path, "1 1 0:2 / / rw - rootfs rootfs rw\n");
	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	fake_folder(fake.root, path);
}

void
fake_add_address(const char *interface, const char *ip)
{
	struct bh_bind_if_address *out = &fake.address[fake.address_cnt++];
	memset(out, 0, sizeof(*out));
	strcpy(out->interface, interface);
	if (inet_pton(AF_INET, ip, out->ip.byte + 12) == 1)
		out->ip.byte[10] = out->ip.byte[11] = 0xff;
	else if (inet_pton(AF_INET6, ip, out->ip.byte) != 1)
		abort();
}
