/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Registers and descriptor bits of Intel's 10 Gb/s controllers 82599 (the X520 cards) and X540, where they are not those
 * of intel_gbe.h and intel_gbe_desc.h. All registers are 32 bits wide, in BAR 0.
 * Sources: Intel 82599 10 GbE Controller Datasheet (rev. 3.4), section 8.2 "Device registers - PF" and 7 "Inline
 * functions"; Intel Ethernet Controller X540 Datasheet (rev. 2.7), section 8. What only one of them has says so.
 *
 * The same as on the gigabit cards: CTRL, STATUS, CTRL_EXT, RXCSUM, MTA, the RAL/RAH pairs, MRQC, RETA and RSSRK (82599
 * has these at 0x0a200, 0x0ec80, 0x0eb00 and 0x0eb80, and answers at the old places, too), and what is in a queue's block
 * of registers but SRRCTL.
 */
#ifndef BULKHEAD_SPEC_INTEL_IXGBE_H
#define BULKHEAD_SPEC_INTEL_IXGBE_H

#include <bulkhead/types.h>

/* PCI device identifiers. */
#define IXGBE_DEV_82599_KX4             0x10f7u
#define IXGBE_DEV_82599_COMBO_BACKPLANE 0x10f8u
#define IXGBE_DEV_82599_CX4             0x10f9u
#define IXGBE_DEV_82599_SFP             0x10fbu /* X520-DA2, X520-SR, ... */
#define IXGBE_DEV_82599_XAUI_LOM        0x10fcu
#define IXGBE_DEV_82599_SFP_EM          0x1507u
#define IXGBE_DEV_82599_KX4_MEZZ        0x1514u
#define IXGBE_DEV_82599_KR              0x1517u
#define IXGBE_DEV_82599_T3_LOM          0x151cu /* X520-T2 */
#define IXGBE_DEV_X540T                 0x1528u
#define IXGBE_DEV_82599_SFP_SF_QP       0x154au /* X520-Q1 */
#define IXGBE_DEV_82599_SFP_SF2         0x154du /* X520-2 */
#define IXGBE_DEV_82599EN_SFP           0x1557u /* X520-1 */
#define IXGBE_DEV_X540T1                0x1560u

enum ixgbe_reg {
	IXGBE_REG_ESDP = 0x00020,     /* the pins that a board uses as it likes */
	IXGBE_REG_EICR = 0x00800,     /* interrupt causes; written 1 to clear */
	IXGBE_REG_EIMC = 0x00888,     /* interrupt mask clear */
	IXGBE_REG_EIMC1 = 0x00ab0,    /* of vectors 0 to 31; the next word: 32 to 63 */
	IXGBE_REG_RDRXCTL = 0x02f00,  /* receive DMA control */
	IXGBE_REG_RXCTRL = 0x03000,   /* receive control */
	IXGBE_REG_FCRTH = 0x03260,    /* flow control: thresholds, 8 */
	IXGBE_REG_RXPBSIZE = 0x03c00, /* receive packet buffers: 8 */
	IXGBE_REG_FCCFG = 0x03d00,    /* flow control: do we send pauses */
	IXGBE_REG_RXMPC = 0x03fa0,    /* missed, of each packet buffer: 8; reading clears, as with all statistics */
	IXGBE_REG_CRCERRS = 0x04000,
	IXGBE_REG_ILLERRC = 0x04004, /* illegal symbol */
	IXGBE_REG_ERRBC = 0x04008,   /* error byte */
	IXGBE_REG_RLEC = 0x04040,    /* the length field is wrong */
	IXGBE_REG_GPRC = 0x04074,    /* good packets received */
	IXGBE_REG_GPTC = 0x04080,    /* good packets sent */
	IXGBE_REG_RUC = 0x040a4,     /* undersized */
	IXGBE_REG_RFC = 0x040a8,     /* fragments */
	IXGBE_REG_ROC = 0x040ac,     /* oversized */
	IXGBE_REG_RJC = 0x040b0,     /* jabber */
	IXGBE_REG_HLREG0 = 0x04240,  /* MAC: what is done to each frame */
	IXGBE_REG_MAXFRS = 0x04268,  /* the longest frame, in the upper half */
	IXGBE_REG_MFLCN = 0x04294,   /* flow control: do we obey pauses */
	IXGBE_REG_AUTOC = 0x042a0,   /* how the link is negotiated */
	IXGBE_REG_LINKS = 0x042a4,
	IXGBE_REG_RTTDCS = 0x04900, /* transmit arbiter */
	IXGBE_REG_TXPBTHRESH = 0x04950,
	IXGBE_REG_DMATXCTL = 0x04a80, /* transmit DMA control */
	IXGBE_REG_RFCTL = 0x05008,
	IXGBE_REG_FCTRL = 0x05080, /* filter control */
	IXGBE_REG_VLNCTRL = 0x05088,
	IXGBE_REG_MCSTCTRL = 0x05090,  /* multicast filter */
	IXGBE_REG_DTXMXSZRQ = 0x08100, /* outstanding read requests, in 256 bytes */
	IXGBE_REG_SECRXCTRL = 0x08d00,
	IXGBE_REG_SECRXSTAT = 0x08d04,
	IXGBE_REG_TXPBSIZE = 0x0cc00, /* transmit packet buffers: 8 */
	IXGBE_REG_TFCS = 0x0ce00,     /* are we paused */
	IXGBE_REG_RAL = 0x0a200,      /* 128 receive addresses, low and high */
	IXGBE_REG_FTQF = 0x0e600,     /* 128 five-tuple filters */
	IXGBE_REG_PFVLVF = 0x0f100,   /* 64 VLANs of pools, */
	IXGBE_REG_PFVLVFB = 0x0f200,  /* and their 128 bitmaps */
	IXGBE_REG_PFUTA = 0x0f400,    /* unicast table: 128 */
	IXGBE_REG_EEC = 0x10010,      /* EEPROM control */
	IXGBE_REG_EEMNGCTL = 0x10110,
	IXGBE_REG_SWSM = 0x10140,
	IXGBE_REG_SW_FW_SYNC = 0x10160,
	IXGBE_REG_GCR_EXT = 0x11050,
};

