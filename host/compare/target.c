/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/compare/program.h"
#include "host/compare/target.h"
#include "host/compare/text.h"
#include "host/device/bind.h"
#include "host/errors/errors.h"

#define NVME_CLASS       0x010802u
#define WAIT_TURNS       400u
#define CHAR_TURNS       100u
#define OTHER_TURNS      60u
#define WAIT_MS          50
#define REHEARSAL_BYTES  (UINT64_C(1) << 20)
#define POLL_QUEUES_PATH "/sys/module/nvme/parameters/poll_queues"

/* What a search for the one device has seen. */
struct search {
	uint32_t cnt;
	char found[BH_PCI_ADDRESS_BYTES];
	char list[256];
};

static void
look_at(struct search *search, const struct bh_pci_device *device)
{
	struct bh_bind_finding finding[BH_BIND_FINDINGS_MAX];
	struct bh_error ignored;
	if (device->class != NVME_CLASS)
		return;
	bool ours = strcmp(device->driver, "nvme") == 0;
	int against = ours ? bh_bind_check("", device->address, finding, &ignored) : 0;
	/* A list that is cut still names the first ones. */
	(void)bh_text_add(search->list, sizeof(search->list), "%s%s (%s)", search->list[0] != '\0' ? ", " : "",
	                  device->address,
	                  !ours          ? "not bound to nvme"
	                  : against != 0 ? "in use"
	                                 : "free");
	if (ours && against == 0) {
		memcpy(search->found, device->address, sizeof(search->found));
		search->cnt++;
	}
}

int
bh_target_find(char address[BH_PCI_ADDRESS_BYTES], struct bh_error *error)
{
	struct search search = {0};
	struct bh_pci_device *device = NULL;
	size_t cnt = 0;
	int err = bh_pci_list("", &device, &cnt);
	for (size_t i = 0; err == 0 && i < cnt; i++)
		look_at(&search, &device[i]);
	free(device);
	if (err != 0 || search.list[0] == '\0')
		return bh_error_set(error, "E184", -ENODEV, "this machine has no NVMe device on a PCI bus");
	if (search.cnt != 1)
		return bh_error_set(error, "E184", -ENODEV,
		                    "auto needs exactly one NVMe device that is free to take, "
		                    "and there are %u: %s; name one",
		                    search.cnt, search.list);
	memcpy(address, search.found, sizeof(search.found));
	return 0;
}

/* The first entry of `dir` that begins with `prefix` and then goes on with a digit. Return: 0; -ENOENT. */
static int
find_entry(const char *dir, const char *prefix, char *out, size_t out_bytes)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	int err = -ENOENT;
	if (stream == NULL)
		return -ENOENT;
	while (err != 0 && (entry = readdir(stream)) != NULL) {
		size_t len = strlen(prefix);
		if (strncmp(entry->d_name, prefix, len) == 0 && entry->d_name[len] >= '0' &&
		    entry->d_name[len] <= '9' && strlen(entry->d_name) < out_bytes) {
			memcpy(out, entry->d_name, strlen(entry->d_name) + 1);
			err = 0;
		}
	}
	closedir(stream);
	return err;
}

static uint64_t
file_number(const char *path)
{
	char text[64];
	return bh_text_file(text, sizeof(text), path) == 0 ? strtoull(text, NULL, 0) : 0;
}

/* The disk of a namespace: an entry nvmeXnY whose nsid is ours. A multipath head has the path's name without "cN". */
static int
find_disk(struct bh_target *target, const char *controller_dir)
{
	char path[384], name[32];
	struct dirent *entry;
	DIR *stream = opendir(controller_dir);
	int err = -ENOENT;
	if (stream == NULL)
		return -ENOENT;
	while (err != 0 && (entry = readdir(stream)) != NULL) {
		unsigned instance, path_nr, nr;
		if (sscanf(entry->d_name, "nvme%uc%un%u", &instance, &path_nr, &nr) != 3 &&
		    sscanf(entry->d_name, "nvme%un%u", &instance, &nr) != 2)
			continue;
		snprintf(name, sizeof(name), "nvme%un%u", instance, nr);
		bh_text_path(path, sizeof(path), "/sys/block/%s/nsid", name);
		if (file_number(path) != target->nsid)
			continue;
		memcpy(target->disk, name, sizeof(name));
		snprintf(target->block_path, sizeof(target->block_path), "/dev/%s", name);
		snprintf(target->char_path, sizeof(target->char_path), "/dev/ng%un%u", instance, nr);
		err = 0;
	}
	closedir(stream);
	return err;
}

