/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Controller registers (Base 2.0, 3.1.3), all in BAR 0. A register that reads all ones belongs to a device that is
 * gone.
 */
#ifndef BULKHEAD_SPEC_NVME_REG_H
#define BULKHEAD_SPEC_NVME_REG_H

#include <bulkhead/types.h>

enum nvme_reg {
	NVME_REG_CAP = 0x00,   /* 64 bit: capabilities */
	NVME_REG_VS = 0x08,    /* version */
	NVME_REG_INTMS = 0x0c, /* interrupt mask set */
	NVME_REG_INTMC = 0x10, /* interrupt mask clear */
	NVME_REG_CC = 0x14,    /* controller configuration */
	NVME_REG_CSTS = 0x1c,  /* controller status */
	NVME_REG_NSSR = 0x20,  /* NVM subsystem reset */
	NVME_REG_AQA = 0x24,   /* admin queue attributes */
	NVME_REG_ASQ = 0x28,   /* 64 bit: admin submission queue's address */
	NVME_REG_ACQ = 0x30,   /* 64 bit: admin completion queue's address */
	NVME_REG_CMBLOC = 0x38,
	NVME_REG_CMBSZ = 0x3c,
	NVME_REG_BPINFO = 0x40,
	NVME_REG_BPRSEL = 0x44,
	NVME_REG_BPMBL = 0x48,
	NVME_REG_CMBMSC = 0x50,
	NVME_REG_CMBSTS = 0x58,
	NVME_REG_CMBEBS = 0x5c,
	NVME_REG_CMBSWTP = 0x60,
	NVME_REG_NSSD = 0x64,
	NVME_REG_CRTO = 0x68, /* controller ready timeouts */
	NVME_REG_PMRCAP = 0xe00,
	NVME_REG_PMRCTL = 0xe04,
	NVME_REG_PMRSTS = 0xe08,
	NVME_REG_PMREBS = 0xe0c,
	NVME_REG_PMRSWTP = 0xe10,
	NVME_REG_PMRMSCL = 0xe14,
	NVME_REG_PMRMSCU = 0xe18,
	NVME_REG_DOORBELLS = 0x1000, /* see nvme_doorbell_offset() */
};

#define NVME_ALL_ONES32 UINT32_C(0xffffffff)
#define NVME_ALL_ONES64 UINT64_C(0xffffffffffffffff)

/* CAP (64 bit) */
#define NVME_CAP_MQES_SHIFT     0 /* maximum queue entries, 0's based; at least 1 (2 entries) */
#define NVME_CAP_MQES_MASK      UINT64_C(0xffff)
#define NVME_CAP_CQR_SHIFT      16 /* queues must be physically contiguous */
#define NVME_CAP_CQR_MASK       UINT64_C(0x1)
#define NVME_CAP_AMS_SHIFT      17 /* arbitration mechanisms: bit 0 weighted round robin, bit 1 vendor */
#define NVME_CAP_AMS_MASK       UINT64_C(0x3)
#define NVME_CAP_TO_SHIFT       24 /* longest wait for CSTS.RDY, in units of NVME_CAP_TO_UNIT_NS */
#define NVME_CAP_TO_MASK        UINT64_C(0xff)
#define NVME_CAP_TO_UNIT_NS     UINT64_C(500000000)
#define NVME_CAP_DSTRD_SHIFT    32 /* doorbell stride is 4 << DSTRD bytes */
#define NVME_CAP_DSTRD_MASK     UINT64_C(0xf)
#define NVME_CAP_NSSRS_SHIFT    36 /* NVM subsystem reset supported */
#define NVME_CAP_NSSRS_MASK     UINT64_C(0x1)
#define NVME_CAP_CSS_SHIFT      37 /* command sets, NVME_CAP_CSS_* */
#define NVME_CAP_CSS_MASK       UINT64_C(0xff)
#define NVME_CAP_CSS_NVM        UINT64_C(0x01)
#define NVME_CAP_CSS_IO_SETS    UINT64_C(0x40) /* one or more I/O command sets: CC.CSS = 6 */
#define NVME_CAP_CSS_ADMIN_ONLY UINT64_C(0x80)
#define NVME_CAP_BPS_SHIFT      45
#define NVME_CAP_BPS_MASK       UINT64_C(0x1)
#define NVME_CAP_CPS_SHIFT      46
#define NVME_CAP_CPS_MASK       UINT64_C(0x3)
#define NVME_CAP_MPSMIN_SHIFT   48 /* smallest page is 4096 << MPSMIN */
#define NVME_CAP_MPSMIN_MASK    UINT64_C(0xf)
#define NVME_CAP_MPSMAX_SHIFT   52
#define NVME_CAP_MPSMAX_MASK    UINT64_C(0xf)
#define NVME_CAP_PMRS_SHIFT     56
#define NVME_CAP_PMRS_MASK      UINT64_C(0x1)
#define NVME_CAP_CMBS_SHIFT     57
#define NVME_CAP_CMBS_MASK      UINT64_C(0x1)
#define NVME_CAP_NSSS_SHIFT     58
#define NVME_CAP_NSSS_MASK      UINT64_C(0x1)
#define NVME_CAP_CRMS_SHIFT     59 /* bit 0: ready with media, bit 1: ready independent of media */
#define NVME_CAP_CRMS_MASK      UINT64_C(0x3)

