/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What is behind a software NVMe device: memory, a file, or nothing. Host code; the model itself knows only
 * struct nvme_model_backing.
 */
#ifndef DEVICES_NVME_BACKING_H
#define DEVICES_NVME_BACKING_H

#include "devices/nvme/nvme_model.h"

struct nvme_backing {
	struct nvme_model_backing model; /* to be given to nvme_model_create(); its context points to this structure */
	uint8_t *memory;
	uint64_t size_bytes;
	int fd;
};

/**
 * nvme_backing_open - get size_bytes of storage
 * @spec: "memory": private, zeroed, huge pages where the system gives them, taken page by page at the first write;
 *        "null": none, reads leave the buffer as it is; anything else: the path of a regular file, which is created (sparse)
 *        if it is missing, must not be smaller, and is locked against a second device
 * @out_error: for a person
 * The structure must stay where it is until nvme_backing_close().
 * Return: 0; -EINVAL not a regular file, or too small; -EBUSY another device has it; or what open, mmap, ftruncate said.
 */
BH_MUST_CHECK int nvme_backing_open(const char *spec, uint64_t size_bytes, struct nvme_backing *out, char *out_error,
                                    size_t error_bytes);

/* nvme_backing_close - give it back; a file keeps what was written. */
void nvme_backing_close(struct nvme_backing *backing);

#endif
