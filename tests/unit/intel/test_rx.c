/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving: descriptors that lie, then chains, tags, checksums, hashes, and a pool that runs dry. */
#include "tests/unit/intel/rig.h"

#define DONE     ((uint64_t)INTEL_RXD_DD)
#define END      ((uint64_t)(INTEL_RXD_DD | INTEL_RXD_EOP))
#define BYTES(n) ((uint64_t)(n) << INTEL_RXD_LENGTH_SHIFT)

/* After whatever came before, a good frame still arrives, and is alone. */
static void
still_works(struct rig *rig)
{
	uint8_t frame[60] = {0x42};
	assert_true(card_receive(0, frame, sizeof(frame), 0, 0));
	struct bh_pkt *pkt = rig_rx_one(rig);
	assert_int_equal(pkt->len_bytes, sizeof(frame));
	assert_int_equal(pkt->seg_cnt, 1);
	assert_null(pkt->next);
	assert_memory_equal(pkt->data, frame, sizeof(frame));
	bh_pkt_free(pkt);
}

/* The card writes up to 2048 bytes into each buffer: a smaller one is never given to it. */
CARD_TEST(test_small_buffers)
{
	const struct bh_pkt_pool_options options = {.pkt_cnt = 64, .data_bytes = 1024};
	struct bh_pkt_pool *pool;
	struct bh_port *port;
	struct bh_port_queue *queue;
	assert_int_equal(bh_pkt_pool_create(&options, &pool), 0);
	assert_int_equal(bh_port_open("p0", NULL, &port), 0);
	assert_int_equal(bh_port_queue_start(port, 0, pool, &queue), -BH_ENOSPC);
	assert_int_equal(card.tail_writes, 0);
	assert_int_equal(bh_port_close(port), 0);
}

CARD_TEST(test_length_lies)
{
	static const uint32_t bytes[] = {0, 1, 13, 2049, 4096, 65535};
	struct rig rig;
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < BH_ARRAY_CNT(bytes); i++) {
		assert_true(card_write_back(0, 0, END | BYTES(bytes[i])));
		rig_rx_none(&rig);
		assert_int_equal(card_counter("drop_rx_bad_length"), i + 1);
		still_works(&rig);
	}
	rig_close(&rig);
}

/* In a chain, too: the pieces before and behind are not delivered, and it counts once. */
CARD_TEST(test_piece_lies)
{
	struct rig rig;
	const struct bh_port_options options = {.mtu_bytes = 9000};
	rig_open(&rig, &options);
	assert_true(card_write_back(0, 0, DONE | BYTES(2048)));
	assert_true(card_write_back(0, 0, DONE | BYTES(2049)));
	assert_true(card_write_back(0, 0, DONE | BYTES(2048)));
	rig_rx_none(&rig);
	assert_true(card_write_back(0, 0, END | BYTES(100)));
	rig_rx_none(&rig);
	assert_int_equal(card_counter("drop_rx_bad_length"), 1);
	still_works(&rig);
	assert_true(card_write_back(0, 0, DONE | BYTES(2048)));
	assert_true(card_write_back(0, 0, END | BYTES(0)));
	rig_rx_none(&rig);
	assert_int_equal(card_counter("drop_rx_bad_length"), 2);
	still_works(&rig);
	rig_close(&rig);
}

CARD_TEST(test_too_long)
{
	struct rig rig;
	uint8_t frame[1524] = {0};
	rig_open(&rig, NULL);
	assert_true(card_receive(0, frame, 1523, 0, 0)); /* MTU 1500, header, two tags: 1522 */
	rig_rx_none(&rig);
	assert_int_equal(card_counter("drop_rx_too_long"), 1);
	assert_true(card_receive(0, frame, 1522, 0, 0));
	bh_pkt_free(rig_rx_one(&rig));
	rig_close(&rig);
}

/* A frame that never ends fills no more than its share, and is counted once. */
CARD_TEST(test_endless_chain)
{
	struct rig rig;
	const struct bh_port_options options = {.mtu_bytes = 9000};
	rig_open(&rig, &options);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_true(card_write_back(0, 0, DONE | BYTES(i % 2 ? 1 : 2048)));
		rig_rx_none(&rig);
	}
	assert_int_equal(card_counter("drop_rx_too_long"), 1);
	assert_true(card_write_back(0, 0, END | BYTES(1)));
	rig_rx_none(&rig);
	still_works(&rig);
	rig_close(&rig);
}

CARD_TEST(test_many_small_pieces)
{
	struct rig rig;
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < BH_PKT_SEGS_MAX; i++)
		assert_true(card_write_back(0, 0, DONE | BYTES(i == 0 ? 14 : 1)));
	assert_true(card_write_back(0, 0, END | BYTES(1)));
	rig_rx_none(&rig);
	assert_int_equal(card_counter("drop_rx_too_long"), 1);
	still_works(&rig);
	rig_close(&rig);
}

CARD_TEST(test_damaged)
{
	static const uint32_t errors[] = {1u << 24, 1u << 25, 1u << 26, 1u << 28, 1u << 31};
	struct rig rig;
	uint8_t frame[60] = {0};
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < BH_ARRAY_CNT(errors); i++) {
		assert_true(card_receive(0, frame, sizeof(frame), errors[i], 0));
		rig_rx_none(&rig);
		assert_int_equal(card_counter("drop_rx_error"), i + 1);
	}
	still_works(&rig);
	rig_close(&rig);
}

