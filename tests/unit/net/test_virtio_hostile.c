/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that lies, in both kinds of ring: the devices stand still and the test writes their half. Each lie is counted
 * under its reason, nothing is written or given out that is not the driver's, and where the ring can be trusted no more
 * the port resets the device and goes on.
 */
#include "pair.h"

static struct bh_port *port[2];
static struct bh_port_queue *queue[2];
static bool packed;

static struct bh_virtq *
rx_ring(void)
{
	return &virtio_queue_of(queue[1])->rx;
}

static struct bh_virtq *
tx_ring(void)
{
	return &virtio_queue_of(queue[1])->tx;
}

/* The device's next used entry: position and wrap counter of a ring that was only used from here. */
static struct {
	uint16_t idx;
	bool wrap;
} device[2]; /* rx, tx */

static void
use(struct bh_virtq *vq, uint32_t id, uint32_t len)
{
	unsigned which = vq == tx_ring();
	if (!packed) {
		struct virtq_used *used = (struct virtq_used *)(uintptr_t)vq->used;
		used->ring[device[which].idx & vq->mask] = (struct virtq_used_elem){id, len};
		used->idx = ++device[which].idx;
		return;
	}
	struct virtq_packed_desc *desc = &vq->ring[device[which].idx];
	desc->id = (uint16_t)id;
	desc->len = len;
	desc->flags = device[which].wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
	if (++device[which].idx == vq->size) {
		device[which].idx = 0;
		device[which].wrap = !device[which].wrap;
	}
}

static struct virtio_net_hdr *
header_of(uint16_t id)
{
	return (struct virtio_net_hdr *)(void *)(rx_ring()->slot[id]->data - VIRTIO_NET_HDR_BYTES);
}

static void
open_frozen(void)
{
	pair_open(NULL, port, queue);
	pair.frozen = true;
	memset(device, 0, sizeof(device));
	device[0].wrap = device[1].wrap = true;
	for (uint16_t i = 0; i < rx_ring()->size; i++)
		*header_of(i) = (struct virtio_net_hdr){.num_buffers = 1};
}

static uint32_t
receive(void)
{
	struct bh_pkt *pkts[8];
	uint32_t cnt = bh_port_rx(queue[1], pkts, 8);
	for (uint32_t i = 0; i < cnt; i++)
		bh_pkt_free(pkts[i]);
	return cnt;
}

/* After a lie: traffic passes again, by a reset or without one, and every packet is back in the end. */
static void
recovers(bool by_reset)
{
	struct bh_pkt *pkt, *got[4];
	uint32_t cnt = 0;
	if (by_reset) {
		for (uint32_t i = 0; i < 100 && pair_counter("p1.resets") == 0; i++) {
			bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(10000000));
			(void)receive();
		}
		assert_int_equal(pair_counter("p1.resets"), 1);
		(void)receive();
	}
	assert_int_equal(pair_counter("p1.resets"), by_reset);
	pair.frozen = false;
	if (by_reset) {
		assert_int_equal(bh_pkt_get(queue[0]->pool, &pkt, 1), 1);
		memset(pkt->data, 0, 60);
		pkt->len_bytes = 60;
		assert_int_equal(bh_port_tx(queue[0], &pkt, 1), 1);
		for (uint32_t i = 0; i < 100 && cnt == 0; i++) {
			pair_pass(2);
			cnt = bh_port_rx(queue[1], got, 4);
		}
		assert_int_equal(cnt, 1);
		bh_pkt_free(got[0]);
	}
	assert_int_equal(bh_port_close(port[0]), 0);
	assert_int_equal(bh_port_close(port[1]), 0);
	assert_int_equal(queue[1]->pool->free_cnt, queue[1]->pool->pkt_cnt);
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
}

static void
body_id_outside(void *arg)
{
	static const uint32_t ids[] = {256, 257, 0x7fff, 0xffff};
	open_frozen();
	use(rx_ring(), ids[(uintptr_t)arg % 4], 72);
	assert_int_equal(receive(), 0);
	assert_int_equal(pair_counter("p1.drop_rx_bad_id"), 1);
	recovers(true);
}

static void
body_tx_id_outside(void *arg)
{
	open_frozen();
	use(tx_ring(), 0xfff0, 0);
	struct bh_pkt *none[1];
	(void)bh_port_tx(queue[1], none, 0);
	assert_int_equal(pair_counter("p1.drop_rx_bad_id"), 1);
	recovers(true);
}

static void
body_tx_never_given(void *arg)
{
	open_frozen();
	use(tx_ring(), 3, 0);
	struct bh_pkt *none[1];
	(void)bh_port_tx(queue[1], none, 0);
	assert_int_equal(pair_counter("p1.drop_rx_bad_id"), 1);
	recovers(true);
}

