/* SPDX-License-Identifier: Apache-2.0 */
/**
 * VIRTIO 1.2, 5.1: network device. Little-endian.
 */
#ifndef BULKHEAD_SPEC_VIRTIO_NET_H
#define BULKHEAD_SPEC_VIRTIO_NET_H

#include <bulkhead/types.h>

/* [5.1.3] Feature bits, as masks */
#define VIRTIO_NET_F_CSUM                (UINT64_C(1) << 0)
#define VIRTIO_NET_F_GUEST_CSUM          (UINT64_C(1) << 1)
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS (UINT64_C(1) << 2)
#define VIRTIO_NET_F_MTU                 (UINT64_C(1) << 3)
#define VIRTIO_NET_F_MAC                 (UINT64_C(1) << 5)
#define VIRTIO_NET_F_GUEST_TSO4          (UINT64_C(1) << 7)
#define VIRTIO_NET_F_GUEST_TSO6          (UINT64_C(1) << 8)
#define VIRTIO_NET_F_GUEST_ECN           (UINT64_C(1) << 9)
#define VIRTIO_NET_F_GUEST_UFO           (UINT64_C(1) << 10)
#define VIRTIO_NET_F_HOST_TSO4           (UINT64_C(1) << 11)
#define VIRTIO_NET_F_HOST_TSO6           (UINT64_C(1) << 12)
#define VIRTIO_NET_F_HOST_ECN            (UINT64_C(1) << 13)
#define VIRTIO_NET_F_HOST_UFO            (UINT64_C(1) << 14)
#define VIRTIO_NET_F_MRG_RXBUF           (UINT64_C(1) << 15)
#define VIRTIO_NET_F_STATUS              (UINT64_C(1) << 16)
#define VIRTIO_NET_F_CTRL_VQ             (UINT64_C(1) << 17)
#define VIRTIO_NET_F_CTRL_RX             (UINT64_C(1) << 18)
#define VIRTIO_NET_F_CTRL_VLAN           (UINT64_C(1) << 19)
#define VIRTIO_NET_F_CTRL_RX_EXTRA       (UINT64_C(1) << 20)
#define VIRTIO_NET_F_GUEST_ANNOUNCE      (UINT64_C(1) << 21)
#define VIRTIO_NET_F_MQ                  (UINT64_C(1) << 22)
#define VIRTIO_NET_F_CTRL_MAC_ADDR       (UINT64_C(1) << 23)
#define VIRTIO_NET_F_HASH_REPORT         (UINT64_C(1) << 57)
#define VIRTIO_NET_F_RSS                 (UINT64_C(1) << 60)
#define VIRTIO_NET_F_SPEED_DUPLEX        (UINT64_C(1) << 63)

/* [5.1.4] Device configuration: offsets */
enum virtio_net_config_offset {
	VIRTIO_NET_CFG_MAC = 0x00,                 /* 6 bytes */
	VIRTIO_NET_CFG_STATUS = 0x06,              /* 16 bits, F_STATUS */
	VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS = 0x08, /* 16, F_MQ or F_RSS */
	VIRTIO_NET_CFG_MTU = 0x0a,                 /* 16, F_MTU */
	VIRTIO_NET_CFG_SPEED = 0x0c,               /* 32, Mb/s, F_SPEED_DUPLEX; all ones: unknown */
	VIRTIO_NET_CFG_DUPLEX = 0x10,              /* 8: 0 half, 1 full, ff unknown */
	VIRTIO_NET_CFG_RSS_MAX_KEY_SIZE = 0x11,    /* 8, F_RSS */
	VIRTIO_NET_CFG_RSS_MAX_TABLE_LEN = 0x12,   /* 16, F_RSS */
	VIRTIO_NET_CFG_HASH_TYPES = 0x14,          /* 32, F_RSS or F_HASH_REPORT */
	VIRTIO_NET_CFG_BYTES = 0x18,
};

