/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A vfio-user server: lets any vfio-user client (bulkhead's, SPDK's, QEMU's, libvfio-user's) use a PCI device model.
 *
 * The model describes its PCI configuration space, regions and interrupts once; the server speaks the protocol, keeps
 * the client's DMA maps and interrupt eventfds, and calls the model for register accesses, resets and changes of the
 * DMA map.
 *
 *	struct vfu_device device = {.ops = &ops, .context = model, .msix_cnt = 4};
 *	vfu_config_type0(&device.config, 0x1b36, 0x0010, 0x010802, 0);
 *	vfu_config_bar_mem64(&device.config, 0, 0x4000);
 *	device.region[0] = (struct vfu_region){.size_bytes = 0x4000, .flags = VFU_REGION_RW,
 *	                                       .area_cnt = 1, .area = {{0x1000, 0x3000}}};
 *	struct vfu_server *server;
 *	int err = vfu_server_create(&device, "/run/nvme.sock", -1, &server);
 *	volatile uint32_t *doorbells = vfu_server_region_memory(server, 0, 0x1000, 0x3000);
 *	for (;;) { model_poll(model, doorbells); if (time for it) vfu_server_step(server); }
 *
 * One thread uses a server. One client at a time: another one is turned away at once. When the client goes, the server
 * resets the device (VFU_RESET_DISCONNECT), drops its DMA maps and eventfds, and listens again.
 *
 * What a client sends is checked and never trusted, with one limit that the protocol has: a client that shrinks a file
 * which it gave for DMA makes the process that touches it die of SIGBUS. A software device is a process of its own for
 * that reason.
 */
#ifndef DEVICES_VFIO_USER_SERVER_H
#define DEVICES_VFIO_USER_SERVER_H

#include <bulkhead/types.h>

#define VFU_CONFIG_BYTES_MAX    4096u
#define VFU_REGION_CNT          9u /* VFIO_USER_REGION_*: BAR0..5, ROM, configuration space, VGA */
#define VFU_REGION_AREAS_MAX    8u
#define VFU_IRQ_VECTORS_MAX     2048u
#define VFU_DMA_MAPS_MAX        4096u
#define VFU_DATA_XFER_BYTES_MAX 1048576u
#define VFU_MSG_FDS_MAX         16u

/*
 * PCI configuration space: initial bytes, and which bits a client may change (1: writable). Filled by vfu_config_*().
 */
struct vfu_config {
	uint32_t size_bytes; /* 256 or 4096 */
	uint32_t next_cap;   /* where the next capability goes */
	uint32_t last_cap;   /* where the last one's next pointer is */
	uint8_t initial[VFU_CONFIG_BYTES_MAX];
	uint8_t writable[VFU_CONFIG_BYTES_MAX];
};

/* A part of a region that clients may map; both a multiple of 4096. */
struct vfu_area {
	uint64_t offset;
	uint64_t size_bytes;
};

enum {
	VFU_REGION_READ = 1u << 0,
	VFU_REGION_WRITE = 1u << 1,
	VFU_REGION_RW = VFU_REGION_READ | VFU_REGION_WRITE,
};

/*
 * A region. Its mappable areas live in memory that the server creates (a sealed memfd, zeroed, as large as the region):
 * the model reads and writes it through vfu_server_region_memory(), clients map it, and accesses by message to these
 * areas go there too, without a call of the model.
 */
struct vfu_region {
	uint64_t size_bytes; /* 0: there is no such region */
	uint32_t flags;      /* VFU_REGION_* */
	uint32_t area_cnt;
	struct vfu_area area[VFU_REGION_AREAS_MAX];
};

enum vfu_reset_reason {
	VFU_RESET_CLIENT = 1,     /* VFIO_USER_DEVICE_RESET */
	VFU_RESET_DISCONNECT = 2, /* the client went: DMA maps are dropped right after the call */
};

/*
 * The model. Every function is called from vfu_server_step() (or vfu_server_destroy()) with vfu_device.context.
 * Those that return an int return 0 or a negative errno, which goes to the client; NULL functions do nothing, return 0.
 */
