/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the 82599 against a client that chooses every register (written to it, or into the pages that a client
 * maps), every byte of rings and buffers, and when the card looks. It must touch nothing that was not granted (the memory
 * has its exact size, a sanitizer sees the rest), come back from every call, and carry a frame again after a reset.
 */
#include <bulkhead/spec/intel_gbe.h>
#include <bulkhead/spec/intel_gbe_desc.h>

#include "devices/ixgbe/ixgbe_model.h"
#include "tests/fuzz/fuzz.h"

#define IOVA      UINT64_C(0x100000)
#define BYTES     (32u << 10)
#define ENTRIES   8u
#define RING_STEP 0x100u
#define BUF_AT    0x4000u
#define STEPS_MAX 400u
#define QUEUES    2u

static uint8_t *memory;
static uint32_t *page[2][2];
static struct ixgbe_model *model[2];
static struct vnet_wire *wire;
static bool mapped;

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	if (iova < IOVA || iova - IOVA >= BYTES || size_bytes > BYTES - (iova - IOVA))
		return false;
	*out = (struct vnet_window){IOVA, BYTES, memory, VNET_DMA_READ | VNET_DMA_WRITE};
	return true;
}

/* A register, as a client reaches it: those of queues may be in memory. */
static void
reg(unsigned idx, uint32_t at, uint32_t value)
{
	bool rx = at / BH_PAGE_BYTES == IXGBE_BAR_RX_PAGE / BH_PAGE_BYTES;
	if (mapped && (rx || at / BH_PAGE_BYTES == IXGBE_BAR_TX_PAGE / BH_PAGE_BYTES))
		page[idx][!rx][at % BH_PAGE_BYTES / 4] = value;
	else
		ixgbe_model_reg_write(model[idx], at, 4, value);
}

static uint32_t
ring_at(unsigned idx, bool tx, uint32_t queue_idx)
{
	return ((idx * 2 + tx) * QUEUES + queue_idx) * RING_STEP;
}

