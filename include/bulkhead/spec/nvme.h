/* SPDX-License-Identifier: Apache-2.0 */
/**
 * NVMe on the wire: what a driver and a device model both need of the NVM Express Base Specification 2.0 and the NVM
 * Command Set Specification 1.0. Layouts and numbers only; no code of either side.
 *
 * Everything is little-endian, as is the machine. Names are the specification's; a "0's based" value (0 means 1) keeps
 * that meaning here and says so. Fields inside a word come as NVME_<WORD>_<FIELD>_SHIFT and _MASK (the mask is
 * unshifted):
 *
 *	NVME_GET(cap, NVME_CAP_TO)           the field's value
 *	NVME_SET(NVME_CC_IOSQES, 6)          the value at its place
 */
#ifndef BULKHEAD_SPEC_NVME_H
#define BULKHEAD_SPEC_NVME_H

#define NVME_GET(word, field)  (((word) >> field##_SHIFT) & field##_MASK)
#define NVME_SET(field, value) (((value)&field##_MASK) << field##_SHIFT)

#include <bulkhead/spec/nvme_command.h>
#include <bulkhead/spec/nvme_feature.h>
#include <bulkhead/spec/nvme_identify.h>
#include <bulkhead/spec/nvme_log.h>
#include <bulkhead/spec/nvme_reg.h>
#include <bulkhead/spec/nvme_status.h>

#endif