static int
look_for_disk(struct bh_target *target)
{
	char dir[128], path[256];
	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s/nvme", target->address);
	if (find_entry(dir, "nvme", target->controller, sizeof(target->controller)) != 0)
		return -ENOENT;
	bh_text_path(path, sizeof(path), "%s/%s", dir, target->controller);
	if (find_disk(target, path) != 0 || access(target->block_path, R_OK) != 0)
		return -ENOENT;
	bh_text_path(path, sizeof(path), "/sys/block/%s/size", target->disk);
	target->size_bytes = file_number(path) * 512;
	bh_text_path(path, sizeof(path), "/sys/block/%s/queue/logical_block_size", target->disk);
	target->lba_bytes = (uint32_t)file_number(path);
	return target->size_bytes > 0 && target->lba_bytes > 0 ? 0 : -ENOENT;
}

/* The character device of a namespace comes after its disk; kernels before 5.13 have none. */
static void
wait_char_device(struct bh_target *target)
{
	if (access("/sys/class/nvme-generic", F_OK) != 0)
		target->char_path[0] = '\0';
	for (unsigned turn = 0; turn < CHAR_TURNS && target->char_path[0] != '\0' && !bh_program_stopped(); turn++) {
		if (access(target->char_path, R_OK) == 0)
			return;
		poll(NULL, 0, WAIT_MS);
	}
	target->char_path[0] = '\0';
}

/* Model, serial number and firmware: padded with blanks by the device, trimmed here. */
static void
read_names(struct bh_target *target)
{
	char path[160];
	bh_text_path(path, sizeof(path), "/sys/class/nvme/%s/serial", target->controller);
	bh_text_file(target->serial, sizeof(target->serial), path);
	bh_text_path(path, sizeof(path), "/sys/class/nvme/%s/model", target->controller);
	bh_text_file(target->model, sizeof(target->model), path);
	bh_text_path(path, sizeof(path), "/sys/class/nvme/%s/firmware_rev", target->controller);
	bh_text_file(target->firmware, sizeof(target->firmware), path);
	wait_char_device(target);
}

/* Whether the controller has a disk of another namespace: then ours will not come any more. */
static bool
other_disk(const struct bh_target *target)
{
	char path[160], prefix[24], name[32];
	bh_text_path(path, sizeof(path), "/sys/class/nvme/%s", target->controller);
	snprintf(prefix, sizeof(prefix), "%sn", target->controller);
	return target->controller[0] != '\0' && find_entry(path, prefix, name, sizeof(name)) == 0;
}

int
bh_target_wait(struct bh_target *target, bool heed_stop)
{
	int err = -ENOENT;
	for (unsigned turn = 0; turn < WAIT_TURNS && err != 0; turn++) {
		if (heed_stop && bh_program_stopped())
			return -EINTR;
		err = look_for_disk(target);
		if (err != 0 && turn > OTHER_TURNS && other_disk(target))
			break;
		if (err != 0)
			poll(NULL, 0, WAIT_MS);
	}
	return err;
}

int
bh_target_open(struct bh_target *target, const char *address, uint32_t nsid, struct bh_error *error)
{
	struct bh_pci_device device;
	memset(target, 0, sizeof(*target));
	int err = bh_pci_read("", address, &device, error);
	if (err != 0)
		return err;
	memcpy(target->address, device.address, sizeof(target->address));
	target->group = device.group;
	target->nsid = nsid;
	if (device.class != NVME_CLASS)
		return bh_error_set(error, "E184", -ENODEV, "%s is not an NVMe device (class %06x)", address,
		                    device.class);
	if (strcmp(device.driver, "nvme") != 0)
		return bh_error_set(error, "E184", -ENODEV,
		                    "%s is bound to '%s', not to Linux's nvme driver; 'bulkhead "
		                    "unbind %s' gives it back, 'modprobe nvme' loads the driver",
		                    address, device.driver[0] != '\0' ? device.driver : "no driver", address);
	err = bh_target_wait(target, true);
	if (err == -EINTR)
		return bh_error_set(error, "E185", err, "stopped by a signal");
	if (err != 0)
		return bh_error_set(error, "E184", -ENODEV,
		                    "%s has no disk for namespace %u; see "
		                    "/sys/class/nvme and 'dmesg'",
		                    address, nsid);
	read_names(target);
	return 0;
}

