/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "devices/ixgbe/internal.h"

#define RING_ALIGN_BYTES 128u /* 8.2.3.8.1: base and length */
#define RING_BYTES_MAX   0x80000u

static void
page_clear(volatile uint32_t *page)
{
	for (uint32_t i = 0; i < BH_PAGE_BYTES / 4; i++)
		page[i] = 0;
}

static void
address_set(struct ixgbe_model *m)
{
	const uint8_t *mac = m->config.mac;
	*ixgbe_reg(m, INTEL_REG_RAL0) =
	        mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
	*ixgbe_reg(m, INTEL_REG_RAH0) = mac[4] | (uint32_t)mac[5] << 8 | INTEL_RAH_AV;
}

/* 4.6.7: all but the tables that are memories, in ascending order. */
static void
registers_clear(struct ixgbe_model *m)
{
	static const struct {
		uint32_t at, bytes;
	} kept[] = {
	        {INTEL_REG_MTA, 4 * INTEL_MTA_CNT}, {INTEL_REG_RAL0, 8 * 16},     {IXGBE_REG_FTQF, 4 * 128},
	        {IXGBE_REG_PFVLVF, 4 * 64},         {IXGBE_REG_PFVLVFB, 4 * 128}, {IXGBE_REG_PFUTA, 4 * 128},
	};
	uint32_t at = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(kept); i++) {
		memset(ixgbe_reg(m, at), 0, kept[i].at - at);
		at = kept[i].at + kept[i].bytes;
	}
	memset(ixgbe_reg(m, at), 0, IXGBE_BAR_BYTES - at);
}

/* Section 8.2.3, the initial values; what the EEPROM loads is there at once. */
void
ixgbe_model_reset(struct ixgbe_model *m)
{
	registers_clear(m);
	memset(m->rx, 0, sizeof(m->rx));
	memset(m->tx, 0, sizeof(m->tx));
	page_clear(m->rx_page);
	page_clear(m->tx_page);
	m->window = (struct vnet_window){0};
	m->change.left = 0;
	m->flushed = false;
	address_set(m);
	*ixgbe_reg(m, IXGBE_REG_EEC) = INTEL_EECD_AUTO_RD | 1u << 8; /* present, read */
	*ixgbe_reg(m, IXGBE_REG_EEMNGCTL) = IXGBE_EEMNGCTL_CFG_DONE0;
	*ixgbe_reg(m, IXGBE_REG_RDRXCTL) = IXGBE_RDRXCTL_DMAIDONE;
	*ixgbe_reg(m, IXGBE_REG_HLREG0) = IXGBE_HLREG0_TXCRCEN | IXGBE_HLREG0_RXCRCSTRP | IXGBE_HLREG0_TXPADEN;
	*ixgbe_reg(m, IXGBE_REG_RXPBSIZE) = IXGBE_PB_KIB(IXGBE_RXPB_KIB);
	*ixgbe_reg(m, IXGBE_REG_VLNCTRL) = 0x8100;
	*ixgbe_reg(m, IXGBE_REG_ESDP) = IXGBE_ESDP_SDP3_DIR;
	for (uint32_t i = 0; i < IXGBE_QUEUES_RSS; i++)
		*ixgbe_queue_reg(m, false, i, IXGBE_QUEUE_DCA_RXCTRL) = IXGBE_DCA_RXCTRL_BIT12;
	m->stats.reset_cnt++;
}

static bool
config_is_good(const struct ixgbe_model_config *config)
{
	for (uint32_t i = 0; i < config->rule_cnt && i < VNET_FAULT_RULES_MAX; i++) {
		if (config->rule[i].fault >= IXGBE_FAULT_CNT || config->rule[i].every == 0)
			return false;
	}
	return config->rule_cnt <= VNET_FAULT_RULES_MAX && !(config->mac[0] & 1);
}

int
ixgbe_model_create(const struct ixgbe_model_config *config, const struct vnet_host *host, struct ixgbe_model **out)
{
	if (!config_is_good(config) || host->dma_window == NULL)
		return -BH_EINVAL;
	struct ixgbe_model *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -BH_ENOMEM;
	m->config = *config;
	m->host = *host;
	m->link_up = true;
	m->rx_page = ixgbe_reg(m, IXGBE_BAR_RX_PAGE);
	m->tx_page = ixgbe_reg(m, IXGBE_BAR_TX_PAGE);
	ixgbe_model_reset(m);
	m->stats.reset_cnt = 0;
	*out = m;
	return 0;
}

void
ixgbe_model_destroy(struct ixgbe_model *m)
{
	free(m);
}