/* VS */
#define NVME_VS(major, minor, tertiary) ((uint32_t)(major) << 16 | (uint32_t)(minor) << 8 | (uint32_t)(tertiary))
#define NVME_VS_MJR_SHIFT               16
#define NVME_VS_MJR_MASK                UINT32_C(0xffff)
#define NVME_VS_MNR_SHIFT               8
#define NVME_VS_MNR_MASK                UINT32_C(0xff)
#define NVME_VS_TER_SHIFT               0
#define NVME_VS_TER_MASK                UINT32_C(0xff)

/* CC */
#define NVME_CC_EN              UINT32_C(0x1)
#define NVME_CC_CSS_SHIFT       4
#define NVME_CC_CSS_MASK        UINT32_C(0x7)
#define NVME_CC_CSS_NVM         0u
#define NVME_CC_CSS_IO_SETS     6u
#define NVME_CC_CSS_ADMIN_ONLY  7u
#define NVME_CC_MPS_SHIFT       7 /* page size is 4096 << MPS */
#define NVME_CC_MPS_MASK        UINT32_C(0xf)
#define NVME_CC_AMS_SHIFT       11
#define NVME_CC_AMS_MASK        UINT32_C(0x7)
#define NVME_CC_AMS_ROUND_ROBIN 0u
#define NVME_CC_AMS_WEIGHTED    1u
#define NVME_CC_AMS_VENDOR      7u
#define NVME_CC_SHN_SHIFT       14 /* shutdown notification */
#define NVME_CC_SHN_MASK        UINT32_C(0x3)
#define NVME_CC_SHN_NONE        0u
#define NVME_CC_SHN_NORMAL      1u
#define NVME_CC_SHN_ABRUPT      2u
#define NVME_CC_IOSQES_SHIFT    16 /* log2 of the submission entry's bytes: 6 */
#define NVME_CC_IOSQES_MASK     UINT32_C(0xf)
#define NVME_CC_IOCQES_SHIFT    20 /* log2 of the completion entry's bytes: 4 */
#define NVME_CC_IOCQES_MASK     UINT32_C(0xf)
#define NVME_CC_CRIME           UINT32_C(0x1000000)

/* CSTS */
#define NVME_CSTS_RDY            UINT32_C(0x1)
#define NVME_CSTS_CFS            UINT32_C(0x2) /* controller fatal status */
#define NVME_CSTS_SHST_SHIFT     2
#define NVME_CSTS_SHST_MASK      UINT32_C(0x3)
#define NVME_CSTS_SHST_NORMAL    0u
#define NVME_CSTS_SHST_OCCURRING 1u
#define NVME_CSTS_SHST_COMPLETE  2u
#define NVME_CSTS_NSSRO          UINT32_C(0x10) /* subsystem reset occurred; write 1 to clear */
#define NVME_CSTS_PP             UINT32_C(0x20) /* processing paused */
#define NVME_CSTS_ST             UINT32_C(0x40) /* shutdown type: 1 = of the NVM subsystem */

#define NVME_NSSR_RESET UINT32_C(0x4e564d65) /* "NVMe" starts the subsystem reset */

/* AQA: both sizes 0's based, 2 to 4096 entries */
#define NVME_AQA_ASQS_SHIFT 0
#define NVME_AQA_ASQS_MASK  UINT32_C(0xfff)
#define NVME_AQA_ACQS_SHIFT 16
#define NVME_AQA_ACQS_MASK  UINT32_C(0xfff)

/* CRTO: units of 500 ms, as CAP.TO */
#define NVME_CRTO_CRWMT_SHIFT 0
#define NVME_CRTO_CRWMT_MASK  UINT32_C(0xffff)
#define NVME_CRTO_CRIMT_SHIFT 16
#define NVME_CRTO_CRIMT_MASK  UINT32_C(0xffff)

/* Queue identifiers and sizes (3.3.3) */
#define NVME_QID_ADMIN         0u
#define NVME_QUEUE_ENTRIES_MIN 2u
#define NVME_ADMIN_ENTRIES_MAX 4096u
#define NVME_QUEUE_ENTRIES_MAX 65536u
#define NVME_NSID_ALL          UINT32_C(0xffffffff)

/**
 * nvme_doorbell_offset - BAR 0 offset of a doorbell (Transport over PCIe 1.0, 3.1.2)
 * @is_cq: 0 the submission queue's tail, 1 the completion queue's head
 * @dstrd: CAP.DSTRD
 *
 * The shadow doorbell and EventIdx buffers are laid out likewise, from offset 0 (Base 2.0, 5.8).
 */
BH_INLINE uint64_t
nvme_doorbell_offset(uint32_t qid, uint32_t is_cq, uint32_t dstrd)
{
	return NVME_REG_DOORBELLS + (uint64_t)(2 * qid + is_cq) * (UINT64_C(4) << dstrd);
}

#endif
