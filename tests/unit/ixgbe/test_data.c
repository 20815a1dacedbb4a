/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the frames: lengths, chains, tags, checksums, filters, RSS, what is counted. Bytes from RFCs, not from the model. */
#include "rig.h"

#define WATCH_NS UINT64_C(150000000)

static int
set_up(void **state)
{
	rig_defaults();
	return 0;
}

static int
set_up_dropping(void **state)
{
	rig_defaults();
	rig.config.drop_when_full = true;
	return 0;
}

static void
expect_counter(const char *name, uint64_t want)
{
	if (rig_counter(name) != want)
		fail_msg("%s is %lu, not %lu", name, rig_counter(name), want);
}

RIG_TEST(test_too_long)
{
	rig_open(NULL);
	rig_send(0, rig_pkt(0, 1523));
	expect_counter("p0.drop_tx_too_long", 1);
	assert_null(rig_receive(1));
	rig_close();
}

/* Longer than MAXFRS: the card drops it and counts; the driver takes the count over. */
RIG_TEST(test_too_long_for_the_card)
{
	static uint8_t frame[9240];
	rig_open(NULL);
	struct vnet_frame given = {.piece_cnt = 1, .len_bytes = sizeof(frame), .piece = {{frame, sizeof(frame)}}};
	ixgbe_model_reg_write(rig.model[1], IXGBE_REG_MAXFRS, 4, 9000u << 16);
	assert_int_equal(ixgbe_rx_put(rig.model[1], &given), 0);
	assert_int_equal(rig_stats(1).rx_too_big_cnt, 1);
	rig_pass(WATCH_NS);
	expect_counter("p1.drop_rx_error", 1);
	rig_close();
}

/* It fits the card, and not the MTU. */
RIG_TEST(test_too_long_for_the_mtu)
{
	static uint8_t frame[2000];
	rig_open(NULL);
	struct vnet_frame given = {.piece_cnt = 1, .len_bytes = sizeof(frame), .piece = {{frame, sizeof(frame)}}};
	assert_int_equal(ixgbe_rx_put(rig.model[1], &given), 0);
	assert_null(rig_receive(1));
	expect_counter("p1.drop_rx_too_long", 1);
	rig_close();
}

/* 7.2.3: what is shorter than a frame on a wire is padded with zeros. */
RIG_TEST(test_padded)
{
	rig_open(NULL);
	rig_send(0, rig_pkt(0, 14));
	struct bh_pkt *pkt = rig_receive(1);
	assert_non_null(pkt);
	assert_int_equal(pkt->len_bytes, 60);
	for (uint32_t i = 17; i < 60; i++)
		assert_int_equal(pkt->data[i], 0);
	bh_pkt_free(pkt);
	rig_close();
}

static struct bh_pkt *
chain_make(uint32_t bytes)
{
	struct bh_pkt *first = NULL, *last = NULL;
	for (uint32_t at = 0; at < bytes;) {
		uint32_t part = BH_MIN(bytes - at, 1000u);
		struct bh_pkt *pkt = rig_pkt(0, part);
		for (uint32_t i = first == NULL ? 6 : 0; i < part; i++)
			pkt->data[i] = (uint8_t)((at + i) * 7);
		if (first == NULL)
			first = pkt;
		else
			last->next = pkt;
		last = pkt;
		at += part;
		first->seg_cnt = (uint16_t)(at == part ? 1 : first->seg_cnt + 1);
	}
	first->frame_bytes = bytes;
	return first;
}

/* A jumbo frame: out of many pieces, into many. */
RIG_TEST(test_jumbo)
{
	const struct bh_port_options options = {.mtu_bytes = 9000, .promiscuous = true};
	rig_open(&options);
	rig_send(0, chain_make(9014));
	struct bh_pkt *pkt = rig_receive(1);
	assert_non_null(pkt);
	assert_int_equal(bh_pkt_frame_bytes(pkt), 9014);
	assert_int_equal(pkt->seg_cnt, 5);
	uint32_t at = 0;
	for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next) {
		for (uint32_t i = 0; i < seg->len_bytes; i++, at++) {
			if (at >= 6)
				assert_int_equal(seg->data[i], (uint8_t)(at * 7));
		}
	}
	bh_pkt_free(pkt);
	rig_close();
}

