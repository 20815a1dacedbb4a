/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An NVMe controller as a pure state machine: registers and memory in, registers, memory and interrupts out.
 *
 * Two hosts drive it: the vfio-user process (devices/nvme/serve.h) and the simulator, which runs it in one process and
 * one thread with the driver. It reads no clock (time is an argument), draws from its own seeded generator only, makes
 * no system call, and calls nothing of libc but malloc/free at creation and memcpy/memset/memcmp.
 *
 *	struct nvme_model_config config = NVME_MODEL_CONFIG_DEFAULT;
 *	config.size_bytes = 1 << 30;
 *	config.seed = 7;
 *	struct nvme_model_host host = {.context = me, .dma_window = my_window, .irq = my_irq, .doorbells = memory};
 *	struct nvme_model_backing backing = {.memory = disk};
 *	struct nvme_model *model;
 *	int err = nvme_model_create(&config, &host, &backing, &model);
 *	...
 *	nvme_model_reg_write(model, NVME_REG_CC, 4, cc, now_ns);
 *	for (;;)
 *		nvme_model_poll(model, now_ns());
 *
 * Doorbells (BAR 0 from NVME_REG_DOORBELLS on) are plain memory of the host that another process may write at any time;
 * the model polls it. Everything that it reads there, in queues, in PRP lists and in data is hostile: it is read once,
 * checked, and the copy is used. Whatever the content, the model touches nothing outside of what dma_window granted, and
 * always ends a command with the status that the specification has for it, or with controller fatal status.
 *
 * To the NVM Express Base Specification 2.0 and the NVM Command Set Specification 1.0. What is there: all mandatory
 * admin and NVM commands, write zeroes, dataset management, compare, doorbell buffer config. What is not (SGLs, fused
 * commands, metadata, namespace management, firmware, format, security, reservations) is refused as an unsupporting
 * controller has to.
 *
 * One thread uses a model. Functions are not reentrant: none may be called from a callback.
 */
#ifndef DEVICES_NVME_MODEL_H
#define DEVICES_NVME_MODEL_H

#include <bulkhead/spec/nvme.h>
#include <bulkhead/types.h>

#include "devices/nvme/fault.h"
#include "devices/nvme/service.h"

struct nvme_model;

#define NVME_MODEL_IO_QUEUES_MAX  127u
#define NVME_MODEL_NAMESPACES_MAX 1024u
#define NVME_MODEL_MDTS_MAX       10u /* 4 MiB */
#define NVME_MODEL_SERIAL_BYTES   20u

/* What the controller is. Constant for its life. Start from NVME_MODEL_CONFIG_DEFAULT; a zero is a value, not a default. */
struct nvme_model_config {
	uint64_t size_bytes;    /* of each namespace: a multiple of block_bytes, at least one block */
	uint32_t block_bytes;   /* 512 or 4096 */
	uint32_t namespace_cnt; /* 1 .. NVME_MODEL_NAMESPACES_MAX, identifiers 1 .. namespace_cnt */
	uint32_t io_queue_cnt;  /* I/O queue pairs offered: 1 .. NVME_MODEL_IO_QUEUES_MAX */
	uint32_t queue_entries; /* CAP.MQES + 1: 2 .. 65536 */
	uint32_t pending_cnt;   /* commands that the controller can hold unfinished: 128 .. 65536 */
	uint32_t vector_cnt;    /* interrupt vectors: 1 .. 2048 */
	uint32_t mdts;          /* 0: no limit, taken as NVME_MODEL_MDTS_MAX inside; else 1 .. NVME_MODEL_MDTS_MAX */
	uint32_t mps_max;       /* CAP.MPSMAX: 0 .. 4 */
	uint32_t doorbell_stride_log2; /* CAP.DSTRD: 0 .. 8; 4 gives each doorbell a line of its own */
	uint32_t timeout_units;        /* CAP.TO: 1 .. 255, 500 ms each */
	uint64_t ready_delay_ns;       /* CSTS.RDY follows CC.EN after it, and CSTS.SHST follows CC.SHN */
	bool volatile_write_cache;
	bool shadow_doorbells; /* offer Doorbell Buffer Config; all doorbells must fit into 4096 bytes then */
	char serial[NVME_MODEL_SERIAL_BYTES + 1];

