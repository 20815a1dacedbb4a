/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that attacks the software device, by hand-made rings: the classes of mistakes that DPDK's vhost library had to
 * mend (each test names its CVE), and what VIRTIO 1.2 forbids. The device touches nothing that was not granted, always
 * comes back, and says DEVICE_NEEDS_RESET where the rings cannot be trusted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/virtio_net/wire.h"

#define IOVA      UINT64_C(0x100000)
#define BYTES     (256u << 10)
#define SIZE      16u
#define RINGS_AT  0x0u
#define RING_STEP 0x1000u
#define BUF_AT    0x20000u
#define FENCE     64u

/* The client's memory between two fences that nobody was granted. */
static struct {
	uint8_t before[FENCE];
	uint8_t bytes[BYTES] __attribute__((aligned(4096)));
	uint8_t after[FENCE];
} memory;

static struct vnet_model *model;
static bool packed;
static uint64_t wanted_features;

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	if (iova < IOVA || iova - IOVA >= BYTES || size_bytes > BYTES - (iova - IOVA))
		return false;
	*out = (struct vnet_window){IOVA, BYTES, memory.bytes, VNET_DMA_READ | VNET_DMA_WRITE};
	return true;
}

static void
reg(uint32_t field, uint32_t width_bytes, uint64_t value)
{
	vnet_model_reg_write(model, VNET_BAR_COMMON + field, width_bytes, value);
}

static uint8_t
status(void)
{
	return (uint8_t)vnet_model_reg_read(model, VNET_BAR_COMMON + VIRTIO_PCI_DEVICE_STATUS, 1);
}

static uint64_t
ring_iova(uint32_t queue_idx, uint32_t part)
{
	return IOVA + RINGS_AT + (queue_idx * 3 + part) * RING_STEP;
}

static void *
ring(uint32_t queue_idx, uint32_t part)
{
	return memory.bytes + RINGS_AT + (queue_idx * 3 + part) * RING_STEP;
}

static void
queue_enable(uint32_t queue_idx)
{
	reg(VIRTIO_PCI_QUEUE_SELECT, 2, queue_idx);
	reg(VIRTIO_PCI_QUEUE_SIZE, 2, SIZE);
	reg(VIRTIO_PCI_QUEUE_DESC, 8, ring_iova(queue_idx, 0));
	reg(VIRTIO_PCI_QUEUE_DRIVER, 8, ring_iova(queue_idx, 1));
	reg(VIRTIO_PCI_QUEUE_DEVICE, 8, ring_iova(queue_idx, 2));
	reg(VIRTIO_PCI_QUEUE_ENABLE, 2, 1);
}

static void
bring_up(void)
{
	uint64_t features = (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_NET_F_CTRL_VQ | wanted_features |
	                     (packed ? VIRTIO_F_RING_PACKED : 0));
	memset(memory.bytes, 0, sizeof(memory.bytes));
	reg(VIRTIO_PCI_DEVICE_STATUS, 1, 0);
	reg(VIRTIO_PCI_DEVICE_STATUS, 1, 3);
	for (uint32_t i = 0; i < 2; i++) {
		reg(VIRTIO_PCI_DRIVER_FEATURE_SELECT, 4, i);
		reg(VIRTIO_PCI_DRIVER_FEATURE, 4, (uint32_t)(features >> (32 * i)));
	}
	reg(VIRTIO_PCI_DEVICE_STATUS, 1, 11);
	assert_int_equal(status(), 11);
	for (uint32_t i = 0; i < 3; i++)
		queue_enable(i);
	reg(VIRTIO_PCI_DEVICE_STATUS, 1, 15);
	assert_int_equal(status(), 15);
}

static void
start(bool is_packed, uint64_t features)
{
	const struct vnet_model_config config = VNET_MODEL_CONFIG_DEFAULT;
	const struct vnet_host host = {.dma_window = window};
	packed = is_packed;
	wanted_features = features;
	memset(memory.before, 0x5a, FENCE);
	memset(memory.after, 0x5a, FENCE);
	assert_int_equal(vnet_model_create(&config, &host, &model), 0);
	bring_up();
}

/* Nothing outside was touched; and after a reset the device works. */
static void frame_passes(void);

static void
finish(void)
{
	for (uint32_t i = 0; i < FENCE; i++)
		assert_true(memory.before[i] == 0x5a && memory.after[i] == 0x5a);
	bring_up();
	frame_passes();
	vnet_model_destroy(model);
}

