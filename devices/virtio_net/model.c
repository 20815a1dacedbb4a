/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "devices/virtio_net/internal.h"

#define MTU_MIN 68u
#define MTU_MAX 9216u

const char *
vnet_model_config_error(const struct vnet_model_config *config)
{
	if (config->mtu_bytes < MTU_MIN || config->mtu_bytes > MTU_MAX)
		return "the MTU is from 68 to 9216 bytes";
	if (config->pair_cnt == 0 || config->pair_cnt > VNET_PAIRS_MAX)
		return "there are 1 to 8 queue pairs";
	if (config->queue_size < 2 || config->queue_size > VNET_QUEUE_SIZE_MAX || !BH_IS_POW2(config->queue_size))
		return "a queue has a power of two from 2 to 4096 entries";
	if (config->rule_cnt > VNET_FAULT_RULES_MAX)
		return "a fault script has at most 8 rules";
	for (uint32_t i = 0; i < config->rule_cnt; i++) {
		if ((unsigned)config->rule[i].fault >= VNET_FAULT_CNT || config->rule[i].every == 0)
			return "a fault comes every so many frames, from 1 on";
	}
	if (config->mac[0] & 1)
		return "the MAC address is a multicast one";
	return NULL;
}

static uint64_t
features_offered(const struct vnet_model_config *config)
{
	uint64_t offered = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU |
	                   VIRTIO_NET_F_STATUS | VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_NET_F_CTRL_VQ |
	                   VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_MAC_ADDR;
	if (config->packed)
		offered |= VIRTIO_F_RING_PACKED;
	if (config->mergeable)
		offered |= VIRTIO_NET_F_MRG_RXBUF;
	if (config->offload)
		offered |= VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM;
	if (config->pair_cnt > 1)
		offered |= VIRTIO_NET_F_MQ;
	if (config->in_order)
		offered |= VIRTIO_F_IN_ORDER;
	return config->of_those == 0 ? offered : offered & (config->of_those | ~VNET_DATA_PATH_FEATURES);
}

int
vnet_model_create(const struct vnet_model_config *config, const struct vnet_host *host, struct vnet_model **out)
{
	if (vnet_model_config_error(config) != NULL || host->dma_window == NULL)
		return -BH_EINVAL;
	struct vnet_model *m = aligned_alloc(64, BH_ALIGN_UP(sizeof(*m), (size_t)64));
	if (m == NULL)
		return -BH_ENOMEM;
	memset(m, 0, sizeof(*m));
	m->config = *config;
	m->host = *host;
	m->offered = features_offered(config);
	m->link_up = true;
	vnet_model_reset(m);
	*out = m;
	return 0;
}

void
vnet_model_destroy(struct vnet_model *m)
{
	free(m);
}

void
vnet_model_reset(struct vnet_model *m)
{
	m->running = false;
	m->pairs = 1;
	m->status = m->isr = 0;
	m->driver_features = m->features = 0;
	m->device_select = m->driver_select = 0;
	m->queue_select = 0;
	m->config_vector = VNET_NO_VECTOR;
	m->window = (struct vnet_window){0};
	m->change.left = 0;
	memcpy(m->mac, m->config.mac, sizeof(m->mac));
	for (uint32_t i = 0; i < VNET_QUEUES_MAX; i++)
		vnet_queue_reset(&m->queue[i], (uint16_t)m->config.queue_size);
	vnet_filter_reset(m);
}

/* 2.1.1: the rings cannot be trusted any more; the driver has to reset. */
void
vnet_fail(struct vnet_model *m)
{
	m->stats.failed_cnt++;
	m->status |= VIRTIO_STATUS_NEEDS_RESET;
	m->running = false;
	m->change.left = 0;
	m->isr |= VIRTIO_PCI_ISR_CONFIG;
	m->generation++;
	if (m->host.irq != NULL && m->config_vector != VNET_NO_VECTOR)
		m->host.irq(m->host.context, m->config_vector);
}

void *
vnet_dma_slow(struct vnet_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot)
{
	struct vnet_window window;
	if (cnt_bytes == 0 || !m->host.dma_window(m->host.context, iova, cnt_bytes, prot, &window)) {
		m->stats.dma_refused_cnt++;
		return NULL;
	}
	m->window = window;
	return window.addr + (iova - window.iova);
}

void
vnet_model_dma_unmap(struct vnet_model *m, uint64_t iova, uint64_t size_bytes)
{
	m->window = (struct vnet_window){0};
	m->change.left = 0;
	for (uint32_t i = 0; i < VNET_QUEUES_MAX; i++) {
		for (uint32_t j = 0; j < 3; j++)
			m->queue[i].addr[j] = NULL; /* asked for again when it is used */
	}
}

bool
vnet_model_running(const struct vnet_model *m)
{
	return m->running;
}

uint32_t
vnet_model_pairs(const struct vnet_model *m)
{
	return m->pairs;
}

void
vnet_model_link_set(struct vnet_model *m, bool up)
{
	if (m->link_up == up)
		return;
	m->link_up = up;
	m->generation++;
	m->isr |= VIRTIO_PCI_ISR_CONFIG;
	if (m->running && m->host.irq != NULL && m->config_vector != VNET_NO_VECTOR)
		m->host.irq(m->host.context, m->config_vector);
}

void
vnet_model_flush(struct vnet_model *m)
{
	if (!m->running)
		return;
	for (uint32_t i = 0; i < 2 * m->pairs; i++)
		vnet_queue_flush(m, &m->queue[i]);
}

uint64_t
vnet_model_features(const struct vnet_model *m)
{
	return m->features;
}

void
vnet_model_queue_get(const struct vnet_model *m, uint32_t queue_idx, struct vnet_queue_info *out)
{
	const struct vnet_queue *q = &m->queue[queue_idx];
	*out = (struct vnet_queue_info){q->enabled, q->size, {q->iova[0], q->iova[1], q->iova[2]}};
}

void
vnet_model_fail(struct vnet_model *m)
{
	vnet_fail(m);
}

void
vnet_model_stats_get(const struct vnet_model *m, struct vnet_stats *out)
{
	*out = m->stats;
}
