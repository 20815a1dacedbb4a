/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Features (Base 2.0, 5.15 and 5.27): Set Features carries the value in CDW11, Get Features returns it in DW0.
 */
#ifndef BULKHEAD_SPEC_NVME_FEATURE_H
#define BULKHEAD_SPEC_NVME_FEATURE_H

#include <bulkhead/types.h>

/* CDW10 */
#define NVME_FEATURE_FID_SHIFT     0
#define NVME_FEATURE_FID_MASK      UINT32_C(0xff)
#define NVME_FEATURE_SEL_SHIFT     8 /* Get Features: NVME_FEATURE_SEL_* */
#define NVME_FEATURE_SEL_MASK      UINT32_C(0x7)
#define NVME_FEATURE_SEL_CURRENT   0u
#define NVME_FEATURE_SEL_DEFAULT   1u
#define NVME_FEATURE_SEL_SAVED     2u
#define NVME_FEATURE_SEL_SUPPORTED 3u /* DW0: bit 0 saveable, bit 1 namespace specific, bit 2 changeable */
#define NVME_FEATURE_SAVE          UINT32_C(0x80000000) /* Set Features */

enum nvme_feature {
	NVME_FEATURE_ARBITRATION = 0x01,
	NVME_FEATURE_POWER = 0x02,
	NVME_FEATURE_LBA_RANGE_TYPE = 0x03,
	NVME_FEATURE_TEMP_THRESHOLD = 0x04,
	NVME_FEATURE_ERROR_RECOVERY = 0x05,
	NVME_FEATURE_VOLATILE_WRITE_CACHE = 0x06,
	NVME_FEATURE_QUEUE_CNT = 0x07,
	NVME_FEATURE_INTERRUPT_COALESCING = 0x08,
	NVME_FEATURE_INTERRUPT_VECTOR = 0x09,
	NVME_FEATURE_WRITE_ATOMICITY = 0x0a,
	NVME_FEATURE_ASYNC_EVENT = 0x0b,
	NVME_FEATURE_APST = 0x0c,
	NVME_FEATURE_HOST_MEMORY_BUFFER = 0x0d,
	NVME_FEATURE_TIMESTAMP = 0x0e,
	NVME_FEATURE_KEEP_ALIVE = 0x0f,
};

/* Arbitration (01h) */
#define NVME_ARBITRATION_AB_SHIFT 0 /* burst, log2; 7: no limit */
#define NVME_ARBITRATION_AB_MASK  UINT32_C(0x7)

/* Power Management (02h) */
#define NVME_POWER_PS_SHIFT 0
#define NVME_POWER_PS_MASK  UINT32_C(0x1f)

/* Temperature Threshold (04h) */
#define NVME_TEMP_TMPTH_SHIFT  0 /* kelvin */
#define NVME_TEMP_TMPTH_MASK   UINT32_C(0xffff)
#define NVME_TEMP_TMPSEL_SHIFT 16 /* 0 composite, 1..8 sensors, 15 all */
#define NVME_TEMP_TMPSEL_MASK  UINT32_C(0xf)
#define NVME_TEMP_THSEL_SHIFT  20 /* 0 over, 1 under */
#define NVME_TEMP_THSEL_MASK   UINT32_C(0x3)

/* Volatile Write Cache (06h) */
#define NVME_VWC_ENABLE UINT32_C(0x1)

/* Number of Queues (07h): requested (CDW11) and allocated (DW0), both 0's based */
#define NVME_QUEUE_CNT_NSQ_SHIFT 0
#define NVME_QUEUE_CNT_NSQ_MASK  UINT32_C(0xffff)
#define NVME_QUEUE_CNT_NCQ_SHIFT 16
#define NVME_QUEUE_CNT_NCQ_MASK  UINT32_C(0xffff)

/* Interrupt Coalescing (08h) */
#define NVME_COALESCING_THR_SHIFT  0 /* entries, 0's based */
#define NVME_COALESCING_THR_MASK   UINT32_C(0xff)
#define NVME_COALESCING_TIME_SHIFT 8 /* 100 us */
#define NVME_COALESCING_TIME_MASK  UINT32_C(0xff)

/* Interrupt Vector Configuration (09h) */
#define NVME_VECTOR_IV_SHIFT 0
#define NVME_VECTOR_IV_MASK  UINT32_C(0xffff)
#define NVME_VECTOR_CD       UINT32_C(0x10000)

/* Asynchronous Event Configuration (0Bh): bits 7:0 as NVME_HEALTH_*, then notices as NVME_OAES_* */
#define NVME_ASYNC_HEALTH_MASK UINT32_C(0xff)
#define NVME_ASYNC_NS_ATTR     UINT32_C(0x100)
#define NVME_ASYNC_FIRMWARE    UINT32_C(0x200)

#endif
