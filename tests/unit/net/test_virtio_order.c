/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An honest device that does not keep the order (VIRTIO 1.2, 2.7.8, 2.8.6: it need not without VIRTIO_F_IN_ORDER), in both
 * kinds of ring: the test plays it. No identifier or descriptor is given out twice, every frame passes once, and a
 * transmit ring that has become empty is in order again. And one that keeps it and says so (VIRTIO_F_IN_ORDER, 2.8.9):
 * one used entry for many buffers.
 */
#include "pair.h"

#include "tests/xorshift.h"

#define RING_SIZE 32u
#define FRAMES    20000u
#define SEQ_AT    14u
#define BYTES     60u
#define BUF_BYTES 2048u
#define FULL      (BUF_BYTES - (uint32_t)VIRTIO_NET_HDR_BYTES) /* what a buffer holds of a frame */

struct item {
	uint16_t id, desc_cnt;
	uint64_t addr; /* of the first descriptor */
};

/* One ring as its device sees it: what it was given and has not used yet, oldest first. */
struct device {
	struct bh_virtq *vq;
	uint16_t avail_idx, used_idx;
	bool avail_wrap, used_wrap;
	struct item item[RING_SIZE];
	uint32_t item_cnt;
	bool held[RING_SIZE]; /* split: descriptors; packed: identifiers */
};

enum order { IN_ORDER, NEWEST_FIRST, RANDOM, ORDER_CNT };

static struct bh_port *port[2];
static struct bh_port_queue *queue[2];
static struct device rx, tx;
static uint64_t state = XORSHIFT_START;
static bool packed;

static void
hold(struct device *device, uint16_t id)
{
	assert_true(id < device->vq->size);
	assert_false(device->held[id]);
	device->held[id] = true;
}

static bool
fetch_split(struct device *device, struct item *out)
{
	struct bh_virtq *vq = device->vq;
	if (device->avail_idx == vq->avail->idx)
		return false;
	uint16_t id = vq->avail->ring[device->avail_idx++ & vq->mask];
	*out = (struct item){.id = id, .addr = vq->desc[id].addr};
	do {
		hold(device, id);
		out->desc_cnt++;
	} while (vq->desc[id].flags & VIRTQ_DESC_F_NEXT && (id = vq->desc[id].next, true));
	return true;
}

static bool
fetch_packed(struct device *device, struct item *out)
{
	const uint16_t both = VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED;
	*out = (struct item){0};
	bool more = true;
	while (more) {
		const struct virtq_packed_desc *desc = &device->vq->ring[device->avail_idx];
		if ((desc->flags & both) != (device->avail_wrap ? VIRTQ_PACKED_F_AVAIL : VIRTQ_PACKED_F_USED))
			return false;
		if (out->desc_cnt++ == 0)
			*out = (struct item){.id = desc->id, .desc_cnt = 1, .addr = desc->addr};
		more = desc->flags & VIRTQ_DESC_F_NEXT;
		if (++device->avail_idx == device->vq->size) {
			device->avail_idx = 0;
			device->avail_wrap = !device->avail_wrap;
		}
	}
	hold(device, out->id);
	return true;
}

static void
fetch(struct device *device)
{
	struct item item;
	while (packed ? fetch_packed(device, &item) : fetch_split(device, &item)) {
		assert_true(device->item_cnt < RING_SIZE);
		device->item[device->item_cnt++] = item;
	}
}

static void
let_go(struct device *device, const struct item *item)
{
	uint16_t id = item->id;
	for (uint16_t i = 0; i < (packed ? 1 : item->desc_cnt); i++) {
		device->held[id] = false;
		id = packed ? id : device->vq->desc[id].next;
	}
}

/* Use one of what is held. Its buffer is as the caller left it. */
static void
use(struct device *device, uint32_t which, uint32_t len)
{
	struct bh_virtq *vq = device->vq;
	struct item item = device->item[which];
	device->item_cnt--;
	memmove(&device->item[which], &device->item[which + 1], (device->item_cnt - which) * sizeof(item));
	let_go(device, &item);
	if (!packed) {
		struct virtq_used *used = (struct virtq_used *)(uintptr_t)vq->used;
		used->ring[device->used_idx & vq->mask] = (struct virtq_used_elem){item.id, len};
		used->idx = ++device->used_idx;
		return;
	}
	struct virtq_packed_desc *desc = &vq->ring[device->used_idx];
	desc->id = item.id;
	desc->len = len;
	desc->flags = device->used_wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
	device->used_idx = (uint16_t)(device->used_idx + item.desc_cnt);
	if (device->used_idx >= vq->size) {
		device->used_idx = (uint16_t)(device->used_idx - vq->size);
		device->used_wrap = !device->used_wrap;
	}
}

