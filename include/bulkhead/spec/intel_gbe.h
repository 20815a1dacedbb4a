/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Registers that Intel's 82574L (drivers/net/e1000e) and 82576 (drivers/net/igb) share, all 32 bits wide, in BAR 0.
 * Sources: Intel 82574 GbE Controller Family Datasheet (rev. 3.4), section 10 "Driver Programming Interface"; Intel 82576EB
 * Gigabit Ethernet Controller Datasheet (rev. 2.65), section 8 "Programming Interface". What only one of them has says so.
 * Descriptors: intel_gbe_desc.h.
 */
#ifndef BULKHEAD_SPEC_INTEL_GBE_H
#define BULKHEAD_SPEC_INTEL_GBE_H

#include <bulkhead/types.h>

#define INTEL_VENDOR       0x8086u
#define INTEL_DEV_82574L   0x10d3u
#define INTEL_DEV_82574L_A 0x10f6u  /* 82574LA */
#define INTEL_DEV_82576    0x10c9u  /* copper */
#define INTEL_REG_BYTES    0x20000u /* BAR 0 */
#define INTEL_ALL_ONES     UINT32_C(0xffffffff)

enum intel_reg {
	INTEL_REG_CTRL = 0x00000,        /* device control */
	INTEL_REG_STATUS = 0x00008,      /* device status */
	INTEL_REG_EECD = 0x00010,        /* EEPROM control */
	INTEL_REG_CTRL_EXT = 0x00018,    /* extended device control */
	INTEL_REG_MDIC = 0x00020,        /* access to the PHY's registers */
	INTEL_REG_VET = 0x00038,         /* the Ethertype of VLAN tags */
	INTEL_REG_ICR = 0x000c0,         /* interrupt causes; reading clears */
	INTEL_REG_IMC = 0x000d8,         /* interrupt mask clear */
	INTEL_REG_RCTL = 0x00100,        /* receive control */
	INTEL_REG_TCTL = 0x00400,        /* transmit control */
	INTEL_REG_TIPG = 0x00410,        /* inter packet gap */
	INTEL_REG_EXTCNF_CTRL = 0x00f00, /* 82574: who owns the PHY's wires */
	INTEL_REG_EIMC_82576 = 0x01528,
	INTEL_REG_RDTR_82574 = 0x02820, /* receive interrupt delay, packet timer */
	INTEL_REG_RADV_82574 = 0x0282c, /* absolute timer */
	INTEL_REG_CRCERRS = 0x04000,    /* statistics: reading clears */
	INTEL_REG_ALGNERRC = 0x04004,
	INTEL_REG_RXERRC = 0x0400c,
	INTEL_REG_MPC = 0x04010,         /* missed: no descriptor and no room in the FIFO */
	INTEL_REG_ECOL = 0x04018,        /* excessive collisions: not sent */
	INTEL_REG_LATECOL = 0x0401c,     /* late collisions: not sent */
	INTEL_REG_RUC = 0x040a4,         /* undersized */
	INTEL_REG_RFC = 0x040a8,         /* fragments */
	INTEL_REG_ROC = 0x040ac,         /* oversized */
	INTEL_REG_RJC = 0x040b0,         /* jabber */
	INTEL_REG_RXCSUM = 0x05000,      /* receive checksum control */
	INTEL_REG_RLPML_82576 = 0x05004, /* longest packet, with LPE */
	INTEL_REG_RFCTL = 0x05008,       /* receive filter control */
	INTEL_REG_MTA = 0x05200,         /* multicast table: 128 words */
	INTEL_REG_RAL0 = 0x05400,        /* receive address low */
	INTEL_REG_RAH0 = 0x05404,        /* receive address high */
	INTEL_REG_MRQC = 0x05818,        /* multiple receive queues */
	INTEL_REG_SWSM = 0x05b50,        /* software semaphore */
	INTEL_REG_SW_FW_SYNC = 0x05b5c,  /* 82576: who owns the PHY */
	INTEL_REG_GCR = 0x05b00,         /* 82574: PCIe control */
	INTEL_REG_RETA = 0x05c00,        /* redirection table: 32 words of 4 entries */
	INTEL_REG_RSSRK = 0x05c80,       /* RSS key: 10 words */
};

