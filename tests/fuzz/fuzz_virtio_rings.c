/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio driver against a card that chooses every byte of the memory that it can reach: used entries, indices,
 * headers, at any moment between two bursts. The driver must hand out nothing that is not its own, come back from every
 * call, and in the end have every packet back.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/net/pair.h"

#define BURST     16u
#define STEPS_MAX 300u

static struct fuzz_input input;
static struct bh_port *port[2];
static struct bh_port_queue *queue[2];
static uint16_t used_idx[2]; /* of the receive and the transmit ring */
static bool used_wrap[2];

static struct bh_virtq *
ring_of(unsigned transmit)
{
	struct virtio_queue *own = virtio_queue_of(queue[0]);
	return transmit ? &own->tx : &own->rx;
}

static void
receive(void)
{
	struct bh_pkt *pkts[BURST];
	uint32_t cnt = bh_port_rx(queue[0], pkts, BURST);

	fuzz_require(cnt <= BURST);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t sum = 0;
		for (const struct bh_pkt *seg = pkts[i]; seg != NULL; seg = seg->next) {
			fuzz_require(seg->data >= seg->buf);
			fuzz_require(seg->data + seg->len_bytes <= seg->buf + seg->pool->buf_bytes);
			sum += seg->len_bytes;
		}
		fuzz_require(sum == bh_pkt_frame_bytes(pkts[i]) && sum <= queue[0]->frame_bytes_max && sum >= 14);
		if (pkts[i]->flags & BH_PKT_CSUM_PARTIAL)
			fuzz_require(bh_pkt_csum_finish(pkts[i]) == 0);
		bh_pkt_free(pkts[i]);
	}
}

static void
transmit(uint8_t kind)
{
	struct bh_pkt *pkts[BURST];
	uint32_t cnt = bh_pkt_get(queue[0]->pool, pkts, kind % BURST);

	for (uint32_t i = 0; i < cnt; i++) {
		pkts[i]->len_bytes = 60;
		memset(pkts[i]->data, 2, 60);
		if (kind & 0x40 && i + 1 < cnt) { /* a chain of two */
			pkts[i]->next = pkts[i + 1];
			pkts[i]->seg_cnt = 2;
			pkts[i]->frame_bytes = 120;
			pkts[i + 1]->len_bytes = 60;
			pkts[i + 1]->next = NULL;
			memmove(&pkts[i + 1], &pkts[i + 2], (cnt - i - 2) * sizeof(pkts[0]));
			cnt--;
		}
	}
	uint32_t taken = bh_port_tx(queue[0], pkts, cnt);
	fuzz_require(taken <= cnt);
	bh_pkt_free_burst(queue[0]->pool, pkts + taken, cnt - taken);
}

/* The next used entry, of a length and an identifier that may be anything, and what it says may be right. */
static void
use(unsigned which)
{
	struct bh_virtq *vq = ring_of(which);
	uint64_t word = fuzz_take(&input, 3);
	uint32_t id = (uint32_t)word & 0xff, len = (uint32_t)(word >> 8);

	id = id < 0xf0 ? id & vq->mask : id << 8 | id;
	len = len < 0xe000 ? len % 2100 : len << 8;
	if (!vq->packed) {
		struct virtq_used *used = (struct virtq_used *)(uintptr_t)vq->used;
		used->ring[used_idx[which] & vq->mask] = (struct virtq_used_elem){id, len};
		used->idx = ++used_idx[which];
		return;
	}
	struct virtq_packed_desc *desc = &vq->ring[used_idx[which]];
	desc->id = (uint16_t)id;
	desc->len = len;
	desc->flags = used_wrap[which] ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
	if (++used_idx[which] == vq->size) {
		used_idx[which] = 0;
		used_wrap[which] = !used_wrap[which];
	}
}

/* Any two bytes of the ring, or of a header in front of a buffer. */
static void
scribble(unsigned which)
{
	struct bh_virtq *vq = ring_of(which);
	uint64_t word = fuzz_take(&input, 4);
	uint16_t value = (uint16_t)word;
	struct bh_virtq_addrs addrs = bh_virtq_addrs(vq);
	uint64_t at = word >> 17;

	if (word & 0x10000) {
		struct bh_pkt *pkt = vq->slot[at & vq->mask];
		if (pkt != NULL)
			memcpy(pkt->data - VIRTIO_NET_HDR_BYTES + (at >> 8) % VIRTIO_NET_HDR_BYTES, &value, 1);
		return;
	}
	uint64_t base = at & 0x4000 ? addrs.device : addrs.desc;
	uint64_t room = at & 0x4000 ? (vq->packed ? 4u : 4u + 8u * vq->size) : 16u * vq->size;
	memcpy((void *)(uintptr_t)(base + (at & 0x3fff) % (room - 1)), &value, 2);
}

/* What a reset of the driver means for the card. */
static void
rings_forget(void)
{
	used_idx[0] = used_idx[1] = 0;
	used_wrap[0] = used_wrap[1] = true;
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
		transmit(what >> 1);
		break;
	case 3:
		scribble(what >> 7);
		break;
	case 4:
		if (what < 0x20) {
			fuzz_require(bh_port_reset(port[0]) == 0);
			rings_forget();
		} else {
			pair_pass(1);
		}
		break;
	default:
		use(what >> 7);
	}
}

static void
body(void *arg)
{
	const struct bh_port_options options = {
	        .promiscuous = true, .rx_entries = 32, .tx_entries = 32, .watch_interval_ns = UINT64_C(1) << 50};

	pair_open(&options, port, queue);
	pair.frozen = true;
	rings_forget();
	for (uint32_t i = 0; i < STEPS_MAX && input.left > 0; i++)
		step();
	/* The card is honest from here on. */
	fuzz_require(bh_port_reset(port[0]) == 0);
	receive();
	transmit(3);
	for (unsigned i = 0; i < 2; i++) {
		struct bh_pkt_pool *pool = queue[i]->pool;
		fuzz_require(bh_port_close(port[i]) == 0);
		bh_pkt_pool_reclaim(pool);
		fuzz_require(pool->free_cnt == pool->pkt_cnt);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	input = (struct fuzz_input){data, bytes};
	uint8_t kind = (uint8_t)fuzz_take(&input, 1);

	pair_defaults();
	pair.model_config.packed = kind & 1;
	pair.model_config.mergeable = kind & 2;
	pair.model_config.offload = kind & 4;
	pair.model_config.queue_size = kind & 8 ? 8 : 32;
	pair_run(body);
	return 0;
}