/* Use the oldest cnt with one entry, that of the last. */
static void
use_batch(struct device *device, uint32_t cnt, uint32_t len)
{
	struct virtq_packed_desc *first = &device->vq->ring[device->used_idx];
	const uint16_t flags = device->used_wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
	uint16_t last = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		last = device->item[i].id;
		let_go(device, &device->item[i]);
		device->used_idx = (uint16_t)(device->used_idx + device->item[i].desc_cnt);
	}
	device->item_cnt -= cnt;
	memmove(device->item, &device->item[cnt], device->item_cnt * sizeof(device->item[0]));
	if (device->used_idx >= device->vq->size) {
		device->used_idx = (uint16_t)(device->used_idx - device->vq->size);
		device->used_wrap = !device->used_wrap;
	}
	first->id = last;
	first->len = len;
	first->flags = flags;
}

static uint32_t
choose(const struct device *device, enum order order)
{
	return order == IN_ORDER       ? 0
	       : order == NEWEST_FIRST ? device->item_cnt - 1
	                               : (uint32_t)(xorshift64(&state) % device->item_cnt);
}

static void
open_played(void)
{
	const struct bh_port_options options = {.promiscuous = true,
	                                        .mtu_bytes = FULL - BH_PORT_FRAME_EXTRA_BYTES,
	                                        .rx_entries = RING_SIZE,
	                                        .tx_entries = RING_SIZE,
	                                        .watch_interval_ns = UINT64_C(1) << 50,
	                                        .data_bytes = BUF_BYTES};
	pair_open(&options, port, queue);
	pair.frozen = true;
	rx = (struct device){.vq = &virtio_queue_of(queue[0])->rx, .avail_wrap = true, .used_wrap = true};
	tx = (struct device){.vq = &virtio_queue_of(queue[0])->tx, .avail_wrap = true, .used_wrap = true};
}

/* One or two pieces, with its number where the device looks for it. Return: false: the ring is full. */
static bool
send(uint32_t seq)
{
	struct bh_pkt *segs[2];
	uint32_t cnt = 1 + (xorshift64(&state) % 4 == 0);
	assert_int_equal(bh_pkt_get(queue[0]->pool, segs, cnt), cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		memset(segs[i]->data, 2, BYTES);
		segs[i]->len_bytes = BYTES;
	}
	if (cnt == 2) {
		segs[0]->next = segs[1];
		segs[0]->seg_cnt = 2;
		segs[0]->frame_bytes = 2 * BYTES;
	}
	memcpy(segs[0]->data + SEQ_AT, &seq, sizeof(seq));
	if (bh_port_tx(queue[0], segs, 1) == 1)
		return true;
	bh_pkt_free(segs[0]);
	return false;
}

static void
sends(enum order order, uint32_t *seq)
{
	uint32_t burst = 1 + (uint32_t)(xorshift64(&state) % 8), sent;
	for (sent = 0; sent < burst && send(*seq + sent); sent++)
		;
	uint32_t before = tx.item_cnt;
	fetch(&tx);
	assert_int_equal(tx.item_cnt - before, sent);
	for (uint32_t i = 0; i < sent; i++) { /* given in the order in which they were sent */
		uint32_t is;
		memcpy(&is, (uint8_t *)(uintptr_t)tx.item[before + i].addr + VIRTIO_NET_HDR_BYTES + SEQ_AT, sizeof(is));
		assert_int_equal(is, *seq + i);
	}
	*seq += sent;
	for (uint32_t done = (uint32_t)(xorshift64(&state) % (tx.item_cnt + 1)); done > 0; done--)
		use(&tx, choose(&tx, order), 0);
}

static void
receives(enum order order, uint32_t *seq)
{
	struct bh_pkt *pkts[RING_SIZE];
	fetch(&rx);
	assert_int_equal(rx.item_cnt, rx.vq->size); /* a buffer in each, always */
	uint32_t cnt = 1 + (uint32_t)(xorshift64(&state) % 8), got = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t which = choose(&rx, order), is = *seq + i;
		uint8_t *buf = (uint8_t *)(uintptr_t)rx.item[which].addr;
		memset(buf, 0, VIRTIO_NET_HDR_BYTES + BYTES);
		memcpy(buf + VIRTIO_NET_HDR_BYTES + SEQ_AT, &is, sizeof(is));
		use(&rx, which, VIRTIO_NET_HDR_BYTES + BYTES);
	}
	while (got < cnt) {
		uint32_t now = bh_port_rx(queue[0], pkts, RING_SIZE);
		assert_true(now > 0);
		for (uint32_t i = 0; i < now; i++, got++) {
			uint32_t is;
			memcpy(&is, pkts[i]->data + SEQ_AT, sizeof(is));
			assert_int_equal(is, *seq + got);
			assert_int_equal(pkts[i]->len_bytes, BYTES);
			bh_pkt_free(pkts[i]);
		}
	}
	*seq += cnt;
}

