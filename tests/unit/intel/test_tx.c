/* SPDX-License-Identifier: Apache-2.0 */
/* Transmitting: what is refused, then what each card is told. Layouts by number, from the datasheets. */
#include <stdlib.h>

#include "tests/unit/intel/rig.h"

#define WORD1_PLAIN_82574 (UINT64_C(1) << 20 | UINT64_C(0x23) << 24) /* DTYP 1, DEXT, IFCS, EOP (7.2.11) */
#define WORD1_PLAIN_82576 (UINT64_C(3) << 20 | UINT64_C(0x23) << 24) /* DTYP 3 (7.2.2.3) */
#define RS                (UINT64_C(1) << 27)

static uint32_t
send_one(struct rig *rig, struct bh_pkt *pkt)
{
	return bh_port_tx(rig->queue, &pkt, 1);
}

static const struct card_sent *
last_sent(void)
{
	assert_true(card.sent_cnt > 0);
	return &card.sent[card.sent_cnt - 1];
}

CARD_TEST(test_refused)
{
	struct rig rig;
	rig_open(&rig, NULL);
	assert_int_equal(send_one(&rig, rig_pkt(&rig, 0)), 1);
	assert_int_equal(send_one(&rig, rig_pkt(&rig, 13)), 1);
	assert_int_equal(card_counter("drop_tx_too_short"), 2);
	assert_int_equal(send_one(&rig, rig_pkt(&rig, 1523)), 1);
	assert_int_equal(card_counter("drop_tx_too_long"), 1);
	struct bh_pkt *pkt = rig_pkt(&rig, 60);
	pkt->flags = BH_PKT_CSUM_PARTIAL;
	pkt->csum_start = 50;
	pkt->csum_offset = 9;
	assert_int_equal(send_one(&rig, pkt), 1);
	assert_int_equal(card_counter("drop_tx_bad_request"), 1);
	assert_int_equal(card.sent_cnt, 0);
	assert_int_equal(card.tail_writes, 1); /* the receive ring's */
	rig_close(&rig);
}

CARD_TEST(test_plain)
{
	struct rig rig;
	rig_open(&rig, NULL);
	assert_int_equal(send_one(&rig, rig_pkt(&rig, 60)), 1);
	const struct card_sent *sent = last_sent();
	assert_int_equal(sent->bytes, 60);
	assert_int_equal(sent->desc_cnt, 1);
	uint64_t want = card.is_82576 ? WORD1_PLAIN_82576 | RS | UINT64_C(60) << 46 : WORD1_PLAIN_82574 | RS;
	assert_int_equal(sent->word1, want | 60);
	for (uint32_t i = 0; i < 60; i++)
		assert_int_equal(sent->head[i], i);
	assert_int_equal(card_counter("tx_pkts"), 1);
	assert_int_equal(card_counter("tx_bytes"), 60);
	rig_close(&rig);
}

/* Neither card takes fewer than 17 bytes. */
CARD_TEST(test_short_is_padded)
{
	struct rig rig;
	rig_open(&rig, NULL);
	assert_int_equal(send_one(&rig, rig_pkt(&rig, 14)), 1);
	assert_int_equal(last_sent()->bytes, 17);
	assert_memory_equal(last_sent()->head + 14, "\0\0", 3);
	rig_close(&rig);
}

CARD_TEST(test_chain)
{
	struct rig rig;
	rig_open(&rig, NULL);
	struct bh_pkt *pkt = rig_pkt(&rig, 40);
	pkt->next = rig_pkt(&rig, 30);
	pkt->next->next = rig_pkt(&rig, 1);
	pkt->seg_cnt = 3;
	pkt->frame_bytes = 71;
	assert_int_equal(send_one(&rig, pkt), 1);
	assert_int_equal(last_sent()->bytes, 71);
	assert_int_equal(last_sent()->desc_cnt, 3);
	if (card.is_82576)
		assert_int_equal(last_sent()->word1 >> 46, 71); /* PAYLEN: of the whole packet */
	rig_close(&rig);
}

