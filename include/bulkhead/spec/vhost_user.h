/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The vhost-user protocol (QEMU, docs/interop/vhost-user.rst), as a front end speaks it. In the machine's byte order,
 * over a Unix stream socket; descriptors as ancillary data.
 */
#ifndef BULKHEAD_SPEC_VHOST_USER_H
#define BULKHEAD_SPEC_VHOST_USER_H

#include <bulkhead/types.h>

struct vhost_user_header {
	uint32_t request; /* enum vhost_user_request */
	uint32_t flags;   /* VHOST_USER_FLAG_* */
	uint32_t size;    /* of what follows */
};

#define VHOST_USER_VERSION         1u
#define VHOST_USER_FLAG_VERSION    3u /* mask */
#define VHOST_USER_FLAG_REPLY      (1u << 2)
#define VHOST_USER_FLAG_NEED_REPLY (1u << 3) /* with PROTOCOL_F_REPLY_ACK */

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
};

#define VHOST_USER_F_PROTOCOL_FEATURES  (UINT64_C(1) << 30) /* among the virtio features */
#define VHOST_USER_PROTOCOL_F_MQ        (UINT64_C(1) << 0)
#define VHOST_USER_PROTOCOL_F_REPLY_ACK (UINT64_C(1) << 3)

struct vhost_user_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vhost_user_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc; /* addresses in the front end's space, which the memory table describes */
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vhost_user_memory_region {
	uint64_t guest_addr;
	uint64_t size_bytes;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

#define VHOST_USER_REGIONS_MAX 8u

struct vhost_user_memory {
	uint32_t region_cnt;
	uint32_t padding;
	struct vhost_user_memory_region region[VHOST_USER_REGIONS_MAX];
};

/* SET_VRING_KICK, _CALL, _ERR: the vring in bits 0 to 7; bit 8: there is no descriptor */
#define VHOST_USER_VRING_NO_FD (1u << 8)

_Static_assert(sizeof(struct vhost_user_header) == 12, "vhost-user, Message Specification");
_Static_assert(sizeof(struct vhost_user_vring_addr) == 40, "vhost-user, vring address");

#endif
