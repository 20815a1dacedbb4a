/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A virtio network device as a pure state machine: registers and memory in, registers, memory and interrupts out.
 *
 * Two hosts drive it, as they do the NVMe model: the vfio-user process (serve.h) and tests that run it beside the driver
 * in one process. It reads no clock, makes no system call, and calls nothing of libc but malloc/free at creation and
 * memcpy/memset/memcmp.
 *
 * The model knows nothing of a wire. Its host takes the frames that the client transmits (vnet_tx_peek, vnet_tx_done)
 * and gives it those that the client shall receive (vnet_rx_put); wire.h does that between two of them.
 *
 * What the client wrote into rings, descriptors and buffers is hostile: each value is read once, checked, and the copy
 * is used. Whatever is there, the model touches nothing outside of what dma_window granted. A ring that breaks the
 * rules ends in DEVICE_NEEDS_RESET (2.1.1), and nothing moves until the client resets the device.
 *
 * To VIRTIO 1.2, 5.1: modern interface, split and packed rings, mergeable buffers, checksum offload, control queue with
 * receive filtering, MAC address, queue pairs and in-order use (of a packed transmit queue one used entry stands for
 * all since the last flush, 2.8.9). Notifications are not needed: the model polls, and says so in the
 * rings. Not offered: segmentation, indirect descriptors, event indices, RSS.
 *
 * One thread uses a model, and all models that a wire connects. No function may be called from a callback.
 */
#ifndef DEVICES_VIRTIO_NET_MODEL_H
#define DEVICES_VIRTIO_NET_MODEL_H

#include <bulkhead/spec/virtio.h>
#include <bulkhead/spec/virtio_net.h>
#include <bulkhead/spec/virtio_pci.h>
#include <bulkhead/types.h>

struct vnet_model;

#define VNET_PAIRS_MAX       8u
#define VNET_QUEUE_SIZE_MAX  4096u
#define VNET_PIECES_MAX      64u
#define VNET_FRAME_BYTES_MAX 9244u /* MTU 9216, Ethernet header, two VLAN tags, rounded to 4 */
#define VNET_MAC_BYTES       6u

/* Where the structures are in BAR 0; a page each, so that clients can map the last. */
#define VNET_BAR_COMMON 0x0000u
#define VNET_BAR_ISR    0x1000u
#define VNET_BAR_CONFIG 0x2000u
#define VNET_BAR_NOTIFY 0x3000u
#define VNET_BAR_BYTES  0x4000u

/*
 * How the device lies, for testing drivers. What it does to memory stays inside of rings and buffers. The three changes
 * are for drivers that look twice: the entry is right when it is shown, and from then on goes back and forth between the
 * truth and the lie, for VNET_CHANGE_CNT calls of vnet_tx_peek() of the same device or until somebody else writes there.
 */
enum vnet_fault {
	VNET_FAULT_NONE = 0,
	VNET_FAULT_LONG_LENGTH,   /* received: used length past the buffer */
	VNET_FAULT_SHORT_LENGTH,  /* received: shorter than a header */
	VNET_FAULT_BAD_ID,        /* received: an identifier out of range */
	VNET_FAULT_INDEX_JUMP,    /* received: split: the used index jumps past the ring; packed: as BAD_ID */
	VNET_FAULT_BAD_COUNT,     /* received: num_buffers that cannot be */
	VNET_FAULT_BAD_HEADER,    /* received: a segmentation type that was not negotiated */
	VNET_FAULT_TX_BAD_ID,     /* sent: an identifier out of range */
	VNET_FAULT_TX_TWICE,      /* sent: the same identifier once more (split), or another's (packed) */
	VNET_FAULT_NEEDS_RESET,   /* DEVICE_NEEDS_RESET, and it stands still */
	VNET_FAULT_CHANGE_LENGTH, /* received: the used length changes after it was shown */
	VNET_FAULT_CHANGE_ID,     /* received: the identifier does, to one out of range */
	VNET_FAULT_CHANGE_HEADER, /* received: the frame's header does, to one that cannot be */
	VNET_FAULT_CNT,
};

#define VNET_FAULT_RULES_MAX 8u
#define VNET_CHANGE_CNT      16u

/* One line of a script. Frames are counted from 1, those received (or, for faults of sent ones, sent) by the client. */
struct vnet_fault_rule {
	uint32_t fault; /* enum vnet_fault; or of another kind of card, whose own enum */
	uint32_t every; /* not 0 */
	uint64_t after; /* frames before the first that counts */
	uint64_t times; /* 0: without end */
};