/* The same transmit identifier twice: the second time nothing is with the device under it. */
static void
body_tx_twice(void *arg)
{
	struct bh_pkt *pkt;
	open_frozen();
	assert_int_equal(bh_pkt_get(queue[1]->pool, &pkt, 1), 1);
	memset(pkt->data, 0, 60);
	pkt->len_bytes = 60;
	assert_int_equal(bh_port_tx(queue[1], &pkt, 1), 1);
	use(tx_ring(), 0, 0);
	use(tx_ring(), 0, 0);
	(void)bh_port_tx(queue[1], &pkt, 0);
	assert_int_equal(pair_counter("p1.drop_rx_bad_id"), 1);
	recovers(true);
}

static void
body_index_jumps(void *arg)
{
	open_frozen();
	if (packed) { /* no index there: the pendant is a used descriptor with an identifier that is nobody's */
		use(rx_ring(), 0x4000, 72);
	} else {
		struct virtq_used *used = (struct virtq_used *)(uintptr_t)rx_ring()->used;
		used->idx = (uint16_t)(rx_ring()->size + 1);
	}
	assert_int_equal(receive(), 0);
	assert_int_equal(pair_counter("p1.drop_rx_bad_id"), 1);
	recovers(true);
}

static void
body_lengths(void *arg)
{
	static const uint32_t bad[] = {0, 11, 12, 25, 12 + 2048 + 1, 0x80000000u, 0xffffffffu};
	open_frozen();
	for (uint32_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		use(rx_ring(), i, bad[i]);
		assert_int_equal(receive(), 0);
		assert_int_equal(pair_counter("p1.drop_rx_bad_length"), i + 1);
	}
	/* It fits the buffer, and is longer than the MTU allows. */
	use(rx_ring(), 7, 12 + 1523);
	assert_int_equal(receive(), 0);
	assert_int_equal(pair_counter("p1.drop_rx_too_long"), 1);
	use(rx_ring(), 8, 12 + 1522);
	assert_int_equal(receive(), 1);
	recovers(false);
}

static void
body_buffer_counts(void *arg)
{
	static const uint16_t bad[] = {0, 33, 0xffff};
	open_frozen();
	for (uint32_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		header_of((uint16_t)i)->num_buffers = bad[i];
		use(rx_ring(), i, 72);
		assert_int_equal(receive(), 0);
		assert_int_equal(pair_counter("p1.drop_rx_bad_length"), i + 1);
	}
	/* Two are said, one is there: it waits for the other, and takes both then. */
	header_of(3)->num_buffers = 2;
	use(rx_ring(), 3, 12 + 600);
	assert_int_equal(receive(), 0);
	use(rx_ring(), 4, 600);
	assert_int_equal(receive(), 1);
	assert_int_equal(pair_counter("p1.rx_bytes"), 1200);
	/* Of the two one is empty; then one is too long. */
	header_of(5)->num_buffers = 2;
	use(rx_ring(), 5, 12 + 600);
	use(rx_ring(), 6, 0);
	assert_int_equal(receive(), 0);
	header_of(7)->num_buffers = 2;
	use(rx_ring(), 7, 12 + 600);
	use(rx_ring(), 8, 5000);
	assert_int_equal(receive(), 0);
	assert_int_equal(pair_counter("p1.drop_rx_bad_length"), 5);
	recovers(false);
}

/* The two buffers of a frame are one and the same. */
static void
body_same_buffer_twice(void *arg)
{
	open_frozen();
	header_of(9)->num_buffers = 2;
	use(rx_ring(), 9, 12 + 600);
	use(rx_ring(), 9, 600);
	assert_int_equal(receive(), 0);
	assert_true(pair_counter("p1.drop_rx_bad_id") >= 1);
	recovers(true);
}

static void
body_headers(void *arg)
{
	static const struct virtio_net_hdr bad[] = {
	        {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1},
	        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 59, .csum_offset = 0},
	        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 25},
	        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff},
	        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0, .csum_offset = 6},
	};
	open_frozen();
	for (uint32_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		*header_of((uint16_t)i) = bad[i];
		header_of((uint16_t)i)->num_buffers = 1;
		use(rx_ring(), i, 72);
		assert_int_equal(receive(), 0);
		assert_int_equal(pair_counter("p1.drop_rx_bad_header"), i + 1);
	}
	header_of(5)->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header_of(5)->csum_start = 34;
	header_of(5)->csum_offset = 24;
	use(rx_ring(), 5, 72);
	assert_int_equal(receive(), 1);
	recovers(false);
}

/* Everything at once, at random: whatever the rings hold, the driver ends, and every packet is accounted for. */
static uint64_t random_state;