void
ixgbe_model_pages_set(struct ixgbe_model *m, volatile uint32_t *rx_page, volatile uint32_t *tx_page)
{
	m->rx_page = rx_page;
	m->tx_page = tx_page;
	m->mapped = true;
	ixgbe_model_reset(m);
}

void
ixgbe_model_link_set(struct ixgbe_model *m, bool up)
{
	m->link_up = up;
}

bool
ixgbe_model_running(const struct ixgbe_model *m)
{
	return (m->reg[IXGBE_REG_RXCTRL / 4] & IXGBE_RXCTRL_RXEN) ||
	       (m->reg[IXGBE_REG_DMATXCTL / 4] & IXGBE_DMATXCTL_TE);
}

void *
ixgbe_dma(struct ixgbe_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot)
{
	const struct vnet_window *w = &m->window;
	uint64_t offset = iova - w->iova;
	if (offset < w->size_bytes && cnt_bytes <= w->size_bytes - offset && !(prot & ~w->prot))
		return w->addr + offset;
	struct vnet_window window;
	if (cnt_bytes == 0 || !m->host.dma_window(m->host.context, iova, cnt_bytes, prot, &window)) {
		m->stats.dma_refused_cnt++;
		return NULL;
	}
	m->window = window;
	return window.addr + (iova - window.iova);
}

void
ixgbe_model_dma_unmap(struct ixgbe_model *m, uint64_t iova, uint64_t size_bytes)
{
	m->window = (struct vnet_window){0};
	m->change.left = 0;
	for (uint32_t i = 0; i < IXGBE_QUEUES_RSS; i++)
		m->rx[i].desc = m->tx[i].desc = NULL; /* asked for again when it is used */
}

void
ixgbe_ring_fail(struct ixgbe_model *m, struct ixgbe_ring *ring)
{
	m->stats.failed_cnt++;
	ring->failed = true;
}

/* ENABLE has come, and a length: the ring's place is taken over, and stays until ENABLE goes. */
static bool
take_over(struct ixgbe_model *m, struct ixgbe_ring *ring, bool tx, uint32_t queue_idx)
{
	uint32_t low = *ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_BAL);
	uint32_t high = *ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_BAH);
	uint32_t bytes = *ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_LEN);
	ring->iova = (uint64_t)high << 32 | low;
	ring->entries = bytes / (uint32_t)sizeof(struct intel_desc);
	ring->head = *ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_HEAD);
	ring->desc = NULL;
	ring->on = true;
	return bytes != 0 && bytes % RING_ALIGN_BYTES == 0 && bytes <= RING_BYTES_MAX && low % RING_ALIGN_BYTES == 0 &&
	       ring->head < ring->entries;
}

bool
ixgbe_ring_look(struct ixgbe_model *m, bool tx, uint32_t queue_idx, uint32_t *out_cnt)
{
	struct ixgbe_ring *ring = tx ? &m->tx[queue_idx] : &m->rx[queue_idx];
	uint32_t tail;
	if (!(*ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_DCTL) & INTEL_DCTL_ENABLE_82576)) {
		ring->on = false;
		return false;
	}
	if (!ring->on && *ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_LEN) == 0)
		return false;
	if (ring->failed || (*ixgbe_reg(m, INTEL_REG_CTRL) & INTEL_CTRL_GIO_MASTER_DISABLE))
		return false;
	bool good = ring->on || take_over(m, ring, tx, queue_idx);
	tail = *ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_TAIL);
	if (good && ring->desc == NULL)
		ring->desc = ixgbe_dma(m, ring->iova, ring->entries * sizeof(struct intel_desc),
		                       VNET_DMA_READ | VNET_DMA_WRITE);
	if (!good || tail >= ring->entries || ring->desc == NULL) {
		ixgbe_ring_fail(m, ring);
		return false;
	}
	*out_cnt = tail >= ring->head ? tail - ring->head : tail + ring->entries - ring->head;
	return true;
}

void
ixgbe_ring_advance(struct ixgbe_model *m, bool tx, uint32_t queue_idx, uint32_t cnt)
{
	struct ixgbe_ring *ring = tx ? &m->tx[queue_idx] : &m->rx[queue_idx];
	ring->head += cnt;
	if (ring->head >= ring->entries)
		ring->head -= ring->entries;
	*ixgbe_queue_reg(m, tx, queue_idx, INTEL_QUEUE_HEAD) = ring->head;
}

void
ixgbe_model_stats_get(const struct ixgbe_model *m, struct ixgbe_stats *out)
{
	*out = m->stats;
}