static void
body(void *arg)
{
	open_played();
	for (uint32_t tx_seq = 0, rx_seq = 0, round = 0; tx_seq < FRAMES; round++) {
		/* Spells in order among spells that are not; each begins with an empty transmit ring. */
		enum order order = (enum order)(round / 100 % ORDER_CNT);
		if (round % 100 == 0) {
			while (tx.item_cnt > 0)
				use(&tx, choose(&tx, order), 0);
			(void)bh_port_tx(queue[0], NULL, 0);
			assert_int_equal(tx.vq->free_cnt, tx.vq->size);
			assert_true(tx.vq->in_order);
		}
		sends(order, &tx_seq);
		receives(order, &rx_seq);
	}
	assert_int_equal(pair_counter("p0.drop_rx_bad_id"), 0);
	assert_int_equal(bh_port_close(port[0]), 0);
	assert_int_equal(bh_port_close(port[1]), 0);
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
}

static void
test_any_order(void **unused)
{
	for (unsigned kind = 0; kind < 2; kind++) {
		pair_defaults();
		pair.model_config.packed = packed = kind == 1;
		pair.model_config.in_order = false;
		pair_run(body);
	}
}

static void
receives_batch(uint32_t cnt, uint32_t room, uint32_t *seq)
{
	struct bh_pkt *pkts[RING_SIZE];
	fetch(&rx);
	assert_int_equal(rx.item_cnt, rx.vq->size);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t is = *seq + i;
		uint8_t *buf = (uint8_t *)(uintptr_t)rx.item[i].addr;
		memset(buf, 0, VIRTIO_NET_HDR_BYTES + BYTES);
		memcpy(buf + VIRTIO_NET_HDR_BYTES + SEQ_AT, &is, sizeof(is));
	}
	use_batch(&rx, cnt, VIRTIO_NET_HDR_BYTES + BYTES);
	for (uint32_t got = 0; got < cnt;) {
		uint32_t now = bh_port_rx(queue[0], pkts, room);
		assert_true(now > 0);
		for (uint32_t i = 0; i < now; i++, got++) {
			uint32_t is;
			memcpy(&is, pkts[i]->data + SEQ_AT, sizeof(is));
			assert_int_equal(is, *seq + got);
			assert_int_equal(pkts[i]->len_bytes, got == cnt - 1 ? BYTES : FULL); /* the others are full */
			bh_pkt_free(pkts[i]);
		}
	}
	assert_int_equal(bh_port_rx(queue[0], pkts, room), 0);
	*seq += cnt;
}

static void
batches_body(void *arg)
{
	open_played();
	assert_true(tx.vq->batched && rx.vq->batched);
	for (uint32_t tx_seq = 0, rx_seq = 0; tx_seq < FRAMES;) {
		uint32_t burst = 1 + (uint32_t)(xorshift64(&state) % 8), sent = 0, done;
		while (sent < burst && send(tx_seq))
			sent++, tx_seq++;
		fetch(&tx);
		done = (uint32_t)(xorshift64(&state) % (tx.item_cnt + 1));
		if (done > 0)
			use_batch(&tx, done, 0);
		if (xorshift64(&state) % 64 == 0) { /* all that is told is taken back, no more and no less */
			uint32_t held = 0;
			(void)bh_port_tx(queue[0], NULL, 0);
			for (uint32_t i = 0; i < tx.item_cnt; i++)
				held += tx.item[i].desc_cnt;
			assert_int_equal(tx.vq->size - tx.vq->free_cnt, held);
		}
		receives_batch(1 + (uint32_t)(xorshift64(&state) % RING_SIZE),
		               1 + (uint32_t)(xorshift64(&state) % RING_SIZE), &rx_seq);
	}
	assert_int_equal(pair_counter("p0.drop_rx_bad_id"), 0);
	assert_int_equal(bh_port_close(port[0]), 0);
	assert_int_equal(bh_port_close(port[1]), 0);
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
}

static void
test_batches(void **unused)
{
	pair_defaults();
	pair.model_config.packed = packed = true;
	pair_run(batches_body);
}

static uint16_t lie;

static void
lie_body(void *arg)
{
	open_played();
	for (uint32_t seq = 0; seq < 3; seq++) /* at most six descriptors */
		assert_true(send(seq));
	tx.vq->ring[0].id = lie;
	tx.vq->ring[0].flags = VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED;
	(void)bh_port_tx(queue[0], NULL, 0);
	assert_int_equal(pair_counter("p0.drop_rx_bad_id"), 1);
	assert_int_equal(bh_port_close(port[0]), 0);
	assert_int_equal(bh_port_close(port[1]), 0);
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
}

/* An entry for more than it was given: some positions ahead, the whole ring, out of range. */
static void
test_lies(void **unused)
{
	const uint16_t lies[] = {6, RING_SIZE - 1, RING_SIZE, UINT16_MAX};
	for (uint32_t i = 0; i < BH_ARRAY_CNT(lies); i++) {
		pair_defaults();
		pair.model_config.packed = packed = true;
		lie = lies[i];
		pair_run(lie_body);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_order), cmocka_unit_test(test_batches),
	                                   cmocka_unit_test(test_lies)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
