/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The software network card against a client that chooses every register, every byte of rings and buffers, and when the
 * card looks. It must touch nothing that was not granted (the memory has its exact size, a sanitizer sees the rest), come
 * back from every call, and carry a frame again after a reset.
 */
#include "devices/virtio_net/wire.h"
#include "tests/fuzz/fuzz.h"

#define IOVA      UINT64_C(0x100000)
#define BYTES     (32u << 10)
#define SIZE      8u
#define RING_STEP 0x200u
#define BUF_AT    0x4000u
#define STEPS_MAX 400u

static uint8_t *memory;
static struct vnet_model *model[2];
static struct vnet_wire *wire;
static bool packed;

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	if (iova < IOVA || iova - IOVA >= BYTES || size_bytes > BYTES - (iova - IOVA))
		return false;
	*out = (struct vnet_window){IOVA, BYTES, memory, VNET_DMA_READ | VNET_DMA_WRITE};
	return true;
}

static void
reg(unsigned idx, uint32_t field, uint32_t width_bytes, uint64_t value)
{
	vnet_model_reg_write(model[idx], VNET_BAR_COMMON + field, width_bytes, value);
}

/* Both cards have their rings in the same memory, one behind the other. */
static uint64_t
ring_at(unsigned idx, uint32_t queue_idx, uint32_t part)
{
	return ((idx * 3 + queue_idx) * 3 + part) * RING_STEP;
}

static void
bring_up(unsigned idx, uint64_t features)
{
	features |= VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | (packed ? VIRTIO_F_RING_PACKED : 0);
	reg(idx, VIRTIO_PCI_DEVICE_STATUS, 1, 0);
	reg(idx, VIRTIO_PCI_DEVICE_STATUS, 1, 3);
	for (uint32_t i = 0; i < 2; i++) {
		reg(idx, VIRTIO_PCI_DRIVER_FEATURE_SELECT, 4, i);
		reg(idx, VIRTIO_PCI_DRIVER_FEATURE, 4, (uint32_t)(features >> (32 * i)));
	}
	reg(idx, VIRTIO_PCI_DEVICE_STATUS, 1, 11);
	for (uint32_t i = 0; i < 3; i++) {
		reg(idx, VIRTIO_PCI_QUEUE_SELECT, 2, i);
		reg(idx, VIRTIO_PCI_QUEUE_SIZE, 2, SIZE);
		reg(idx, VIRTIO_PCI_QUEUE_DESC, 8, IOVA + ring_at(idx, i, 0));
		reg(idx, VIRTIO_PCI_QUEUE_DRIVER, 8, IOVA + ring_at(idx, i, 1));
		reg(idx, VIRTIO_PCI_QUEUE_DEVICE, 8, IOVA + ring_at(idx, i, 2));
		reg(idx, VIRTIO_PCI_QUEUE_ENABLE, 2, 1);
	}
	reg(idx, VIRTIO_PCI_DEVICE_STATUS, 1, 15);
}

static uint64_t
some_iova(struct fuzz_input *input)
{
	uint64_t word = fuzz_take(input, 2);

	switch (word & 15) {
	case 0:
		return UINT64_MAX - (word >> 4);
	case 1:
		return IOVA + BYTES - (word >> 6);
	case 2:
		return IOVA - (word >> 6);
	case 3:
		return IOVA + (word >> 4); /* over the rings */
	default:
		return IOVA + BUF_AT + (word >> 4);
	}
}

/* One descriptor and, in a split ring, its place in the available ring. */
static void
offer(struct fuzz_input *input, unsigned idx)
{
	uint32_t queue_idx = (uint32_t)fuzz_take(input, 1) % 3, at = (uint32_t)fuzz_take(input, 1) % SIZE;
	uint64_t iova = some_iova(input);
	uint32_t len = (uint32_t)fuzz_take(input, 2), kind = (uint32_t)fuzz_take(input, 1);
	uint16_t flags = kind & 7, next = (uint16_t)(kind >> 3);
	uint8_t *ring = memory + ring_at(idx, queue_idx, 0);
	struct virtq_avail *avail = (struct virtq_avail *)(void *)(memory + ring_at(idx, queue_idx, 1));

	len = kind & 0x80 ? len << 16 | len : len % 2048;
	if (packed) {
		uint16_t given = kind & 0x40 ? VIRTQ_PACKED_F_USED : VIRTQ_PACKED_F_AVAIL;
		((struct virtq_packed_desc *)(void *)ring)[at] =
		        (struct virtq_packed_desc){iova, len, next, (uint16_t)(flags | given)};
		return;
	}
	((struct virtq_desc *)(void *)ring)[at] = (struct virtq_desc){iova, len, flags, (uint16_t)(next % (SIZE + 1))};
	avail->ring[avail->idx % SIZE] = (uint16_t)at;
	avail->idx++;
}