/* One descriptor of a chain, in either ring; `at` counts from the ring's start. */
static void
desc(uint32_t queue_idx, uint32_t at, uint64_t iova, uint32_t len, uint16_t flags, uint16_t next)
{
	if (packed) {
		((struct virtq_packed_desc *)ring(queue_idx, 0))[at] =
		        (struct virtq_packed_desc){iova, len, (uint16_t)at, (uint16_t)(flags | VIRTQ_PACKED_F_AVAIL)};
		return;
	}
	((struct virtq_desc *)ring(queue_idx, 0))[at] = (struct virtq_desc){iova, len, flags, next};
}

static void
offer(uint32_t queue_idx, uint16_t head)
{
	struct virtq_avail *avail = ring(queue_idx, 1);
	if (packed)
		return; /* the flags did it */
	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

static void
tx_poll(void)
{
	struct vnet_frame frame;
	for (uint32_t i = 0; i < 64 && vnet_tx_peek(model, 0, &frame); i++)
		vnet_tx_done(model, 0, &frame);
	vnet_model_flush(model);
}

static struct vnet_stats
stats(void)
{
	struct vnet_stats out;
	vnet_model_stats_get(model, &out);
	return out;
}

static void
frame_passes(void)
{
	uint64_t before = stats().tx_pkts;
	desc(1, 0, IOVA + BUF_AT, 72, 0, 0);
	offer(1, 0);
	tx_poll();
	assert_int_equal(stats().tx_pkts, before + 1);
}

static void
expect_needs_reset(void)
{
	assert_true(status() & VIRTIO_STATUS_NEEDS_RESET);
	assert_false(vnet_model_running(model));
}

/* The tail of a buffer lies behind the mapping: the translation must look at the whole length (CVE-2018-1059). */
static void
test_buffer_across_the_end_of_a_mapping(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i, 0);
		desc(1, 0, IOVA + BYTES - 30, 72, 0, 0);
		offer(1, 0);
		tx_poll();
		assert_int_equal(stats().tx_pkts, 0);
		assert_int_equal(stats().tx_bad_cnt, 1);
		assert_true(stats().dma_refused_cnt >= 1);
		finish();
	}
}

/* Address and length wrap around 2^64 (CVE-2020-10722: a sum that overflows before it is compared). */
static void
test_sum_of_address_and_length_overflows(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i, 0);
		desc(1, 0, UINT64_MAX - 40, 72, 0, 0);
		offer(1, 0);
		tx_poll();
		assert_int_equal(stats().tx_bad_cnt, 1);
		finish();
	}
}

/* Indices that are cut to fewer bits (CVE-2020-10723): queue selectors and descriptor numbers past the end. */
static void
test_indices_past_the_end(void **state)
{
	start(false, 0);
	reg(VIRTIO_PCI_QUEUE_SELECT, 2, 0xffff);
	reg(VIRTIO_PCI_QUEUE_DESC, 8, 0);
	reg(VIRTIO_PCI_QUEUE_ENABLE, 2, 1);
	assert_int_equal(vnet_model_reg_read(model, VIRTIO_PCI_QUEUE_SIZE, 2), 0);
	offer(1, SIZE);
	tx_poll();
	expect_needs_reset();
	bring_up();
	desc(1, 0, IOVA + BUF_AT, 72, VIRTQ_DESC_F_NEXT, 0x7fff);
	offer(1, 0);
	tx_poll();
	expect_needs_reset();
	finish();
}

static void
control(uint32_t cmd_bytes, const void *command)
{
	memcpy(memory.bytes + BUF_AT, command, cmd_bytes);
	desc(2, 0, IOVA + BUF_AT, cmd_bytes, VIRTQ_DESC_F_NEXT, 1);
	desc(2, 1, IOVA + BUF_AT + 0x1000, 1, VIRTQ_DESC_F_WRITE, 0);
	memory.bytes[BUF_AT + 0x1000] = 0xee;
	offer(2, 0);
	vnet_model_control(model);
}

/* Commands shorter than what they claim (CVE-2020-10724: lengths of a request taken from the request). */
static void
test_control_commands_that_are_too_short(void **state)
{
	static const uint8_t table[] = {
	        VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 0xff, 0xff, 0xff, 0xff, 1, 2};
	static const uint8_t huge[] = {
	        VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 0, 0, 0, 0, 0xab, 0xaa, 0xaa, 0x2a};
	static const uint8_t mac[] = {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 2, 2};
	static const uint8_t mode[] = {VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC};
	static const uint8_t pairs[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 0, 0};
	static const struct {
		const uint8_t *bytes;
		uint32_t cnt;
	} list[] = {{table, sizeof(table)}, {huge, sizeof(huge)}, {mac, sizeof(mac)},
	            {mode, sizeof(mode)},   {pairs, 4},           {pairs, 1}};
	for (size_t i = 0; i < BH_ARRAY_CNT(list); i++) {
		for (unsigned ring_kind = 0; ring_kind < 2; ring_kind++) {
			start(ring_kind, 0);
			control(list[i].cnt, list[i].bytes);
			assert_int_equal(memory.bytes[BUF_AT + 0x1000], VIRTIO_NET_ERR);
			assert_int_equal(stats().ctrl_bad_cnt, 1);
			assert_true(vnet_model_running(model));
			finish();
		}
	}
}