/* A chain whose fields contradict each other reaches no descriptor. */
CARD_TEST(test_unsound_chain)
{
	struct rig rig;
	rig_open(&rig, NULL);
	struct bh_pkt *pkt = rig_pkt(&rig, 40);
	pkt->next = rig_pkt(&rig, 30);
	pkt->seg_cnt = 1;
	pkt->frame_bytes = 70;
	assert_int_equal(send_one(&rig, pkt), 1);
	assert_int_equal(card_counter("drop_tx_too_long"), 1);
	assert_int_equal(card.sent_cnt, 0);
	rig_close(&rig);
}

CARD_TEST(test_vlan)
{
	struct rig rig;
	rig_open(&rig, NULL);
	struct bh_pkt *pkt = rig_pkt(&rig, 60);
	pkt->flags = BH_PKT_VLAN;
	pkt->vlan_tci = 0xa04d;
	assert_int_equal(send_one(&rig, pkt), 1);
	const struct card_sent *sent = last_sent();
	assert_int_equal(sent->bytes, 60);
	assert_true(sent->word1 & UINT64_C(1) << 30); /* VLE */
	if (card.is_82576)
		assert_int_equal(sent->ctx[0] >> 16 & 0xffff, 0xa04d);
	else
		assert_int_equal(sent->word1 >> 48, 0xa04d);
	rig_close(&rig);
}

static struct bh_pkt *
csum_pkt(struct rig *rig, uint16_t start, uint16_t offset)
{
	struct bh_pkt *pkt = rig_pkt(rig, 400);
	pkt->flags = BH_PKT_CSUM_PARTIAL;
	pkt->csum_start = start;
	pkt->csum_offset = offset;
	return pkt;
}

CARD_TEST(test_csum_82574)
{
	struct rig rig;
	rig_open(&rig, NULL);
	assert_int_equal(send_one(&rig, csum_pkt(&rig, 34, 16)), 1);
	const struct card_sent *sent = last_sent();
	/* TUCSS 34, TUCSO 50, TUCSE 0; DTYP 0, DEXT, TCP (7.2.10); POPTS.TXSM (7.2.11.6) */
	assert_int_equal(sent->ctx[0], UINT64_C(34) << 32 | UINT64_C(50) << 40);
	assert_int_equal(sent->ctx[1], UINT64_C(1) << 29 | UINT64_C(1) << 24);
	assert_int_equal(sent->word1 >> 40 & 0xff, 2);
	assert_int_equal(send_one(&rig, csum_pkt(&rig, 34, 6)), 1);
	assert_int_equal(last_sent()->ctx[1], UINT64_C(1) << 29);
	rig_close(&rig);
}

CARD_TEST(test_csum_82576)
{
	struct rig rig;
	rig_open(&rig, NULL);
	assert_int_equal(send_one(&rig, csum_pkt(&rig, 34, 16)), 1);
	const struct card_sent *sent = last_sent();
	/* MACLEN 14, IPLEN 20; DTYP 2, DEXT, L4T TCP (7.2.2.2) */
	assert_int_equal(sent->ctx[0], 14 << 9 | 20);
	assert_int_equal(sent->ctx[1], UINT64_C(2) << 20 | UINT64_C(1) << 29 | UINT64_C(1) << 11);
	assert_int_equal(sent->word1 >> 40 & 0xff & 0x3f, 2);
	struct bh_pkt *pkt = csum_pkt(&rig, 38, 6);
	pkt->data[12] = 0x81;
	pkt->data[13] = 0x00;
	assert_int_equal(send_one(&rig, pkt), 1);
	assert_int_equal(last_sent()->ctx[0], 18 << 9 | 20);
	rig_close(&rig);
}

