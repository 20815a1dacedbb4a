/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DMA: memory by descriptor, mapped into this process for as long as the IOMMU maps it. The device becomes a bus master with its
 * first mapping and stops being one before its last mapping goes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "host/device/vfio_private.h"

int
bh_vfio_iommu_read(struct bh_vfio_group *group, const char *name, struct bh_error *error)
{
	uint32_t bytes = sizeof(struct vfio_iommu_type1_info);
	int err = -EPROTO;
	for (int i = 0; i < 2; i++) {
		struct vfio_iommu_type1_info *info = calloc(1, bytes);
		uint32_t wants = 0;
		if (info == NULL)
			return bh_error_set(error, "E117", -ENOMEM, "device %s: out of memory", name);
		info->argsz = bytes;
		err = ioctl(group->container_fd, VFIO_IOMMU_GET_INFO, info) == 0 ? 0 : -errno;
		if (err == 0 && info->argsz > bytes && info->argsz <= BH_VFIO_INFO_BYTES_MAX)
			wants = info->argsz;
		else if (err == 0)
			err = bh_vfio_iommu_parse(info, bytes, &group->iommu);
		free(info);
		if (wants == 0)
			break;
		bytes = wants;
		err = -EPROTO;
	}
	if (err == 0)
		return 0;
	return bh_error_set(error, "E117", err, "device %s: the kernel does not describe the IOMMU of group %d: %s",
	                    name, group->number, strerror(-err));
}

static uint64_t
status_kib(const char *format)
{
	char line[128];
	uint64_t kib = 0;
	FILE *file = fopen("/proc/self/status", "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, format, &kib) == 1)
			break;
	}
	fclose(file);
	return kib;
}

/* ENOMEM of the kernel is one of two things: the machine's memory, or what this process may lock of it. */
static int
explain_memory(const struct bh_vfio *vfio, uint64_t size_bytes, struct bh_error *error)
{
	struct rlimit limit = {0};
	char text[32];
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	uint64_t locked_kib = status_kib("VmLck: %lu kB"), pinned_kib = status_kib("VmPin: %lu kB");
	uint64_t needed_kib = (locked_kib + (size_bytes >> 10));
	if (limit.rlim_cur == RLIM_INFINITY)
		snprintf(text, sizeof(text), "unlimited");
	else
		snprintf(text, sizeof(text), "%lu KiB", (unsigned long)limit.rlim_cur >> 10);
	return bh_error_set(
	        error, "E123", -ENOMEM,
	        "device %s (%s): %lu KiB of DMA memory cannot be pinned: the limit for locked memory is %s "
	        "(RLIMIT_MEMLOCK), %lu KiB are locked and %lu KiB pinned already. Run as root with CAP_IPC_LOCK, "
	        "raise it (ulimit -l %lu; LimitMEMLOCK= in a unit), or make [cell] arena smaller",
	        vfio->backend.name, vfio->address, size_bytes >> 10, text, locked_kib, pinned_kib,
	        BH_ALIGN_UP(needed_kib, UINT64_C(1024)) + 1024);
}