/* The sender's card puts the tag in, the receiver's takes it out; without offloads it stays in the data. */
RIG_TEST(test_vlan)
{
	rig_open(NULL);
	struct bh_pkt *pkt = rig_pkt(0, 100);
	pkt->flags = BH_PKT_VLAN;
	pkt->vlan_tci = 0xa04d;
	rig_send(0, pkt);
	pkt = rig_receive(1);
	assert_non_null(pkt);
	assert_true(pkt->flags & BH_PKT_VLAN);
	assert_int_equal(pkt->vlan_tci, 0xa04d);
	assert_int_equal(pkt->len_bytes, 100);
	assert_int_equal(pkt->data[12], 12);
	bh_pkt_free(pkt);
	rig_close();
}

RIG_TEST(test_vlan_in_the_data)
{
	const struct bh_port_options options = {.promiscuous = true, .no_offload = true};
	rig_open(&options);
	struct bh_pkt *pkt = rig_pkt(0, 100);
	memcpy(pkt->data + 12, "\x81\x00\xa0\x4d", 4);
	rig_send(0, pkt);
	pkt = rig_receive(1);
	assert_non_null(pkt);
	assert_int_equal(pkt->flags, 0);
	assert_memory_equal(pkt->data + 12, "\x81\x00\xa0\x4d", 4);
	bh_pkt_free(pkt);
	rig_close();
}