/* Where the card cannot (offsets too large, no TCP or UDP), the port does it: RFC 1071. */
CARD_TEST(test_csum_by_software)
{
	struct rig rig;
	rig_open(&rig, NULL);
	struct bh_pkt *pkt = csum_pkt(&rig, card.is_82576 ? 20 : 300, 2);
	uint32_t sum = 0, at = pkt->csum_start + 2u;
	for (uint32_t i = pkt->csum_start; i < 400; i += 2)
		sum += (uint32_t)pkt->data[i] << 8 | pkt->data[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	assert_int_equal(send_one(&rig, pkt), 1);
	assert_int_equal(last_sent()->ctx[1], 0);
	assert_int_equal(last_sent()->word1 >> 40 & 0x3f, 0);
	assert_int_equal(pkt->data[at] << 8 | pkt->data[at + 1], sum);
	rig_close(&rig);
}

/* The ring takes what it has room for; the others stay the caller's; nothing is sent twice. */
CARD_TEST(test_ring_full)
{
	struct rig rig;
	struct bh_pkt *pkts[300];
	rig_open(&rig, NULL);
	card.hold_tx = true;
	for (uint32_t i = 0; i < 300; i++) {
		pkts[i] = rig_pkt(&rig, 60);
		pkts[i]->data[0] = (uint8_t)i;
	}
	assert_int_equal(bh_port_tx(rig.queue, pkts, 200), 200);
	uint32_t more = bh_port_tx(rig.queue, pkts + 200, 100);
	assert_int_equal(more, 55); /* 255 descriptors of 256; at multiples of 128 bytes none of these crosses a page */
	assert_int_equal(bh_port_tx(rig.queue, pkts + 200 + more, 100 - more), 0);
	card_send_held();
	assert_int_equal(card.sent_cnt, 200 + more);
	assert_int_equal(bh_port_tx(rig.queue, pkts + 200 + more, 100 - more), 100 - more);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(card.sent[i].head[0], (uint8_t)i);
	rig_close(&rig);
}

/* No descriptor crosses a page, whatever the frame; and all of it is sent. */
CARD_TEST(test_pages)
{
	struct rig rig;
	struct bh_pkt *pkts[200];
	uint32_t split = 0;
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < 200; i++)
		pkts[i] = rig_pkt(&rig, 1500);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t first = BH_PAGE_BYTES - (uint32_t)((uintptr_t)pkts[i]->data % BH_PAGE_BYTES);
		assert_int_equal(send_one(&rig, pkts[i]), 1);
		assert_int_equal(last_sent()->bytes, 1500);
		assert_int_equal(last_sent()->desc_cnt, first < 1500 ? 2 : 1);
		assert_int_equal(last_sent()->word1 & 0xffff, first < 1500 ? first : 1500);
		split += first < 1500;
	}
	assert_in_range(split, 20, 180);
	rig_close(&rig);
}

/* A burst is one doorbell and, up to 32 frames, one report. */
CARD_TEST(test_one_report_a_burst)
{
	struct rig rig;
	struct bh_pkt *pkts[40];
	uint32_t reports = 0;
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < 40; i++)
		pkts[i] = rig_pkt(&rig, 60);
	uint32_t before = card.tail_writes;
	assert_int_equal(bh_port_tx(rig.queue, pkts, 40), 40);
	assert_int_equal(card.tail_writes, before + 1);
	for (uint32_t i = 0; i < 40; i++) {
		bool reported = card.sent[i].word1 & RS;
		assert_int_equal(reported, i == 31 || i == 39);
		reports += reported;
	}
	assert_int_equal(reports, 2);
	rig_close(&rig);
}

