/* SPDX-License-Identifier: Apache-2.0 */
/* Registers (VIRTIO 1.2, 4.1.4): each structure as bytes, so that any width reads what the specification says. */
#include <string.h>

#include "devices/virtio_net/internal.h"

static struct vnet_queue *
selected(struct vnet_model *m)
{
	uint32_t ctrl_idx = 2 * m->config.pair_cnt;
	return m->queue_select <= ctrl_idx ? &m->queue[m->queue_select] : NULL;
}

/* [4.1.4.3] as it reads now. */
static void
common_bytes(struct vnet_model *m, uint8_t out[64])
{
	const struct vnet_queue *q = selected(m);
	const uint32_t feature = m->device_select < 2 ? (uint32_t)(m->offered >> (32 * m->device_select)) : 0;
	const uint32_t driver = m->driver_select < 2 ? (uint32_t)(m->driver_features >> (32 * m->driver_select)) : 0;
	const uint16_t queue_cnt = (uint16_t)(2 * m->config.pair_cnt + 1), notify_off = m->queue_select;
	memset(out, 0, 64);
	memcpy(out + VIRTIO_PCI_DEVICE_FEATURE_SELECT, &m->device_select, 4);
	memcpy(out + VIRTIO_PCI_DEVICE_FEATURE, &feature, 4);
	memcpy(out + VIRTIO_PCI_DRIVER_FEATURE_SELECT, &m->driver_select, 4);
	memcpy(out + VIRTIO_PCI_DRIVER_FEATURE, &driver, 4);
	memcpy(out + VIRTIO_PCI_CONFIG_MSIX_VECTOR, &m->config_vector, 2);
	memcpy(out + VIRTIO_PCI_NUM_QUEUES, &queue_cnt, 2);
	out[VIRTIO_PCI_DEVICE_STATUS] = m->status;
	out[VIRTIO_PCI_CONFIG_GENERATION] = m->generation;
	memcpy(out + VIRTIO_PCI_QUEUE_SELECT, &m->queue_select, 2);
	if (q == NULL)
		return;
	const uint16_t enabled = q->enabled;
	memcpy(out + VIRTIO_PCI_QUEUE_SIZE, &q->size, 2);
	memcpy(out + VIRTIO_PCI_QUEUE_MSIX_VECTOR, &q->vector, 2);
	memcpy(out + VIRTIO_PCI_QUEUE_ENABLE, &enabled, 2);
	memcpy(out + VIRTIO_PCI_QUEUE_NOTIFY_OFF, &notify_off, 2);
	memcpy(out + VIRTIO_PCI_QUEUE_DESC, &q->iova[0], 8);
	memcpy(out + VIRTIO_PCI_QUEUE_DRIVER, &q->iova[1], 8);
	memcpy(out + VIRTIO_PCI_QUEUE_DEVICE, &q->iova[2], 8);
}

/* [5.1.4] */
static void
config_bytes(const struct vnet_model *m, uint8_t out[64])
{
	const uint16_t status = m->link_up ? VIRTIO_NET_S_LINK_UP : 0, pairs = (uint16_t)m->config.pair_cnt;
	memset(out, 0, 64);
	memcpy(out + VIRTIO_NET_CFG_MAC, m->mac, VNET_MAC_BYTES);
	memcpy(out + VIRTIO_NET_CFG_STATUS, &status, 2);
	memcpy(out + VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS, &pairs, 2);
	memcpy(out + VIRTIO_NET_CFG_MTU, &m->config.mtu_bytes, 2);
	memcpy(out + VIRTIO_NET_CFG_SPEED, &m->config.speed_mbps, 4);
	out[VIRTIO_NET_CFG_DUPLEX] = 1;
}

uint64_t
vnet_model_reg_read(struct vnet_model *m, uint64_t offset, uint32_t width_bytes)
{
	uint8_t bytes[64 + 8] = {0};
	uint64_t value = 0, page = offset & ~UINT64_C(0xfff), at = offset & 0xfff;
	if (at >= 64 || width_bytes > 8)
		return 0;
	if (page == VNET_BAR_COMMON)
		common_bytes(m, bytes);
	else if (page == VNET_BAR_CONFIG)
		config_bytes(m, bytes);
	else if (page == VNET_BAR_ISR && at == 0) {
		bytes[0] = m->isr;
		m->isr = 0; /* 4.1.4.5.1: reading clears it */
	}
	memcpy(&value, bytes + at, width_bytes);
	return value;
}