#define VIRTIO_NET_S_LINK_UP  1u
#define VIRTIO_NET_S_ANNOUNCE 2u

/* [5.1.2] Queues: 2N receiveN, 2N + 1 transmitN, the control queue behind the last of max_virtqueue_pairs */
#define VIRTIO_NET_QUEUE_PAIRS_MAX 0x8000u

/* [5.1.6] In front of every frame; 12 bytes with VERSION_1, mergeable buffers or not */
struct virtio_net_hdr {
	uint8_t flags;    /* VIRTIO_NET_HDR_F_* */
	uint8_t gso_type; /* VIRTIO_NET_HDR_GSO_* */
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};

#define VIRTIO_NET_HDR_BYTES 12u
_Static_assert(sizeof(struct virtio_net_hdr) == VIRTIO_NET_HDR_BYTES, "VIRTIO 1.2, 5.1.6");

#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1u
#define VIRTIO_NET_HDR_F_DATA_VALID 2u
#define VIRTIO_NET_HDR_F_RSC_INFO   4u

#define VIRTIO_NET_HDR_GSO_NONE   0u
#define VIRTIO_NET_HDR_GSO_TCPV4  1u
#define VIRTIO_NET_HDR_GSO_UDP    3u
#define VIRTIO_NET_HDR_GSO_TCPV6  4u
#define VIRTIO_NET_HDR_GSO_UDP_L4 5u
#define VIRTIO_NET_HDR_GSO_ECN    0x80u

/* [5.1.6.5] Control queue: class, command, data; the device writes one byte of acknowledgement */
struct virtio_net_ctrl_hdr {
	uint8_t class_id;
	uint8_t command;
};

#define VIRTIO_NET_OK  0u
#define VIRTIO_NET_ERR 1u

/* [5.1.6.5.1] Receive filtering: one byte on or off */
#define VIRTIO_NET_CTRL_RX          0u
#define VIRTIO_NET_CTRL_RX_PROMISC  0u
#define VIRTIO_NET_CTRL_RX_ALLMULTI 1u

/* [5.1.6.5.2] MAC filtering: two tables (unicast, multicast), each a 32-bit count and that many addresses */
#define VIRTIO_NET_CTRL_MAC           1u
#define VIRTIO_NET_CTRL_MAC_TABLE_SET 0u
#define VIRTIO_NET_CTRL_MAC_ADDR_SET  1u

/* [5.1.6.5.3] VLAN filtering: 16 bits of identifier */
#define VIRTIO_NET_CTRL_VLAN     2u
#define VIRTIO_NET_CTRL_VLAN_ADD 0u
#define VIRTIO_NET_CTRL_VLAN_DEL 1u

/* [5.1.6.5.4] */
#define VIRTIO_NET_CTRL_ANNOUNCE     3u
#define VIRTIO_NET_CTRL_ANNOUNCE_ACK 0u

/* [5.1.6.5.5] Multiqueue: 16 bits of queue pairs; RSS [5.1.6.5.7] */
#define VIRTIO_NET_CTRL_MQ              4u
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET 0u
#define VIRTIO_NET_CTRL_MQ_RSS_CONFIG   1u
#define VIRTIO_NET_CTRL_MQ_HASH_CONFIG  2u
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN 1u

/* [5.1.6.4.3] Hash types, for hash_types and RSS */
#define VIRTIO_NET_HASH_TYPE_IPV4  (1u << 0)
#define VIRTIO_NET_HASH_TYPE_TCPV4 (1u << 1)
#define VIRTIO_NET_HASH_TYPE_UDPV4 (1u << 2)
#define VIRTIO_NET_HASH_TYPE_IPV6  (1u << 3)
#define VIRTIO_NET_HASH_TYPE_TCPV6 (1u << 4)
#define VIRTIO_NET_HASH_TYPE_UDPV6 (1u << 5)

#endif