static uint32_t
draw(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

static void
scribble(void)
{
	struct bh_virtq *rings[2] = {rx_ring(), tx_ring()};
	struct bh_virtq *vq = rings[draw() & 1];
	const struct bh_virtq_addrs addrs = bh_virtq_addrs(vq);
	uint32_t bytes = packed ? 16u * vq->size : 8u * vq->size + 4;
	uint8_t *base = (uint8_t *)(uintptr_t)(packed ? addrs.desc : addrs.device);
	for (uint32_t i = 0; i < 1 + draw() % 8; i++)
		base[draw() % bytes] = (uint8_t)draw();
	if (draw() % 2 == 0)
		use(vq, draw() % (vq->size + 8u), draw() % 2200);
	if (vq == rx_ring() && draw() % 4 == 0) {
		struct bh_pkt *pkt = vq->slot[draw() & vq->mask];
		for (uint32_t i = 0; pkt != NULL && i < VIRTIO_NET_HDR_BYTES; i++)
			pkt->data[-1 - (int)i] = (uint8_t)(draw() % 4 == 0 ? draw() : i == 1);
	}
}

static void
body_fuzz(void *arg)
{
	struct bh_pkt *pkts[8];
	random_state = (uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15) | 1;
	open_frozen();
	for (uint32_t round = 0; round < 400; round++) {
		scribble();
		(void)receive();
		uint32_t cnt = bh_pkt_get(queue[1]->pool, pkts, draw() % 4);
		for (uint32_t i = 0; i < cnt; i++)
			pkts[i]->len_bytes = 60 + draw() % 1000;
		uint32_t taken = bh_port_tx(queue[1], pkts, cnt);
		bh_pkt_free_burst(queue[1]->pool, pkts + taken, cnt - taken);
		bh_yield();
		if (round % 50 == 49)
			assert_int_equal(bh_port_reset(port[1]), 0);
		if (pair_counter("p1.resets") != 0 && round % 50 == 0) {
			(void)receive();
			device[0].idx = device[1].idx = 0;
			device[0].wrap = device[1].wrap = true;
		}
	}
	assert_int_equal(bh_port_close(port[0]), 0);
	assert_int_equal(bh_port_close(port[1]), 0);
	assert_int_equal(queue[1]->pool->free_cnt, queue[1]->pool->pkt_cnt);
}

static void (*body)(void *);
static uintptr_t body_arg;

static void
call_body(void *arg)
{
	body((void *)body_arg);
}

static void
both_rings(void (*what)(void *), uintptr_t arg)
{
	for (unsigned i = 0; i < 2; i++) {
		pair_defaults();
		pair.model_config.packed = packed = i;
		body = what;
		body_arg = arg;
		pair_run(call_body);
	}
}

static void
test_used_identifier_out_of_range(void **state)
{
	for (uintptr_t i = 0; i < 4; i++)
		both_rings(body_id_outside, i);
	both_rings(body_tx_id_outside, 0);
	both_rings(body_tx_never_given, 0);
}

static void
test_used_twice(void **state)
{
	both_rings(body_tx_twice, 0);
	both_rings(body_same_buffer_twice, 0);
}

static void
test_index_jumps(void **state)
{
	both_rings(body_index_jumps, 0);
}

static void
test_lengths_past_the_buffer(void **state)
{
	both_rings(body_lengths, 0);
}

static void
test_buffer_counts_that_cannot_be(void **state)
{
	both_rings(body_buffer_counts, 0);
}

static void
test_headers_that_contradict_the_frame(void **state)
{
	both_rings(body_headers, 0);
}

static void
test_anything(void **state)
{
	unsigned seeds = 30;
	const char *more = getenv("BULKHEAD_FUZZ_SEEDS");
	if (more != NULL)
		seeds = (unsigned)atoi(more);
	for (uintptr_t seed = 1; seed <= seeds; seed++)
		both_rings(body_fuzz, seed);
}

/* A card that vanishes: registers read all ones. The port is given up, bursts go on returning nothing, close says so. */
static void
body_gone(void *arg)
{
	struct bh_pkt *pkts[1];
	pair_open(NULL, port, queue);
	pair.gone = true;
	bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(250000000));
	assert_int_equal(bh_port_rx(queue[0], pkts, 1), 0);
	assert_false(bh_port_link(port[0]).up);
	assert_int_equal(bh_port_reset(port[0]), -BH_ENODEV);
	assert_int_equal(bh_port_close(port[0]), -BH_ENODEV);
	assert_int_equal(bh_port_close(port[1]), -BH_ENODEV);
}

static void
test_a_card_that_vanishes(void **state)
{
	pair_defaults();
	pair_run(body_gone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_used_identifier_out_of_range),
	        cmocka_unit_test(test_used_twice),
	        cmocka_unit_test(test_index_jumps),
	        cmocka_unit_test(test_lengths_past_the_buffer),
	        cmocka_unit_test(test_buffer_counts_that_cannot_be),
	        cmocka_unit_test(test_headers_that_contradict_the_frame),
	        cmocka_unit_test(test_a_card_that_vanishes),
	        cmocka_unit_test(test_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