	struct nvme_service service; /* how long an I/O command takes; see service.h */
	uint64_t seed;
	const struct nvme_fault_rule *rules; /* copied; see fault.h */
	uint32_t rule_cnt;
};

#define NVME_MODEL_CONFIG_DEFAULT                                                                                      \
	{                                                                                                              \
		.size_bytes = UINT64_C(1) << 30, .block_bytes = 512, .namespace_cnt = 1, .io_queue_cnt = 31,           \
		.queue_entries = 4096, .pending_cnt = 8192, .vector_cnt = 32, .mdts = 8, .mps_max = 0,                 \
		.doorbell_stride_log2 = 4, .timeout_units = 4, .ready_delay_ns = 0, .volatile_write_cache = true,      \
		.shadow_doorbells = false, .serial = "BULKHEAD", .seed = 1,                                            \
	}

/* nvme_model_doorbell_bytes - size of the doorbell memory: both doorbells of all queues, rounded up to 4096. */
uint64_t nvme_model_doorbell_bytes(const struct nvme_model_config *config);

enum {
	NVME_MODEL_DMA_READ = 1u << 0,  /* the controller may read */
	NVME_MODEL_DMA_WRITE = 1u << 1, /* the controller may write */
};

/* Memory that the client granted: [iova, iova + size_bytes) is at addr, for what prot allows. */
struct nvme_model_window {
	uint64_t iova;
	uint64_t size_bytes;
	uint8_t *addr;
	uint32_t prot; /* NVME_MODEL_DMA_* */
};

/* What the model needs of its host. All are called from the functions below with `context`. */
struct nvme_model_host {
	void *context;
	/*
	 * The mapping that holds all of [iova, iova + size_bytes) with at least `prot`; size_bytes is at least 1.
	 * Return: true, with *out filled; false if the client did not grant that. The model keeps the answer until
	 * nvme_model_dma_unmap() or nvme_model_reset().
	 */
	bool (*dma_window)(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot,
	                   struct nvme_model_window *out);
	/* Interrupt `vector`, at most once per completion queue and poll. NULL: nobody listens. */
	void (*irq)(void *context, uint32_t vector);
	/* nvme_model_doorbell_bytes() of memory, 64-byte aligned; the model zeroes it and afterwards polls it. */
	volatile uint32_t *doorbells;
};

/*
 * The medium behind all namespaces, namespace after namespace. With `memory` the model copies by itself and the functions
 * are not used, but flush and discard if there are any; without, all four must be there. Offsets and lengths are multiples
 * of the block size and inside namespace_cnt * size_bytes. Return of each: 0 or a negative errno, which fails the command
 * with Unrecovered Read Error or Write Fault.
 */
struct nvme_model_backing {
	uint8_t *memory; /* namespace_cnt * size_bytes of it, or NULL */
	bool null;       /* neither memory nor functions: commands are checked, data is not moved */
	void *context;
	int (*read)(void *context, uint64_t offset, void *out_data, uint64_t cnt_bytes);
	int (*write)(void *context, uint64_t offset, const void *data, uint64_t cnt_bytes);
	int (*discard)(void *context, uint64_t offset, uint64_t cnt_bytes); /* it reads as zeroes afterwards */
	int (*flush)(void *context);
};

/**
 * nvme_model_create - a controller just powered on: CC.EN is 0
 * @host, @backing: copied; what they point to must outlive the model
 *
 * The only function that allocates.
 * Return: 0; -BH_EINVAL a value of the configuration is out of its range (nvme_model_config_error() says which), doorbells
 * are missing or misaligned, or the backing is incomplete; -BH_ENOMEM.
 */
BH_MUST_CHECK int nvme_model_create(const struct nvme_model_config *config, const struct nvme_model_host *host,
                                    const struct nvme_model_backing *backing, struct nvme_model **out);

/* nvme_model_config_error - what is wrong with a configuration, for a person, or NULL. */
const char *nvme_model_config_error(const struct nvme_model_config *config);

