/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The JSON of VFIO_USER_VERSION, for both ends ("VFIO_USER_VERSION", capabilities). Unknown names are ignored, missing
 * ones have the specification's defaults.
 */
#ifndef DEVICES_VFIO_USER_CAPABILITIES_H
#define DEVICES_VFIO_USER_CAPABILITIES_H

#include <bulkhead/spec/vfio_user.h>

#define VFU_VERSION_DATA_BYTES_MAX 16384u

/* Which capabilities the text named. */
enum {
	VFU_CAP_MAX_MSG_FDS = 1u << 0,
	VFU_CAP_MAX_DATA_XFER = 1u << 1,
	VFU_CAP_MAX_DMA_MAPS = 1u << 2,
	VFU_CAP_PGSIZES = 1u << 3,
	VFU_CAP_TWIN_SOCKET = 1u << 4,
	VFU_CAP_WRITE_MULTIPLE = 1u << 5,
};

struct vfu_capabilities {
	uint32_t named; /* VFU_CAP_* */
	uint32_t max_msg_fds;
	uint64_t max_data_xfer_bytes;
	uint64_t max_dma_maps;
	uint64_t pgsizes;
	bool twin_supported;
	int32_t twin_fd_idx; /* -1: not there */
	bool write_multiple;
};

/* vfu_capabilities_default - what holds where the peer says nothing. */
void vfu_capabilities_default(struct vfu_capabilities *capabilities);

/**
 * vfu_capabilities_parse - version data, or none (data_bytes 0: the defaults)
 * Return: 0; -EINVAL no NUL at the end, not JSON, not an object, a value of the wrong type or out of range; -E2BIG too
 * long. *why (never NULL then) says which, in a few words.
 */
BH_MUST_CHECK int vfu_capabilities_parse(const void *data, uint32_t data_bytes, struct vfu_capabilities *out,
                                         const char **why);

/* vfu_capabilities_format - the named ones as JSON text with its NUL; malloc'ed. NULL: out of memory. */
char *vfu_capabilities_format(const struct vfu_capabilities *capabilities);

#endif