static int
explain_count(const struct bh_vfio *vfio, struct bh_error *error)
{
	const struct bh_vfio_iommu *iommu = &vfio->group->iommu;
	char line[32] = "65535", left[48] = "";
	FILE *file = fopen("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "re");
	if (file != NULL && fgets(line, sizeof(line), file) != NULL)
		line[strcspn(line, "\n")] = '\0';
	if (file != NULL)
		fclose(file);
	if (iommu->counts_mappings)
		snprintf(left, sizeof(left), " (%u when it was opened)", iommu->mappings_left);
	return bh_error_set(error, "E122", -ENOSPC,
	                    "device %s (%s): the kernel allows a container %s mappings and none is left%s. Raise it: "
	                    "echo 65535 > /sys/module/vfio_iommu_type1/parameters/dma_entry_limit, then start again",
	                    vfio->backend.name, vfio->address, line, left);
}

static int
explain_range(const struct bh_vfio *vfio, uint64_t iova, uint64_t size_bytes, struct bh_error *error)
{
	const struct bh_vfio_iommu *iommu = &vfio->group->iommu;
	char text[256] = "";
	size_t used = 0;
	for (uint32_t i = 0; i < iommu->range_cnt && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%#lx to %#lx", i == 0 ? "" : ", ",
		                         iommu->range[i].first, iommu->range[i].last);
	return bh_error_set(
	        error, "E120", -ERANGE,
	        "device %s (%s): memory at %#lx to %#lx lies outside of what its IOMMU maps (%s). Make [cell] arena "
	        "smaller, or use a machine whose IOMMU has more address bits",
	        vfio->backend.name, vfio->address, iova, iova + size_bytes - 1, text);
}

static int
check_request(const struct bh_vfio *vfio, uint64_t iova, uint64_t size_bytes, uint64_t fd_offset,
              struct bh_error *error)
{
	const struct bh_vfio_iommu *iommu = &vfio->group->iommu;
	uint64_t page_bytes = BH_MAX(iommu->page_sizes & -iommu->page_sizes, (uint64_t)BH_PAGE_BYTES);
	if (size_bytes == 0 || iova + size_bytes < iova || ((iova | size_bytes | fd_offset) & (page_bytes - 1)) != 0)
		return bh_error_set(
		        error, "E121", -EINVAL,
		        "device %s (%s): memory of %#lx bytes at %#lx is not made of the IOMMU's pages of %#lx bytes",
		        vfio->backend.name, vfio->address, size_bytes, iova, page_bytes);
	return bh_vfio_iommu_allows(iommu, iova, size_bytes) ? 0 : explain_range(vfio, iova, size_bytes, error);
}

static bool
is_same(const struct bh_vfio_mapping *mapping, uint64_t iova, uint64_t size_bytes, const struct stat *stat,
        uint64_t fd_offset)
{
	return mapping->iova == iova && mapping->size_bytes == size_bytes && mapping->dev == stat->st_dev &&
	       mapping->ino == stat->st_ino && mapping->fd_offset == fd_offset;
}

/*
 * The slot of a request: one that another device of the group filled with the very same memory, or a free one.
 * Return: its index; -EEXIST something else is mapped there; -ENOSPC.
 */
static int
find_slot(const struct bh_vfio *vfio, uint64_t iova, uint64_t size_bytes, const struct stat *stat, uint64_t fd_offset)
{
	const struct bh_vfio_group *group = vfio->group;
	int slot = -ENOSPC;
	for (uint32_t i = 0; i < BH_VFIO_MAPPINGS_MAX; i++) {
		const struct bh_vfio_mapping *mapping = &group->mapping[i];
		bool ours = (vfio->mapped & UINT64_C(1) << i) != 0;
		if (mapping->size_bytes == 0)
			slot = slot < 0 ? (int)i : slot;
		else if (!ours && is_same(mapping, iova, size_bytes, stat, fd_offset))
			return (int)i;
		else if (iova < mapping->iova + mapping->size_bytes && mapping->iova < iova + size_bytes)
			return -EEXIST;
	}
	return slot;
}

static int
map_new(struct bh_vfio *vfio, struct bh_vfio_mapping *mapping, uint64_t iova, uint64_t size_bytes, int fd,
        uint64_t fd_offset, struct bh_error *error)
{
	void *addr = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)fd_offset);
	if (addr == MAP_FAILED)
		return bh_error_set(error, "E124", -errno,
		                    "device %s (%s): %lu KiB of memory for DMA cannot be mapped: %s",
		                    vfio->backend.name, vfio->address, size_bytes >> 10, strerror(errno));
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
	                                       .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	                                       .vaddr = (uintptr_t)addr,
	                                       .iova = iova,
	                                       .size = size_bytes};
	if (ioctl(vfio->group->container_fd, VFIO_IOMMU_MAP_DMA, &map) == 0) {
		mapping->iova = iova;
		mapping->size_bytes = size_bytes;
		mapping->addr = addr;
		return 0;
	}
	int err = -errno;
	munmap(addr, size_bytes);
	if (err == -ENOSPC)
		return explain_count(vfio, error);
	if (err == -ENOMEM)
		return explain_memory(vfio, size_bytes, error);
	return bh_error_set(error, "E124", err, "device %s (%s): the IOMMU does not map %lu KiB at %#lx: %s; see dmesg",
	                    vfio->backend.name, vfio->address, size_bytes >> 10, iova, strerror(-err));
}

