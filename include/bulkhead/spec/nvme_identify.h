/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Identify data structures (Base 2.0, 5.17; NVM Command Set 1.0, 4.1.5). All are 4096 bytes.
 */
#ifndef BULKHEAD_SPEC_NVME_IDENTIFY_H
#define BULKHEAD_SPEC_NVME_IDENTIFY_H

#include <bulkhead/types.h>

#define NVME_IDENTIFY_BYTES 4096u

enum nvme_cns {
	NVME_CNS_NAMESPACE = 0x00,
	NVME_CNS_CONTROLLER = 0x01,
	NVME_CNS_ACTIVE_NS_LIST = 0x02,
	NVME_CNS_NS_ID_DESCRIPTORS = 0x03,
	NVME_CNS_CSI_NAMESPACE = 0x05,
	NVME_CNS_CSI_CONTROLLER = 0x06,
	NVME_CNS_CSI_ACTIVE_NS_LIST = 0x07,
	NVME_CNS_NAMESPACE_INDEPENDENT = 0x08,
	NVME_CNS_ALLOCATED_NS_LIST = 0x10,
	NVME_CNS_IO_COMMAND_SETS = 0x1c,
};

enum nvme_csi {
	NVME_CSI_NVM = 0,
	NVME_CSI_KEY_VALUE = 1,
	NVME_CSI_ZONED = 2,
};

struct nvme_power_state {
	uint16_t max_power; /* centiwatts, or 0.1 mW: flags bit 0 */
	uint8_t reserved2;
	uint8_t flags; /* bit 0 MXPS, bit 1 NOPS */
	uint32_t entry_latency_us;
	uint32_t exit_latency_us;
	uint8_t relative[4]; /* read throughput, read latency, write throughput, write latency */
	uint16_t idle_power;
	uint8_t idle_power_scale;
	uint8_t reserved19;
	uint16_t active_power;
	uint8_t active_power_scale;
	uint8_t reserved23[9];
};

_Static_assert(sizeof(struct nvme_power_state) == 32, "power state descriptor");

/* Identify Controller (CNS 01h), figure 275. Strings are ASCII, padded with blanks, without a NUL. */
struct nvme_identify_controller {
	uint16_t vid;
	uint16_t ssvid;
	char sn[20];
	char mn[40];
	char fr[8];
	uint8_t rab;
	uint8_t ieee[3];
	uint8_t cmic;
	uint8_t mdts; /* largest transfer is (4096 << CAP.MPSMIN) << MDTS; 0: no limit */
	uint16_t cntlid;
	uint32_t ver;
	uint32_t rtd3r_us;
	uint32_t rtd3e_us;
	uint32_t oaes; /* NVME_OAES_* */
	uint32_t ctratt;
	uint16_t rrls;
	uint8_t reserved102[9];
	uint8_t cntrltype; /* NVME_CNTRLTYPE_* */
	uint8_t fguid[16];
	uint16_t crdt[3]; /* command retry delay times, 100 ms */
	uint8_t reserved134[119];
	uint8_t nvmsr;
	uint8_t vwci;
	uint8_t mec;
	uint16_t oacs; /* NVME_OACS_* */
	uint8_t acl;   /* abort command limit, 0's based */
	uint8_t aerl;  /* asynchronous event request limit, 0's based */
	uint8_t frmw;
	uint8_t lpa;  /* NVME_LPA_* */
	uint8_t elpe; /* error log page entries, 0's based */
	uint8_t npss;
	uint8_t avscc;
	uint8_t apsta;
	uint16_t wctemp_kelvin;
	uint16_t cctemp_kelvin;
	uint16_t mtfa;
	uint32_t hmpre;
	uint32_t hmmin;
	uint8_t tnvmcap[16];
	uint8_t unvmcap[16];
	uint32_t rpmbs;
	uint16_t edstt;
	uint8_t dsto;
	uint8_t fwug;
	uint16_t kas;
	uint16_t hctma;
	uint16_t mntmt;
	uint16_t mxtmt;
	uint32_t sanicap;
	uint32_t hmminds;
	uint16_t hmmaxd;
	uint16_t nsetidmax;
	uint16_t endgidmax;
	uint8_t anatt;
	uint8_t anacap;
	uint32_t anagrpmax;
	uint32_t nanagrpid;
	uint32_t pels;
	uint16_t domain_id;
	uint8_t reserved358[10];
	uint8_t megcap[16];
	uint8_t reserved384[128];
	uint8_t sqes; /* submission entry size: 3:0 smallest, 7:4 largest, log2 */
	uint8_t cqes;
	uint16_t maxcmd;
	uint32_t nn;   /* highest namespace identifier */
	uint16_t oncs; /* NVME_ONCS_* */
	uint16_t fuses;
	uint8_t fna;
	uint8_t vwc; /* NVME_VWC_* */
	uint16_t awun;
	uint16_t awupf;
	uint8_t icsvscc;
	uint8_t nwpc;
	uint16_t acwu;
	uint16_t cdfs;
	uint32_t sgls;
	uint32_t mnan;
	uint8_t maxdna[16];
	uint32_t maxcna;
	uint8_t reserved564[204];
	char subnqn[256]; /* NUL-terminated UTF-8 */
	uint8_t reserved1024[768];
	uint8_t fabrics[256];
	struct nvme_power_state psd[32];
	uint8_t vendor[1024];
};