struct vfu_device_ops {
	/*
	 * An access that touches no mappable area; offset + width_bytes is inside the region. Accesses of 1, 2, 4 and 8
	 * bytes come as they were sent; all others are cut into naturally aligned pieces of at most 8 bytes, in
	 * ascending order. region is 0..6 or 8; configuration space does not come here.
	 */
	int (*region_read)(void *context, uint32_t region, uint64_t offset, uint32_t width_bytes, void *out_data);
	int (*region_write)(void *context, uint32_t region, uint64_t offset, uint32_t width_bytes, const void *data);
	/* Configuration space [offset, +cnt_bytes) was written; `config` is all of it, after the write. */
	void (*config_written)(void *context, uint32_t offset, uint32_t cnt_bytes, const uint8_t *config);
	/*
	 * All registers to their initial values; when it returns the model touches no DMA memory. The server has
	 * zeroed the mapped areas before the call, and after a disconnection restored configuration space (a client's
	 * reset leaves that as it is, like VFIO's, which saves and restores it). A negative errno goes to the client.
	 */
	int (*reset)(void *context, enum vfu_reset_reason reason);
	/* Memory came. addr is NULL if the client gave no descriptor (reach it with vfu_server_dma_read/write). */
	void (*dma_mapped)(void *context, uint64_t iova, uint64_t size_bytes, void *addr);
	/* Memory goes: after the call every pointer into [iova, iova + size_bytes) is dead. */
	void (*dma_unmapping)(void *context, uint64_t iova, uint64_t size_bytes);
	/* A client's version was accepted; or the client is gone and everything of it released. */
	void (*connected)(void *context);
	void (*disconnected)(void *context);
};

struct vfu_device {
	const struct vfu_device_ops *ops;
	void *context;
	struct vfu_config config;
	struct vfu_region region[VFU_REGION_CNT]; /* region 7 (configuration space) is made from `config` */
	uint32_t intx_cnt;                        /* 0 or 1 */
	uint32_t msi_cnt;
	uint32_t msix_cnt; /* all three: at most VFU_IRQ_VECTORS_MAX together */
};

/**
 * vfu_config_type0 - a type 0 header: identity, command register (I/O, memory, bus master, INTx disable writable)
 * @class_code: 24 bits: base class, sub-class, programming interface
 * Call it first. 256 bytes; set config->size_bytes to 4096 for extended space.
 */
void vfu_config_type0(struct vfu_config *config, uint16_t vendor, uint16_t device, uint32_t class_code,
                      uint8_t revision);

/*
 * vfu_config_bar_mem64 - registers bar and bar + 1 as a 64-bit memory BAR; size_bytes is a power of two, at least 4096.
 */
void vfu_config_bar_mem64(struct vfu_config *config, uint32_t bar, uint64_t size_bytes);

/**
 * vfu_config_capability - append a PCI capability
 * @body: what follows the two bytes id and next; @writable has the same size, NULL: nothing is writable
 * Return: the capability's offset; -ENOSPC if it does not fit into the first 256 bytes.
 */
BH_MUST_CHECK int vfu_config_capability(struct vfu_config *config, uint8_t id, const void *body, const void *writable,
                                        uint32_t body_bytes);

/*
 * vfu_config_msix - an MSI-X capability of vector_cnt vectors with its table and pending bits in `bar` at these
 * offsets.
 */
BH_MUST_CHECK int vfu_config_msix(struct vfu_config *config, uint32_t vector_cnt, uint32_t bar, uint32_t table_offset,
                                  uint32_t pending_offset);

struct vfu_server;

/**
 * vfu_server_create - check the description and open the server
 * @device:  copied; ops and context stay the caller's
 * @path:    where to listen, or NULL. A socket that nobody listens on any more is replaced. Removed by
 * vfu_server_destroy().
 * @conn_fd: with path NULL: a connected stream socket, owned by the server from a successful return on. When its client
 * goes, vfu_server_step() returns -ENOTCONN for ever.
 * Return: 0; -EINVAL the description is wrong; -ENAMETOOLONG; -EADDRINUSE somebody listens on path; or what socket,
 * bind, listen, memfd_create or mmap said (-EACCES, -ENOENT, -ENOMEM, -EMFILE).
 */
BH_MUST_CHECK int vfu_server_create(const struct vfu_device *device, const char *path, int conn_fd,
                                    struct vfu_server **out);

/*
 * vfu_server_destroy - disconnect the client (with its reset), release everything, remove the socket. NULL is allowed.
 */
void vfu_server_destroy(struct vfu_server *server);

/* vfu_server_fd - readable whenever vfu_server_step() has something to do; the server's own, constant for its life. */
int vfu_server_fd(const struct vfu_server *server);

/**
 * vfu_server_step - do what is there to do, at most one message; never blocks
 *
 * Costs one system call when nothing is there (some 100 ns): a polling model calls it every few microseconds.
 * Return: 1 did something; 0 nothing to do; -ENOTCONN nothing to do and no client (a server with a path goes on
 * listening). Everything that a client does wrong ends in an error reply or in its disconnection, not in an error here.
 */
