/* SPDX-License-Identifier: Apache-2.0 */
/* Bring-up in the order of VIRTIO 1.2, 3.1.1, and what watches and ends it. */
#include <bulkhead/cell.h>
#include <bulkhead/spec/virtio_pci.h>

#include "drivers/net/virtio/virtio.h"

/* What we can use. VERSION_1 and ACCESS_PLATFORM are the two that we insist on. */
#define FEATURES_WANTED                                                                                                \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM | VIRTIO_F_RING_PACKED |              \
	 VIRTIO_F_IN_ORDER | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_SPEED_DUPLEX |   \
	 VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_MAC_ADDR)
#define FEATURES_OFFLOAD (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM)
#define FEATURES_QUEUES  (VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS)

static bool
virtio_matches(const struct bh_boot_device *device)
{
	static const char model[] = "virtio-net";
	if (memcmp(device->model, model, sizeof(model)) == 0)
		return true;
	return device->pci_vendor == VIRTIO_PCI_VENDOR &&
	       (device->pci_device == VIRTIO_PCI_DEVICE_NET || device->pci_device == VIRTIO_PCI_DEVICE_NET_OLD);
}

static uint64_t
features_wanted(const struct bh_port *port)
{
	uint64_t wanted = FEATURES_WANTED;
	if (!port->options.no_offload)
		wanted |= FEATURES_OFFLOAD;
	if (port->options.queue_cnt > 1)
		wanted |= FEATURES_QUEUES;
	/* Where each frame fits into a buffer there is nothing to merge, and nothing to look for in its header. */
	if (port->options.mtu_bytes + BH_PORT_FRAME_EXTRA_BYTES > port->options.data_bytes)
		wanted |= VIRTIO_NET_F_MRG_RXBUF;
	return wanted;
}

/* Some features make no sense without others (5.1.3.1); a device that offers them so does not get them acknowledged. */
static uint64_t
features_consistent(uint64_t features)
{
	/* Batches: see virtq.h. A batch of merged buffers would hide where its frames end. */
	if (!(features & VIRTIO_F_RING_PACKED) || features & VIRTIO_NET_F_MRG_RXBUF)
		features &= ~VIRTIO_F_IN_ORDER;
	if (!(features & VIRTIO_NET_F_CTRL_VQ))
		features &= ~(VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_MAC_ADDR | FEATURES_QUEUES);
	return features;
}

static int
features_check(struct virtio_port *port, uint64_t offered)
{
	if (!(offered & VIRTIO_F_VERSION_1)) {
		bh_log_error("port %u: a virtio device from before 1.0", port->base.port_idx);
		return -BH_EOPNOTSUPP;
	}
	if (offered & VIRTIO_F_ACCESS_PLATFORM)
		return 0;
	/* 6: without it the device may reach memory past the IOMMU. */
	bh_log_error("port %u: the device does not promise to use the IOMMU (VIRTIO_F_ACCESS_PLATFORM; in QEMU: "
	             "iommu_platform=on)",
	             port->base.port_idx);
	return -BH_EOPNOTSUPP;
}

static int
negotiate(struct virtio_port *port)
{
	uint64_t offered;
	uint8_t status;
	int err = bh_virtio_reset(port);
	if (err == 0)
		err = bh_virtio_status_add(port, VIRTIO_STATUS_ACKNOWLEDGE);
	if (err == 0)
		err = bh_virtio_status_add(port, VIRTIO_STATUS_DRIVER);
	if (err == 0)
		err = bh_virtio_features_get(port, &offered);
	if (err == 0)
		err = features_check(port, offered);
	if (err != 0)
		return err;
	port->features = features_consistent(offered & features_wanted(&port->base));
	err = bh_virtio_features_set(port, port->features);
	if (err == 0)
		err = bh_virtio_status_add(port, VIRTIO_STATUS_FEATURES_OK);
	if (err == 0)
		err = bh_virtio_status_get(port, &status);
	if (err == 0 && !(status & VIRTIO_STATUS_FEATURES_OK)) {
		bh_log_error("port %u: the device refuses the features %lx that it offered", port->base.port_idx,
		             port->features);
		return -BH_EPROTO;
	}
	return err;
}