_Static_assert(sizeof(struct nvme_identify_controller) == 4096, "identify controller");
_Static_assert(offsetof(struct nvme_identify_controller, mdts) == 77, "MDTS");
_Static_assert(offsetof(struct nvme_identify_controller, cntrltype) == 111, "CNTRLTYPE");
_Static_assert(offsetof(struct nvme_identify_controller, oacs) == 256, "OACS");
_Static_assert(offsetof(struct nvme_identify_controller, hmpre) == 272, "HMPRE");
_Static_assert(offsetof(struct nvme_identify_controller, sanicap) == 328, "SANICAP");
_Static_assert(offsetof(struct nvme_identify_controller, sqes) == 512, "SQES");
_Static_assert(offsetof(struct nvme_identify_controller, oncs) == 520, "ONCS");
_Static_assert(offsetof(struct nvme_identify_controller, sgls) == 536, "SGLS");
_Static_assert(offsetof(struct nvme_identify_controller, subnqn) == 768, "SUBNQN");
_Static_assert(offsetof(struct nvme_identify_controller, psd) == 2048, "PSD0");

enum {
	NVME_CNTRLTYPE_NOT_REPORTED = 0,
	NVME_CNTRLTYPE_IO = 1,
	NVME_CNTRLTYPE_DISCOVERY = 2,
	NVME_CNTRLTYPE_ADMIN = 3,

	NVME_OACS_SECURITY = 1u << 0,
	NVME_OACS_FORMAT = 1u << 1,
	NVME_OACS_FIRMWARE = 1u << 2,
	NVME_OACS_NS_MANAGEMENT = 1u << 3,
	NVME_OACS_SELF_TEST = 1u << 4,
	NVME_OACS_DOORBELL_BUFFER = 1u << 8,

	NVME_ONCS_COMPARE = 1u << 0,
	NVME_ONCS_WRITE_UNCORRECTABLE = 1u << 1,
	NVME_ONCS_DSM = 1u << 2,
	NVME_ONCS_WRITE_ZEROES = 1u << 3,
	NVME_ONCS_SAVE_SELECT = 1u << 4,
	NVME_ONCS_RESERVATIONS = 1u << 5,
	NVME_ONCS_TIMESTAMP = 1u << 6,
	NVME_ONCS_VERIFY = 1u << 7,
	NVME_ONCS_COPY = 1u << 8,

	NVME_VWC_PRESENT = 1u << 0,
	NVME_VWC_FLUSH_ALL_SHIFT = 1, /* flush to NSID FFFFFFFFh: 2 not supported, 3 supported */
	NVME_VWC_FLUSH_ALL_MASK = 3,

	NVME_LPA_SMART_PER_NS = 1u << 0,
	NVME_LPA_EFFECTS = 1u << 1,
	NVME_LPA_EXTENDED = 1u << 2, /* 32-bit NUMD and log page offset */

	NVME_OAES_NS_ATTR = 1u << 8,
	NVME_OAES_FIRMWARE = 1u << 9,
};

/* LBA format (NVM Command Set 1.0, figure 98) */
struct nvme_lba_format {
	uint16_t ms;   /* metadata bytes per block */
	uint8_t lbads; /* block size is 1 << LBADS bytes; 0: format not available; else at least 9 */
	uint8_t rp;    /* relative performance, bits 1:0 */
};

_Static_assert(sizeof(struct nvme_lba_format) == 4, "LBA format");

#define NVME_LBA_FORMATS_MAX 64u