/* More than the ring holds: what the device had no room for, it counts itself; nothing is delivered twice. */
CARD_TEST(test_overrun)
{
	struct rig rig;
	struct bh_pkt *pkts[64];
	uint32_t came = 0, got = 0, cnt;
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < 400; i++) {
		uint8_t frame[60] = {(uint8_t)came, (uint8_t)(came >> 8)};
		came += card_receive(0, frame, sizeof(frame), 0, 0);
	}
	assert_in_range(came, 200, 255);
	while ((cnt = bh_port_rx(rig.queue, pkts, 64)) > 0) {
		for (uint32_t i = 0; i < cnt; i++, got++) {
			assert_int_equal(pkts[i]->data[0] | pkts[i]->data[1] << 8, got);
			bh_pkt_free(pkts[i]);
		}
	}
	assert_int_equal(got, came);
	card_wait(UINT64_C(500000000));
	assert_int_equal(card_counter("rx_pkts") + card_counter("drop_rx_no_buffer"), 400);
	rig_close(&rig);
}

/* The application keeps all packets: the ring runs empty, and fills again when they come back. */
CARD_TEST(test_pool_runs_dry)
{
	struct rig rig;
	static struct bh_pkt *kept[RIG_PKTS];
	uint8_t frame[60] = {0};
	uint32_t cnt = 0;
	rig_open(&rig, NULL);
	while (card_receive(0, frame, sizeof(frame), 0, 0))
		cnt += bh_port_rx(rig.queue, kept + cnt, 1);
	assert_int_equal(cnt, RIG_PKTS);
	rig_rx_none(&rig);
	bh_pkt_free_burst(rig.pool, kept, cnt);
	rig_rx_none(&rig); /* gives buffers */
	still_works(&rig);
	rig_close(&rig);
}

CARD_TEST(test_chain)
{
	struct rig rig;
	static uint8_t frame[9018];
	const struct bh_port_options options = {.mtu_bytes = 9000};
	rig_open(&rig, &options);
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	assert_true(card_receive(0, frame, sizeof(frame), INTEL_RXD_VP, 77));
	struct bh_pkt *pkt = rig_rx_one(&rig);
	assert_int_equal(pkt->seg_cnt, 5);
	assert_int_equal(bh_pkt_frame_bytes(pkt), sizeof(frame));
	assert_true(pkt->flags & BH_PKT_VLAN);
	assert_int_equal(pkt->vlan_tci, 77);
	uint32_t at = 0;
	for (const struct bh_pkt *seg = pkt; seg != NULL; at += seg->len_bytes, seg = seg->next)
		assert_memory_equal(seg->data, frame + at, seg->len_bytes);
	assert_int_equal(at, sizeof(frame));
	assert_int_equal(card_counter("rx_bytes"), sizeof(frame));
	bh_pkt_free(pkt);
	rig_close(&rig);
}

static uint16_t
flags_of(struct rig *rig, uint32_t status)
{
	uint8_t frame[60] = {0};
	assert_true(card_receive(0, frame, sizeof(frame), status, 5));
	struct bh_pkt *pkt = rig_rx_one(rig);
	uint16_t flags = pkt->flags;
	if (flags & BH_PKT_HASH)
		assert_int_equal(pkt->hash, 0xabcd1234);
	bh_pkt_free(pkt);
	return flags;
}

CARD_TEST(test_offloads)
{
	struct rig rig;
	const struct bh_port_options options = {.queue_cnt = 2};
	rig_open(&rig, &options);
	assert_int_equal(flags_of(&rig, 0), BH_PKT_HASH);
	assert_int_equal(flags_of(&rig, INTEL_RXD_L4CS), BH_PKT_HASH | BH_PKT_CSUM_GOOD);
	assert_int_equal(flags_of(&rig, INTEL_RXD_L4CS | INTEL_RXD_L4E), BH_PKT_HASH | BH_PKT_CSUM_BAD);
	assert_int_equal(flags_of(&rig, INTEL_RXD_IPE), BH_PKT_HASH | BH_PKT_CSUM_BAD);
	assert_int_equal(flags_of(&rig, INTEL_RXD_VP), BH_PKT_HASH | BH_PKT_VLAN);
	rig_close(&rig);
}

CARD_TEST(test_no_offloads)
{
	struct rig rig;
	const struct bh_port_options options = {.no_offload = true};
	rig_open(&rig, &options);
	assert_false(card.reg[INTEL_REG_CTRL / 4] & INTEL_CTRL_VME);
	assert_int_equal(flags_of(&rig, INTEL_RXD_L4CS | INTEL_RXD_VP), 0);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        ON_BOTH(test_small_buffers), ON_BOTH(test_length_lies),   ON_BOTH(test_piece_lies),
	        ON_BOTH(test_too_long),      ON_BOTH(test_endless_chain), ON_BOTH(test_many_small_pieces),
	        ON_BOTH(test_damaged),       ON_BOTH(test_overrun),       ON_BOTH(test_pool_runs_dry),
	        ON_BOTH(test_chain),         ON_BOTH(test_offloads),      ON_BOTH(test_no_offloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
