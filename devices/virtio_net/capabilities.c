/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_net/capabilities.h"

#include <string.h>

#include "devices/virtio_net/vnet_model.h"

/* The notification structure has its multiplier behind it (4.1.4.4). */
static int
add_capability(struct vfu_config *config, uint8_t kind, uint32_t offset, uint32_t length, uint32_t multiplier)
{
	struct virtio_pci_cap cap = {.cfg_type = kind, .offset = offset, .length = length};
	uint8_t body[sizeof(cap) - 2 + 4];
	uint32_t body_bytes = sizeof(cap) - 2 + (kind == VIRTIO_PCI_CAP_NOTIFY_CFG ? 4 : 0);
	cap.cap_len = (uint8_t)(body_bytes + 2);
	memcpy(body, &cap.cap_len, sizeof(cap) - 2);
	memcpy(body + sizeof(cap) - 2, &multiplier, 4);
	return vfu_config_capability(config, VIRTIO_PCI_CAP_VENDOR, body, NULL, body_bytes);
}

int
vnet_config_capabilities(struct vfu_config *config)
{
	static const struct {
		uint8_t kind;
		uint32_t offset, length, multiplier;
	} list[] = {
	        {VIRTIO_PCI_CAP_COMMON_CFG, VNET_BAR_COMMON, VIRTIO_PCI_COMMON_BYTES, 0},
	        {VIRTIO_PCI_CAP_NOTIFY_CFG, VNET_BAR_NOTIFY, BH_PAGE_BYTES, 4},
	        {VIRTIO_PCI_CAP_ISR_CFG, VNET_BAR_ISR, 4, 0},
	        {VIRTIO_PCI_CAP_DEVICE_CFG, VNET_BAR_CONFIG, VIRTIO_NET_CFG_BYTES, 0},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(list); i++) {
		int err = add_capability(config, list[i].kind, list[i].offset, list[i].length, list[i].multiplier);
		if (err < 0)
			return err;
	}
	return 0;
}
