/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Queue entries, opcodes, and what commands carry in their dwords (Base 2.0, 3.3.3 and 5; NVM Command Set 1.0, 3.2).
 */
#ifndef BULKHEAD_SPEC_NVME_COMMAND_H
#define BULKHEAD_SPEC_NVME_COMMAND_H

#include <bulkhead/types.h>

/* Submission queue entry (Base 2.0, figure 87). */
struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags; /* NVME_SQE_FUSE_*, NVME_SQE_PSDT_* */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	uint64_t mptr;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
} BH_ALIGNED(64);

_Static_assert(sizeof(struct nvme_sqe) == 64, "submission queue entry");
_Static_assert(offsetof(struct nvme_sqe, prp1) == 24, "PRP1");
_Static_assert(offsetof(struct nvme_sqe, cdw10) == 40, "CDW10");

#define NVME_SQE_FUSE_MASK     0x03u
#define NVME_SQE_FUSE_FIRST    0x01u
#define NVME_SQE_FUSE_SECOND   0x02u
#define NVME_SQE_PSDT_MASK     0xc0u /* 0: PRPs */
#define NVME_SQE_PSDT_SGL_MPTR 0x40u
#define NVME_SQE_PSDT_SGL_MSGL 0x80u

/* Completion queue entry (Base 2.0, figure 90). */
struct nvme_cqe {
	uint32_t result; /* DW0: command specific */
	uint32_t result_high;
	uint16_t sq_head; /* how far the device has read the submission queue */
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status; /* phase in bit 0: see nvme_status.h */
} BH_ALIGNED(16);

_Static_assert(sizeof(struct nvme_cqe) == 16, "completion queue entry");
_Static_assert(offsetof(struct nvme_cqe, status) == 14, "status and phase");

#define NVME_SQES_LOG2 6u
#define NVME_CQES_LOG2 4u

enum nvme_admin_opcode {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_GET_LOG_PAGE = 0x02,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_ABORT = 0x08,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_ADMIN_GET_FEATURES = 0x0a,
	NVME_ADMIN_ASYNC_EVENT = 0x0c,
	NVME_ADMIN_NS_MANAGEMENT = 0x0d,
	NVME_ADMIN_FIRMWARE_COMMIT = 0x10,
	NVME_ADMIN_FIRMWARE_DOWNLOAD = 0x11,
	NVME_ADMIN_SELF_TEST = 0x14,
	NVME_ADMIN_NS_ATTACHMENT = 0x15,
	NVME_ADMIN_KEEP_ALIVE = 0x18,
	NVME_ADMIN_DOORBELL_BUFFER_CONFIG = 0x7c,
	NVME_ADMIN_FORMAT_NVM = 0x80,
	NVME_ADMIN_SECURITY_SEND = 0x81,
	NVME_ADMIN_SECURITY_RECEIVE = 0x82,
	NVME_ADMIN_SANITIZE = 0x84,
};

enum nvme_nvm_opcode {
	NVME_NVM_FLUSH = 0x00,
	NVME_NVM_WRITE = 0x01,
	NVME_NVM_READ = 0x02,
	NVME_NVM_WRITE_UNCORRECTABLE = 0x04,
	NVME_NVM_COMPARE = 0x05,
	NVME_NVM_WRITE_ZEROES = 0x08,
	NVME_NVM_DSM = 0x09,
	NVME_NVM_VERIFY = 0x0c,
	NVME_NVM_COPY = 0x19,
};

/* Delete and Create I/O Queue: CDW10 (QSIZE is 0's based); Create: CDW11; PRP1 is the queue, page aligned */
#define NVME_QUEUE_QID_SHIFT       0
#define NVME_QUEUE_QID_MASK        UINT32_C(0xffff)
#define NVME_QUEUE_QSIZE_SHIFT     16
#define NVME_QUEUE_QSIZE_MASK      UINT32_C(0xffff)
#define NVME_CREATE_PC             UINT32_C(0x1) /* physically contiguous */
#define NVME_CREATE_CQ_IEN         UINT32_C(0x2) /* interrupts enabled */
#define NVME_CREATE_CQ_IV_SHIFT    16
#define NVME_CREATE_CQ_IV_MASK     UINT32_C(0xffff)
#define NVME_CREATE_SQ_QPRIO_SHIFT 1
#define NVME_CREATE_SQ_QPRIO_MASK  UINT32_C(0x3)
#define NVME_CREATE_SQ_CQID_SHIFT  16
#define NVME_CREATE_SQ_CQID_MASK   UINT32_C(0xffff)

/* Abort: CDW10; bit 0 of the completion's DW0 is 0 when the command was aborted */
#define NVME_ABORT_SQID_SHIFT         0
#define NVME_ABORT_SQID_MASK          UINT32_C(0xffff)
#define NVME_ABORT_CID_SHIFT          16
#define NVME_ABORT_CID_MASK           UINT32_C(0xffff)
#define NVME_ABORT_RESULT_NOT_ABORTED UINT32_C(0x1)

/* Identify: CDW10, CDW11 */
#define NVME_IDENTIFY_CNS_SHIFT   0
#define NVME_IDENTIFY_CNS_MASK    UINT32_C(0xff)
#define NVME_IDENTIFY_CNTID_SHIFT 16
#define NVME_IDENTIFY_CNTID_MASK  UINT32_C(0xffff)
#define NVME_IDENTIFY_CSI_SHIFT   24 /* CDW11 */
#define NVME_IDENTIFY_CSI_MASK    UINT32_C(0xff)

/* Read, Write, Compare, Write Zeroes: CDW10/11 = SLBA, CDW12 */
#define NVME_RW_NLB_SHIFT      0 /* 0's based */
#define NVME_RW_NLB_MASK       UINT32_C(0xffff)
#define NVME_RW_NLB_MAX        UINT32_C(65536)
#define NVME_WRITE_ZEROES_DEAC UINT32_C(0x02000000)
#define NVME_RW_PRINFO_SHIFT   26
#define NVME_RW_PRINFO_MASK    UINT32_C(0xf)
#define NVME_RW_FUA            UINT32_C(0x40000000)
#define NVME_RW_LR             UINT32_C(0x80000000) /* limited retry */

/* Dataset Management: CDW10 bits 7:0 = number of ranges, 0's based; CDW11 */
#define NVME_DSM_NR_SHIFT   0
#define NVME_DSM_NR_MASK    UINT32_C(0xff)
#define NVME_DSM_RANGES_MAX 256u
#define NVME_DSM_IDR        UINT32_C(0x1) /* integral dataset for read */
#define NVME_DSM_IDW        UINT32_C(0x2)
#define NVME_DSM_AD         UINT32_C(0x4) /* deallocate */

struct nvme_dsm_range {
	uint32_t context_attr;
	uint32_t lba_cnt; /* not 0's based */
	uint64_t lba;
};

_Static_assert(sizeof(struct nvme_dsm_range) == 16, "DSM range");

/* PRPs (Base 2.0, 4.1.1): dword aligned; only the first may have an offset inside its page */
#define NVME_PRP_ALIGN_MASK UINT64_C(0x3)
#define NVME_PRP_BYTES      8u

#endif