/* Return: 0, also if the kernel unmapped something else (E125 in error, and -EIO): nobody could map it again. */
static int
unmap_slot(struct bh_vfio *vfio, uint32_t slot, struct bh_error *error)
{
	struct bh_vfio_mapping *mapping = &vfio->group->mapping[slot];
	struct vfio_iommu_type1_dma_unmap unmap = {
	        .argsz = sizeof(unmap), .iova = mapping->iova, .size = mapping->size_bytes};
	int err = 0;
	vfio->mapped &= ~(UINT64_C(1) << slot);
	if (--mapping->user_cnt > 0)
		return 0;
	if (ioctl(vfio->group->container_fd, VFIO_IOMMU_UNMAP_DMA, &unmap) != 0)
		err = bh_error_set(
		        error, "E125", -errno, "device %s (%s): the IOMMU does not unmap %#lx bytes at %#lx: %s",
		        vfio->backend.name, vfio->address, mapping->size_bytes, mapping->iova, strerror(errno));
	else if (unmap.size != mapping->size_bytes)
		err = bh_error_set(error, "E125", -EIO, "device %s (%s): the IOMMU unmapped %#lx bytes at %#lx of %#lx",
		                   vfio->backend.name, vfio->address, (uint64_t)unmap.size, mapping->iova,
		                   mapping->size_bytes);
	munmap(mapping->addr, mapping->size_bytes);
	*mapping = (struct bh_vfio_mapping){0};
	return err;
}

int
bh_vfio_dma_map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset,
                struct bh_error *error)
{
	struct bh_vfio *vfio = bh_vfio_of(backend);
	struct stat stat;
	if (vfio->lost)
		return bh_vfio_lost(vfio, error);
	int err = check_request(vfio, iova, size_bytes, fd_offset, error);
	if (err != 0)
		return err;
	if (fstat(fd, &stat) != 0)
		return bh_error_set(error, "E124", -errno, "device %s: its memory has no descriptor: %s", backend->name,
		                    strerror(errno));
	int slot = find_slot(vfio, iova, size_bytes, &stat, fd_offset);
	if (slot < 0)
		return bh_error_set(error, slot == -EEXIST ? "E124" : "E122", slot,
		                    slot == -EEXIST ? "device %s (%s): something is mapped at %#lx already"
		                                    : "device %s (%s): no room for a further mapping at %#lx",
		                    backend->name, vfio->address, iova);
	struct bh_vfio_mapping *mapping = &vfio->group->mapping[slot];
	if (mapping->size_bytes == 0)
		err = map_new(vfio, mapping, iova, size_bytes, fd, fd_offset, error);
	if (err != 0)
		return err;
	mapping->dev = stat.st_dev;
	mapping->ino = stat.st_ino;
	mapping->fd_offset = fd_offset;
	mapping->user_cnt++;
	bool first = vfio->mapped == 0;
	vfio->mapped |= UINT64_C(1) << slot;
	err = first && !vfio->given_up ? bh_vfio_enable(vfio, true, error) : 0;
	if (err != 0)
		(void)unmap_slot(vfio, (uint32_t)slot, NULL);
	return err;
}

int
bh_vfio_dma_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, struct bh_error *error)
{
	struct bh_vfio *vfio = bh_vfio_of(backend);
	for (uint32_t i = 0; i < BH_VFIO_MAPPINGS_MAX; i++) {
		const struct bh_vfio_mapping *mapping = &vfio->group->mapping[i];
		if ((vfio->mapped & UINT64_C(1) << i) == 0 || mapping->iova != iova ||
		    mapping->size_bytes != size_bytes)
			continue;
		/* Before the last one goes, the device stops. If it is not there any more, it has. */
		bool last = vfio->mapped == UINT64_C(1) << i;
		int err = last && !vfio->lost ? bh_vfio_enable(vfio, false, error) : 0;
		int unmapped = unmap_slot(vfio, i, error);
		return err != 0 && err != -ENODEV ? err : unmapped;
	}
	return bh_error_set(error, "E125", -EINVAL, "device %s (%s): %#lx bytes at %#lx are not mapped as one piece",
	                    backend->name, vfio->address, size_bytes, iova);
}

void
bh_vfio_dma_release(struct bh_vfio *vfio)
{
	for (uint32_t i = 0; i < BH_VFIO_MAPPINGS_MAX; i++) {
		if ((vfio->mapped & UINT64_C(1) << i) != 0)
			(void)unmap_slot(vfio, i, NULL);
	}
}