#define IXGBE_PB_CNT 8u

/* A queue's block of registers (8.2.3.8 and 8.2.3.9): the first 64 receive queues, the first 64 transmit queues. */
#define IXGBE_RX_BASE    0x01000u
#define IXGBE_TX_BASE    0x06000u
#define IXGBE_QUEUE_STEP 0x40u
#define IXGBE_QUEUES_RSS 16u /* what RSS spreads over */

enum ixgbe_queue_reg {
	IXGBE_QUEUE_DCA_RXCTRL = 0x0c,
	IXGBE_QUEUE_SRRCTL = 0x14,
	IXGBE_QUEUE_RSCCTL = 0x2c,
	IXGBE_QUEUE_QPRDC = 0x430, /* of queues 0 to 15: packets dropped because it was full (SRRCTL.DROP_EN) */
};

#define IXGBE_CTRL_LRST           (1u << 3)      /* link reset */
#define IXGBE_SYNC_SW_PHY(port)   (2u << (port)) /* SW_FW_SYNC: the PHY of this function */
#define IXGBE_SYNC_SW_MAC         (1u << 3)      /* SW_FW_SYNC: the MAC's registers that firmware also writes */
#define IXGBE_SYNC_FW_SHIFT       5
#define IXGBE_EEMNGCTL_CFG_DONE0  (1u << 18) /* + 1: of port 1 */
#define IXGBE_CTRL_EXT_NS_DIS     (1u << 16)
#define IXGBE_ESDP_SDP3           (1u << 3) /* X520 with SFP+: high switches the module's laser off */
#define IXGBE_ESDP_SDP3_DIR       (1u << 11)
#define IXGBE_EICR_ECC            (1u << 28) /* X540: PBUR; a memory error that only a reset heals */
#define IXGBE_RDRXCTL_CRCSTRIP    (1u << 1)
#define IXGBE_RDRXCTL_DMAIDONE    (1u << 3)     /* initialization after a reset is done */
#define IXGBE_RDRXCTL_RSCFRSTSIZE (0x1fu << 17) /* 8.2.3.8.8: reserved, must be 0 */
#define IXGBE_RDRXCTL_RSCACKC     (1u << 25)    /* ... and these two 1 */
#define IXGBE_RDRXCTL_FCOE_WRFIX  (1u << 26)
#define IXGBE_RXCTRL_RXEN         (1u << 0)
#define IXGBE_PB_KIB(n)           ((n) << 10) /* RXPBSIZE, TXPBSIZE */
#define IXGBE_RXPB_KIB            512u
#define IXGBE_RXPB_KIB_X540       384u
#define IXGBE_TXPB_KIB            160u
#define IXGBE_HLREG0_TXCRCEN      (1u << 0)
#define IXGBE_HLREG0_RXCRCSTRP    (1u << 1)
#define IXGBE_HLREG0_JUMBOEN      (1u << 2)
#define IXGBE_HLREG0_TXPADEN      (1u << 10)
#define IXGBE_HLREG0_LPBK         (1u << 15)
#define IXGBE_MAXFRS_SHIFT        16
#define IXGBE_MAXFRS_BYTES        9728u /* what the driver lets in; the device takes up to 15872 */
#define IXGBE_AUTOC_AN_RESTART    (1u << 12)
#define IXGBE_LINKS_UP            (1u << 30)
#define IXGBE_LINKS_SPEED_SHIFT   28
#define IXGBE_LINKS_SPEED_MASK    3u             /* 1: 100 Mb/s, 2: 1 Gb/s, 3: 10 Gb/s */
#define IXGBE_FCRTH_RTH_MASK      (0x3fffu << 5) /* a multiple of 32 bytes */
#define IXGBE_RFCTL_NFS_DIS       (3u << 6)      /* NFS recognition off: both ways */
#define IXGBE_ADDRESS_CNT         128u
#define IXGBE_RTTDCS_ARBDIS       (1u << 6)
#define IXGBE_DMATXCTL_TE         (1u << 0)
#define IXGBE_FCTRL_SBP           (1u << 1)
#define IXGBE_FCTRL_MPE           (1u << 8)
#define IXGBE_FCTRL_UPE           (1u << 9)
#define IXGBE_FCTRL_BAM           (1u << 10)
#define IXGBE_MCSTCTRL_MFE        (1u << 2) /* the multicast table counts */
#define IXGBE_SECRXCTRL_RX_DIS    (1u << 1)
#define IXGBE_SECRXSTAT_RDY       (1u << 0)
#define IXGBE_TFCS_TXOFF          (1u << 0)
#define IXGBE_GCR_EXT_BUF_CLEAR   (1u << 30)
#define IXGBE_DCA_RXCTRL_BIT12    (1u << 12) /* 8.2.3.11.1: reserved; must be 0, and is 1 after a reset */
#define IXGBE_SRRCTL_DROP_EN      (1u << 28)
#define IXGBE_SRRCTL_ADV_ONE      (1u << 25)
#define IXGBE_SRRCTL_KIB_MASK     0x1fu
#define IXGBE_RXDCTL_VME          (1u << 30) /* strip VLAN tags of this queue */