static int
link_read(struct virtio_port *port)
{
	uint64_t status = VIRTIO_NET_S_LINK_UP, speed = UINT32_MAX, duplex = 1;
	int err = 0;
	if (port->features & VIRTIO_NET_F_STATUS)
		err = bh_virtio_config_read(port, VIRTIO_NET_CFG_STATUS, 2, &status);
	if (err == 0 && port->features & VIRTIO_NET_F_SPEED_DUPLEX)
		err = bh_virtio_config_read(port, VIRTIO_NET_CFG_SPEED, 4, &speed);
	if (err == 0 && port->features & VIRTIO_NET_F_SPEED_DUPLEX)
		err = bh_virtio_config_read(port, VIRTIO_NET_CFG_DUPLEX, 1, &duplex);
	if (err == 0)
		bh_port_link_set(&port->base, status & VIRTIO_NET_S_LINK_UP, speed > INT32_MAX ? 0 : (uint32_t)speed,
		                 duplex != 0);
	return err;
}

/* A device without an address gets a local one of its own (5.1.5.2). */
static int
mac_read(struct virtio_port *port)
{
	uint8_t *mac = port->base.info.mac;
	uint64_t value;
	if (!(port->features & VIRTIO_NET_F_MAC)) {
		uint64_t random = bh_boot_page()->seed ^ bh_clock_now_tsc() * UINT64_C(0x9e3779b97f4a7c15);
		memcpy(mac, &random, BH_MAC_BYTES);
		mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
		return 0;
	}
	int err = bh_virtio_config_read(port, VIRTIO_NET_CFG_MAC, BH_MAC_BYTES, &value);
	if (err == 0)
		memcpy(mac, &value, BH_MAC_BYTES);
	return err;
}

static int
mtu_read(struct virtio_port *port)
{
	uint64_t mtu;
	if (!(port->features & VIRTIO_NET_F_MTU))
		return 0;
	int err = bh_virtio_config_read(port, VIRTIO_NET_CFG_MTU, 2, &mtu);
	if (err != 0)
		return err;
	if (mtu < 68)
		return -BH_EPROTO;
	port->base.info.mtu_bytes = BH_MIN(port->base.info.mtu_bytes, (uint32_t)mtu);
	return 0;
}

static int
queues_read(struct virtio_port *port)
{
	uint64_t pair_cnt = 1;
	int err = 0;
	if (port->features & FEATURES_QUEUES)
		err = bh_virtio_config_read(port, VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS, 2, &pair_cnt);
	if (err != 0)
		return err;
	if (pair_cnt == 0 || pair_cnt > VIRTIO_NET_QUEUE_PAIRS_MAX)
		return -BH_EPROTO;
	port->pair_cnt_max = (uint32_t)pair_cnt;
	port->base.info.queue_cnt_max = port->pair_cnt_max;
	port->base.info.queue_cnt = BH_MIN(port->base.info.queue_cnt, port->pair_cnt_max);
	return 0;
}

static size_t
text_add(struct virtio_port *port, size_t at, const char *text)
{
	while (*text != '\0' && at + 1 < sizeof(port->mode))
		port->mode[at++] = *text++;
	port->mode[at] = '\0';
	return at;
}

static void
info_fill(struct virtio_port *port)
{
	struct bh_port_info *info = &port->base.info;
	bool packed = port->features & VIRTIO_F_RING_PACKED, chains = port->features & VIRTIO_NET_F_MRG_RXBUF;
	size_t at = text_add(port, 0, packed ? "packed ring" : "split ring");
	at = text_add(port, at, port->features & VIRTIO_F_IN_ORDER ? ", in order" : "");
	at = text_add(port, at, chains ? ", mergeable buffers" : "");
	text_add(port, at, info->queue_cnt > 1 && port->features & VIRTIO_NET_F_RSS ? ", RSS" : "");
	info->mode = port->mode;
	info->features = (chains ? BH_PORT_RX_CHAIN : 0) | (port->features & VIRTIO_NET_F_CSUM ? BH_PORT_TX_CSUM : 0) |
	                 (port->features & VIRTIO_NET_F_GUEST_CSUM ? BH_PORT_RX_CSUM : 0) |
	                 (port->features & VIRTIO_NET_F_RSS ? BH_PORT_RSS : 0) |
	                 (port->features & VIRTIO_NET_F_CTRL_RX ? BH_PORT_MULTICAST : 0);
	if (packed)
		port->base.driver = &bh_virtio_packed_driver;
}