static int
put(uint32_t len_bytes, const struct virtio_net_hdr *header)
{
	static uint8_t bytes[9000];
	struct vnet_frame frame = {.piece_cnt = 1, .len_bytes = len_bytes, .piece = {{bytes, len_bytes}}};
	frame.header = header != NULL ? *header : (struct virtio_net_hdr){0};
	int err = vnet_rx_put(model, 0, &frame);
	vnet_model_flush(model);
	return err;
}

/* Receive buffers that are nowhere: address 0, and an address that was never granted (CVE-2020-10725). */
static void
test_receive_buffers_that_are_nowhere(void **state)
{
	static const uint64_t nowhere[] = {0, IOVA - 1, IOVA + BYTES, UINT64_MAX};
	for (unsigned i = 0; i < 2 * BH_ARRAY_CNT(nowhere); i++) {
		start(i & 1, 0);
		desc(0, 0, nowhere[i / 2], 2000, VIRTQ_DESC_F_WRITE, 0);
		offer(0, 0);
		assert_int_equal(put(60, NULL), -BH_ENODEV);
		expect_needs_reset();
		finish();
	}
}

/* Set-up again and again (CVE-2020-10726: a message that could be sent for ever and kept something each time). */
static void
test_endless_set_up(void **state)
{
	start(true, 0);
	for (uint32_t i = 0; i < 2000; i++) {
		bring_up();
		reg(VIRTIO_PCI_QUEUE_SELECT, 2, i % 8);
		reg(VIRTIO_PCI_QUEUE_ENABLE, 2, 1);
		reg(VIRTIO_PCI_QUEUE_ENABLE, 2, 1);
	}
	finish();
}

/*
 * A descriptor that changes between check and use (CVE-2020-14375): peek copies it, the client grows it, and what is
 * carried is what was checked.
 */
static void
test_descriptor_changes_after_the_check(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vnet_frame frame;
		start(i, 0);
		desc(1, 0, IOVA + BUF_AT, 72, 0, 0);
		offer(1, 0);
		assert_true(vnet_tx_peek(model, 0, &frame));
		desc(1, 0, IOVA + BYTES - 4, 0xffff0000, 0, 0);
		assert_int_equal(frame.len_bytes, 60);
		assert_ptr_equal(frame.piece[0].addr, memory.bytes + BUF_AT + VIRTIO_NET_HDR_BYTES);
		vnet_tx_done(model, 0, &frame);
		vnet_model_flush(model);
		finish();
	}
}

/* Chains without an end (CVE-2020-14378): a loop of two, one that points at itself, and a ring full of NEXT. */
static void
test_descriptor_loops(void **state)
{
	start(false, 0);
	desc(1, 0, IOVA + BUF_AT, 40, VIRTQ_DESC_F_NEXT, 1);
	desc(1, 1, IOVA + BUF_AT, 40, VIRTQ_DESC_F_NEXT, 0);
	offer(1, 0);
	tx_poll();
	expect_needs_reset();
	bring_up();
	desc(1, 3, IOVA + BUF_AT, 1, VIRTQ_DESC_F_NEXT, 3);
	offer(1, 3);
	tx_poll();
	expect_needs_reset();
	finish();
	start(true, 0);
	for (uint16_t i = 0; i < SIZE; i++)
		desc(1, i, IOVA + BUF_AT, 8, VIRTQ_DESC_F_NEXT, 0);
	tx_poll();
	expect_needs_reset();
	finish();
}

/* A header across descriptors, one byte each (CVE-2022-2132): legal, and taken as what it is. */
static void
test_header_across_descriptors(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i, 0);
		for (uint16_t j = 0; j < 12; j++)
			desc(1, j, IOVA + BUF_AT + j, 1, VIRTQ_DESC_F_NEXT, (uint16_t)(j + 1));
		desc(1, 12, IOVA + BUF_AT + 12, 60, 0, 0);
		offer(1, 0);
		tx_poll();
		assert_int_equal(stats().tx_pkts, 1);
		assert_int_equal(stats().tx_bytes, 60);
		finish();
		/* Only the header, and less than one. */
		start(i, 0);
		desc(1, 0, IOVA + BUF_AT, 12, 0, 0);
		offer(1, 0);
		tx_poll();
		desc(1, 1, IOVA + BUF_AT, 5, 0, 0);
		offer(1, 1);
		tx_poll();
		assert_int_equal(stats().tx_bad_cnt, 2);
		finish();
	}
}