static void
bring_up(unsigned idx)
{
	reg(idx, INTEL_REG_CTRL, INTEL_CTRL_RST);
	reg(idx, IXGBE_REG_FCTRL, IXGBE_FCTRL_UPE | IXGBE_FCTRL_MPE);
	reg(idx, IXGBE_REG_HLREG0, IXGBE_HLREG0_JUMBOEN | IXGBE_HLREG0_TXPADEN);
	reg(idx, IXGBE_REG_MAXFRS, 9728u << IXGBE_MAXFRS_SHIFT);
	reg(idx, IXGBE_REG_DMATXCTL, IXGBE_DMATXCTL_TE);
	for (uint32_t i = 0; i < 2 * QUEUES; i++) {
		bool tx = i & 1;
		uint32_t base = (tx ? IXGBE_TX_BASE : IXGBE_RX_BASE) + i / 2 * IXGBE_QUEUE_STEP;
		reg(idx, base + INTEL_QUEUE_BAL, (uint32_t)IOVA + ring_at(idx, tx, i / 2));
		reg(idx, base + INTEL_QUEUE_BAH, 0);
		reg(idx, base + INTEL_QUEUE_LEN, ENTRIES * sizeof(struct intel_desc));
		reg(idx, base + INTEL_QUEUE_HEAD, 0);
		reg(idx, base + INTEL_QUEUE_TAIL, 0);
		if (!tx)
			reg(idx, base + IXGBE_QUEUE_SRRCTL, INTEL_SRRCTL_KIB(2) | IXGBE_SRRCTL_ADV_ONE);
		reg(idx, base + INTEL_QUEUE_DCTL, INTEL_DCTL_ENABLE_82576);
	}
	reg(idx, IXGBE_REG_RXCTRL, IXGBE_RXCTRL_RXEN);
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

/* One descriptor of any kind, and the tail behind it or anywhere. */
static void
offer(struct fuzz_input *input, unsigned idx)
{
	uint32_t kind = (uint32_t)fuzz_take(input, 2), queue_idx = kind & 1, at = kind >> 1 & (ENTRIES - 1);
	bool tx = kind & 0x10;
	uint64_t bytes = fuzz_take(input, 2), word = 0;
	struct intel_desc *ring = (struct intel_desc *)(void *)(memory + ring_at(idx, tx, queue_idx));

	if (!(kind & 0x20))
		bytes %= 2048;
	if (tx && (kind & 0x1c0) == 0)
		word = INTEL_TXD_DTYP_CTX_82576 | INTEL_TXD_DEXT | fuzz_take(input, 2) << 9;
	else if (tx)
		word = INTEL_TXD_DTYP_DATA_82576 | INTEL_TXD_DEXT | bytes | bytes << INTEL_TXD_PAYLEN_SHIFT_82576 |
		       (kind & 0x200 ? INTEL_TXD_RS : 0) | (kind & 0xc00 ? INTEL_TXD_EOP : 0) |
		       (kind & 0x3000 ? 0 : INTEL_TXD_POPTS_TXSM) | (kind & 0xc000 ? 0 : INTEL_TXD_VLE);
	ring[at] = (struct intel_desc){{some_iova(input), word}};
	reg(idx, (tx ? IXGBE_TX_BASE : IXGBE_RX_BASE) + queue_idx * IXGBE_QUEUE_STEP + INTEL_QUEUE_TAIL,
	    (at + 1) % ENTRIES);
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
	static const uint32_t liked[] = {0x0000, 0x1000, 0x1004, 0x1008, 0x1010, 0x1014, 0x1018, 0x1028,
	                                 0x2100, 0x3000, 0x4240, 0x4268, 0x4a80, 0x5000, 0x5080, 0x5088,
	                                 0x5090, 0x5200, 0x5818, 0x5c00, 0x6000, 0x6004, 0x6008, 0x6010,
	                                 0x6018, 0x6028, 0x6040, 0x6050, 0x1040, 0x1054, 0xa200, 0xec80};
	uint32_t draw = (uint32_t)fuzz_take(input, 4), value = (uint32_t)fuzz_take(input, 4);
	uint32_t at = draw & 7 ? liked[(draw >> 3) % BH_ARRAY_CNT(liked)] : draw >> 3;

	if (draw >> 29 == 0)
		ixgbe_model_reg_write(model[idx], at, 8, value);
	else if (at < IXGBE_BAR_BYTES && at % 4 == 0)
		reg(idx, at, draw >> 28 & 1 ? value : value & 0xff);
	else
		ixgbe_model_reg_write(model[idx], at, 4, value);
	(void)ixgbe_model_reg_read(model[idx], at, 4);
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
		ixgbe_model_link_set(model[idx], what & 0x30);
		break;
	case 3:
		ixgbe_model_dma_unmap(model[idx], IOVA, BYTES);
		break;
	case 4:
		bring_up(idx);
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
card_make(unsigned idx, const struct ixgbe_model_config *config)
{
	const struct vnet_host host = {.dma_window = window};

	fuzz_require(ixgbe_model_create(config, &host, &model[idx]) == 0);
	for (unsigned i = 0; i < 2; i++) {
		page[idx][i] = calloc(1, BH_PAGE_BYTES);
		fuzz_require(page[idx][i] != NULL);
	}
	if (mapped)
		ixgbe_model_pages_set(model[idx], page[idx][0], page[idx][1]);
	bring_up(idx);
}

static void
world_make(struct fuzz_input *input)
{
	struct ixgbe_model_config config = IXGBE_MODEL_CONFIG_DEFAULT;
	uint32_t kind = (uint32_t)fuzz_take(input, 2);
	const struct vnet_wire_config way = {.seed = 1,
	                                     .drop_when_full = kind & 2,
	                                     .delay_ns = kind & 32 ? 100 : 0,
	                                     .duplicate = kind & 64 ? VNET_WIRE_PROBABLE_ONE / 4 : 0};

	mapped = kind & 1;
	config.drop_when_full = kind & 4;
	if (kind & 128)
		config.rule[config.rule_cnt++] = (struct vnet_fault_rule){
		        .fault = (enum vnet_fault)(1 + (kind >> 8) % (IXGBE_FAULT_CNT - 1)), .every = 2};
	memory = calloc(1, BYTES);
	fuzz_require(memory != NULL);
	for (unsigned i = 0; i < 2; i++)
		card_make(i, &config);
	const struct vnet_wire_end first = {model[0], &ixgbe_wire_ops}, second = {model[1], &ixgbe_wire_ops};
	fuzz_require(vnet_wire_join(&way, first, second, &wire) == 0);
}

/* After a reset by the client a frame is taken as if nothing had been. */
static void
still_works(void)
{
	struct ixgbe_stats before, after;
	struct vnet_frame frame;

	memset(memory, 0, BYTES);
	ixgbe_model_link_set(model[0], true);
	bring_up(0);
	*(struct intel_desc *)(void *)(memory + ring_at(0, true, 0)) =
	        (struct intel_desc){{IOVA + BUF_AT, INTEL_TXD_DTYP_DATA_82576 | INTEL_TXD_DEXT | INTEL_TXD_EOP | 60 |
	                                                    UINT64_C(60) << INTEL_TXD_PAYLEN_SHIFT_82576}};
	reg(0, IXGBE_TX_BASE + INTEL_QUEUE_TAIL, 1);
	ixgbe_model_stats_get(model[0], &before);
	fuzz_require(ixgbe_tx_peek(model[0], 0, &frame) && frame.len_bytes == 60);
	ixgbe_tx_done(model[0], 0, &frame);
	ixgbe_model_stats_get(model[0], &after);
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
	still_works();
	vnet_wire_destroy(wire);
	for (unsigned i = 0; i < 2; i++) {
		ixgbe_model_destroy(model[i]);
		free(page[i][0]);
		free(page[i][1]);
	}
	free(memory);
	return 0;
}
