/* SPDX-License-Identifier: Apache-2.0 */
/* pktgen's frames and what its sink makes of those that come, against a queue that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/pktgen/cell/arp.h"
#include "apps/pktgen/cell/pktgen.h"
#include "tests/hosted/include/bulkhead/hosted.h"

#define HELD_MAX 4096u

static const uint8_t src_mac[6] = {2, 0, 0, 0, 0, 1}, dst_mac[6] = {2, 0, 0, 0, 0, 2};

/* Frames that were sent, and which of them come back. */
static struct {
	struct bh_port_queue queue;
	uint8_t frame[HELD_MAX][PKTGEN_FRAME_BYTES];
	uint32_t len_bytes[HELD_MAX];
	uint32_t sent_cnt, room_cnt; /* tx takes no more than room_cnt at a time */
	uint32_t give[HELD_MAX], give_cnt, given_cnt;
} held;

static uint32_t
held_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	cnt = BH_MIN(cnt, held.room_cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_true(held.sent_cnt < HELD_MAX);
		memcpy(held.frame[held.sent_cnt], pkts[i]->data, PKTGEN_FRAME_BYTES);
		held.len_bytes[held.sent_cnt++] = pkts[i]->len_bytes;
	}
	bh_pkt_free_burst(queue->pool, pkts, cnt);
	return cnt;
}

static uint32_t
held_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	cnt = bh_pkt_get(queue->pool, out_pkts, BH_MIN(cnt, held.give_cnt - held.given_cnt));
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t at = held.give[held.given_cnt++];
		memset(out_pkts[i]->data, 0, held.len_bytes[at]);
		memcpy(out_pkts[i]->data, held.frame[at], PKTGEN_FRAME_BYTES);
		out_pkts[i]->len_bytes = held.len_bytes[at];
		out_pkts[i]->rx_tsc = UINT64_MAX;
	}
	return cnt;
}

static void
give(uint32_t frame_idx)
{
	held.give[held.give_cnt++] = frame_idx;
}

static struct pktgen_config
config_of(uint32_t flow_cnt)
{
	return (struct pktgen_config){.burst_cnt = 32,
	                              .flow_cnt = flow_cnt,
	                              .size_cnt = 1,
	                              .bytes = {64},
	                              .pattern_cnt = 1,
	                              .dst_mac = {2, 0, 0, 0, 0, 2}};
}

static void
start(struct pktgen *gen, const struct pktgen_config *config)
{
	const struct bh_pkt_pool_options options = {.pkt_cnt = 512};
	struct bh_pkt_pool *pool;
	memset(&held, 0, sizeof(held));
	assert_int_equal(bh_pkt_pool_create(&options, &pool), 0);
	held.queue = (struct bh_port_queue){.rx = held_rx, .tx = held_tx, .pool = pool};
	held.room_cnt = HELD_MAX;
	assert_int_equal(pktgen_init(gen, config, src_mac, dst_mac, &held.queue, pool, &held.queue), 0);
}

static void
send_some(struct pktgen *gen, uint32_t cnt)
{
	while (held.sent_cnt < cnt)
		assert_true(pktgen_send(gen) > 0);
}

static void
receive_all(struct pktgen *gen)
{
	while (held.given_cnt < held.give_cnt)
		assert_true(pktgen_receive(gen) > 0);
}

static void
check_counts(const struct pktgen *gen, uint64_t received, uint64_t reordered, uint64_t duplicate, uint64_t corrupt,
             uint64_t missing)
{
	assert_int_equal(*gen->cnt_received, received);
	assert_int_equal(*gen->cnt_reordered, reordered);
	assert_int_equal(*gen->cnt_duplicate, duplicate);
	assert_int_equal(*gen->cnt_corrupt, corrupt);
	assert_int_equal(*gen->missing, missing);
	assert_int_equal(held.queue.pool->free_cnt, held.queue.pool->pkt_cnt);
}