/* Errors must not stop the queue for ever (CVE-2022-28199): a bad frame between good ones costs only itself. */
static void
test_queue_goes_on_after_an_error(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i, 0);
		for (uint16_t j = 0; j < SIZE; j++) {
			desc(1, j, j % 2 ? IOVA + BYTES : IOVA + BUF_AT, 72, 0, 0);
			offer(1, j);
		}
		tx_poll();
		assert_int_equal(stats().tx_pkts, SIZE / 2);
		assert_int_equal(stats().tx_bad_cnt, SIZE / 2);
		finish();
	}
}

/* Checksum offload that points outside of the frame (CVE-2024-11614), towards a client that has no offload itself. */
static void
test_checksum_offload_outside_of_the_frame(void **state)
{
	static const struct virtio_net_hdr bad[] = {
	        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 59, .csum_offset = 0},
	        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff},
	        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 0xfff0},
	        {.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 0, .hdr_len = 0xffff},
	};
	for (unsigned i = 0; i < 2 * BH_ARRAY_CNT(bad); i++) {
		start(i & 1, VIRTIO_NET_F_CSUM);
		memcpy(memory.bytes + BUF_AT, &bad[i / 2], sizeof(bad[0]));
		desc(1, 0, IOVA + BUF_AT, 72, 0, 0);
		offer(1, 0);
		tx_poll();
		assert_int_equal(stats().tx_bad_cnt, 1);
		memset(memory.bytes + BUF_AT, 0, 12);
		finish();
	}
	/* One that asks for what it did not negotiate. */
	start(false, 0);
	memcpy(memory.bytes + BUF_AT, &(struct virtio_net_hdr){.flags = 1, .csum_start = 34, .csum_offset = 6}, 12);
	desc(1, 0, IOVA + BUF_AT, 72, 0, 0);
	offer(1, 0);
	tx_poll();
	assert_int_equal(stats().tx_bad_cnt, 1);
	memset(memory.bytes + BUF_AT, 0, 12);
	finish();
}

/* An available index that jumps further than the ring is long. */
static void
test_available_index_jumps(void **state)
{
	start(false, 0);
	((struct virtq_avail *)ring(1, 1))->idx = SIZE + 1;
	tx_poll();
	expect_needs_reset();
	finish();
}

/* Writable descriptors where readable ones are meant, and the reverse; indirect ones, which were not offered. */
static void
test_directions(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i, 0);
		desc(1, 0, IOVA + BUF_AT, 72, VIRTQ_DESC_F_WRITE, 0);
		offer(1, 0);
		tx_poll();
		assert_int_equal(stats().tx_bad_cnt, 1);
		desc(0, 0, IOVA + BUF_AT, 2000, 0, 0);
		offer(0, 0);
		assert_int_equal(put(60, NULL), -BH_ENODEV);
		expect_needs_reset();
		bring_up();
		desc(1, 0, IOVA + BUF_AT, 32, VIRTQ_DESC_F_INDIRECT, 0);
		offer(1, 0);
		tx_poll();
		expect_needs_reset();
		finish();
	}
}

/* Buffers too small for a frame: it is dropped without mergeable buffers, and spread with them. */
static void
test_small_receive_buffers(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i, 0);
		desc(0, 0, IOVA + BUF_AT, 100, VIRTQ_DESC_F_WRITE, 0);
		offer(0, 0);
		assert_int_equal(put(1500, NULL), -BH_E2BIG);
		assert_int_equal(put(60, NULL), 0);
		finish();
		start(i, VIRTIO_NET_F_MRG_RXBUF);
		for (uint16_t j = 0; j < SIZE - 1; j++) {
			desc(0, j, IOVA + BUF_AT + j * 200u, 100, VIRTQ_DESC_F_WRITE, 0);
			offer(0, j);
		}
		assert_int_equal(put(1488, NULL), 0);
		assert_int_equal(((struct virtio_net_hdr *)(void *)(memory.bytes + BUF_AT))->num_buffers, 15);
		assert_int_equal(put(60, NULL), -BH_EAGAIN);
		finish();
	}
}

