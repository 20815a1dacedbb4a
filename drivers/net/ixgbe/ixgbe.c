/* SPDX-License-Identifier: Apache-2.0 */
/* Initialization: Intel 82599 10 GbE Controller Datasheet, rev. 3.4, section 4.6. */
#include "drivers/net/ixgbe/ixgbe.h"

#define ENABLE_TIMEOUT_NS   (10 * INTEL_MS_NS)
#define DMA_INIT_TIMEOUT_NS (20 * INTEL_MS_NS)
#define MNG_TIMEOUT_NS      (20 * INTEL_MS_NS)
#define READS_MAX           0xfffu  /* DTXMXSZRQ, 4.6.8: the largest value, without DCB */
#define RX_MARGIN_BYTES     0x6000u /* 8.2.3.3.4: FCRTH.RTH is the buffer's size without this */
#define TX_THRESHOLD_KIB    (IXGBE_TXPB_KIB - 10u)

static void
wait_or_fail(struct intel_port *ip, uint32_t reg, uint32_t bit, uint64_t timeout_ns)
{
	if (!intel_wait(ip, reg, bit, bit, timeout_ns) && ip->err == 0)
		ip->err = -BH_ETIMEDOUT;
}

/* 4.6.3: the EEPROM read (intel_quiesce), firmware done, the DMA engine initialized, interrupts off; then snooping always. */
static void
begin(struct intel_port *ip)
{
	uint32_t port_idx = intel_read(ip, INTEL_REG_STATUS) >> IXGBE_STATUS_LAN_SHIFT & 1,
	         done = IXGBE_EEMNGCTL_CFG_DONE0 << port_idx;
	/* A card without manageability never says that it is configured. */
	(void)intel_wait(ip, IXGBE_REG_EEMNGCTL, done, done, MNG_TIMEOUT_NS);
	wait_or_fail(ip, IXGBE_REG_RDRXCTL, IXGBE_RDRXCTL_DMAIDONE, DMA_INIT_TIMEOUT_NS);
	intel_write(ip, IXGBE_REG_EIMC1, INTEL_ALL_ONES);
	intel_write(ip, IXGBE_REG_EIMC1 + 4, INTEL_ALL_ONES);
	intel_change(ip, INTEL_REG_CTRL, INTEL_CTRL_GIO_MASTER_DISABLE, 0);
	intel_change(ip, INTEL_REG_CTRL_EXT, 0, IXGBE_CTRL_EXT_NS_DIS | INTEL_CTRL_EXT_DRV_LOAD);
}

/* 4.6.11.3.4, 8.2.3.8.9, 8.2.3.9.13: one packet buffer each way, no DCB, no virtualization; and no pauses, neither sent nor obeyed. */
static void
buffers_set(struct intel_port *ip)
{
	uint32_t rx_kib = bh_ixgbe_is_x540(ip) ? IXGBE_RXPB_KIB_X540 : IXGBE_RXPB_KIB;
	intel_write(ip, IXGBE_REG_RXPBSIZE, IXGBE_PB_KIB(rx_kib));
	intel_write(ip, IXGBE_REG_TXPBSIZE, IXGBE_PB_KIB(IXGBE_TXPB_KIB));
	intel_write(ip, IXGBE_REG_TXPBTHRESH, TX_THRESHOLD_KIB);
	for (uint32_t i = 1; i < IXGBE_PB_CNT; i++) {
		intel_write(ip, IXGBE_REG_RXPBSIZE + 4 * i, 0);
		intel_write(ip, IXGBE_REG_TXPBSIZE + 4 * i, 0);
		intel_write(ip, IXGBE_REG_TXPBTHRESH + 4 * i, 0);
	}
	intel_write(ip, IXGBE_REG_FCCFG, 0);
	intel_write(ip, IXGBE_REG_MFLCN, 0);
	/* 4.6.3.2: RTH also where there is no flow control */
	intel_write(ip, IXGBE_REG_FCRTH, (rx_kib * 1024 - RX_MARGIN_BYTES) & IXGBE_FCRTH_RTH_MASK);
}

static void
clear(struct intel_port *ip, uint32_t reg, uint32_t cnt, uint32_t step)
{
	for (uint32_t i = 0; i < cnt; i++)
		intel_write(ip, reg + step * i, 0);
}