/* 100,000 random operations: the sums hold, and at the end each packet is back. */
static uint64_t
draw(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static void
random_send(struct rig *rig, uint64_t *seed)
{
	struct bh_pkt *pkts[16];
	uint32_t cnt = bh_pkt_get(rig->pool, pkts, (uint32_t)(draw(seed) % 16));
	for (uint32_t i = 0; i < cnt; i++) {
		pkts[i]->data += draw(seed) % 1000; /* wherever a page ends */
		pkts[i]->len_bytes = (uint32_t)(draw(seed) % 1040);
		pkts[i]->flags = (uint16_t)(draw(seed) % 16);
		pkts[i]->csum_start = (uint16_t)(draw(seed) % 400);
		pkts[i]->csum_offset = (uint16_t)(draw(seed) % 20);
		if (i + 1 < cnt && draw(seed) % 4 == 0) { /* a chain, whose sums may be wrong */
			pkts[i]->next = pkts[--cnt];
			pkts[cnt]->len_bytes = (uint32_t)(draw(seed) % 1500);
			pkts[i]->seg_cnt = (uint16_t)(2 + (draw(seed) % 64 == 0));
			pkts[i]->frame_bytes = pkts[i]->len_bytes + pkts[cnt]->len_bytes;
		}
	}
	card.sent_cnt = 0;
	uint32_t took = bh_port_tx(rig->queue, pkts, cnt);
	bh_pkt_free_burst(rig->pool, pkts + took, cnt - took);
}

static void
random_receive(struct rig *rig, uint64_t *seed)
{
	struct bh_pkt *pkts[16];
	uint32_t got = bh_port_rx(rig->queue, pkts, (uint32_t)(draw(seed) % 16));
	for (uint32_t i = 0; i < got; i++) {
		uint32_t bytes = 0, cnt = 0;
		for (const struct bh_pkt *seg = pkts[i]; seg != NULL; seg = seg->next, cnt++) {
			assert_in_range(seg->len_bytes, 1, INTEL_RX_BUF_BYTES);
			bytes += seg->len_bytes;
		}
		assert_int_equal(bytes, bh_pkt_frame_bytes(pkts[i]));
		assert_int_equal(cnt, pkts[i]->seg_cnt);
		assert_in_range(bytes, 14, rig->queue->frame_bytes_max);
		bh_pkt_free(pkts[i]);
	}
}

static void
random_step(struct rig *rig, uint64_t *seed)
{
	uint64_t length = draw(seed) % 4 == 0 ? draw(seed) : draw(seed) % 2100;
	switch (draw(seed) % 8) {
	case 0:
	case 1:
	case 2:
		(void)card_write_back(0, draw(seed) << 33 | draw(seed),
		                      draw(seed) << 48 | (length & 0xffff) << 32 | (draw(seed) << 2 & 0xffffffff) |
		                              (draw(seed) % 8 != 0) << 1 | (draw(seed) % 64 != 0));
		break;
	case 3:
		card.hold_tx = draw(seed) & 1;
		card.sent_cnt = 0;
		break;
	case 4:
	case 5:
		random_receive(rig, seed);
		break;
	default:
		random_send(rig, seed);
	}
	if (draw(seed) % 5000 == 0)
		assert_int_equal(bh_port_reset(rig->port), 0);
}

static uint64_t random_seed = 1, random_steps = 100000;

CARD_TEST(test_random)
{
	const struct bh_port_options options = {.mtu_bytes = 9000};
	struct rig rig;
	uint64_t seed = random_seed;
	rig_open(&rig, &options);
	for (uint64_t i = 0; i < random_steps; i++)
		random_step(&rig, &seed);
	rig_close(&rig);
}

/* Without arguments all tests; with SEED STEPS only the random one, for as long as wanted. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        ON_BOTH(test_refused),     ON_BOTH(test_plain),         ON_BOTH(test_short_is_padded),
	        ON_BOTH(test_chain),       ON_BOTH(test_unsound_chain), ON_BOTH(test_vlan),
	        ON_82574(test_csum_82574), ON_82576(test_csum_82576),   ON_BOTH(test_csum_by_software),
	        ON_BOTH(test_pages),       ON_BOTH(test_ring_full),     ON_BOTH(test_one_report_a_burst),
	        ON_BOTH(test_random),
	};
	if (argc == 3) {
		random_seed = strtoull(argv[1], NULL, 0);
		random_steps = strtoull(argv[2], NULL, 0);
		cmocka_set_test_filter("test_random*");
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
