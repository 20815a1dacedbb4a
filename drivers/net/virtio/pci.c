/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of a modern virtio device over PCI (VIRTIO 1.2, 4.1). Owner core's fibers, but for bh_virtio_notify. */
#include <bulkhead/cell.h>
#include <bulkhead/spec/virtio_pci.h>

#include "drivers/net/virtio/virtio.h"

#define PCI_STATUS            0x06u
#define PCI_STATUS_CAP_LIST   0x10u
#define PCI_CAP_POINTER       0x34u
#define PCI_CAPS_MAX          48u
#define RESET_TIMEOUT_NS      UINT64_C(1000000000)
#define NOTIFY_OFFSET_UNKNOWN 0xffffu
#define CONFIG_TRIES_MAX      8u

static int
cap_word(struct virtio_port *port, uint32_t offset, uint32_t *out_value)
{
	return bh_reg_read32(&port->base.device, BH_BAR_CONFIG, offset, out_value);
}

/* The first capability of each kind counts (4.1.4): it is the one that the device prefers. */
static struct virtio_where *
where_of(struct virtio_port *port, uint8_t kind)
{
	switch (kind) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		return &port->common;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		return &port->notify;
	case VIRTIO_PCI_CAP_ISR_CFG:
		return &port->isr;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		return &port->config;
	default:
		return NULL;
	}
}

/* A capability whose place is not inside a BAR is one for another driver (4.1.4.1: reserved BAR values are ignored). */
static int
cap_take(struct virtio_port *port, uint32_t at, uint32_t first)
{
	uint32_t second, offset, length;
	struct virtio_where *where = where_of(port, (uint8_t)(first >> 24));
	int err = cap_word(port, at + 4, &second);
	if (err == 0)
		err = cap_word(port, at + 8, &offset);
	if (err == 0)
		err = cap_word(port, at + 12, &length);
	uint32_t bar = second & 0xff;
	if (err != 0 || where == NULL || where->length != 0 || bar >= BH_DEVICE_BARS_MAX)
		return err;
	uint64_t bar_bytes = port->base.device.info->bar[bar].size_bytes;
	if (length == 0 || offset >= bar_bytes || length > bar_bytes - offset)
		return 0;
	if (where == &port->notify)
		err = cap_word(port, at + 16, &port->notify_multiplier);
	*where = (struct virtio_where){.bar = bar, .offset = offset, .length = length};
	return err;
}

int
bh_virtio_find(struct virtio_port *port)
{
	uint32_t status, at, cap;
	int err = cap_word(port, PCI_STATUS & ~3u, &status);
	if (err == 0)
		err = cap_word(port, PCI_CAP_POINTER, &at);
	if (err != 0)
		return err;
	if (status == UINT32_MAX)
		return -BH_ENODEV;
	if (!(status >> 16 & PCI_STATUS_CAP_LIST))
		return -BH_EOPNOTSUPP;
	at &= 0xfc;
	for (uint32_t i = 0; i < PCI_CAPS_MAX && at >= 0x40; i++) {
		err = cap_word(port, at, &cap);
		if (err != 0)
			return err;
		if ((cap & 0xff) == VIRTIO_PCI_CAP_VENDOR && (cap >> 16 & 0xff) >= sizeof(struct virtio_pci_cap))
			err = cap_take(port, at, cap);
		if (err != 0)
			return err;
		at = cap >> 8 & 0xfc;
	}
	if (port->common.length < VIRTIO_PCI_QUEUE_NOTIFY_DATA || port->notify.length == 0)
		return -BH_EOPNOTSUPP;
	return 0;
}

static int
common_read(struct virtio_port *port, uint32_t field, uint32_t width_bytes, uint32_t *out_value)
{
	const struct bh_device *device = &port->base.device;
	uint64_t offset = port->common.offset + field;
	uint8_t value8;
	uint16_t value16;
	int err;
	if (width_bytes == 4)
		return bh_reg_read32(device, port->common.bar, offset, out_value);
	if (width_bytes == 2) {
		err = bh_reg_read16(device, port->common.bar, offset, &value16);
		*out_value = err == 0 ? value16 : 0;
		return err;
	}
	err = bh_reg_read8(device, port->common.bar, offset, &value8);
	*out_value = err == 0 ? value8 : 0;
	return err;
}

static int
common_write32(struct virtio_port *port, uint32_t field, uint32_t value)
{
	return bh_reg_write32(&port->base.device, port->common.bar, port->common.offset + field, value);
}

static int
common_write16(struct virtio_port *port, uint32_t field, uint16_t value)
{
	return bh_reg_write16(&port->base.device, port->common.bar, port->common.offset + field, value);
}

int
bh_virtio_status_get(struct virtio_port *port, uint8_t *out_status)
{
	uint32_t status;
	int err = common_read(port, VIRTIO_PCI_DEVICE_STATUS, 1, &status);
	*out_status = (uint8_t)status;
	return err == 0 && status == 0xff ? -BH_ENODEV : err;
}

static int
status_set(struct virtio_port *port, uint8_t status)
{
	return bh_reg_write8(&port->base.device, port->common.bar, port->common.offset + VIRTIO_PCI_DEVICE_STATUS,
	                     status);
}

int
bh_virtio_status_add(struct virtio_port *port, uint8_t bits)
{
	uint8_t status;
	int err = bh_virtio_status_get(port, &status);
	return err == 0 ? status_set(port, status | bits) : err;
}