/*
 * 4.6.7: tables that are memories, which no reset clears. SPEC-MISSING: whether those of pools are looked at without
 * virtualization; so they are cleared, too. The first address is the port's.
 */
static void
tables_clear(struct intel_port *ip)
{
	clear(ip, IXGBE_REG_RAL + 8 + 4, IXGBE_ADDRESS_CNT - 1, 8);
	clear(ip, IXGBE_REG_PFUTA, 128, 4);
	clear(ip, IXGBE_REG_PFVLVF, 64, 4);
	clear(ip, IXGBE_REG_PFVLVFB, 128, 4);
	clear(ip, IXGBE_REG_FTQF, 128, 4);
}

/* 4.6.7, 8.2.3.22.8: CRC stripped in both places that have a say; frames longer than the MTU are dropped by us, counted. */
static void
mac_set(struct intel_port *ip)
{
	intel_change(ip, IXGBE_REG_HLREG0, IXGBE_HLREG0_LPBK,
	             IXGBE_HLREG0_TXCRCEN | IXGBE_HLREG0_RXCRCSTRP | IXGBE_HLREG0_JUMBOEN | IXGBE_HLREG0_TXPADEN);
	intel_write(ip, IXGBE_REG_MAXFRS, IXGBE_MAXFRS_BYTES << IXGBE_MAXFRS_SHIFT);
	intel_change(ip, IXGBE_REG_RDRXCTL, IXGBE_RDRXCTL_RSCFRSTSIZE,
	             IXGBE_RDRXCTL_CRCSTRIP | IXGBE_RDRXCTL_RSCACKC | IXGBE_RDRXCTL_FCOE_WRFIX);
}

/*
 * 4.6.8: the arbiter rests while the request size changes; no queue can be switched on before DMATXCTL.TE is, which by
 * itself switches queue 0 on: off again, until its ring is there (4.6.8.1).
 */
static void
transmitter_set(struct intel_port *ip)
{
	intel_change(ip, IXGBE_REG_RTTDCS, 0, IXGBE_RTTDCS_ARBDIS);
	intel_write(ip, IXGBE_REG_DTXMXSZRQ, READS_MAX);
	intel_change(ip, IXGBE_REG_RTTDCS, IXGBE_RTTDCS_ARBDIS, 0);
	intel_change(ip, IXGBE_REG_DMATXCTL, 0, IXGBE_DMATXCTL_TE);
	intel_change(ip, IXGBE_TX_BASE + INTEL_QUEUE_DCTL, INTEL_DCTL_ENABLE_82576, 0);
	if (!intel_wait(ip, IXGBE_TX_BASE + INTEL_QUEUE_DCTL, INTEL_DCTL_ENABLE_82576, 0, ENABLE_TIMEOUT_NS) &&
	    ip->err == 0)
		ip->err = -BH_ETIMEDOUT;
}

/* 7.1.2.8, 8.2.3.7.12 */
static void
rx_setup(struct intel_port *ip)
{
	tables_clear(ip);
	buffers_set(ip);
	mac_set(ip);
	transmitter_set(ip);
	intel_write(ip, INTEL_REG_RXCSUM, INTEL_RXCSUM_PCSD);
	intel_change(ip, IXGBE_REG_RFCTL, 0, IXGBE_RFCTL_NFS_DIS);
	intel_write(ip, INTEL_REG_MRQC, 0);
	if (!(ip->port.info.features & BH_PORT_RSS))
		return;
	intel_rss_set(ip, 0);
	intel_write(ip, INTEL_REG_MRQC,
	            INTEL_MRQC_RSS_82574 | INTEL_MRQC_TCP_IPV4 | INTEL_MRQC_IPV4 | INTEL_MRQC_IPV6 |
	                    INTEL_MRQC_TCP_IPV6 | INTEL_MRQC_UDP_IPV4 | INTEL_MRQC_UDP_IPV6);
}

/*
 * 4.6.7, 4.6.8: a queue is on when its ENABLE reads back; its tail may be written only then. Sent descriptors are written
 * back where RS asks for it (WTHRESH 0, 7.2.3.4.1).
 */