/* Identify Namespace (CNS 00h), NVM Command Set 1.0, figure 97. */
struct nvme_identify_namespace {
	uint64_t nsze; /* size in blocks; 0: not an active namespace */
	uint64_t ncap;
	uint64_t nuse;
	uint8_t nsfeat;
	uint8_t nlbaf; /* number of LBA formats, 0's based */
	uint8_t flbas; /* NVME_FLBAS_* */
	uint8_t mc;
	uint8_t dpc;
	uint8_t dps; /* bits 2:0: protection information type in use, 0 none */
	uint8_t nmic;
	uint8_t rescap;
	uint8_t fpi;
	uint8_t dlfeat; /* NVME_DLFEAT_* */
	uint16_t nawun;
	uint16_t nawupf;
	uint16_t nacwu;
	uint16_t nabsn;
	uint16_t nabo;
	uint16_t nabspf;
	uint16_t noiob; /* optimal I/O boundary, blocks; 0: none */
	uint8_t nvmcap[16];
	uint16_t npwg;
	uint16_t npwa;
	uint16_t npdg;
	uint16_t npda;
	uint16_t nows;
	uint16_t mssrl;
	uint32_t mcl;
	uint8_t msrc;
	uint8_t reserved81[11];
	uint32_t anagrpid;
	uint8_t reserved96[3];
	uint8_t nsattr; /* bit 0: write protected */
	uint16_t nvmsetid;
	uint16_t endgid;
	uint8_t nguid[16];
	uint8_t eui64[8];
	struct nvme_lba_format lbaf[NVME_LBA_FORMATS_MAX];
	uint8_t vendor[3712];
};

_Static_assert(sizeof(struct nvme_identify_namespace) == 4096, "identify namespace");
_Static_assert(offsetof(struct nvme_identify_namespace, nvmcap) == 48, "NVMCAP");
_Static_assert(offsetof(struct nvme_identify_namespace, anagrpid) == 92, "ANAGRPID");
_Static_assert(offsetof(struct nvme_identify_namespace, nguid) == 104, "NGUID");
_Static_assert(offsetof(struct nvme_identify_namespace, lbaf) == 128, "LBAF0");

#define NVME_FLBAS_LOW_MASK   0x0fu /* bits 3:0 of the format in use */
#define NVME_FLBAS_EXTENDED   0x10u /* metadata at the end of each block */
#define NVME_FLBAS_HIGH_SHIFT 5     /* bits 5:4 of the format in use, valid if NLBAF > 15 */
#define NVME_FLBAS_HIGH_MASK  0x3u

#define NVME_NSFEAT_THIN              0x01u
#define NVME_NSFEAT_ATOMICS           0x02u
#define NVME_NSFEAT_DEALLOCATED_ERROR 0x04u
#define NVME_NSFEAT_OPTPERF           0x10u

#define NVME_DLFEAT_READ_MASK         0x07u
#define NVME_DLFEAT_READ_ZEROES       0x01u
#define NVME_DLFEAT_READ_ONES         0x02u
#define NVME_DLFEAT_WRITE_ZEROES_DEAC 0x08u

#define NVME_DPS_TYPE_MASK 0x07u

/* I/O Command Set specific Identify Controller, NVM (CNS 06h, CSI 00h), NVM Command Set 1.0, figure 102. 0: no limit. */
struct nvme_identify_nvm_controller {
	uint8_t vsl;    /* Verify, as MDTS */
	uint8_t wzsl;   /* Write Zeroes, as MDTS */
	uint8_t wusl;   /* Write Uncorrectable, as MDTS */
	uint8_t dmrl;   /* Dataset Management: most ranges */
	uint32_t dmrsl; /* most blocks in a range */
	uint64_t dmsl;  /* most blocks in a command */
	uint8_t reserved16[4080];
};

_Static_assert(sizeof(struct nvme_identify_nvm_controller) == 4096, "identify controller, NVM");

/* Active Namespace ID list (CNS 02h): ascending, 0 ends it, only identifiers above the command's NSID. */
#define NVME_NS_LIST_CNT 1024u
struct nvme_ns_list {
	uint32_t nsid[NVME_NS_LIST_CNT];
};

_Static_assert(sizeof(struct nvme_ns_list) == 4096, "namespace list");

/* Namespace Identification Descriptor (CNS 03h): header, then NIDL bytes, then the next; NIDL 0 ends the list. */
struct nvme_ns_id_descriptor {
	uint8_t nidt; /* NVME_NIDT_* */
	uint8_t nidl;
	uint8_t reserved2[2];
};

_Static_assert(sizeof(struct nvme_ns_id_descriptor) == 4, "namespace identification descriptor");

enum {
	NVME_NIDT_EUI64 = 1, /* 8 bytes */
	NVME_NIDT_NGUID = 2, /* 16 */
	NVME_NIDT_UUID = 3,  /* 16 */
	NVME_NIDT_CSI = 4,   /* 1 */
};

#endif
