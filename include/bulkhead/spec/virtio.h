/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Virtual I/O Device (VIRTIO) 1.2 (OASIS, 1 July 2022): what all devices share. Sections in brackets. Little-endian.
 */
#ifndef BULKHEAD_SPEC_VIRTIO_H
#define BULKHEAD_SPEC_VIRTIO_H

#include <bulkhead/types.h>

/* [2.1] Device Status */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER      2u
#define VIRTIO_STATUS_DRIVER_OK   4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u
#define VIRTIO_STATUS_FAILED      128u

/* [6] Reserved feature bits, as masks of the 64-bit word */
#define VIRTIO_F_INDIRECT_DESC     (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX         (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1         (UINT64_C(1) << 32)
#define VIRTIO_F_ACCESS_PLATFORM   (UINT64_C(1) << 33)
#define VIRTIO_F_RING_PACKED       (UINT64_C(1) << 34)
#define VIRTIO_F_IN_ORDER          (UINT64_C(1) << 35)
#define VIRTIO_F_ORDER_PLATFORM    (UINT64_C(1) << 36)
#define VIRTIO_F_SR_IOV            (UINT64_C(1) << 37)
#define VIRTIO_F_NOTIFICATION_DATA (UINT64_C(1) << 38)
#define VIRTIO_F_RING_RESET        (UINT64_C(1) << 40)

/* [2.7.5] Split virtqueue: descriptor table, 16-byte aligned */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags; /* VIRTQ_DESC_F_* */
	uint16_t next;
};

#define VIRTQ_DESC_F_NEXT     1u
#define VIRTQ_DESC_F_WRITE    2u /* the device writes it */
#define VIRTQ_DESC_F_INDIRECT 4u

/* [2.7.6] Available ring, 2-byte aligned; followed by used_event when VIRTIO_F_EVENT_IDX was negotiated */
struct virtq_avail {
	uint16_t flags; /* VIRTQ_AVAIL_F_* */
	uint16_t idx;
	uint16_t ring[]; /* queue size */
};

#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u

/* [2.7.8] Used ring, 4-byte aligned; followed by avail_event */
struct virtq_used_elem {
	uint32_t id;
	uint32_t len; /* bytes that the device wrote */
};

/* A used element, or half of a header, as one word: 4-byte aligned (2.7), and still a single load or store. */
typedef uint64_t virtq_used_word __attribute__((aligned(4), may_alias));

struct virtq_used {
	uint16_t flags; /* VIRTQ_USED_F_* */
	uint16_t idx;
	struct virtq_used_elem ring[];
};

#define VIRTQ_USED_F_NO_NOTIFY 1u

#define VIRTQ_SPLIT_SIZE_MAX  32768u
#define VIRTQ_PACKED_SIZE_MAX 32768u

/* [2.8.13] Packed virtqueue: descriptor, 16-byte aligned ring */
struct virtq_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags; /* VIRTQ_DESC_F_* and VIRTQ_PACKED_F_* */
};

#define VIRTQ_PACKED_F_AVAIL (1u << 7)
#define VIRTQ_PACKED_F_USED  (1u << 15)

/* [2.8.14] Event suppression structure, 4-byte aligned */
struct virtq_packed_event {
	uint16_t off_wrap; /* descriptor offset in bits 0 to 14, wrap counter in bit 15 */
	uint16_t flags;    /* VIRTQ_EVENT_FLAGS_* */
};

#define VIRTQ_EVENT_FLAGS_ENABLE  0u
#define VIRTQ_EVENT_FLAGS_DISABLE 1u
#define VIRTQ_EVENT_FLAGS_DESC    2u

_Static_assert(sizeof(struct virtq_desc) == 16 && sizeof(struct virtq_packed_desc) == 16, "VIRTIO 1.2, 2.7.5, 2.8.13");
_Static_assert(sizeof(struct virtq_used_elem) == 8 && sizeof(struct virtq_packed_event) == 4, "VIRTIO 1.2, 2.7.8");

#endif