static void
scribble(struct fuzz_input *input)
{
	uint64_t at = fuzz_take(input, 2) % (BYTES - 8), value = fuzz_take(input, 4);
	memcpy(memory + at, &value, 4);
}

static void
some_register(struct fuzz_input *input, unsigned idx)
{
	static const uint8_t widths[] = {1, 2, 4, 8};
	uint64_t offset = fuzz_take(input, 2) % VNET_BAR_BYTES;
	uint32_t width_bytes = widths[fuzz_take(input, 1) & 3];

	if (offset & 1)
		offset &= 0x3f;
	vnet_model_reg_write(model[idx], offset, width_bytes, fuzz_take(input, width_bytes));
	(void)vnet_model_reg_read(model[idx], offset, width_bytes);
}

static void
step(struct fuzz_input *input, uint64_t now_ns)
{
	uint8_t what = (uint8_t)fuzz_take(input, 1);
	unsigned idx = what >> 7;

	switch (what & 15) {
	case 0:
		some_register(input, idx);
		break;
	case 1:
		scribble(input);
		break;
	case 2:
		(void)vnet_model_control(model[idx]);
		break;
	case 3:
		vnet_model_dma_unmap(model[idx], IOVA, BYTES);
		break;
	case 4:
		bring_up(idx, fuzz_take(input, 8));
		break;
	case 5:
	case 6:
	case 7:
		(void)vnet_wire_poll(wire, now_ns);
		break;
	default:
		offer(input, idx);
	}
}

static void
world_make(struct fuzz_input *input)
{
	struct vnet_model_config config = VNET_MODEL_CONFIG_DEFAULT;
	const struct vnet_host host = {.dma_window = window};
	uint32_t kind = (uint32_t)fuzz_take(input, 2);
	struct vnet_wire_config way = {.seed = 1, .drop_when_full = kind & 2};

	packed = kind & 1;
	config.mtu_bytes = kind & 4 ? 68 : 9000;
	config.offload = kind & 8;
	config.mergeable = kind & 16;
	way.delay_ns = kind & 32 ? 100 : 0;
	way.duplicate = kind & 64 ? VNET_WIRE_PROBABLE_ONE / 4 : 0;
	if (kind & 128)
		config.rule[config.rule_cnt++] =
		        (struct vnet_fault_rule){.fault = (enum vnet_fault)((kind >> 8) % VNET_FAULT_CNT), .every = 2};
	memory = calloc(1, BYTES);
	fuzz_require(memory != NULL);
	fuzz_require(vnet_model_create(&config, &host, &model[0]) == 0);
	fuzz_require(vnet_model_create(&config, &host, &model[1]) == 0);
	fuzz_require(vnet_wire_create(&way, model[0], model[1], &wire) == 0);
	for (unsigned i = 0; i < 2; i++)
		bring_up(i, VIRTIO_NET_F_CTRL_VQ | (kind & 16 ? VIRTIO_NET_F_MRG_RXBUF : 0));
}

/* After a reset by the client a frame is taken as if nothing had been. */
static void
still_works(void)
{
	struct vnet_stats before, after;
	struct vnet_frame frame;

	memset(memory, 0, BYTES);
	bring_up(0, 0);
	packed = false;
	struct virtq_avail *avail = (struct virtq_avail *)(void *)(memory + ring_at(0, 1, 1));
	*(struct virtq_desc *)(void *)(memory + ring_at(0, 1, 0)) =
	        (struct virtq_desc){.addr = IOVA + BUF_AT, .len = VIRTIO_NET_HDR_BYTES + 60};
	avail->idx = 1;
	vnet_model_stats_get(model[0], &before);
	bool there = vnet_tx_peek(model[0], 0, &frame);
	fuzz_require(there && frame.len_bytes == 60);
	vnet_tx_done(model[0], 0, &frame);
	vnet_model_stats_get(model[0], &after);
	fuzz_require(after.tx_pkts == before.tx_pkts + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	uint64_t now_ns = 1;

	world_make(&input);
	for (uint32_t i = 0; i < STEPS_MAX && input.left > 0; i++, now_ns += 70)
		step(&input, now_ns);
	packed = false;
	still_works();
	vnet_wire_destroy(wire);
	vnet_model_destroy(model[0]);
	vnet_model_destroy(model[1]);
	free(memory);
	return 0;
}
