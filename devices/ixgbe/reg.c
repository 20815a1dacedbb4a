/* SPDX-License-Identifier: Apache-2.0 */
/* Registers that are more than a memory (82599 datasheet 8.2.3). */
#include "devices/ixgbe/internal.h"

#define STATS_FIRST   0x04000u
#define STATS_LAST    0x040fcu
#define LINKS_AN_DONE (1u << 31)
#define SPEED_10G     3u

/* Places that answer for others: step bytes apart here, `step_to` there. */
static const struct {
	uint32_t from, cnt, step, to, step_to;
} aliases[] = {
        {0x0a200, 32, 4, INTEL_REG_RAL0, 4},
        {0x0eb00, 32, 4, INTEL_REG_RETA, 4},
        {0x0eb80, 10, 4, INTEL_REG_RSSRK, 4},
        {0x0ec80, 1, 4, INTEL_REG_MRQC, 4},
        {0x02100, 16, 4, IXGBE_RX_BASE + IXGBE_QUEUE_SRRCTL, IXGBE_QUEUE_STEP},
        {0x02200, 16, 4, IXGBE_RX_BASE + IXGBE_QUEUE_DCA_RXCTRL, IXGBE_QUEUE_STEP},
};

static uint32_t
canonical(uint32_t offset)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(aliases); i++) {
		uint32_t behind = offset - aliases[i].from;
		if (offset >= aliases[i].from && behind < aliases[i].cnt * aliases[i].step)
			return aliases[i].to + behind / aliases[i].step * aliases[i].step_to;
	}
	return offset;
}

/* Where it is kept. */
static volatile uint32_t *
place(struct ixgbe_model *m, uint32_t offset)
{
	if (offset / BH_PAGE_BYTES == IXGBE_BAR_RX_PAGE / BH_PAGE_BYTES)
		return m->rx_page + offset % BH_PAGE_BYTES / 4;
	if (offset / BH_PAGE_BYTES == IXGBE_BAR_TX_PAGE / BH_PAGE_BYTES)
		return m->tx_page + offset % BH_PAGE_BYTES / 4;
	return ixgbe_reg(m, offset);
}

static bool
is_statistic(uint32_t offset)
{
	uint32_t qprdc = IXGBE_RX_BASE + IXGBE_QUEUE_QPRDC;
	bool dropped = offset >= qprdc && offset < qprdc + IXGBE_QUEUES_RSS * IXGBE_QUEUE_STEP &&
	               (offset - qprdc) % IXGBE_QUEUE_STEP == 0;
	return dropped || (offset >= STATS_FIRST && offset <= STATS_LAST) ||
	       (offset >= IXGBE_REG_RXMPC && offset < IXGBE_REG_RXMPC + 4 * IXGBE_PB_CNT);
}

static bool
is_read_only(uint32_t offset)
{
	return is_statistic(offset) || offset == INTEL_REG_STATUS || offset == IXGBE_REG_LINKS ||
	       offset == IXGBE_REG_SECRXSTAT || offset == IXGBE_REG_EEC || offset == IXGBE_REG_EEMNGCTL ||
	       offset == IXGBE_REG_TFCS || offset == IXGBE_REG_EIMC;
}

static uint32_t
links(const struct ixgbe_model *m)
{
	return m->link_up ? IXGBE_LINKS_UP | LINKS_AN_DONE | SPEED_10G << IXGBE_LINKS_SPEED_SHIFT : 0;
}

/* Specification update, clarification 9: while the link is down, what waits to be sent keeps the master. */
static bool
holds_master(struct ixgbe_model *m)
{
	for (uint32_t i = 0; i < IXGBE_QUEUES_RSS && !m->link_up && !m->flushed; i++) {
		if (m->tx[i].on && *ixgbe_queue_reg(m, true, i, INTEL_QUEUE_TAIL) != m->tx[i].head)
			return true;
	}
	return false;
}

static uint32_t
status(struct ixgbe_model *m)
{
	bool off = (*ixgbe_reg(m, INTEL_REG_CTRL) & INTEL_CTRL_GIO_MASTER_DISABLE) && !holds_master(m);
	return off ? 0 : INTEL_STATUS_GIO_MASTER_ENABLE;
}