/* nvme_model_destroy - frees the model; touches neither DMA memory nor the backing. NULL is allowed. */
void nvme_model_destroy(struct nvme_model *model);

/**
 * nvme_model_reg_read, nvme_model_reg_write - an access to BAR 0 (Base 2.0, 3.1.3)
 * @offset: from the start of BAR 0, doorbells included
 * @width_bytes: 1, 2, 4 or 8. Writes are obeyed with 4, and with 8 where the register (or a pair of them) has 64 bits; the
 *               specification leaves the rest undefined, here it is ignored. Reads may have any width and alignment.
 *
 * What is beyond the registers reads as 0; a removed device reads as all ones and ignores writes. A write that enables,
 * disables or shuts down takes effect here (commands are no longer fetched, queues are gone); its CSTS bit follows in a
 * later nvme_model_poll(), after ready_delay_ns.
 */
uint64_t nvme_model_reg_read(struct nvme_model *model, uint64_t offset, uint32_t width_bytes, uint64_t now_ns);
void nvme_model_reg_write(struct nvme_model *model, uint64_t offset, uint32_t width_bytes, uint64_t value,
                          uint64_t now_ns);

/**
 * nvme_model_poll - look at the doorbells, execute what is there, complete what is due
 * @now_ns: never smaller than in the call before. It may be the value of some calls ago while nvme_model_timed() says
 * false: a host without a cheap clock need not read it each time.
 *
 * At most 32 commands of each queue a call. With nothing to do: one load per queue, and the next entries are prefetched.
 * Return: how much was done (commands fetched and completions posted), 0: nothing.
 */
uint32_t nvme_model_poll(struct nvme_model *model, uint64_t now_ns);

/* nvme_model_timed - whether the exact time matters now: a command waits for its time, or a state changes at one. */
bool nvme_model_timed(const struct nvme_model *model);

/**
 * nvme_model_next_event_ns - when nvme_model_poll() has something to do, if nothing is written to doorbells before
 * Return: the time (which may have passed), or UINT64_MAX.
 */
uint64_t nvme_model_next_event_ns(const struct nvme_model *model);

/* nvme_model_enabled - whether doorbells have to be polled: CC.EN is 1, and the controller has not failed. */
bool nvme_model_enabled(const struct nvme_model *model);

/**
 * nvme_model_reset - function level reset: all registers to their initial values, queues and pending commands gone
 *
 * When it returns no DMA memory is touched any more. A removed device stays removed. Fault rules keep their counts.
 */
void nvme_model_reset(struct nvme_model *model, uint64_t now_ns);

/**
 * nvme_model_dma_unmap - the client takes [iova, iova + size_bytes) back
 *
 * Forgets every address inside. Commands that wait and need the memory later get Data Transfer Error; a queue in it makes
 * the controller fail (CSTS.CFS) when it is used again.
 */
void nvme_model_dma_unmap(struct nvme_model *model, uint64_t iova, uint64_t size_bytes);

/* What happened since creation. */
struct nvme_model_stats {
	uint64_t admin_cnt, io_cnt; /* commands fetched */
	uint64_t read_cnt, write_cnt;
	uint64_t read_blocks, written_blocks;
	uint64_t error_cnt;                        /* completions with a status that is not 0 */
	uint64_t media_error_cnt;                  /* of these, media and data integrity errors */
	uint64_t aborted_cnt;                      /* commands that an Abort ended */
	uint64_t dma_refused_cnt;                  /* addresses that dma_window refused */
	uint64_t bad_doorbell_cnt;                 /* invalid doorbell values and registers */
	uint64_t enabled_cnt;                      /* times that CC.EN went to 1 */
	uint64_t fatal_cnt;                        /* times that CSTS.CFS went to 1 */
	uint64_t fault_cnt[NVME_FAULT_ACTION_CNT]; /* faults that fired, by enum nvme_fault_action */
};

/* nvme_model_stats_get - a copy of the counts. */
void nvme_model_stats_get(const struct nvme_model *model, struct nvme_model_stats *out);

#endif