static int
virtio_open(struct bh_port *base)
{
	struct virtio_port *port = virtio_port_of(base);
	int err = bh_virtio_find(port);
	if (err == -BH_EOPNOTSUPP)
		bh_log_error("port %u: no modern virtio device: its capabilities are missing", base->port_idx);
	if (err == 0)
		err = negotiate(port);
	if (err == 0)
		err = queues_read(port);
	if (err == 0)
		err = mac_read(port);
	if (err == 0)
		err = mtu_read(port);
	if (err == 0)
		err = link_read(port);
	if (err == 0 && port->features & VIRTIO_NET_F_CTRL_VQ)
		err = bh_virtio_ctrl_init(port);
	if (err == 0)
		info_fill(port);
	return err;
}

/* The size that both want: a power of two, which a packed ring need not be but ours is. */
static int
ring_init(struct virtio_port *port, struct bh_virtq *vq, uint32_t queue_idx, uint32_t wanted, bool transmit)
{
	uint16_t size;
	int err = bh_virtio_queue_size(port, (uint16_t)queue_idx, &size);
	if (err != 0)
		return err;
	while (wanted > size)
		wanted /= 2;
	if (wanted < 2)
		return -BH_EPROTO;
	return bh_virtq_init(vq, (uint16_t)queue_idx, (uint16_t)wanted, (port->features & VIRTIO_F_RING_PACKED) != 0,
	                     transmit);
}

static int
virtio_queue_init(struct bh_port_queue *base)
{
	struct virtio_port *port = virtio_port_of(base->port);
	struct virtio_queue *queue = virtio_queue_of(base);
	int err = ring_init(port, &queue->rx, 2 * base->queue_idx, port->base.info.rx_entries, false);
	if (err == 0)
		err = ring_init(port, &queue->tx, 2 * base->queue_idx + 1, port->base.info.tx_entries, true);
	if (err != 0)
		return err;
	port->base.info.rx_entries = queue->rx.size;
	port->base.info.tx_entries = queue->tx.size;
	queue->rx.batched = queue->tx.batched = port->features & VIRTIO_F_IN_ORDER;
	queue->mergeable = port->features & VIRTIO_NET_F_MRG_RXBUF;
	queue->offload = port->features & VIRTIO_NET_F_GUEST_CSUM;
	queue->tx_features = port->base.info.features & BH_PORT_TX_CSUM;
	queue->tx_headers = bh_dma_alloc((size_t)queue->tx.size * VIRTIO_NET_HDR_BYTES, BH_CACHE_LINE_BYTES);
	return queue->tx_headers == NULL ? -BH_ENOMEM : 0;
}

/* The device is reset and has its features; rings are empty. From DRIVER_OK on it may use them. */
static int
queues_enable(struct virtio_port *port)
{
	int err = 0;
	for (uint32_t i = 0; i < port->base.info.queue_cnt && err == 0; i++) {
		struct virtio_queue *queue = virtio_queue_of(port->base.queue[i]);
		err = bh_virtio_queue_enable(port, &queue->rx);
		if (err == 0)
			err = bh_virtio_queue_enable(port, &queue->tx);
		if (err == 0 && i == 0 && (queue->rx.notify_addr == NULL))
			bh_log_info("port %u: notifications go through the mailbox; a device that polls needs none",
			            port->base.port_idx);
	}
	if (err == 0 && port->features & VIRTIO_NET_F_CTRL_VQ) {
		bh_virtq_reset(&port->ctrl.vq);
		err = bh_virtio_queue_enable(port, &port->ctrl.vq);
	}
	return err;
}

static int
virtio_start(struct bh_port *base)
{
	struct virtio_port *port = virtio_port_of(base);
	uint64_t features = port->features;
	uint8_t status;
	int err = bh_virtio_status_get(port, &status);
	if (err == 0 && !(status & VIRTIO_STATUS_FEATURES_OK)) { /* after a reset */
		err = negotiate(port);
		if (err == 0 && port->features != features)
			err = -BH_EPROTO; /* another device than before: its queues would not fit */
	}
	if (err == 0)
		err = queues_enable(port);
	if (err == 0)
		err = bh_virtio_status_add(port, VIRTIO_STATUS_DRIVER_OK);
	port->ctrl_ready = err == 0 && (port->features & VIRTIO_NET_F_CTRL_VQ) != 0;
	return err == 0 ? bh_virtio_ctrl_start(port) : err;
}

