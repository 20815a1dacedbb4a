/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Log pages (Base 2.0, 5.16) and asynchronous events (Base 2.0, 5.2).
 */
#ifndef BULKHEAD_SPEC_NVME_LOG_H
#define BULKHEAD_SPEC_NVME_LOG_H

#include <bulkhead/types.h>

/* Get Log Page: CDW10; CDW11 bits 15:0 = NUMDU; CDW12/13 = offset in bytes, dword aligned. NUMD is 0's based dwords. */
#define NVME_LOG_LID_SHIFT   0
#define NVME_LOG_LID_MASK    UINT32_C(0xff)
#define NVME_LOG_LSP_SHIFT   8
#define NVME_LOG_LSP_MASK    UINT32_C(0x7f)
#define NVME_LOG_RAE         UINT32_C(0x8000) /* retain the asynchronous event */
#define NVME_LOG_NUMDL_SHIFT 16
#define NVME_LOG_NUMDL_MASK  UINT32_C(0xffff)
#define NVME_LOG_NUMDU_SHIFT 0
#define NVME_LOG_NUMDU_MASK  UINT32_C(0xffff)

enum nvme_log_page {
	NVME_LOG_SUPPORTED = 0x00,
	NVME_LOG_ERROR = 0x01,
	NVME_LOG_HEALTH = 0x02,
	NVME_LOG_FIRMWARE_SLOT = 0x03,
	NVME_LOG_CHANGED_NS = 0x04,
	NVME_LOG_EFFECTS = 0x05,
};

/* Error Information (01h): one entry per error, newest first; error_cnt 0: entry not used */
struct nvme_error_entry {
	uint64_t error_cnt;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status;             /* as in the completion, phase included */
	uint16_t parameter_location; /* byte 7:0, bit 10:8; FFFFh: not of one parameter */
	uint64_t lba;
	uint32_t nsid;
	uint8_t vendor_info;
	uint8_t trtype;
	uint8_t reserved30[2];
	uint64_t command_info;
	uint16_t transport_info;
	uint8_t reserved42[22];
};

_Static_assert(sizeof(struct nvme_error_entry) == 64, "error log entry");

/* SMART / Health Information (02h). 16-byte counters are little-endian 128-bit values. */
struct nvme_health_log {
	uint8_t critical_warning; /* NVME_HEALTH_* */
	uint8_t temperature_kelvin[2];
	uint8_t available_spare_percent;
	uint8_t spare_threshold_percent;
	uint8_t percentage_used;
	uint8_t endurance_group_warning;
	uint8_t reserved7[25];
	uint8_t data_units_read[16]; /* units of 1000 x 512 bytes */
	uint8_t data_units_written[16];
	uint8_t host_reads[16];
	uint8_t host_writes[16];
	uint8_t busy_minutes[16];
	uint8_t power_cycles[16];
	uint8_t power_on_hours[16];
	uint8_t unsafe_shutdowns[16];
	uint8_t media_errors[16];
	uint8_t error_log_entries[16];
	uint32_t warning_temperature_minutes;
	uint32_t critical_temperature_minutes;
	uint16_t sensor_kelvin[8];
	uint32_t tmt_transition_cnt[2];
	uint32_t tmt_seconds[2];
	uint8_t reserved232[280];
};

_Static_assert(sizeof(struct nvme_health_log) == 512, "health log");
_Static_assert(offsetof(struct nvme_health_log, data_units_read) == 32, "data units read");
_Static_assert(offsetof(struct nvme_health_log, media_errors) == 160, "media errors");
_Static_assert(offsetof(struct nvme_health_log, sensor_kelvin) == 200, "temperature sensors");

enum {
	NVME_HEALTH_SPARE = 1u << 0,
	NVME_HEALTH_TEMPERATURE = 1u << 1,
	NVME_HEALTH_RELIABILITY = 1u << 2,
	NVME_HEALTH_READ_ONLY = 1u << 3,
	NVME_HEALTH_BACKUP_FAILED = 1u << 4,
};

/* Firmware Slot Information (03h) */
struct nvme_firmware_log {
	uint8_t afi; /* bits 2:0 active slot, 6:4 slot after the next reset */
	uint8_t reserved1[7];
	char frs[7][8];
	uint8_t reserved64[448];
};

_Static_assert(sizeof(struct nvme_firmware_log) == 512, "firmware slot log");

/* Changed Namespace List (04h): struct nvme_ns_list; a first entry of FFFFFFFFh means more than 1024 */

/* Commands Supported and Effects (05h): one dword per opcode; bit 0: supported, bit 1: changes data */
struct nvme_effects_log {
	uint32_t admin[256];
	uint32_t io[256];
	uint8_t reserved2048[2048];
};

_Static_assert(sizeof(struct nvme_effects_log) == 4096, "effects log");

#define NVME_EFFECTS_SUPPORTED    UINT32_C(0x1)
#define NVME_EFFECTS_CHANGES_DATA UINT32_C(0x2)

/* Asynchronous Event Request: the completion's DW0 */
#define NVME_AER_TYPE_SHIFT 0
#define NVME_AER_TYPE_MASK  UINT32_C(0x7)
#define NVME_AER_INFO_SHIFT 8
#define NVME_AER_INFO_MASK  UINT32_C(0xff)
#define NVME_AER_LID_SHIFT  16 /* reading this log page clears the event */
#define NVME_AER_LID_MASK   UINT32_C(0xff)

enum nvme_aer_type {
	NVME_AER_ERROR = 0,
	NVME_AER_HEALTH = 1,
	NVME_AER_NOTICE = 2,
	NVME_AER_IMMEDIATE = 3,
	NVME_AER_IO_SET = 6,
	NVME_AER_VENDOR = 7,
};

enum nvme_aer_info {
	/* NVME_AER_ERROR */
	NVME_AER_INVALID_DOORBELL_REG = 0x00,
	NVME_AER_INVALID_DOORBELL_VALUE = 0x01,
	NVME_AER_DIAGNOSTIC_FAILURE = 0x02,
	NVME_AER_PERSISTENT_INTERNAL = 0x03,
	NVME_AER_TRANSIENT_INTERNAL = 0x04,
	NVME_AER_FIRMWARE_LOAD = 0x05,
	/* NVME_AER_HEALTH */
	NVME_AER_RELIABILITY = 0x00,
	NVME_AER_TEMPERATURE = 0x01,
	NVME_AER_SPARE = 0x02,
	/* NVME_AER_NOTICE */
	NVME_AER_NS_ATTR_CHANGED = 0x00,
	NVME_AER_FIRMWARE_STARTING = 0x01,
	NVME_AER_TELEMETRY_CHANGED = 0x02,
	/* NVME_AER_IMMEDIATE */
	NVME_AER_SUBSYSTEM_SHUTDOWN = 0x00,
};

#endif