static uint32_t
ones_sum(const uint8_t *data, uint32_t bytes, uint32_t sum)
{
	for (uint32_t i = 0; i < bytes; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* IPv4 with 20 bytes of header and what `proto` has, 100 bytes of it; its checksums are right (RFC 791, 768, 9293). */
static struct bh_pkt *
ip_pkt(uint32_t from, uint8_t proto)
{
	struct bh_pkt *pkt = rig_pkt(from, 14 + 20 + 100);
	uint8_t *ip = pkt->data + 14, *l4 = ip + 20;
	uint32_t at = proto == 6 ? 16 : 6;
	memcpy(pkt->data + 12, "\x08\x00", 2);
	memcpy(ip, "\x45\x00\x00\x78\x00\x01\x00\x00\x40\x00\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02", 20);
	ip[9] = proto;
	uint32_t sum = ~ones_sum(ip, 20, 0) & 0xffff;
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	if (proto == 17)
		memcpy(l4 + 4, "\x00\x64", 2);
	l4[at] = l4[at + 1] = 0;
	sum = ~ones_sum(l4, 100, ones_sum(ip + 12, 8, proto + 100u)) & 0xffff;
	l4[at] = (uint8_t)(sum >> 8);
	l4[at + 1] = (uint8_t)sum;
	return pkt;
}

static uint16_t
flags_after(struct bh_pkt *pkt)
{
	rig_send(0, pkt);
	pkt = rig_receive(1);
	assert_non_null(pkt);
	uint16_t flags = pkt->flags;
	bh_pkt_free(pkt);
	return flags;
}

RIG_TEST(test_checksums_received)
{
	rig_open(NULL);
	assert_int_equal(flags_after(rig_pkt(0, 100)), 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct bh_pkt *pkt = ip_pkt(0, i ? 6 : 17);
		assert_int_equal(flags_after(pkt), BH_PKT_CSUM_GOOD);
		pkt = ip_pkt(0, 6);
		pkt->data[14 + 20 + 50] ^= 1;
		assert_int_equal(flags_after(pkt), BH_PKT_CSUM_BAD);
	}
	struct bh_pkt *pkt = ip_pkt(0, 17);
	pkt->data[14 + 8] ^= 1; /* TTL: the IP header's sum is wrong */
	assert_int_equal(flags_after(pkt), BH_PKT_CSUM_BAD);
	pkt = ip_pkt(0, 17);
	memset(pkt->data + 14 + 20 + 6, 0, 2); /* UDP without a checksum: the card says wrong, and cannot be believed */
	assert_int_equal(flags_after(pkt), 0);
	rig_close();
}

/* The driver asks the card to finish a checksum whose place holds the sum of the pseudo header; the result is right. */
RIG_TEST(test_checksums_sent)
{
	rig_open(NULL);
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t proto = i ? 6 : 17;
		struct bh_pkt *pkt = ip_pkt(0, proto);
		uint32_t at = 14 + 20 + (proto == 6 ? 16u : 6u);
		uint8_t want[2] = {pkt->data[at], pkt->data[at + 1]};
		uint32_t pseudo = ones_sum(pkt->data + 14 + 12, 8, proto + 100u);
		pkt->data[at] = (uint8_t)(pseudo >> 8);
		pkt->data[at + 1] = (uint8_t)pseudo;
		pkt->flags = BH_PKT_CSUM_PARTIAL;
		pkt->csum_start = 34;
		pkt->csum_offset = (uint16_t)(at - 34);
		rig_send(0, pkt);
		pkt = rig_receive(1);
		assert_non_null(pkt);
		assert_memory_equal(pkt->data + at, want, 2);
		assert_int_equal(pkt->flags, BH_PKT_CSUM_GOOD);
		bh_pkt_free(pkt);
	}
	rig_close();
}

static bool
arrives(const char *mac)
{
	struct bh_pkt *pkt = rig_pkt(0, 60);
	memcpy(pkt->data, mac, 6);
	rig_send(0, pkt);
	pkt = rig_receive(1);
	if (pkt != NULL)
		bh_pkt_free(pkt);
	return pkt != NULL;
}

RIG_TEST(test_filters)
{
	static const uint8_t group[1][6] = {{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};
	const struct bh_port_options options = {.promiscuous = false};
	rig_open(&options);
	assert_false(arrives("\x02\0\0\0\0\x77"));
	assert_false(arrives("\x01\x00\x5e\x01\x02\x03"));
	assert_true(arrives("\x02\0\0\0\0\x02"));
	assert_true(arrives("\xff\xff\xff\xff\xff\xff"));
	assert_int_equal(bh_port_multicast_set(rig.port[1], group, 1), 0);
	assert_true(arrives("\x01\x00\x5e\x01\x02\x03"));
	assert_false(arrives("\x01\x00\x5e\x01\x12\x03"));
	assert_int_equal(bh_port_all_multicast_set(rig.port[1], true), 0);
	assert_true(arrives("\x01\x00\x5e\x01\x12\x03"));
	assert_int_equal(bh_port_mac_set(rig.port[1], (const uint8_t *)"\x02\0\0\0\0\x77"), 0);
	assert_true(arrives("\x02\0\0\0\0\x77"));
	assert_false(arrives("\x02\0\0\0\0\x02"));
	assert_int_equal(bh_port_promiscuous_set(rig.port[1], true), 0);
	assert_true(arrives("\x02\0\0\0\0\x02"));
	assert_int_equal(bh_port_reset(rig.port[1]), 0); /* they survive it */
	assert_true(arrives("\x02\0\0\0\0\x02"));
	rig_close();
}

/* Microsoft's "Verifying the RSS Hash Calculation", which the driver's key is of: with ports, and without. */
static const struct {
	uint8_t src[4], dst[4];
	uint16_t src_port, dst_port;
	uint32_t with_ports, without;
} vectors[] = {
        {{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x51ccc178, 0x323e8fc2},
        {{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xc626b0ea, 0xd718262a},
        {{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0x5c2b394a, 0xd2d0a5de},
        {{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0xafc7327f, 0x82989176},
        {{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303, 0x10e828a2, 0x5d1809c5},
};

static void
hash_expect(uint32_t i, uint8_t proto, struct bh_port_queue *const *queue)
{
	struct bh_pkt *pkt = ip_pkt(0, proto), *got = NULL;
	uint32_t want = proto == 6 || proto == 17 ? vectors[i].with_ports : vectors[i].without;
	memcpy(pkt->data + 26, vectors[i].src, 4);
	memcpy(pkt->data + 30, vectors[i].dst, 4);
	pkt->data[34] = (uint8_t)(vectors[i].src_port >> 8);
	pkt->data[35] = (uint8_t)vectors[i].src_port;
	pkt->data[36] = (uint8_t)(vectors[i].dst_port >> 8);
	pkt->data[37] = (uint8_t)vectors[i].dst_port;
	rig_send(0, pkt);
	for (unsigned turn = 0; turn < 20; turn++, bh_yield()) {
		for (uint32_t q = 0; q < 4; q++) {
			if (bh_port_rx(queue[q], &got, 1) == 0)
				continue;
			assert_int_equal(q, want % 128 % 4);
			assert_true(got->flags & BH_PKT_HASH);
			assert_int_equal(got->hash, want);
			bh_pkt_free(got);
			return;
		}
	}
	fail_msg("vector %u, protocol %u: nothing arrives", i, proto);
}

RIG_TEST(test_rss)
{
	const struct bh_port_options options = {.promiscuous = true, .queue_cnt = 4};
	struct bh_port_queue *queue[4];
	rig_open(&options);
	queue[0] = rig.queue[1];
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(bh_port_queue_start(rig.port[1], i, rig.pool[1], &queue[i]), 0);
	for (uint32_t i = 0; i < BH_ARRAY_CNT(vectors); i++) {
		hash_expect(i, 6, queue);
		hash_expect(i, 17, queue);
		hash_expect(i, 47, queue);
	}
	rig_close();
}

/* All 16 queues: what each sends arrives, and what each drops is counted (QPRDC). */
RIG_TEST(test_many_queues)
{
	const struct bh_port_options options = {
	        .promiscuous = true, .queue_cnt = 16, .rx_entries = 64, .tx_entries = 64};
	struct bh_port_queue *queue;
	rig_open(&options);
	assert_int_equal(bh_port_info(rig.port[0])->queue_cnt, 16);
	for (uint32_t i = 1; i < 16; i++) {
		assert_int_equal(bh_port_queue_start(rig.port[0], i, rig.pool[0], &queue), 0);
		struct bh_pkt *pkt = rig_pkt(0, 60);
		assert_int_equal(bh_port_tx(queue, &pkt, 1), 1);
		struct bh_pkt *got = rig_receive(1);
		assert_non_null(got);
		bh_pkt_free(got);
	}
	rig_close();
}

/* Nobody takes frames off: the card drops, and every frame is in a counter. */
static void
overrun(uint32_t queue_cnt)
{
	const struct bh_port_options options = {.promiscuous = true, .rx_entries = 64, .queue_cnt = queue_cnt};
	struct bh_pkt *pkt;
	uint32_t came = 0;
	rig_open(&options);
	for (uint32_t i = 0; i < 200; i++) {
		rig_send(0, rig_pkt(0, 60));
		bh_yield();
	}
	rig_pass(WATCH_NS);
	while ((pkt = rig_receive(1)) != NULL) {
		bh_pkt_free(pkt);
		came++;
	}
	assert_in_range(came, 32, 64);
	expect_counter("p1.drop_rx_no_buffer", 200 - came);
	rig_close();
}

RIG_TEST(test_overrun)
{
	overrun(1); /* RXMPC */
}

RIG_TEST(test_overrun_of_a_queue)
{
	overrun(2); /* QPRDC */
}

/* A burst larger than the ring, both ways, many times: nothing lost, nothing twice, in order. */
RIG_TEST(test_in_order)
{
	uint32_t sent = 0, came = 0;
	rig_open(NULL);
	for (uint32_t turn = 0; turn < 20000 && came < 10000; turn++) {
		struct bh_pkt *pkts[32], *got[32];
		uint32_t cnt = 0, free_at;
		while (cnt < 32 && sent + cnt < 10000 && rig.pool[0]->free_cnt > 300) {
			pkts[cnt] = rig_pkt(0, 60 + (sent + cnt) % 900);
			memcpy(pkts[cnt]->data + 14, &(uint32_t){sent + cnt}, 4);
			cnt++;
		}
		free_at = bh_port_tx(rig.queue[0], pkts, cnt);
		sent += free_at;
		bh_pkt_free_burst(rig.pool[0], pkts + free_at, cnt - free_at);
		cnt = bh_port_rx(rig.queue[1], got, 32);
		for (uint32_t i = 0; i < cnt; i++, came++) {
			assert_memory_equal(got[i]->data + 14, &came, 4);
			assert_int_equal(got[i]->len_bytes, 60 + came % 900);
			bh_pkt_free(got[i]);
		}
		bh_yield();
	}
	assert_int_equal(came, 10000);
	expect_counter("p0.tx_pkts", 10000);
	expect_counter("p1.rx_pkts", 10000);
	assert_int_equal(rig_stats(0).tx_bad_cnt, 0);
	rig_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_too_long, set_up),
	        cmocka_unit_test_setup(test_too_long_for_the_card, set_up),
	        cmocka_unit_test_setup(test_too_long_for_the_mtu, set_up),
	        cmocka_unit_test_setup(test_padded, set_up),
	        cmocka_unit_test_setup(test_jumbo, set_up),
	        cmocka_unit_test_setup(test_vlan, set_up),
	        cmocka_unit_test_setup(test_vlan_in_the_data, set_up),
	        cmocka_unit_test_setup(test_checksums_received, set_up),
	        cmocka_unit_test_setup(test_checksums_sent, set_up),
	        cmocka_unit_test_setup(test_filters, set_up),
	        cmocka_unit_test_setup(test_rss, set_up),
	        cmocka_unit_test_setup(test_many_queues, set_up),
	        cmocka_unit_test_setup(test_overrun, set_up_dropping),
	        cmocka_unit_test_setup(test_overrun_of_a_queue, set_up_dropping),
	        cmocka_unit_test_setup(test_in_order, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
