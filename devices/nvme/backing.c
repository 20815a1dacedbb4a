/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/nvme/backing.h"

#define RELEASE_BYTES_MIN (UINT64_C(1) << 20) /* below, zeroing is faster than giving pages back */
#define ZERO_BYTES        65536u

/* Whole pages go back to the system and read as zeroes; the ends are zeroed. */
static int
memory_discard(void *context, uint64_t offset, uint64_t cnt_bytes)
{
	struct nvme_backing *backing = context;
	uint64_t first = BH_ALIGN_UP(offset, UINT64_C(4096)), end = BH_ALIGN_DOWN(offset + cnt_bytes, UINT64_C(4096));

	if (cnt_bytes < RELEASE_BYTES_MIN || madvise(backing->memory + first, end - first, MADV_DONTNEED) != 0) {
		memset(backing->memory + offset, 0, cnt_bytes);
		return 0;
	}
	memset(backing->memory + offset, 0, first - offset);
	memset(backing->memory + end, 0, offset + cnt_bytes - end);
	return 0;
}

static int
memory_open(uint64_t size_bytes, struct nvme_backing *backing, char *out_error, size_t error_bytes)
{
	const uint64_t huge = UINT64_C(2) << 20;
	uint64_t map_bytes = BH_ALIGN_UP(size_bytes, huge);
	uint8_t *at = mmap(NULL, map_bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	                   -1, 0);

	if (at == MAP_FAILED) {
		int err = -errno;
		snprintf(out_error, error_bytes,
		         "cannot map %llu bytes for the device's memory: %s; choose a smaller size",
		         (unsigned long long)size_bytes, strerror(errno));
		return err;
	}
	/* Aligned to a huge page; what is cut off before and behind is given back. */
	uint64_t skip = (huge - (uintptr_t)at % huge) % huge;
	if (skip)
		munmap(at, skip);
	if (huge - skip)
		munmap(at + skip + map_bytes, huge - skip);
	backing->memory = at + skip;
	backing->size_bytes = map_bytes;
	madvise(backing->memory, map_bytes, MADV_HUGEPAGE); /* a wish; ordinary pages do as well */
	backing->model.memory = backing->memory;
	backing->model.discard = memory_discard;
	backing->model.context = backing;
	return 0;
}

static int
file_read(void *context, uint64_t offset, void *out_data, uint64_t cnt_bytes)
{
	const struct nvme_backing *backing = context;
	uint8_t *at = out_data;

	while (cnt_bytes > 0) {
		ssize_t got = pread(backing->fd, at, cnt_bytes, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		at += got;
		offset += (uint64_t)got;
		cnt_bytes -= (uint64_t)got;
	}
	return 0;
}

static int
file_write(void *context, uint64_t offset, const void *data, uint64_t cnt_bytes)
{
	const struct nvme_backing *backing = context;
	const uint8_t *at = data;

	while (cnt_bytes > 0) {
		ssize_t put = pwrite(backing->fd, at, cnt_bytes, (off_t)offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += put;
		offset += (uint64_t)put;
		cnt_bytes -= (uint64_t)put;
	}
	return 0;
}

static int
file_discard(void *context, uint64_t offset, uint64_t cnt_bytes)
{
	static const uint8_t zeroes[ZERO_BYTES];
	const struct nvme_backing *backing = context;
	int err = 0;

	if (fallocate(backing->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)cnt_bytes) == 0)
		return 0;
	while (cnt_bytes > 0 && err == 0) {
		uint64_t part = BH_MIN(cnt_bytes, (uint64_t)sizeof(zeroes));
		err = file_write(context, offset, zeroes, part);
		offset += part;
		cnt_bytes -= part;
	}
	return err;
}

static int
file_flush(void *context)
{
	const struct nvme_backing *backing = context;
	return fdatasync(backing->fd) == 0 ? 0 : -errno;
}

/* Return: 0 or a negative errno with out_error filled. */
static int
file_check(int fd, const char *path, uint64_t size_bytes, bool created, char *out_error, size_t error_bytes)
{
	struct stat status;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		snprintf(out_error, error_bytes, "%s is in use by another software device", path);
		return -EBUSY;
	}
	if (fstat(fd, &status) != 0)
		return -errno;
	if (!S_ISREG(status.st_mode)) {
		snprintf(out_error, error_bytes,
		         "%s is not a regular file; software devices do not write to real devices", path);
		return -EINVAL;
	}
	if (created && ftruncate(fd, (off_t)size_bytes) != 0) {
		int err = -errno;
		snprintf(out_error, error_bytes, "cannot make %s %llu bytes large: %s", path,
		         (unsigned long long)size_bytes, strerror(errno));
		return err;
	}
	if (!created && (uint64_t)status.st_size < size_bytes) {
		snprintf(out_error, error_bytes,
		         "%s has %llu bytes, %llu are needed; choose a smaller size, or remove the file to have it "
		         "created",
		         path, (unsigned long long)status.st_size, (unsigned long long)size_bytes);
		return -EINVAL;
	}
	return 0;
}

static int
file_open(const char *path, uint64_t size_bytes, struct nvme_backing *backing, char *out_error, size_t error_bytes)
{
	bool created = true;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST) {
		created = false;
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK); /* a FIFO would block otherwise */
	}
	if (fd < 0) {
		int err = -errno;
		snprintf(out_error, error_bytes, "cannot open %s: %s", path, strerror(errno));
		return err;
	}
	int err = file_check(fd, path, size_bytes, created, out_error, error_bytes);
	if (err) {
		if (created)
			unlink(path);
		close(fd);
		return err;
	}
	backing->fd = fd;
	backing->model = (struct nvme_model_backing){.context = backing,
	                                             .read = file_read,
	                                             .write = file_write,
	                                             .discard = file_discard,
	                                             .flush = file_flush};
	return 0;
}

int
nvme_backing_open(const char *spec, uint64_t size_bytes, struct nvme_backing *out, char *out_error, size_t error_bytes)
{
	*out = (struct nvme_backing){.fd = -1};
	snprintf(out_error, error_bytes, "cannot use %s", spec);
	if (strcmp(spec, "null") == 0) {
		out->model.null = true;
		return 0;
	}
	if (strcmp(spec, "memory") == 0)
		return memory_open(size_bytes, out, out_error, error_bytes);
	return file_open(spec, size_bytes, out, out_error, error_bytes);
}

void
nvme_backing_close(struct nvme_backing *backing)
{
	if (backing->memory)
		munmap(backing->memory, backing->size_bytes);
	if (backing->fd >= 0)
		close(backing->fd);
	*backing = (struct nvme_backing){.fd = -1};
}