/**
 * vnet_fault_turn - which lie is told about a frame: the first rule whose turn it is counts
 * @kinds: a bit for each fault that is about frames of this direction
 * @frame_cnt: how many there were of this direction, this one included
 * @fired_cnt: for each rule, how often it was; counted here
 * Return: the rule's fault; 0: none.
 */
static inline uint32_t
vnet_fault_turn(const struct vnet_fault_rule *rules, uint32_t rule_cnt, uint64_t kinds, uint64_t frame_cnt,
                uint64_t *fired_cnt)
{
	for (uint32_t i = 0; i < rule_cnt; i++) {
		const struct vnet_fault_rule *rule = &rules[i];
		if ((kinds >> rule->fault & 1) == 0 || frame_cnt <= rule->after ||
		    (frame_cnt - rule->after) % rule->every != 0 || (rule->times != 0 && fired_cnt[i] == rule->times))
			continue;
		fired_cnt[i]++;
		return rule->fault;
	}
	return 0;
}

/**
 * vnet_fault_parse - a script: rules `KIND[@EVERY][+AFTER][xTIMES]`, apart by spaces or lines; `#` to the end of a line
 * @out: VNET_FAULT_RULES_MAX of them
 * @default_every: where a rule says nothing
 * Return: how many; -BH_EINVAL, and out_error says what was meant.
 */
BH_MUST_CHECK int vnet_fault_parse(const char *text, uint32_t default_every, struct vnet_fault_rule *out,
                                   char *out_error, size_t error_bytes);
/* vnet_fault_parse_kinds - likewise, for a card whose lies have other names */
BH_MUST_CHECK int vnet_fault_parse_kinds(const char *text, uint32_t default_every, const char *const *names,
                                         uint32_t name_cnt, struct vnet_fault_rule *out, char *out_error,
                                         size_t error_bytes);

/* vnet_fault_name - "long-length", ...; vnet_fault_find - by that name, VNET_FAULT_CNT if there is none */
const char *vnet_fault_name(enum vnet_fault fault);
enum vnet_fault vnet_fault_find(const char *name);

/* What the queues' other side has to know of; the rest is between driver and model. */
#define VNET_DATA_PATH_FEATURES                                                                                        \
	(VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_CSUM |                       \
	 VIRTIO_NET_F_GUEST_CSUM)

/* What the device is. Constant for its life. Start from VNET_MODEL_CONFIG_DEFAULT. */
struct vnet_model_config {
	uint8_t mac[VNET_MAC_BYTES];
	uint16_t mtu_bytes;  /* 68 .. 9216 */
	uint32_t pair_cnt;   /* queue pairs offered: 1 .. VNET_PAIRS_MAX */
	uint32_t queue_size; /* of each: a power of two, 2 .. VNET_QUEUE_SIZE_MAX */
	uint32_t speed_mbps; /* told to the driver; the wire's rate is another matter */
	bool packed;         /* offer packed rings */
	bool mergeable;      /* offer mergeable receive buffers */
	bool offload;        /* offer checksums */
	bool in_order;       /* offer in-order use */
	struct vnet_fault_rule rule[VNET_FAULT_RULES_MAX];
	uint32_t rule_cnt;
	/*
	 * For a host that lets somebody else work on the data queues (vhost-user): the model keeps registers and control
	 * queue, and never touches the others. of_those: only these of VNET_DATA_PATH_FEATURES may be
	 * offered; 0: all.
	 */
	bool passive;
	uint64_t of_those;
};

#define VNET_MODEL_CONFIG_DEFAULT                                                                                      \
	{                                                                                                              \
		.mac = {0x02, 0, 0, 0, 0, 1}, .mtu_bytes = 9216, .pair_cnt = 1, .queue_size = 1024,                    \
		.speed_mbps = 10000, .packed = true, .mergeable = true, .offload = true, .in_order = true,             \
	}

enum {
	VNET_DMA_READ = 1u << 0,
	VNET_DMA_WRITE = 1u << 1,
};

struct vnet_window {
	uint64_t iova;
	uint64_t size_bytes;
	uint8_t *addr;
	uint32_t prot; /* VNET_DMA_* */
};

/* What the model needs of its host. */
struct vnet_host {
	void *context;
	/* As struct nvme_model_host has it: the mapping that holds all of the range with at least `prot`. */
	bool (*dma_window)(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out);
	void (*irq)(void *context, uint32_t vector); /* NULL: nobody listens */
};

/* vnet_model_config_error - what is wrong with a configuration, for a person, or NULL. */
const char *vnet_model_config_error(const struct vnet_model_config *config);

/* vnet_model_create - a device just powered on. Return: 0; -BH_EINVAL; -BH_ENOMEM. */
BH_MUST_CHECK int vnet_model_create(const struct vnet_model_config *config, const struct vnet_host *host,
                                    struct vnet_model **out);