static void
features_write(struct vnet_model *m, uint32_t value)
{
	if (m->status & VIRTIO_STATUS_FEATURES_OK || m->driver_select > 1)
		return;
	uint32_t shift = 32 * m->driver_select;
	m->driver_features = (m->driver_features & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;
}

/* 2.2: only what was offered; what we cannot work without must be there. */
static bool
features_ok(const struct vnet_model *m)
{
	return !(m->driver_features & ~m->offered) && m->driver_features & VIRTIO_F_VERSION_1 &&
	       m->driver_features & VIRTIO_F_ACCESS_PLATFORM;
}

/* A data queue of a passive device is somebody else's work. */
static bool
is_foreign(const struct vnet_model *m, uint32_t queue_idx)
{
	return m->config.passive && queue_idx != (m->features & VIRTIO_NET_F_MQ ? 2 * m->config.pair_cnt : 2);
}

static void
kind_set(const struct vnet_model *m, struct vnet_queue *q)
{
	const uint64_t batched = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER;
	uint32_t idx = (uint32_t)(q - m->queue);
	q->packed = m->features & VIRTIO_F_RING_PACKED;
	q->batched = (m->features & batched) == batched && idx % 2 == 1; /* the control queue's number is even */
}

static void
go(struct vnet_model *m)
{
	m->running = true;
	for (uint32_t i = 0; i < VNET_QUEUES_MAX; i++) {
		struct vnet_queue *q = &m->queue[i];
		kind_set(m, q);
		if (q->enabled && !is_foreign(m, i) && !vnet_queue_start(m, q)) {
			vnet_fail(m);
			return;
		}
	}
}

static void
status_write(struct vnet_model *m, uint8_t value)
{
	uint8_t before = m->status;
	if (value == 0) {
		vnet_model_reset(m);
		return;
	}
	if (value & VIRTIO_STATUS_FEATURES_OK && !(before & VIRTIO_STATUS_FEATURES_OK)) {
		if (!features_ok(m))
			value &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
		else
			m->features = m->driver_features;
	}
	m->status = value | (before & VIRTIO_STATUS_NEEDS_RESET);
	if (value & VIRTIO_STATUS_DRIVER_OK && !(before & VIRTIO_STATUS_DRIVER_OK) &&
	    m->status & VIRTIO_STATUS_FEATURES_OK)
		go(m);
}

static void
size_write(struct vnet_model *m, struct vnet_queue *q, uint64_t value)
{
	if (q->enabled || value == 0 || value > m->config.queue_size)
		return;
	if (!BH_IS_POW2(value) && !(m->features & VIRTIO_F_RING_PACKED))
		return; /* 2.7: split queues are powers of two */
	q->size = (uint16_t)value;
}

static void
addr_write(struct vnet_queue *q, uint32_t at, uint32_t width_bytes, uint64_t value)
{
	uint64_t *iova = &q->iova[(at - VIRTIO_PCI_QUEUE_DESC) / 8];
	if (q->enabled)
		return;
	if (width_bytes == 8 && at % 8 == 0)
		*iova = value;
	else if (width_bytes == 4 && at % 8 == 0)
		*iova = (*iova & ~UINT64_C(0xffffffff)) | (uint32_t)value;
	else if (width_bytes == 4 && at % 8 == 4)
		*iova = (*iova & 0xffffffff) | value << 32;
}

static void
enable_write(struct vnet_model *m, struct vnet_queue *q, uint64_t value)
{
	if (value != 1 || q->enabled || !(m->status & VIRTIO_STATUS_FEATURES_OK))
		return;
	q->enabled = true;
	kind_set(m, q);
	if (m->running && !is_foreign(m, (uint32_t)(q - m->queue)) && !vnet_queue_start(m, q))
		vnet_fail(m);
}

static void
queue_write(struct vnet_model *m, uint32_t at, uint32_t width_bytes, uint64_t value)
{
	struct vnet_queue *q = selected(m);
	if (q == NULL)
		return;
	if (at >= VIRTIO_PCI_QUEUE_DESC && at < VIRTIO_PCI_QUEUE_NOTIFY_DATA)
		addr_write(q, at, width_bytes, value);
	else if (at == VIRTIO_PCI_QUEUE_SIZE && width_bytes == 2)
		size_write(m, q, value);
	else if (at == VIRTIO_PCI_QUEUE_MSIX_VECTOR && width_bytes == 2)
		q->vector = (uint16_t)value;
	else if (at == VIRTIO_PCI_QUEUE_ENABLE && width_bytes == 2)
		enable_write(m, q, value);
}

void
vnet_model_reg_write(struct vnet_model *m, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	uint32_t at = (uint32_t)(offset & 0xfff);
	if ((offset & ~UINT64_C(0xfff)) != VNET_BAR_COMMON)
		return; /* notifications: we poll; the configuration is read-only (MAC: by the control queue) */
	switch (at) {
	case VIRTIO_PCI_DEVICE_FEATURE_SELECT:
		m->device_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_DRIVER_FEATURE_SELECT:
		m->driver_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_DRIVER_FEATURE:
		features_write(m, (uint32_t)value);
		break;
	case VIRTIO_PCI_CONFIG_MSIX_VECTOR:
		m->config_vector = (uint16_t)value;
		break;
	case VIRTIO_PCI_DEVICE_STATUS:
		status_write(m, (uint8_t)value);
		break;
	case VIRTIO_PCI_QUEUE_SELECT:
		m->queue_select = (uint16_t)value;
		break;
	default:
		queue_write(m, at, width_bytes, value);
	}
}