int
bh_target_open_file(struct bh_target *target, const char *path, struct bh_error *error)
{
	struct stat status;
	memset(target, 0, sizeof(*target));
	if (stat(path, &status) != 0)
		return bh_error_set(error, "E180", -errno, "cannot rehearse on %s: %s; make a file of some MiB", path,
		                    strerror(errno));
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size < REHEARSAL_BYTES ||
	    strlen(path) >= sizeof(target->block_path))
		return bh_error_set(error, "E180", -EINVAL,
		                    "cannot rehearse on %s: it must be a file of at least 1 MiB", path);
	memcpy(target->block_path, path, strlen(path) + 1);
	snprintf(target->address, sizeof(target->address), "rehearsal");
	snprintf(target->model, sizeof(target->model), "a file and a software device");
	target->nsid = 1;
	target->lba_bytes = 512;
	target->size_bytes = (uint64_t)status.st_size;
	target->group = -1;
	target->file = true;
	return 0;
}

static const struct queue_setting {
	const char *name, *value;
} queue_settings[] = {
        {"scheduler", "none"}, {"nomerges", "2"},      {"rq_affinity", "0"}, {"iostats", "0"},
        {"wbt_lat_usec", "0"}, {"read_ahead_kb", "0"}, {"add_random", "0"},  {"io_poll_delay", "-1"},
};

/* All CPUs but one, as a list: "0-2,4-7". False: there is no other. */
static bool
other_cpus(unsigned cpu, char *text, size_t text_bytes)
{
	long cnt = sysconf(_SC_NPROCESSORS_CONF);
	text[0] = '\0';
	if (cnt < 2 || cpu >= (unsigned long)cnt)
		return false;
	if (cpu > 0)
		(void)bh_text_add(text, text_bytes, "0-%u", cpu - 1);
	if (cpu + 1 < (unsigned long)cnt)
		(void)bh_text_add(text, text_bytes, "%s%u-%ld", cpu > 0 ? "," : "", cpu + 1, cnt - 1);
	return true;
}

/* Those that the kernel manages by itself refuse: their queue is then the one of the CPU that submits. */
static int
steer_interrupts(const struct bh_target *target, struct bh_restore *restore, unsigned cpu, struct bh_error *error)
{
	char dir[128], path[300], cpus[64];
	struct dirent *entry;
	int err = 0;
	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s/msi_irqs", target->address);
	DIR *stream = opendir(dir);
	if (stream == NULL || !other_cpus(cpu, cpus, sizeof(cpus)))
		goto out;
	while (err == 0 && (entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		bh_text_path(path, sizeof(path), "/proc/irq/%s/smp_affinity_list", entry->d_name);
		err = bh_restore_set(restore, path, cpus, error);
	}
out:
	if (stream != NULL)
		closedir(stream);
	return err;
}

int
bh_target_tune(const struct bh_target *target, struct bh_restore *restore, unsigned cpu, struct bh_error *error)
{
	char path[160];
	int err = 0;
	if (target->file)
		return 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(queue_settings) && err == 0; i++) {
		bh_text_path(path, sizeof(path), "/sys/block/%s/queue/%s", target->disk, queue_settings[i].name);
		err = bh_restore_set(restore, path, queue_settings[i].value, error);
	}
	return err != 0 ? err : steer_interrupts(target, restore, cpu, error);
}

bool
bh_target_poll_queues(const struct bh_target *target)
{
	char path[160];
	bh_text_path(path, sizeof(path), "/sys/block/%s/queue/io_poll", target->disk);
	return !target->file && file_number(path) == 1 && file_number(POLL_QUEUES_PATH) > 0;
}

int
bh_target_check_serial(const struct bh_target *target, const char *serial, struct bh_error *error)
{
	if (serial == NULL || serial[0] == '\0')
		return bh_error_set(error, "E183", -EPERM,
		                    "writing destroys what is on %s (%s); give its serial number with "
		                    "--serial",
		                    target->block_path, target->model);
	if (target->serial[0] == '\0' || strcmp(serial, target->serial) != 0)
		return bh_error_set(error, "E183", -EPERM,
		                    "'%s' is not the serial number of %s (%s); nothing was written. "
		                    "It is in /sys/class/nvme/%s/serial",
		                    serial, target->block_path, target->model, target->controller);
	return 0;
}

json_t *
bh_target_json(const struct bh_target *target)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:i, s:b}", "address", target->address,
	                 "disk", target->disk, "block_path", target->block_path, "char_path", target->char_path,
	                 "serial", target->serial, "model", target->model, "firmware", target->firmware, "namespace",
	                 (int)target->nsid, "lba_bytes", (int)target->lba_bytes, "size_bytes",
	                 (json_int_t)target->size_bytes, "iommu_group", target->group, "rehearsal", target->file);
}