void vnet_model_destroy(struct vnet_model *model);

/* vnet_model_reg_read, vnet_model_reg_write - BAR 0, any width of 1, 2, 4, 8; what is nowhere reads as 0. */
uint64_t vnet_model_reg_read(struct vnet_model *model, uint64_t offset, uint32_t width_bytes);
void vnet_model_reg_write(struct vnet_model *model, uint64_t offset, uint32_t width_bytes, uint64_t value);

/* vnet_model_reset - as power-on; when it returns no DMA memory is touched. */
void vnet_model_reset(struct vnet_model *model);

/* vnet_model_dma_unmap - forgets every address inside; a ring in it makes the device fail when it is used again. */
void vnet_model_dma_unmap(struct vnet_model *model, uint64_t iova, uint64_t size_bytes);

/* vnet_model_running - DRIVER_OK, and not failed: rings are to be polled. */
bool vnet_model_running(const struct vnet_model *model);

/* vnet_model_link_set - as the driver sees it in its configuration; the wire decides what passes. */
void vnet_model_link_set(struct vnet_model *model, bool up);

/* vnet_model_control - serve the control queue. Return: commands done. */
uint32_t vnet_model_control(struct vnet_model *model);

/* A frame that the client transmits, where it lies. The memory is the client's: read each byte once. */
struct vnet_piece {
	const uint8_t *addr;
	uint32_t len_bytes;
};

struct vnet_frame {
	struct virtio_net_hdr header; /* a copy */
	uint32_t piece_cnt;
	uint32_t len_bytes; /* of all pieces: 14 .. VNET_FRAME_BYTES_MAX */
	struct vnet_piece piece[VNET_PIECES_MAX];
	/* Of the model: what vnet_tx_done needs. */
	uint16_t id, desc_cnt;
};

/* What the client has set up; for a host that passes it on. */
struct vnet_queue_info {
	bool enabled;
	uint16_t size;
	uint64_t iova[3]; /* descriptors, driver area, device area */
};

uint64_t vnet_model_features(const struct vnet_model *model);
/* vnet_model_queue_get - 0 .. 2 * pairs offered - 1 */
void vnet_model_queue_get(const struct vnet_model *model, uint32_t queue_idx, struct vnet_queue_info *out);
/* vnet_model_fail - say DEVICE_NEEDS_RESET */
void vnet_model_fail(struct vnet_model *model);

/* How many queue pairs the client uses now. */
uint32_t vnet_model_pairs(const struct vnet_model *model);

/**
 * vnet_tx_peek - the next frame of a transmit queue
 *
 * Frames that cannot be sent (too short, too long, headers that ask for what was not negotiated) are taken off and
 * counted here.
 * Return: true; false: there is none.
 */
bool vnet_tx_peek(struct vnet_model *model, uint32_t pair_idx, struct vnet_frame *out);

/* vnet_tx_done - give what was peeked back to the client. Seen by it after vnet_model_flush(). */
void vnet_tx_done(struct vnet_model *model, uint32_t pair_idx, const struct vnet_frame *frame);

/**
 * vnet_rx_put - a frame for the client
 * Return: 0, delivered, or filtered as the client asked for; -BH_EAGAIN no buffers (nothing was done); -BH_E2BIG it does
 * not fit into the buffers; -BH_ENODEV the device does not run. Seen by the client after vnet_model_flush().
 */
BH_MUST_CHECK int vnet_rx_put(struct vnet_model *model, uint32_t pair_idx, const struct vnet_frame *frame);

/* vnet_model_flush - show the client what was done since the last call, and interrupt it if it wants that. */
void vnet_model_flush(struct vnet_model *model);

struct vnet_stats {
	uint64_t tx_pkts, tx_bytes, rx_pkts, rx_bytes;
	uint64_t tx_bad_cnt;      /* frames that were refused: length, header */
	uint64_t rx_filtered_cnt; /* not for this station */
	uint64_t rx_too_big_cnt;  /* did not fit into the client's buffers */
	uint64_t rx_missed_cnt;   /* no buffers: of cards that drop by themselves */
	uint64_t ctrl_cnt, ctrl_bad_cnt;
	uint64_t failed_cnt;      /* times that the rings broke the rules: DEVICE_NEEDS_RESET */
	uint64_t dma_refused_cnt; /* addresses that the client had not granted */
	uint64_t fault_cnt;       /* lies told */
	uint64_t fault_kind_cnt[VNET_FAULT_CNT];
};

void vnet_model_stats_get(const struct vnet_model *model, struct vnet_stats *out);

#endif