/*
 * For a core that published and polls no more. Its stores are long visible; which of them were told is not ours to know,
 * and a notification too many does no harm.
 */
static void
late_tell(struct virtio_port *port, uint32_t queue_idx)
{
	const struct virtio_queue *queue = virtio_queue_of(port->base.queue[queue_idx]);
	if (__atomic_load_n(&queue->look_due, __ATOMIC_RELAXED) == 0)
		return;
	if (bh_virtq_seems_asleep(&queue->rx))
		bh_virtio_notify(port, &queue->rx);
	if (bh_virtq_seems_asleep(&queue->tx))
		bh_virtio_notify(port, &queue->tx);
}

static int
look(struct virtio_port *port)
{
	uint8_t status;
	int err = bh_virtio_status_get(port, &status);
	if (err != 0)
		return err;
	if (status & VIRTIO_STATUS_NEEDS_RESET || !(status & VIRTIO_STATUS_DRIVER_OK)) {
		bh_log_warn("port %u: device status %02x", port->base.port_idx, status);
		return -BH_EIO;
	}
	for (uint32_t i = 0; i < port->base.info.queue_cnt; i++)
		late_tell(port, i);
	return link_read(port);
}

static int
virtio_watch(struct bh_port *base)
{
	int err = look(virtio_port_of(base));
	if (err != -BH_ETIMEDOUT)
		return err;
	/* The supervisor is late, on a busy machine: that says nothing about the device. */
	bh_log_warn("port %u: no look at the device: the supervisor did not answer", base->port_idx);
	return 0;
}

static int
virtio_quiesce(struct bh_port *base)
{
	struct virtio_port *port = virtio_port_of(base);
	port->ctrl_ready = false;
	return bh_virtio_reset(port);
}

static void
virtio_close(struct bh_port *base)
{
	struct virtio_port *port = virtio_port_of(base);
	for (uint32_t i = 0; i < BH_PORT_QUEUES_MAX; i++) {
		if (base->queue[i] == NULL)
			continue;
		bh_virtq_free(&virtio_queue_of(base->queue[i])->rx);
		bh_virtq_free(&virtio_queue_of(base->queue[i])->tx);
	}
	bh_virtq_free(&port->ctrl.vq);
}

/*
 * Where frames go in a buffer, whose size is known when the queue is started: behind a header at the beginning of a line,
 * until the first frame shows what the device does (rx_place in rx.c).
 */
static void
rx_room_set(struct virtio_queue *queue)
{
	const struct bh_pkt_pool *pool = queue->base.pool;
	bool fits = pool->data_bytes >= queue->base.frame_bytes_max + VIRTIO_NET_HDR_BYTES;
	uint32_t shift_bytes = fits ? VIRTIO_NET_HDR_BYTES : 0;
	queue->rx_offset_bytes = pool->headroom_bytes + shift_bytes;
	queue->rx_data_bytes = pool->data_bytes - shift_bytes;
	queue->rx_header_unseen = fits;
	queue->rx_port_word = (uint64_t)1 << 32 | (uint64_t)queue->base.port_idx << 48;
}

static void
split_fill(struct bh_port_queue *queue)
{
	rx_room_set(virtio_queue_of(queue));
	bh_virtio_split_fill(queue);
}

static void
packed_fill(struct bh_port_queue *queue)
{
	rx_room_set(virtio_queue_of(queue));
	bh_virtio_packed_fill(queue);
}

#define VIRTIO_DRIVER(ring)                                                                                            \
	{                                                                                                              \
		.name = "virtio-net", .port_bytes = sizeof(struct virtio_port),                                        \
		.queue_bytes = BH_ALIGN_UP(sizeof(struct virtio_queue), (size_t)BH_CACHE_LINE_BYTES),                  \
		.matches = virtio_matches, .open = virtio_open, .queue_init = virtio_queue_init,                       \
		.start = virtio_start, .fill = ring##_fill, .rx = bh_virtio_##ring##_rx, .tx = bh_virtio_##ring##_tx,  \
		.drain = bh_virtio_drain, .watch = virtio_watch, .quiesce = virtio_quiesce,                            \
		.filter_set = bh_virtio_filter_set, .mac_set = bh_virtio_mac_set, .close = virtio_close,               \
	}

const struct bh_port_driver bh_virtio_driver = VIRTIO_DRIVER(split);
const struct bh_port_driver bh_virtio_packed_driver = VIRTIO_DRIVER(packed);