/* Flushing works only where nothing can be sent or received meanwhile. */
static void
gcr_ext(struct ixgbe_model *m, uint32_t value)
{
	*ixgbe_reg(m, IXGBE_REG_GCR_EXT) = value;
	if ((value & IXGBE_GCR_EXT_BUF_CLEAR) && (*ixgbe_reg(m, IXGBE_REG_HLREG0) & IXGBE_HLREG0_LPBK) &&
	    !(*ixgbe_reg(m, IXGBE_REG_RXCTRL) & IXGBE_RXCTRL_RXEN))
		m->flushed = true;
}

uint64_t
ixgbe_model_reg_read(struct ixgbe_model *m, uint64_t offset, uint32_t width_bytes)
{
	if (width_bytes != 4 || offset % 4 != 0 || offset >= IXGBE_BAR_BYTES)
		return 0;
	uint32_t at = canonical((uint32_t)offset);
	volatile uint32_t *reg = place(m, at);
	uint32_t value = *reg;
	if (is_statistic(at))
		*reg = 0;
	switch (at) {
	case INTEL_REG_STATUS:
		return status(m);
	case IXGBE_REG_LINKS:
		return links(m);
	case IXGBE_REG_SECRXSTAT:
		return *ixgbe_reg(m, IXGBE_REG_SECRXCTRL) & IXGBE_SECRXCTRL_RX_DIS ? IXGBE_SECRXSTAT_RDY : 0;
	case IXGBE_REG_SWSM:
		*reg |= INTEL_SWSM_SMBI; /* 10.5.4: reading takes it */
		return value;
	default:
		return value;
	}
}

/* 8.2.3.9.10: without DMATXCTL.TE no transmit queue is on. */
static uint32_t
txdctl(struct ixgbe_model *m, uint32_t value)
{
	return *ixgbe_reg(m, IXGBE_REG_DMATXCTL) & IXGBE_DMATXCTL_TE ? value : value & ~INTEL_DCTL_ENABLE_82576;
}

/* 4.6.8.1: TE by itself switches queue 0 on. */
static void
dmatxctl(struct ixgbe_model *m, uint32_t value)
{
	uint32_t *reg = ixgbe_reg(m, IXGBE_REG_DMATXCTL);
	if (value & ~*reg & IXGBE_DMATXCTL_TE)
		*ixgbe_queue_reg(m, true, 0, INTEL_QUEUE_DCTL) |= INTEL_DCTL_ENABLE_82576;
	*reg = value;
}

void
ixgbe_model_reg_write(struct ixgbe_model *m, uint64_t offset, uint32_t width_bytes, uint64_t wide)
{
	uint32_t value = (uint32_t)wide;
	if (width_bytes != 4 || offset % 4 != 0 || offset >= IXGBE_BAR_BYTES)
		return;
	uint32_t at = canonical((uint32_t)offset);
	volatile uint32_t *reg = place(m, at);
	if (is_read_only(at))
		return;
	if (at == INTEL_REG_CTRL && (value & (INTEL_CTRL_RST | IXGBE_CTRL_LRST)))
		ixgbe_model_reset(m);
	else if (at == IXGBE_REG_EICR)
		*reg &= ~value;
	else if (at == IXGBE_REG_RDRXCTL)
		*reg = value | IXGBE_RDRXCTL_DMAIDONE;
	else if (at == IXGBE_REG_DMATXCTL)
		dmatxctl(m, value);
	else if (at == IXGBE_REG_GCR_EXT)
		gcr_ext(m, value);
	else if (at == IXGBE_REG_AUTOC)
		*reg = value & ~IXGBE_AUTOC_AN_RESTART;
	else if (at / BH_PAGE_BYTES == IXGBE_BAR_TX_PAGE / BH_PAGE_BYTES && at % IXGBE_QUEUE_STEP == INTEL_QUEUE_DCTL)
		*reg = txdctl(m, value);
	else
		*reg = value;
}