static void
queue_setup(struct intel_port *ip, uint32_t queue_idx)
{
	uint32_t rx = IXGBE_RX_BASE + queue_idx * IXGBE_QUEUE_STEP;
	uint32_t tx = IXGBE_TX_BASE + queue_idx * IXGBE_QUEUE_STEP;
	uint32_t vme = ip->port.info.features & BH_PORT_RX_VLAN ? IXGBE_RXDCTL_VME : 0;
	intel_write(ip, rx + IXGBE_QUEUE_SRRCTL,
	            INTEL_SRRCTL_KIB(INTEL_RX_BUF_BYTES / 1024) | IXGBE_SRRCTL_ADV_ONE |
	                    (ip->port.info.queue_cnt > 1 ? IXGBE_SRRCTL_DROP_EN : 0));
	intel_write(ip, rx + IXGBE_QUEUE_RSCCTL, 0);
	intel_change(ip, rx + IXGBE_QUEUE_DCA_RXCTRL, IXGBE_DCA_RXCTRL_BIT12, 0);
	intel_write(ip, tx + INTEL_QUEUE_DCTL,
	            INTEL_DCTL_PTHRESH(36) | INTEL_DCTL_HTHRESH(8) | INTEL_DCTL_ENABLE_82576);
	wait_or_fail(ip, tx + INTEL_QUEUE_DCTL, INTEL_DCTL_ENABLE_82576, ENABLE_TIMEOUT_NS);
	intel_write(ip, rx + INTEL_QUEUE_DCTL, vme | INTEL_DCTL_ENABLE_82576);
	wait_or_fail(ip, rx + INTEL_QUEUE_DCTL, INTEL_DCTL_ENABLE_82576, ENABLE_TIMEOUT_NS);
}

/* 8.2.3.5.1. After an error of its memory only a reset helps. */
static int
watch(struct intel_port *ip)
{
	if (!(intel_read(ip, IXGBE_REG_EICR) & IXGBE_EICR_ECC))
		return 0;
	intel_write(ip, IXGBE_REG_EICR, IXGBE_EICR_ECC);
	bh_log_error("port %u: it reports an error of its memory", ip->port.port_idx);
	return -BH_EIO;
}

static const struct intel_card card = {
        .family = &bh_ixgbe_family,
        .name = "ixgbe",
        .mode = "82599, advanced descriptors",
        .queue_cnt_max = IXGBE_QUEUES_RSS,
        .rx_base = IXGBE_RX_BASE,
        .tx_base = IXGBE_TX_BASE,
        .queue_step = IXGBE_QUEUE_STEP,
        .begin = begin,
        .rx_setup = rx_setup,
        .queue_setup = queue_setup,
        .watch = watch,
};

static bool
matches(const struct bh_boot_device *device)
{
	static const uint16_t ids[] = {
	        IXGBE_DEV_82599_SFP,       IXGBE_DEV_82599_SFP_SF2,  IXGBE_DEV_82599EN_SFP,
	        IXGBE_DEV_82599_SFP_SF_QP, IXGBE_DEV_82599_SFP_EM,   IXGBE_DEV_82599_T3_LOM,
	        IXGBE_DEV_X540T,           IXGBE_DEV_X540T1,         IXGBE_DEV_82599_KX4,
	        IXGBE_DEV_82599_KX4_MEZZ,  IXGBE_DEV_82599_KR,       IXGBE_DEV_82599_COMBO_BACKPLANE,
	        IXGBE_DEV_82599_CX4,       IXGBE_DEV_82599_XAUI_LOM,
	};
	return intel_matches(device, card.name, ids, BH_ARRAY_CNT(ids));
}

static int
open(struct bh_port *port)
{
	return intel_open(port, &card);
}

const struct bh_port_driver bh_ixgbe_driver = {
        .name = "ixgbe",
        .port_bytes = sizeof(struct intel_port),
        .queue_bytes = sizeof(struct intel_queue),
        .matches = matches,
        .open = open,
        .queue_init = intel_queue_init,
        .start = intel_start,
        .fill = intel_fill,
        .rx = bh_ixgbe_rx,
        .tx = intel_adv_tx,
        .drain = intel_drain,
        .watch = intel_watch,
        .quiesce = intel_quiesce,
        .filter_set = intel_filter_set,
        .mac_set = intel_mac_set,
        .close = intel_close,
};