#define INTEL_MTA_CNT   128u
#define INTEL_RETA_CNT  128u /* entries, one byte each */
#define INTEL_RSSRK_CNT 10u

/* A queue's registers, from its block's base (82574: 10.2.5 and 10.2.6; 82576: 8.10 and 8.12). */
#define INTEL_RX_BASE_82574    0x02800u
#define INTEL_TX_BASE_82574    0x03800u
#define INTEL_QUEUE_STEP_82574 0x100u
#define INTEL_QUEUES_82574     2u
#define INTEL_RX_BASE_82576    0x0c000u
#define INTEL_TX_BASE_82576    0x0e000u
#define INTEL_QUEUE_STEP_82576 0x40u
#define INTEL_QUEUES_82576     16u

enum intel_queue_reg {
	INTEL_QUEUE_BAL = 0x00, /* ring's address, low half; a multiple of 128 */
	INTEL_QUEUE_BAH = 0x04,
	INTEL_QUEUE_LEN = 0x08,    /* bytes, a multiple of 128 */
	INTEL_QUEUE_SRRCTL = 0x0c, /* 82576, receive: buffer size and descriptor type */
	INTEL_QUEUE_HEAD = 0x10,
	INTEL_QUEUE_TAIL = 0x18,
	INTEL_QUEUE_DCTL = 0x28, /* RXDCTL, TXDCTL: thresholds; 82576: enable */
};

/* CTRL */
#define INTEL_CTRL_FD                 (1u << 0)
#define INTEL_CTRL_GIO_MASTER_DISABLE (1u << 2)
#define INTEL_CTRL_SLU                (1u << 6)  /* set link up */
#define INTEL_CTRL_FRCSPD             (1u << 11) /* force speed */
#define INTEL_CTRL_FRCDPLX            (1u << 12) /* force duplex */
#define INTEL_CTRL_RST                (1u << 26) /* clears itself */
#define INTEL_CTRL_VME                (1u << 30) /* strip VLAN tags, insert where VLE asks for it */

/* STATUS */
#define INTEL_STATUS_FD                (1u << 0)
#define INTEL_STATUS_LU                (1u << 1) /* link is up */
#define INTEL_STATUS_TXOFF             (1u << 4) /* paused by the peer */
#define INTEL_STATUS_SPEED_SHIFT       6
#define INTEL_STATUS_SPEED_MASK        3u         /* 0: 10, 1: 100, 2 and 3: 1000 Mb/s */
#define INTEL_STATUS_PHYRA             (1u << 10) /* the PHY was reset; written 0 to clear */
#define INTEL_STATUS_GIO_MASTER_ENABLE (1u << 19) /* requests may still be under way */

#define INTEL_EECD_AUTO_RD      (1u << 9)  /* the EEPROM has been read after a reset */
#define INTEL_CTRL_EXT_BIT22    (1u << 22) /* 82574, 10.2.2.6: reserved, must be 1 */
#define INTEL_CTRL_EXT_DRV_LOAD (1u << 28) /* tells firmware that a driver has the device */

/* MDIC */
#define INTEL_MDIC_REG_SHIFT 16
#define INTEL_MDIC_PHY_SHIFT 21
#define INTEL_MDIC_PHY       1u
#define INTEL_MDIC_WRITE     (1u << 26)
#define INTEL_MDIC_READ      (2u << 26)
#define INTEL_MDIC_READY     (1u << 28)
#define INTEL_MDIC_ERROR     (1u << 30)
#define INTEL_EXTCNF_MDIO_SW (1u << 5) /* EXTCNF_CTRL: software owns the PHY's wires */
#define INTEL_SWSM_SMBI      (1u << 0) /* set by reading; cleared by writing 0 */
#define INTEL_SWSM_SWESMBI   (1u << 1)
#define INTEL_SYNC_SW_PHY0   (1u << 1) /* SW_FW_SYNC; + 1: PHY of port 1 */
#define INTEL_SYNC_FW_SHIFT  16