/* Two cards of one client: its receive buffer lies over the frame that it sends. All but what the header hits arrives. */
static void
test_receive_buffer_over_the_frame(void **state)
{
	enum { LEN = 400, APART = 50, HEADER_END = APART + VIRTIO_NET_HDR_BYTES };
	for (unsigned i = 0; i < 2; i++) {
		start(i, 0);
		uint8_t *sent = memory.bytes + BUF_AT, expected[LEN];
		for (unsigned j = 0; j < LEN; j++)
			sent[j] = expected[j] = (uint8_t)(j * 5 + 1);
		desc(0, 0, IOVA + BUF_AT + APART, 2000, VIRTQ_DESC_F_WRITE, 0);
		offer(0, 0);
		struct vnet_frame frame = {.piece_cnt = 1, .len_bytes = LEN, .piece = {{sent, LEN}}};
		assert_int_equal(vnet_rx_put(model, 0, &frame), 0);
		assert_memory_equal(sent + HEADER_END, expected, APART);
		assert_memory_equal(sent + HEADER_END + HEADER_END, expected + HEADER_END, LEN - HEADER_END);
		finish();
	}
}

/* Rings in memory that was not granted, or misaligned. */
static void
test_rings_that_are_nowhere(void **state)
{
	static const uint64_t bad[] = {0, IOVA + BYTES - 16, IOVA + 8, UINT64_MAX - 15};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		start(false, 0);
		reg(VIRTIO_PCI_DEVICE_STATUS, 1, 0);
		reg(VIRTIO_PCI_DEVICE_STATUS, 1, 3);
		reg(VIRTIO_PCI_DRIVER_FEATURE_SELECT, 4, 1);
		reg(VIRTIO_PCI_DRIVER_FEATURE, 4, 3);
		reg(VIRTIO_PCI_DEVICE_STATUS, 1, 11);
		reg(VIRTIO_PCI_QUEUE_SELECT, 2, 1);
		reg(VIRTIO_PCI_QUEUE_SIZE, 2, SIZE);
		reg(VIRTIO_PCI_QUEUE_DESC, 8, bad[i]);
		reg(VIRTIO_PCI_QUEUE_ENABLE, 2, 1);
		reg(VIRTIO_PCI_DEVICE_STATUS, 1, 15);
		expect_needs_reset();
		finish();
	}
}

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
	uint32_t queue_idx = draw() % 3, at = draw() % SIZE;
	uint64_t iova = draw() % 4 ? IOVA + draw() % BYTES : (uint64_t)draw() << (draw() % 33);
	switch (draw() % 4) {
	case 0:
		memory.bytes[draw() % (9 * RING_STEP)] = (uint8_t)draw();
		break;
	case 1:
		reg(draw() % 0x40, 1u << draw() % 4, draw());
		break;
	default:
		desc(queue_idx, at, iova, draw() % 5 ? draw() % 2200 : draw(), (uint16_t)(draw() % 8),
		     (uint16_t)(draw() % 20));
		offer(queue_idx, (uint16_t)(draw() % 18));
	}
}

static void
test_anything(void **state)
{
	const char *more = getenv("BULKHEAD_FUZZ_SEEDS");
	unsigned seeds = more != NULL ? (unsigned)atoi(more) : 60;
	for (unsigned seed = 1; seed <= seeds; seed++) {
		random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
		start(seed & 1, seed & 2 ? VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_CSUM : 0);
		for (uint32_t round = 0; round < 3000; round++) {
			scribble();
			tx_poll();
			(void)!put(14 + draw() % 2000, NULL);
			vnet_model_control(model);
			if (!vnet_model_running(model))
				bring_up();
		}
		finish();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_buffer_across_the_end_of_a_mapping),
	        cmocka_unit_test(test_sum_of_address_and_length_overflows),
	        cmocka_unit_test(test_indices_past_the_end),
	        cmocka_unit_test(test_control_commands_that_are_too_short),
	        cmocka_unit_test(test_receive_buffers_that_are_nowhere),
	        cmocka_unit_test(test_endless_set_up),
	        cmocka_unit_test(test_descriptor_changes_after_the_check),
	        cmocka_unit_test(test_descriptor_loops),
	        cmocka_unit_test(test_header_across_descriptors),
	        cmocka_unit_test(test_queue_goes_on_after_an_error),
	        cmocka_unit_test(test_checksum_offload_outside_of_the_frame),
	        cmocka_unit_test(test_available_index_jumps),
	        cmocka_unit_test(test_directions),
	        cmocka_unit_test(test_small_receive_buffers),
	        cmocka_unit_test(test_receive_buffer_over_the_frame),
	        cmocka_unit_test(test_rings_that_are_nowhere),
	        cmocka_unit_test(test_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
