/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI capabilities of the model's device (VIRTIO 1.2, 4.1.4): for whoever shows it to a driver. */
#ifndef DEVICES_VIRTIO_NET_CAPABILITIES_H
#define DEVICES_VIRTIO_NET_CAPABILITIES_H

#include "devices/vfio_user/server.h"

/* vnet_config_capabilities - where each structure is in BAR 0. Return: 0; -ENOSPC. */
BH_MUST_CHECK int vnet_config_capabilities(struct vfu_config *config);

#endif