/* The PHY's control and status registers (IEEE 802.3, 22.2.4.1 and 22.2.4.2). */
#define MII_BMCR              0u
#define MII_BMCR_RESTART      (1u << 9)
#define MII_BMCR_ISOLATE      (1u << 10)
#define MII_BMCR_POWER_DOWN   (1u << 11)
#define MII_BMCR_AUTONEG      (1u << 12)
#define MII_BMSR              1u
#define MII_BMSR_AUTONEG_DONE (1u << 5)

/* RCTL */
#define INTEL_RCTL_EN      (1u << 1)
#define INTEL_RCTL_UPE     (1u << 3)  /* all unicast */
#define INTEL_RCTL_MPE     (1u << 4)  /* all multicast */
#define INTEL_RCTL_LPE     (1u << 5)  /* frames longer than 1522 bytes */
#define INTEL_RCTL_BAM     (1u << 15) /* broadcast */
#define INTEL_RCTL_SECRC   (1u << 26) /* strip the CRC */
#define INTEL_RX_BUF_BYTES 2048u      /* RCTL.BSIZE = 0, BSEX = 0; SRRCTL.BSIZEPACKET = 2 */

/* TCTL */
#define INTEL_TCTL_EN         (1u << 1)
#define INTEL_TCTL_PSP        (1u << 3) /* pad short packets */
#define INTEL_TCTL_CT(n)      ((n) << 4)
#define INTEL_TCTL_COLD(n)    ((n) << 12)
#define INTEL_TCTL_RTLC       (1u << 24)
#define INTEL_TCTL_MULR_82574 (1u << 28)  /* more than one read at a time */
#define INTEL_TIPG_82574      0x00602008u /* 10.2.6.2: IPGT 8, IPGR1 8, IPGR2 6 */

/* RXDCTL, TXDCTL: prefetch, host and write-back thresholds, in descriptors */
#define INTEL_DCTL_PTHRESH(n)    (n)
#define INTEL_DCTL_HTHRESH(n)    ((n) << 8)
#define INTEL_DCTL_WTHRESH(n)    ((n) << 16)
#define INTEL_TXDCTL_BIT22_82574 (1u << 22) /* 10.2.6.10: reserved, must be 1 */
#define INTEL_DCTL_GRAN_82574    (1u << 24) /* in descriptors, not in cache lines */
#define INTEL_DCTL_ENABLE_82576  (1u << 25)
#define INTEL_SRRCTL_KIB(n)      (n)        /* BSIZEPACKET */
#define INTEL_SRRCTL_ADV_ONE     (1u << 25) /* advanced descriptor, one buffer */
#define INTEL_SRRCTL_DROP_EN     (1u << 31) /* a full queue does not hold up the others */

/* RXCSUM, RFCTL */
#define INTEL_RXCSUM_IPOFLD (1u << 8)
#define INTEL_RXCSUM_TUOFLD (1u << 9)
#define INTEL_RXCSUM_PCSD   (1u << 13) /* the RSS hash in the descriptor, not the packet checksum */
#define INTEL_RFCTL_EXSTEN  (1u << 15) /* 82574: extended receive descriptors */

/* RAH */
#define INTEL_RAH_AV (1u << 31) /* address valid */

/* MRQC */
#define INTEL_MRQC_RSS_82574   1u
#define INTEL_MRQC_RSS_82576   2u
#define INTEL_MRQC_TCP_IPV4    (1u << 16)
#define INTEL_MRQC_IPV4        (1u << 17)
#define INTEL_MRQC_IPV6        (1u << 20)
#define INTEL_MRQC_TCP_IPV6    (1u << 21)
#define INTEL_MRQC_UDP_IPV4    (1u << 22) /* 82576 */
#define INTEL_MRQC_UDP_IPV6    (1u << 23) /* 82576 */
#define INTEL_RETA_SHIFT_82574 7          /* an entry's queue is its bit 7 */

#define INTEL_GCR_BIT22_82574 (1u << 22) /* 10.2.2.12: must be 1 */
#define INTEL_ICR_FER_82576   (1u << 22) /* fatal error: the device has to be reset */

#endif