/* RFC 1071 as it is written: 16-bit words, big-endian, the last one padded. */
static uint16_t
reference_sum(const uint8_t *bytes, uint32_t cnt_bytes, uint32_t sum)
{
	for (uint32_t i = 0; i < cnt_bytes; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void
frame_at(uint8_t *out, uint16_t len_bytes, uint16_t flow, uint64_t sequence, uint64_t tx_tsc)
{
	struct pktgen_template template;
	struct pktgen_mark mark = {PKTGEN_MAGIC, flow, sequence, tx_tsc};
	memset(out, 0, len_bytes);
	pktgen_template_make(&template, len_bytes, src_mac, dst_mac);
	pktgen_frame_write(&template, &mark, out);
}

static void
frame_of(uint8_t *out, uint16_t len_bytes, uint16_t flow, uint64_t sequence)
{
	frame_at(out, len_bytes, flow, sequence, sequence * UINT64_C(0x9e3779b97f4a7c15));
}

static enum pktgen_verdict
verdict(uint8_t *frame, uint32_t len_bytes)
{
	struct pktgen_mark mark;
	struct bh_pkt pkt = {.data = frame, .len_bytes = len_bytes, .seg_cnt = 1};
	return pktgen_frame_read(&pkt, &mark);
}

/* Every bit behind the addresses of Ethernet. */
static void
one_wrong_bit_is_seen(void **state)
{
	static const uint16_t lengths[] = {60, 61, 63, 196};
	uint8_t frame[256];
	for (uint32_t i = 0; i < BH_ARRAY_CNT(lengths); i++) {
		frame_of(frame, lengths[i], 300, UINT64_C(0x123456789abc));
		assert_int_equal(verdict(frame, lengths[i]), PKTGEN_OURS);
		for (uint32_t bit = 12 * 8; bit < lengths[i] * 8u; bit++) {
			frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_not_equal(verdict(frame, lengths[i]), PKTGEN_OURS);
			frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void
a_frame_cut_short_is_not_ours(void **state)
{
	uint8_t frame[256];
	frame_of(frame, 196, 1, 2);
	for (uint32_t len = 0; len < 196; len++)
		assert_int_equal(verdict(frame, len), len < PKTGEN_FRAME_BYTES ? PKTGEN_FOREIGN : PKTGEN_CORRUPT);
	assert_int_equal(verdict(frame, 200), PKTGEN_OURS); /* padding behind it is none of its business */
}

static void
lengths_that_lie_are_corrupt(void **state)
{
	static const uint16_t lies[][2] = {{0, 0}, {20, 0}, {28, 8}, {45, 25}, {46, 27}, {0xffff, 0xffeb}, {47, 27}};
	uint8_t frame[64];
	for (uint32_t i = 0; i < BH_ARRAY_CNT(lies); i++) {
		frame_of(frame, 60, 0, 0);
		frame[16] = (uint8_t)(lies[i][0] >> 8);
		frame[17] = (uint8_t)lies[i][0];
		frame[38] = (uint8_t)(lies[i][1] >> 8);
		frame[39] = (uint8_t)lies[i][1];
		assert_int_equal(verdict(frame, 60), PKTGEN_CORRUPT);
	}
}

/* For sanitizers: nothing that comes is read past its end. */
static void
noise_does_no_harm(void **state)
{
	srandom(1);
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t len = (uint32_t)random() % 100;
		uint8_t *frame = malloc(BH_MAX(len, 1u));
		for (uint32_t j = 0; j < len; j++)
			frame[j] = (uint8_t)random();
		if (len >= 60) { /* far enough to be looked at */
			uint8_t ours[PKTGEN_FRAME_BYTES];
			frame_of(ours, 60, 0, i);
			memcpy(frame, ours, 16 + i % 45);
		}
		enum pktgen_verdict got = verdict(frame, len);
		if (len < 60)
			assert_int_not_equal(got, PKTGEN_OURS);
		free(frame);
	}
}

static void
checksums_are_those_of_the_rfcs(void **state)
{
	uint8_t frame[256];
	for (uint32_t i = 0; i < 20000; i++) {
		uint16_t len = (uint16_t)(60 + i % 137);
		frame_of(frame, len, (uint16_t)(i % 4096), (uint64_t)i << (i % 28));
		assert_int_equal(reference_sum(frame + 14, 20, 0), 0xffff);
		uint32_t pseudo = reference_sum(frame + 26, 8, 17u + (len - 34u));
		assert_int_equal(reference_sum(frame + 34, len - 34u, pseudo), 0xffff);
		assert_true(frame[40] != 0 || frame[41] != 0); /* RFC 768: zero would say that there is none */
	}
}

/* In two or three pieces, cut anywhere behind the header, odd places included. */
static void
chains_are_read_whole(void **state)
{
	uint8_t frame[256];
	struct pktgen_mark mark;
	for (uint32_t cut = 60; cut < 196; cut++) {
		uint32_t second = (196 - cut) / 2;
		struct bh_pkt last = {.data = frame + cut + second, .len_bytes = 196 - cut - second, .seg_cnt = 1};
		struct bh_pkt middle = {.data = frame + cut, .len_bytes = second, .next = &last, .seg_cnt = 1};
		struct bh_pkt first = {
		        .data = frame, .len_bytes = cut, .frame_bytes = 196, .next = &middle, .seg_cnt = 3};
		frame_of(frame, 196, 7, cut);
		frame[100] = 0xa5; /* not all zero behind the cut: */
		frame[103] = 0x5a; /* the same word's other half, so that the sum holds */
		frame[150] = 0x5a;
		frame[151] = 0xa5;
		uint16_t sum = (uint16_t)~reference_sum(frame + 34, 162, reference_sum(frame + 26, 8, 17 + 162));
		sum = (uint16_t)(reference_sum(frame + 40, 2, sum));
		frame[40] = (uint8_t)(sum >> 8);
		frame[41] = (uint8_t)sum;
		assert_int_equal(pktgen_frame_read(&first, &mark), PKTGEN_OURS);
		assert_int_equal(mark.sequence, cut);
		frame[195] ^= 1;
		assert_int_equal(pktgen_frame_read(&first, &mark), PKTGEN_CORRUPT);
	}
}

static void
what_comes_from_nowhere_is_corrupt(void **state)
{
	struct pktgen_config config = config_of(2);
	struct pktgen gen;
	start(&gen, &config);
	send_some(&gen, 32);
	frame_at(held.frame[0], 60, 0, 16, gen.start_tsc); /* flow 0 has sent 0 to 15 */
	frame_at(held.frame[1], 60, 2, 0, gen.start_tsc);  /* there is no flow 2 */
	frame_at(held.frame[3], 60, 1, UINT64_C(0xffffffffffff), gen.start_tsc);
	give(0);
	give(1);
	give(2);
	give(3);
	receive_all(&gen);
	check_counts(&gen, 1, 0, 0, 3, 1); /* of flow 0 came 1, and not 0 */
}

/* A switch may hold the frames of a run until the next. */
static void
what_an_earlier_run_sent_is_foreign(void **state)
{
	struct pktgen_config config = config_of(2);
	struct pktgen gen;
	start(&gen, &config);
	send_some(&gen, 32);
	frame_at(held.frame[0], 60, 0, 3, gen.start_tsc - 1);
	frame_at(held.frame[1], 60, 1, 900, gen.start_tsc - 1000000);
	give(0);
	give(1);
	give(2);
	receive_all(&gen);
	check_counts(&gen, 1, 0, 0, 0, 1);
	assert_int_equal(*gen.cnt_foreign, 2);
}

static void
lost_late_and_double_frames_are_told_apart(void **state)
{
	static const uint32_t come[] = {0, 1, 4, 3, 4, 1, 6, 6, 2};
	struct pktgen_config config = config_of(1);
	struct pktgen gen;
	start(&gen, &config);
	send_some(&gen, 32);
	for (uint32_t i = 0; i < BH_ARRAY_CNT(come); i++)
		give(come[i]);
	receive_all(&gen);
	/* 0 1 4 6 in order; 3 and 2 late; 4, 1 and 6 twice; 5 has not come. */
	check_counts(&gen, 9, 2, 3, 0, 1);
}

/* Beyond the window a frame cannot be told from a duplicate; it counts as late. */
static void
the_window_is_as_long_as_it_says(void **state)
{
	struct pktgen_config config = config_of(1);
	struct pktgen gen;
	start(&gen, &config);
	send_some(&gen, 2 * PKTGEN_WINDOW_BITS);
	for (uint32_t i = 0; i <= PKTGEN_WINDOW_BITS; i++)
		give(i);
	give(1); /* as far back as it goes: seen */
	give(0); /* one further */
	receive_all(&gen);
	check_counts(&gen, PKTGEN_WINDOW_BITS + 3, 1, 1, 0, 0);
	give(2 * PKTGEN_WINDOW_BITS - 1); /* jumps over all of the window */
	give(PKTGEN_WINDOW_BITS + 1);
	receive_all(&gen);
	check_counts(&gen, PKTGEN_WINDOW_BITS + 5, 2, 1, 0, PKTGEN_WINDOW_BITS - 3);
}

/* What the ring does not take now is sent next, with the same flow, sequence and size. */
static void
a_full_ring_skips_nothing(void **state)
{
	struct pktgen_config config = config_of(3);
	struct pktgen gen;
	config.size_cnt = 2;
	config.bytes[1] = 128;
	config.pattern_cnt = 4;
	memcpy(config.pattern, (const uint8_t[]){0, 1, 1, 0}, 4);
	config.frame_cnt = 1000;
	start(&gen, &config);
	for (uint32_t i = 0; !pktgen_done(&gen); i++) {
		held.room_cnt = i % 35;
		(void)pktgen_send(&gen);
	}
	assert_int_equal(pktgen_send(&gen), 0);
	assert_int_equal(held.sent_cnt, 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		struct pktgen_mark mark;
		uint8_t frame[128] = {0};
		memcpy(frame, held.frame[i], PKTGEN_FRAME_BYTES);
		struct bh_pkt pkt = {.data = frame, .len_bytes = held.len_bytes[i], .seg_cnt = 1};
		assert_int_equal(pktgen_frame_read(&pkt, &mark), PKTGEN_OURS);
		assert_int_equal(mark.flow, i % 3);
		assert_int_equal(mark.sequence, i / 3);
		assert_int_equal(pkt.len_bytes, i % 4 == 1 || i % 4 == 2 ? 124 : 60);
		give(i);
	}
	receive_all(&gen);
	check_counts(&gen, 1000, 0, 0, 0, 0);
}

/* What was sent to warm up is not counted, also when it comes late. */
static void
a_warm_up_leaves_no_trace(void **state)
{
	struct pktgen_config config = config_of(2);
	struct pktgen gen;
	start(&gen, &config);
	pktgen_warm(&gen);
	send_some(&gen, 64);
	give(0);
	give(5);
	receive_all(&gen);
	assert_int_equal(*gen.cnt_received, 2);
	pktgen_begin(&gen);
	check_counts(&gen, 0, 0, 0, 0, 0);
	assert_int_equal(*gen.cnt_sent + *gen.cnt_bytes + gen.latency->sum + gen.latency->max, 0);
	assert_true(gen.latency->min == UINT64_MAX);
	send_some(&gen, 128);
	give(3); /* of the warm-up, late */
	give(64);
	receive_all(&gen);
	check_counts(&gen, 1, 0, 0, 0, 0);
	assert_int_equal(*gen.cnt_foreign, 1);
	assert_int_equal(*gen.cnt_sent, 64);
}

/* RFC 826: 52:54:00:00:00:07, 10.2.0.9 asks for 10.2.0.1. */
static const uint8_t request[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0,    0,    0,  7, 0x08, 0x06,
                                    0,    1,    0x08, 0,    6,    4,    0,    1,    0x52, 0x54, 0,  0, 0,    7,
                                    10,   2,    0,    9,    0,    0,    0,    0,    0,    0,    10, 2, 0,    1};

static bool
answered(const uint8_t *frame, uint32_t len_bytes, uint8_t *out)
{
	uint8_t copy[64] = {0};
	memcpy(copy, frame, len_bytes);
	struct bh_pkt pkt = {.data = copy, .len_bytes = len_bytes, .seg_cnt = 1};
	return pktgen_arp_answer(&pkt, dst_mac, out);
}

static void
what_asks_for_others_is_not_answered(void **state)
{
	uint8_t out[PKTGEN_FRAME_BYTES], frame[42];
	for (uint32_t len = 0; len < sizeof(request); len++)
		assert_false(answered(request, len, out));
	for (uint32_t at = 12; at < sizeof(request); at++) {
		if (at >= 22 && at < 38)
			continue; /* the sender, and the target that it does not know */
		memcpy(frame, request, sizeof(frame));
		frame[at] ^= 0x40;
		assert_false(answered(frame, sizeof(frame), out));
	}
	pktgen_arp_announce(dst_mac, out);
	assert_false(answered(out, sizeof(out), out));
}

static void
the_sink_says_where_it_is(void **state)
{
	static const uint8_t reply[42] = {0x52, 0x54, 0,    0, 0,    7,    2, 0, 0, 0, 0,  2, 0x08, 0x06,
	                                  0,    1,    0x08, 0, 6,    4,    0, 2, 2, 0, 0,  0, 0,    2,
	                                  10,   2,    0,    1, 0x52, 0x54, 0, 0, 0, 7, 10, 2, 0,    9};
	struct pktgen_config config = config_of(1);
	struct pktgen gen;
	uint8_t out[PKTGEN_FRAME_BYTES];
	assert_true(answered(request, sizeof(request), out));
	assert_memory_equal(out, reply, sizeof(reply));
	config.dst_is_rx = 1;
	start(&gen, &config);
	pktgen_announce(&gen);
	send_some(&gen, 2);
	assert_memory_equal(held.frame[0] + 6, dst_mac, 6); /* from the sink */
	assert_memory_equal(held.frame[1], dst_mac, 6);     /* to it */
	memcpy(held.frame[0], request, sizeof(request));    /* comes back as a question */
	give(0);
	uint32_t before = held.sent_cnt;
	receive_all(&gen);
	assert_int_equal(held.sent_cnt, before + 1);
	assert_memory_equal(held.frame[before], reply, sizeof(reply));
	check_counts(&gen, 0, 0, 0, 0, 0);
	assert_int_equal(*gen.cnt_foreign, 1);
}

static int
ground(void **state)
{
	return bh_hosted_start(1, 16u << 20, 32u << 20);
}

static int
no_ground(void **state)
{
	bh_hosted_stop();
	return 0;
}

#define WITH_GROUND(test) cmocka_unit_test_setup_teardown(test, ground, no_ground)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_wrong_bit_is_seen),
	        cmocka_unit_test(a_frame_cut_short_is_not_ours),
	        cmocka_unit_test(lengths_that_lie_are_corrupt),
	        cmocka_unit_test(noise_does_no_harm),
	        cmocka_unit_test(checksums_are_those_of_the_rfcs),
	        cmocka_unit_test(chains_are_read_whole),
	        WITH_GROUND(what_comes_from_nowhere_is_corrupt),
	        WITH_GROUND(what_an_earlier_run_sent_is_foreign),
	        WITH_GROUND(lost_late_and_double_frames_are_told_apart),
	        WITH_GROUND(the_window_is_as_long_as_it_says),
	        WITH_GROUND(what_asks_for_others_is_not_answered),
	        WITH_GROUND(the_sink_says_where_it_is),
	        WITH_GROUND(a_warm_up_leaves_no_trace),
	        WITH_GROUND(a_full_ring_skips_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