/* Received packets (7.1.6.2): errors, and the packet type in word 0. */
#define IXGBE_RXD_IPCS      (1u << 6)
#define IXGBE_RXD_RXE       (1u << 29)
#define IXGBE_RXD_L4E       (1u << 30)
#define IXGBE_RXD_IPE       (1u << 31)
#define IXGBE_RXD_TYPE_IPV4 (1u << 4)
#define IXGBE_RXD_TYPE_IPV6 (1u << 6)
#define IXGBE_RXD_TYPE_TCP  (1u << 8)
#define IXGBE_RXD_TYPE_UDP  (1u << 9)
#define IXGBE_RXD_RSS_TCP4  1u /* RSS types (table 7-11) */
#define IXGBE_RXD_RSS_IPV4  2u
#define IXGBE_RXD_RSS_TCP6  3u
#define IXGBE_RXD_RSS_IPV6  5u
#define IXGBE_RXD_RSS_UDP4  7u
#define IXGBE_RXD_RSS_UDP6  8u

/* Sent ones (7.2.3.2): those of the 82576, and which of two contexts is meant. */
#define IXGBE_TXD_IDX_SHIFT 36
#define IXGBE_TXD_LEN_MASK  0xffffu
#define IXGBE_TXD_DTYP_MASK (UINT64_C(0xf) << 20)

#endif