BH_MUST_CHECK int vfu_server_step(struct vfu_server *server);

/* vfu_server_connected - whether a client is there and its version was accepted. */
bool vfu_server_connected(const struct vfu_server *server);

/**
 * vfu_server_region_memory - the model's address of [offset, +size_bytes) of a region's mappable areas
 * Valid for the server's life; shared with the client: read each value once, and check it.
 * Return: the address, or NULL if the range is not wholly inside one area.
 */
volatile void *vfu_server_region_memory(struct vfu_server *server, uint32_t region, uint64_t offset,
                                        uint64_t size_bytes);

/*
 * vfu_server_config - live configuration space, as a client sees it; the model may change it (interrupt status, say).
 */
uint8_t *vfu_server_config(struct vfu_server *server);

/* One mapping of the client's memory, and the head of struct vfu_server: public only for vfu_server_dma_translate(). */
struct vfu_dma_map {
	uint64_t iova;
	uint64_t size_bytes;
	uint8_t *addr; /* NULL: no descriptor */
	uint32_t prot; /* VFU_DMA_* */
	uint32_t map_idx;
};

enum {
	VFU_DMA_READ = 1u << 0,
	VFU_DMA_WRITE = 1u << 1,
};

struct vfu_server_hot {
	struct vfu_dma_map last; /* the mapping of the last hit that has an address, or zeroes */
};

void *vfu_server_dma_translate_slow(struct vfu_server *server, uint64_t iova, uint64_t size_bytes, uint32_t prot);

/**
 * vfu_server_dma_translate - where the client's [iova, iova + size_bytes) is in this process
 * @prot: VFU_DMA_READ, VFU_DMA_WRITE or both
 *
 * The range must lie in one mapping that the client granted for that access. Valid until dma_unmapping() or reset() is
 * called. A hit in the mapping of the last call costs a few instructions; otherwise a binary search.
 * Return: the address; NULL if the client did not grant it, or gave no descriptor for it (vfu_server_dma_read() tells
 * which).
 */
BH_INLINE void *
vfu_server_dma_translate(struct vfu_server *server, uint64_t iova, uint64_t size_bytes, uint32_t prot)
{
	const struct vfu_dma_map *last = &((const struct vfu_server_hot *)(const void *)server)->last;
	uint64_t offset = iova - last->iova;
	if (BH_LIKELY(offset < last->size_bytes && size_bytes <= last->size_bytes - offset && !(prot & ~last->prot)))
		return last->addr + offset;
	return vfu_server_dma_translate_slow(server, iova, size_bytes, prot);
}

/**
 * vfu_server_dma_read, vfu_server_dma_write - copy from or to the client's memory, by message where it gave no
 * descriptor
 *
 * A message waits for its reply, at most VFU_DMA_TIMEOUT_NS; commands that the client sends meanwhile are kept for the
 * next steps. Not from inside a callback other than region_read and region_write.
 * Return: 0; -EFAULT the client did not grant it; -ENOTCONN no client; -ETIMEDOUT; -EIO or the client's errno: it
 * refused.
 */
#define VFU_DMA_TIMEOUT_NS UINT64_C(2000000000)
BH_MUST_CHECK int vfu_server_dma_read(struct vfu_server *server, uint64_t iova, void *out_data, uint64_t size_bytes);
BH_MUST_CHECK int vfu_server_dma_write(struct vfu_server *server, uint64_t iova, const void *data, uint64_t size_bytes);

/**
 * vfu_server_dma_patch - a client took memory away that it had granted: let the access that found out go on
 * @addr: where a load or store of this process met SIGBUS
 *
 * The whole mapping becomes private zeroes, and the client is disconnected by the next step.
 * Context: a handler of SIGBUS in the server's thread (async-signal-safe).
 * Return: true; false if the address is in no mapping of the client: the fault is somebody else's.
 */
BH_MUST_CHECK bool vfu_server_dma_patch(struct vfu_server *server, const void *addr);

/**
 * vfu_server_irq - raise an interrupt
 * @vector: of the type in use: MSI-X if the client assigned an eventfd to any of its vectors, else MSI, else INTx
 * (always vector 0)
 *
 * A masked vector is remembered and raised when it is unmasked. INTx masks itself when raised until the client unmasks
 * it.
 * Return: 0 raised or remembered; -ENOENT no eventfd for this vector; -EINVAL no such vector; -ENOTCONN no client.
 */
int vfu_server_irq(struct vfu_server *server, uint32_t vector);

#endif
