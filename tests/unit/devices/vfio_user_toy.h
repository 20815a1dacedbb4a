/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A toy device behind the server, for tests: BAR0 like NVMe's (registers below 0x1000, the rest mappable), BAR2
 * mappable as a whole, BAR4 two mappable areas, BAR5 read-only. It records what it is asked.
 */
#ifndef TESTS_UNIT_DEVICES_VFIO_USER_TOY_H
#define TESTS_UNIT_DEVICES_VFIO_USER_TOY_H

#include <devices/vfio_user/server.h>

struct toy {
	struct vfu_server *server;
	uint8_t registers[0x1000];
	unsigned read_cnt, write_cnt, connected_cnt, disconnected_cnt, mapped_cnt, unmapping_cnt, config_cnt;
	unsigned reset_cnt[3];
	unsigned unmapping_after_reset_cnt;
	uint32_t last_region, last_width;
	uint64_t last_offset;
	int result;         /* of register accesses and resets */
	uint64_t copy_iova; /* writing register 0x800 copies 8 bytes from there into register 0x808 */
	int copy_result;
};

static inline int
toy_read(void *context, uint32_t region, uint64_t offset, uint32_t width, void *out)
{
	struct toy *toy = context;
	toy->read_cnt++;
	toy->last_region = region;
	toy->last_offset = offset;
	toy->last_width = width;
	memcpy(out, toy->registers + offset % sizeof(toy->registers), width);
	return toy->result;
}

static inline int
toy_write(void *context, uint32_t region, uint64_t offset, uint32_t width, const void *data)
{
	struct toy *toy = context;
	toy->write_cnt++;
	toy->last_region = region;
	toy->last_offset = offset;
	toy->last_width = width;
	memcpy(toy->registers + offset % sizeof(toy->registers), data, width);
	if (offset == 0x800 && toy->copy_iova)
		toy->copy_result = vfu_server_dma_read(toy->server, toy->copy_iova, toy->registers + 0x808, 8);
	return toy->result;
}

static inline int
toy_reset(void *context, enum vfu_reset_reason reason)
{
	struct toy *toy = context;
	toy->reset_cnt[reason]++;
	memset(toy->registers, 0, sizeof(toy->registers));
	return toy->result;
}

static inline void
toy_mapped(void *context, uint64_t iova, uint64_t size_bytes, void *addr)
{
	((struct toy *)context)->mapped_cnt++;
}

static inline void
toy_unmapping(void *context, uint64_t iova, uint64_t size_bytes)
{
	struct toy *toy = context;
	toy->unmapping_cnt++;
	toy->unmapping_after_reset_cnt += toy->reset_cnt[VFU_RESET_DISCONNECT] > 0;
}

static inline void
toy_config(void *context, uint32_t offset, uint32_t cnt_bytes, const uint8_t *config)
{
	((struct toy *)context)->config_cnt++;
}

static inline void
toy_connected(void *context)
{
	((struct toy *)context)->connected_cnt++;
}

static inline void
toy_disconnected(void *context)
{
	((struct toy *)context)->disconnected_cnt++;
}

static const struct vfu_device_ops toy_ops = {
        .region_read = toy_read,
        .region_write = toy_write,
        .config_written = toy_config,
        .reset = toy_reset,
        .dma_mapped = toy_mapped,
        .dma_unmapping = toy_unmapping,
        .connected = toy_connected,
        .disconnected = toy_disconnected,
};

static inline struct vfu_device
toy_device(struct toy *toy)
{
	struct vfu_device device = {.ops = &toy_ops, .context = toy, .intx_cnt = 1, .msi_cnt = 2, .msix_cnt = 4};
	vfu_config_type0(&device.config, 0x1b36, 0x0010, 0x010802, 2);
	vfu_config_bar_mem64(&device.config, 0, 0x4000);
	assert_int_equal(vfu_config_msix(&device.config, 4, 0, 0x800, 0xc00), 0x40);
	device.region[0] = (struct vfu_region){0x4000, VFU_REGION_RW, 1, {{0x1000, 0x3000}}};
	device.region[2] = (struct vfu_region){0x2000, VFU_REGION_RW, 1, {{0, 0x2000}}};
	device.region[4] = (struct vfu_region){0x200000, VFU_REGION_RW, 2, {{0x1000, 0x1000}, {0x3000, 0x2000}}};
	device.region[5] = (struct vfu_region){0x10, VFU_REGION_READ, 0, {{0, 0}}};
	return device;
}

#endif
