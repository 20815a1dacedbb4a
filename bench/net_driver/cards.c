/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/net_driver/cards.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <bulkhead/device.h>
#include <bulkhead/hosted.h>
#include <bulkhead/mem.h>

#include "devices/ixgbe/ixgbe_model.h"
#include "devices/virtio_net/capabilities.h"

pthread_mutex_t bench_cards_lock = PTHREAD_MUTEX_INITIALIZER;

static struct bench_cards cards;
static struct vnet_model *model[2];
static struct ixgbe_model *ixgbe[2];
/* Of an 82599: its queues' registers, which the driver reaches by itself; the receive queues', then the transmit queues'. */
static uint32_t ixgbe_page[2][2][BH_PAGE_BYTES / 4] BH_ALIGNED(4096);
static struct vfu_config pci_config;

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	uint32_t idx = name[1] == '1';
	*out_device = (struct bh_device){.device_idx = idx, .info = &bh_hosted_page()->device[idx]};
	return 0;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	uint64_t page = offset / BH_PAGE_BYTES, tx = IXGBE_BAR_TX_PAGE / BH_PAGE_BYTES;
	if (!cards.is_ixgbe || (page != IXGBE_BAR_RX_PAGE / BH_PAGE_BYTES && page != tx))
		return NULL;
	return &ixgbe_page[device->device_idx][page == tx][offset % BH_PAGE_BYTES / 4];
}

static uint64_t
reg_read(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t width_bytes)
{
	uint64_t value = 0;
	if (cards.is_ixgbe)
		return ixgbe_model_reg_read(ixgbe[device->device_idx], offset, width_bytes);
	if (bar != BH_BAR_CONFIG)
		return vnet_model_reg_read(model[device->device_idx], offset, width_bytes);
	memcpy(&value, pci_config.initial + offset, width_bytes);
	return value;
}

static void
reg_write(const struct bh_device *device, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	if (cards.is_ixgbe)
		ixgbe_model_reg_write(ixgbe[device->device_idx], offset, width_bytes, value);
	else
		vnet_model_reg_write(model[device->device_idx], offset, width_bytes, value);
}

#define REG_FUNCTIONS(bits)                                                                                            \
	int bh_reg_read##bits(const struct bh_device *device, uint32_t bar, uint64_t offset,                           \
	                      uint##bits##_t *out_value)                                                               \
	{                                                                                                              \
		pthread_mutex_lock(&bench_cards_lock);                                                                 \
		*out_value = (uint##bits##_t)reg_read(device, bar, offset, bits / 8);                                  \
		pthread_mutex_unlock(&bench_cards_lock);                                                               \
		return 0;                                                                                              \
	}                                                                                                              \
	int bh_reg_write##bits(const struct bh_device *device, uint32_t bar, uint64_t offset, uint##bits##_t value)    \
	{                                                                                                              \
		pthread_mutex_lock(&bench_cards_lock);                                                                 \
		reg_write(device, offset, bits / 8, value);                                                            \
		pthread_mutex_unlock(&bench_cards_lock);                                                               \
		return 0;                                                                                              \
	}

REG_FUNCTIONS(8)
REG_FUNCTIONS(16)
REG_FUNCTIONS(32)
REG_FUNCTIONS(64)

int
bh_device_reset(const struct bh_device *device)
{
	return 0;
}

uint32_t
bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way)
{
	*out_under_way = false;
	return 0;
}

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	*out = (struct vnet_window){BH_ADDR_ARENA, cards.arena_bytes, (uint8_t *)(uintptr_t)BH_ADDR_ARENA, prot};
	return bh_dma_contains((void *)(uintptr_t)iova, size_bytes);
}

static int
virtio_make(uint32_t idx, struct bh_boot_device *device)
{
	const struct vnet_host host = {.dma_window = window};
	struct vnet_model_config config = VNET_MODEL_CONFIG_DEFAULT;
	config.packed = cards.packed;
	strcpy(device->model, "virtio-net");
	device->bar[0].size_bytes = VNET_BAR_BYTES;
	return vnet_model_create(&config, &host, &model[idx]);
}

static int
ixgbe_make(uint32_t idx, struct bh_boot_device *device)
{
	const struct vnet_host host = {.dma_window = window};
	const struct ixgbe_model_config config = IXGBE_MODEL_CONFIG_DEFAULT;
	strcpy(device->model, "ixgbe");
	device->bar[0].size_bytes = IXGBE_BAR_BYTES;
	int err = ixgbe_model_create(&config, &host, &ixgbe[idx]);
	if (err == 0)
		ixgbe_model_pages_set(ixgbe[idx], ixgbe_page[idx][0], ixgbe_page[idx][1]);
	return err;
}

int
bench_cards_make(const struct bench_cards *wanted)
{
	cards = *wanted;
	int err = bh_hosted_map(1, cards.arena_bytes, 16u << 20);
	vfu_config_type0(&pci_config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, 0x020000, 1);
	if (err == 0)
		err = vnet_config_capabilities(&pci_config);
	for (uint32_t i = 0; i < 2 && err == 0; i++) {
		struct bh_boot_device *device = &bh_hosted_page()->device[i];
		snprintf(device->name, sizeof(device->name), "p%u", i);
		err = (cards.is_ixgbe ? ixgbe_make : virtio_make)(i, device);
	}
	bh_hosted_page()->device_cnt = 2;
	bh_hosted_page_seal();
	return err == 0 ? bh_hosted_init() : err;
}

struct vnet_wire_end
bench_card_end(uint32_t idx)
{
	return cards.is_ixgbe ? (struct vnet_wire_end){ixgbe[idx], &ixgbe_wire_ops}
	                      : (struct vnet_wire_end){model[idx], &vnet_wire_ops};
}

void
bench_cards_control(void)
{
	for (uint32_t i = 0; i < 2 && !cards.is_ixgbe; i++)
		vnet_model_control(model[i]);
}
