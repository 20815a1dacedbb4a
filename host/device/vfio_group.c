/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel lets a group be opened once. Devices of one group stand on the same side of the IOMMU anyway, so they share the
 * group's descriptor and its container; the last one that goes takes both along.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "host/device/vfio_private.h"

#define BUSY_STEP_NS 20000000

static struct bh_vfio_group *groups;

/* A process that was killed holds its group until the kernel has reset its devices: wait a little before saying no. */
static int
open_group(int number)
{
	const struct timespec step = {.tv_nsec = BUSY_STEP_NS};
	char path[32];
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	for (uint64_t waited_ns = 0;; waited_ns += BUSY_STEP_NS) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 || errno != EBUSY || waited_ns >= BH_VFIO_BUSY_WAIT_NS)
			return fd >= 0 ? fd : -errno;
		nanosleep(&step, NULL);
	}
}

static int
explain_open(const char *name, const struct bh_pci_device *pci, int err, struct bh_error *error)
{
	char holders[256];
	if (err == -EACCES || err == -EPERM)
		return bh_error_set(
		        error, "E113", -EACCES,
		        "device %s (%s): no permission on /dev/vfio/%d: run bulkhead as root, or have its owner and "
		        "mode changed (ls -l /dev/vfio; a container needs the device allowed, too)",
		        name, pci->address, pci->group);
	if (err == -EBUSY) {
		bh_vfio_holders("", pci->group, holders, sizeof(holders));
		return bh_error_set(
		        error, "E114", -EBUSY, "device %s (%s): it is in use: %s has /dev/vfio/%d open. End that first",
		        name, pci->address, holders[0] != '\0' ? holders : "a process that we cannot see", pci->group);
	}
	if (err == -ENODEV || err == -ENOENT)
		return bh_error_set(error, "E126", -ENODEV,
		                    "device %s (%s): it is gone: /dev/vfio/%d went away while it was opened", name,
		                    pci->address, pci->group);
	return bh_error_set(error, "E117", err, "device %s (%s): /dev/vfio/%d cannot be opened: %s", name, pci->address,
	                    pci->group, strerror(-err));
}

static int
check_viable(const struct bh_vfio_group *group, const char *name, const struct bh_pci_device *pci,
             struct bh_error *error)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char blockers[256];
	if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status) != 0)
		return bh_error_set(error, "E117", -errno, "device %s (%s): /dev/vfio/%d does not tell its status: %s",
		                    name, pci->address, pci->group, strerror(errno));
	if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0)
		return 0;
	bh_vfio_group_blockers("", pci->group, blockers, sizeof(blockers));
	return bh_error_set(
	        error, "E115", -EBUSY,
	        "device %s (%s): its IOMMU group %d is shared with devices that Linux drives: %s. They reach the "
	        "same memory, so bind them all: bulkhead bind ADDRESS for each, or use a slot that isolates "
	        "(ACS)",
	        name, pci->address, pci->group, blockers[0] != '\0' ? blockers : "the kernel does not say");
}

static int
explain_attach(const char *name, const struct bh_pci_device *pci, int err, struct bh_error *error)
{
	if (err == -EPERM)
		return bh_error_set(
		        error, "E116", -EPERM,
		        "device %s (%s): refused: the IOMMU does not remap interrupts, so a device could forge "
		        "them. Switch interrupt remapping on in the firmware (a QEMU machine: intel-iommu with "
		        "intremap=on); bulkhead does not use allow_unsafe_interrupts",
		        name, pci->address);
	return bh_error_set(error, "E117", err, "device %s (%s): group %d cannot use the IOMMU: %s; see dmesg", name,
	                    pci->address, pci->group, strerror(-err));
}

static int
attach(struct bh_vfio_group *group, const char *name, const struct bh_pci_device *pci, struct bh_error *error)
{
	group->container_fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (group->container_fd < 0)
		return bh_error_set(error, errno == EACCES ? "E113" : "E117", -errno,
		                    "device %s (%s): /dev/vfio/vfio cannot be opened: %s", name, pci->address,
		                    strerror(errno));
	if (ioctl(group->container_fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(group->container_fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return bh_error_set(error, "E108", -ENOENT,
		                    "device %s (%s): the kernel's VFIO has no type1 IOMMU: modprobe vfio_iommu_type1",
		                    name, pci->address);
	if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &group->container_fd) != 0)
		return explain_attach(name, pci, -errno, error);
	if (ioctl(group->container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
		return explain_attach(name, pci, -errno, error);
	return bh_vfio_iommu_read(group, name, error);
}

static void
free_group(struct bh_vfio_group *group)
{
	/* The group first: a container without groups forgets its IOMMU domain and all its mappings. */
	if (group->fd >= 0)
		close(group->fd);
	if (group->container_fd >= 0)
		close(group->container_fd);
	free(group);
}

int
bh_vfio_group_get(const char *name, const struct bh_pci_device *pci, struct bh_vfio_group **out, struct bh_error *error)
{
	for (struct bh_vfio_group *group = groups; group != NULL; group = group->next) {
		if (group->number == pci->group) {
			group->user_cnt++;
			*out = group;
			return 0;
		}
	}
	struct bh_vfio_group *group = calloc(1, sizeof(*group));
	if (group == NULL)
		return bh_error_set(error, "E117", -ENOMEM, "device %s: out of memory", name);
	*group = (struct bh_vfio_group){.number = pci->group, .fd = -1, .container_fd = -1, .user_cnt = 1};
	group->fd = open_group(pci->group);
	int err = group->fd < 0 ? explain_open(name, pci, group->fd, error) : 0;
	if (err == 0)
		err = check_viable(group, name, pci, error);
	if (err == 0)
		err = attach(group, name, pci, error);
	if (err != 0) {
		free_group(group);
		return err;
	}
	group->next = groups;
	groups = group;
	*out = group;
	return 0;
}

void
bh_vfio_group_put(struct bh_vfio_group *group)
{
	if (--group->user_cnt > 0)
		return;
	for (struct bh_vfio_group **link = &groups; *link != NULL; link = &(*link)->next) {
		if (*link == group) {
			*link = group->next;
			break;
		}
	}
	free_group(group);
}

int
bh_vfio_group_device(struct bh_vfio_group *group, const char *name, const char *address, int *out_fd,
                     struct bh_error *error)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, address);
	if (fd < 0 && (errno == ENODEV || errno == ENOENT))
		return bh_error_set(error, "E126", -ENODEV,
		                    "device %s (%s): it is gone: the kernel has no such device in group %d", name,
		                    address, group->number);
	if (fd < 0)
		return bh_error_set(error, "E118", -errno,
		                    "device %s (%s): the kernel does not hand it out: %s; see dmesg", name, address,
		                    strerror(errno));
	*out_fd = fd;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || ioctl(fd, VFIO_DEVICE_GET_INFO, &info) != 0)
		return bh_error_set(error, "E118", -errno, "device %s (%s): the kernel does not describe it: %s", name,
		                    address, strerror(errno));
	if ((info.flags & VFIO_DEVICE_FLAGS_PCI) == 0 || info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
		return bh_error_set(error, "E118", -EIO,
		                    "device %s (%s): VFIO says that it is no PCI device (flags %#x)", name, address,
		                    info.flags);
	return 0;
}