/* 4.1.4.3.2: after writing 0 the driver waits until it reads 0. */
int
bh_virtio_reset(struct virtio_port *port)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(RESET_TIMEOUT_NS);
	uint8_t status;
	int err = status_set(port, 0);
	while (err == 0) {
		err = bh_virtio_status_get(port, &status);
		if (err != 0 || status == 0)
			break;
		if (bh_clock_now_tsc() > deadline_tsc)
			return -BH_ETIMEDOUT;
		bh_yield();
	}
	return err;
}

int
bh_virtio_features_get(struct virtio_port *port, uint64_t *out_features)
{
	uint32_t low = 0, high = 0;
	int err = common_write32(port, VIRTIO_PCI_DEVICE_FEATURE_SELECT, 0);
	if (err == 0)
		err = common_read(port, VIRTIO_PCI_DEVICE_FEATURE, 4, &low);
	if (err == 0)
		err = common_write32(port, VIRTIO_PCI_DEVICE_FEATURE_SELECT, 1);
	if (err == 0)
		err = common_read(port, VIRTIO_PCI_DEVICE_FEATURE, 4, &high);
	*out_features = (uint64_t)high << 32 | low;
	return err;
}

int
bh_virtio_features_set(struct virtio_port *port, uint64_t features)
{
	int err = common_write32(port, VIRTIO_PCI_DRIVER_FEATURE_SELECT, 0);
	if (err == 0)
		err = common_write32(port, VIRTIO_PCI_DRIVER_FEATURE, (uint32_t)features);
	if (err == 0)
		err = common_write32(port, VIRTIO_PCI_DRIVER_FEATURE_SELECT, 1);
	if (err == 0)
		err = common_write32(port, VIRTIO_PCI_DRIVER_FEATURE, (uint32_t)(features >> 32));
	return err;
}

int
bh_virtio_queue_size(struct virtio_port *port, uint16_t queue_idx, uint16_t *out_size)
{
	uint32_t size = 0;
	int err = common_write16(port, VIRTIO_PCI_QUEUE_SELECT, queue_idx);
	if (err == 0)
		err = common_read(port, VIRTIO_PCI_QUEUE_SIZE, 2, &size);
	*out_size = (uint16_t)size;
	return err;
}

static int
address_write(struct virtio_port *port, uint32_t field, uint64_t addr)
{
	int err = common_write32(port, field, (uint32_t)addr);
	return err == 0 ? common_write32(port, field + 4, (uint32_t)(addr >> 32)) : err;
}

/* 4.1.4.4: offset of the queue's own notification address. */
static int
notify_find(struct virtio_port *port, struct bh_virtq *vq)
{
	uint32_t off;
	int err = common_read(port, VIRTIO_PCI_QUEUE_NOTIFY_OFF, 2, &off);
	if (err != 0)
		return err;
	uint64_t at = (uint64_t)off * port->notify_multiplier;
	if (off == NOTIFY_OFFSET_UNKNOWN || at % 2 != 0 || at + 2 > port->notify.length)
		return -BH_EPROTO;
	vq->notify_offset = port->notify.offset + (uint32_t)at;
	vq->notify_addr = bh_device_window(&port->base.device, port->notify.bar, vq->notify_offset, 2);
	return 0;
}

int
bh_virtio_queue_enable(struct virtio_port *port, struct bh_virtq *vq)
{
	const struct bh_virtq_addrs addrs = bh_virtq_addrs(vq);
	int err = common_write16(port, VIRTIO_PCI_QUEUE_SELECT, vq->queue_idx);
	if (err == 0)
		err = common_write16(port, VIRTIO_PCI_QUEUE_SIZE, vq->size);
	if (err == 0)
		err = common_write16(port, VIRTIO_PCI_QUEUE_MSIX_VECTOR, VIRTIO_MSI_NO_VECTOR);
	if (err == 0)
		err = address_write(port, VIRTIO_PCI_QUEUE_DESC, addrs.desc);
	if (err == 0)
		err = address_write(port, VIRTIO_PCI_QUEUE_DRIVER, addrs.driver);
	if (err == 0)
		err = address_write(port, VIRTIO_PCI_QUEUE_DEVICE, addrs.device);
	if (err == 0)
		err = notify_find(port, vq);
	return err == 0 ? common_write16(port, VIRTIO_PCI_QUEUE_ENABLE, 1) : err;
}

void
bh_virtio_notify(struct virtio_port *port, const struct bh_virtq *vq)
{
	if (BH_LIKELY(vq->notify_addr != NULL)) {
		bh_mmio_write16(vq->notify_addr, vq->queue_idx);
		return;
	}
	int err = bh_reg_write16(&port->base.device, port->notify.bar, vq->notify_offset, vq->queue_idx);
	(void)err; /* a device that is gone is seen by the keeper */
}

/* 4.1.4.3.1: fields of more than 32 bits, or several, are read again until config_generation stays. */
int
bh_virtio_config_read(struct virtio_port *port, uint32_t offset, uint32_t width_bytes, uint64_t *out_value)
{
	uint32_t before, after = 0;
	int err = 0;
	if (offset + width_bytes > port->config.length)
		return -BH_EPROTO;
	for (uint32_t i = 0; i < CONFIG_TRIES_MAX; i++) {
		uint64_t value = 0;
		err = common_read(port, VIRTIO_PCI_CONFIG_GENERATION, 1, &before);
		for (uint32_t j = 0; j < width_bytes && err == 0; j++) {
			uint8_t byte;
			err = bh_reg_read8(&port->base.device, port->config.bar, port->config.offset + offset + j,
			                   &byte);
			value |= err == 0 ? (uint64_t)byte << (8 * j) : 0;
		}
		if (err == 0)
			err = common_read(port, VIRTIO_PCI_CONFIG_GENERATION, 1, &after);
		*out_value = value;
		if (err != 0 || before == after)
			return err;
	}
	return -BH_EPROTO;
}
