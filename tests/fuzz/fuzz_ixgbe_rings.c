/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 82599's driver against a card that chooses every byte of the rings, at any moment between two bursts: received
 * descriptors, reports, words in the middle of a ring. The driver must hand out nothing that is not its own, come back
 * from every call, and in the end have every packet back.
 */
#include "drivers/net/intel/intel.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ixgbe/rig.h"

#define BURST     16u
#define STEPS_MAX 300u

static struct fuzz_input input;
static uint32_t rx_at; /* the next descriptor that the card fills */

static struct intel_queue *
own(void)
{
	return intel_queue_of(rig.queue[0]);
}

static void
receive(void)
{
	struct bh_pkt *pkts[BURST];
	uint32_t most = (uint32_t)fuzz_take(&input, 1) % (BURST + 1), cnt = bh_port_rx(rig.queue[0], pkts, most);

	fuzz_require(cnt <= most);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t sum = 0, seg_cnt = 0;
		for (const struct bh_pkt *seg = pkts[i]; seg != NULL; seg = seg->next, seg_cnt++) {
			fuzz_require(seg->len_bytes >= 1 && seg->data >= seg->buf);
			fuzz_require(seg->data + seg->len_bytes <= seg->buf + seg->pool->buf_bytes);
			sum += seg->len_bytes;
		}
		fuzz_require(seg_cnt == pkts[i]->seg_cnt && sum == bh_pkt_frame_bytes(pkts[i]));
		fuzz_require(sum >= 14 && sum <= rig.queue[0]->frame_bytes_max);
		fuzz_require(!(pkts[i]->flags & BH_PKT_CSUM_PARTIAL));
		bh_pkt_free(pkts[i]);
	}
}

/* Frames, some of them in two pieces, with tags, wherever a page ends, or too short. */
static void
transmit(void)
{
	struct bh_pkt *pkts[BURST];
	uint32_t cnt = bh_pkt_get(rig.queue[0]->pool, pkts, (uint32_t)fuzz_take(&input, 1) % BURST);

	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t kind = (uint32_t)fuzz_take(&input, 2);
		pkts[i]->data += kind >> 7 & 0x1ff;
		pkts[i]->len_bytes = kind & 0x7f;
		memset(pkts[i]->data, 2, pkts[i]->len_bytes);
		if (kind & 0x8000) {
			pkts[i]->flags = BH_PKT_VLAN;
		} else if ((kind & 0x4000) && i + 1 < cnt) {
			pkts[i]->next = pkts[--cnt];
			pkts[cnt]->len_bytes = kind & 0x3f;
			pkts[i]->seg_cnt = 2;
			pkts[i]->frame_bytes = pkts[i]->len_bytes + pkts[cnt]->len_bytes;
		}
	}
	uint32_t taken = bh_port_tx(rig.queue[0], pkts, cnt);
	fuzz_require(taken <= cnt);
	bh_pkt_free_burst(rig.queue[0]->pool, pkts + taken, cnt - taken);
}

/* As a card writes one back, but with any status and length. */
static void
write_back(void)
{
	struct intel_rx_ring *ring = &own()->rx;
	uint64_t word = fuzz_take(&input, 6), length = word >> 32;
	struct intel_desc *desc = &ring->desc[rx_at++ & ring->mask];

	if (!(word & 0x100)) /* mostly one that can be */
		length %= INTEL_RX_BUF_BYTES + 2;
	desc->word[0] = word << 16;
	desc->word[1] = (word & 0xffffffff) | INTEL_RXD_DD | (word & 0xe00 ? INTEL_RXD_EOP : 0) |
	                length << INTEL_RXD_LENGTH_SHIFT;
}

static void
scribble(bool transmitted)
{
	struct intel_desc *desc = transmitted ? own()->tx.desc : own()->rx.desc;
	uint32_t mask = transmitted ? own()->tx.mask : own()->rx.mask, at = (uint32_t)fuzz_take(&input, 1);

	desc[at & mask].word[at >> 7] = fuzz_take(&input, 8);
}

static void
report(void)
{
	uint32_t at = (uint32_t)fuzz_take(&input, 1);

	own()->tx.desc[at & own()->tx.mask].word[1] |= INTEL_TXD_DD;
}

static void
step(void)
{
	uint8_t what = (uint8_t)fuzz_take(&input, 1);

	switch (what & 7) {
	case 0:
	case 1:
		receive();
		break;
	case 2:
		transmit();
		break;
	case 3:
		scribble(what >> 7);
		break;
	case 4:
		report();
		break;
	case 5:
		if (what >= 0x10)
			break;
		fuzz_require(bh_port_reset(rig.port[0]) == 0);
		rx_at = 0;
		break;
	default:
		write_back();
	}
}

static void
body(void *arg)
{
	uint8_t kind = (uint8_t)fuzz_take(&input, 1);
	const struct bh_port_options options = {.promiscuous = true,
	                                        .rx_entries = 32,
	                                        .tx_entries = 32,
	                                        .queue_cnt = kind & 1 ? 2 : 1,
	                                        .no_offload = kind & 2,
	                                        .mtu_bytes = kind & 4 ? 9000 : 68,
	                                        .watch_interval_ns = UINT64_C(1) << 50};

	rig_open(&options);
	rig.frozen = true;
	rx_at = 0;
	for (uint32_t i = 0; i < STEPS_MAX && input.left > 0; i++)
		step();
	fuzz_require(bh_port_reset(rig.port[0]) == 0);
	receive();
	transmit();
	rig_close();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	input = (struct fuzz_input){data, bytes};
	rig_defaults();
	rig_run(body);
	return 0;
}
