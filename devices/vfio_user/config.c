/* SPDX-License-Identifier: Apache-2.0 */
/* PCI configuration space: PCI Local Bus 3.0, 6.1 and 6.2; capability layouts of 6.7 and 6.8. */
#include <devices/vfio_user/server_private.h>

#include <errno.h>
#include <string.h>

enum {
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_CACHE_LINE = 0x0c,
	PCI_BAR0 = 0x10,
	PCI_SUBSYSTEM = 0x2c,
	PCI_CAP_POINTER = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
	PCI_FIRST_CAP = 0x40,
};

#define PCI_COMMAND_WRITABLE 0x0547u /* I/O, memory, bus master, parity, SERR, INTx disable */
#define PCI_STATUS_CAPS      0x0010u
#define PCI_BAR_MEM64        0x4u
#define PCI_CAP_MSIX         0x11u

static void
put16(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)value;
	bytes[1] = (uint8_t)(value >> 8);
}

static void
put32(uint8_t *bytes, uint32_t value)
{
	put16(bytes, value);
	put16(bytes + 2, value >> 16);
}

void
vfu_config_type0(struct vfu_config *config, uint16_t vendor, uint16_t device, uint32_t class_code, uint8_t revision)
{
	*config = (struct vfu_config){.size_bytes = 256, .next_cap = PCI_FIRST_CAP, .last_cap = PCI_CAP_POINTER};
	put16(config->initial, vendor);
	put16(config->initial + 2, device);
	put32(config->initial + PCI_REVISION, class_code << 8 | revision);
	put16(config->initial + PCI_SUBSYSTEM, vendor);
	put16(config->initial + PCI_SUBSYSTEM + 2, device);
	config->initial[PCI_INTERRUPT_PIN] = 1;
	put16(config->writable + PCI_COMMAND, PCI_COMMAND_WRITABLE);
	config->writable[PCI_CACHE_LINE] = 0xff;
	config->writable[PCI_INTERRUPT_LINE] = 0xff;
}

void
vfu_config_bar_mem64(struct vfu_config *config, uint32_t bar, uint64_t size_bytes)
{
	uint64_t mask = ~(size_bytes - 1); /* bits below the size read as zero: that is how software finds it */
	uint32_t offset = PCI_BAR0 + 4 * bar;
	put32(config->initial + offset, PCI_BAR_MEM64);
	put32(config->writable + offset, (uint32_t)mask);
	put32(config->writable + offset + 4, (uint32_t)(mask >> 32));
}

int
vfu_config_capability(struct vfu_config *config, uint8_t id, const void *body, const void *writable,
                      uint32_t body_bytes)
{
	uint32_t offset = config->next_cap;
	if (offset < PCI_FIRST_CAP || body_bytes > 254 || offset + 2 + body_bytes > 256)
		return -ENOSPC;
	config->initial[config->last_cap] = (uint8_t)offset;
	config->initial[offset] = id;
	config->initial[offset + 1] = 0;
	memcpy(config->initial + offset + 2, body, body_bytes);
	if (writable)
		memcpy(config->writable + offset + 2, writable, body_bytes);
	config->initial[PCI_STATUS] |= PCI_STATUS_CAPS;
	config->last_cap = offset + 1;
	config->next_cap = BH_ALIGN_UP(offset + 2 + body_bytes, 4u);
	return (int)offset;
}

int
vfu_config_msix(struct vfu_config *config, uint32_t vector_cnt, uint32_t bar, uint32_t table_offset,
                uint32_t pending_offset)
{
	if (vector_cnt == 0 || vector_cnt > 2048 || bar > 5 || (table_offset | pending_offset) & 7)
		return -EINVAL;
	uint8_t body[10], writable[10] = {0};
	put16(body, vector_cnt - 1);
	put32(body + 2, table_offset | bar);
	put32(body + 6, pending_offset | bar);
	put16(writable, 0xc000); /* enable, function mask */
	return vfu_config_capability(config, PCI_CAP_MSIX, body, writable, sizeof(body));
}

int
vfu_config_check(const struct vfu_config *config)
{
	return config->size_bytes == 256 || config->size_bytes == VFU_CONFIG_BYTES_MAX ? 0 : -EINVAL;
}

void
vfu_config_write(struct vfu_server *server, uint32_t offset, uint32_t cnt_bytes, const uint8_t *data)
{
	const uint8_t *writable = server->device.config.writable;
	for (uint32_t i = 0; i < cnt_bytes; i++) {
		uint8_t mask = writable[offset + i];
		server->config[offset + i] = (uint8_t)((server->config[offset + i] & ~mask) | (data[i] & mask));
	}
	if (server->device.ops->config_written)
		server->device.ops->config_written(server->device.context, offset, cnt_bytes, server->config);
}
