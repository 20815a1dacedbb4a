/* SPDX-License-Identifier: Apache-2.0 */
/* The driver against the model: every frame arrives, as it was, in every kind of ring; what does not arrive is counted. */
#include "pair.h"

#define BURST 32u

static struct bh_port *port[2];
static struct bh_port_queue *queue[2];

static void
close_both(void)
{
	assert_int_equal(bh_port_close(port[0]), 0);
	assert_int_equal(bh_port_close(port[1]), 0);
}

/* A frame whose every byte follows from its number. */
static void
frame_fill(struct bh_pkt *pkt, uint32_t number, uint32_t len_bytes)
{
	for (uint32_t i = 0; i < len_bytes; i++)
		pkt->data[i] = (uint8_t)(number * 31 + i);
	pkt->data[0] &= 0xfe;
	memcpy(pkt->data + 14, &number, 4);
	pkt->len_bytes = len_bytes;
}

static uint32_t
len_of(uint32_t number, uint32_t longest)
{
	return 18 + number * 7 % (longest - 17);
}

static void
frame_check(const struct bh_pkt *pkt, uint32_t number, uint32_t len_bytes)
{
	uint32_t at = 0, got_number;
	memcpy(&got_number, pkt->data + 14, 4);
	assert_int_equal(got_number, number);
	assert_int_equal(bh_pkt_frame_bytes(pkt), len_bytes);
	for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next) {
		for (uint32_t i = 0; i < seg->len_bytes; i++, at++) {
			uint8_t wanted = (uint8_t)(number * 31 + at);
			if (at == 0)
				wanted &= 0xfe;
			if (at < 14 || at >= 18)
				assert_int_equal(seg->data[i], wanted);
		}
	}
	assert_int_equal(at, len_bytes);
}

/* cnt frames from one side to the other, lengths up to `longest`, at random burst sizes. */
static void
send_and_check(uint32_t from, uint32_t cnt, uint32_t longest)
{
	struct bh_pkt *pkts[BURST];
	uint32_t sent = 0, got = 0, idle = 0;
	while (got < cnt) {
		uint32_t want = BH_MIN(cnt - sent, 1 + sent % BURST);
		want = want == 0 ? 0 : bh_pkt_get(queue[from]->pool, pkts, want);
		for (uint32_t i = 0; i < want; i++)
			frame_fill(pkts[i], sent + i, len_of(sent + i, longest));
		uint32_t taken = bh_port_tx(queue[from], pkts, want);
		bh_pkt_free_burst(queue[from]->pool, pkts + taken, want - taken);
		sent += taken;
		bh_yield();
		uint32_t arrived = bh_port_rx(queue[1 - from], pkts, 1 + got % BURST);
		for (uint32_t i = 0; i < arrived; i++) {
			frame_check(pkts[i], got, len_of(got, longest));
			got++;
			bh_pkt_free(pkts[i]);
		}
		idle = arrived == 0 ? idle + 1 : 0;
		assert_true(idle < 10000);
	}
}

static void
body_both_ways(void *arg)
{
	pair_open(NULL, port, queue);
	send_and_check(0, 3000, 1500);
	send_and_check(1, 3000, 1500);
	assert_int_equal(pair_counter("p0.tx_pkts"), 3000);
	assert_int_equal(pair_counter("p1.rx_pkts"), 3000);
	assert_int_equal(pair_counter("p0.tx_bytes"), pair_counter("p1.rx_bytes"));
	close_both();
	/* Every packet is back. */
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
	assert_int_equal(queue[1]->pool->free_cnt, queue[1]->pool->pkt_cnt);
}

static void
test_every_kind_of_ring(void **state)
{
	for (unsigned kind = 0; kind < 8; kind++) {
		pair_defaults();
		pair.model_config.packed = kind & 1;
		pair.model_config.mergeable = kind & 2;
		pair.model_config.queue_size = kind & 4 ? 64 : 1024;
		pair_run(body_both_ways);
	}
}

static void
body_jumbo(void *arg)
{
	const struct bh_port_options options = {.mtu_bytes = 9000, .promiscuous = true};
	pair_open(&options, port, queue);
	assert_int_equal(bh_port_info(port[0])->mtu_bytes, 9000);
	assert_true(bh_port_info(port[0])->features & BH_PORT_RX_CHAIN);
	struct bh_pkt *segs[5], *got[4];
	/* Out: a chain of five. In: as many buffers of 2 KiB as it takes. */
	for (uint32_t round = 0; round < 100; round++) {
		uint32_t bytes = 0;
		assert_int_equal(bh_pkt_get(queue[0]->pool, segs, 5), 5);
		for (uint32_t i = 0; i < 5; i++) {
			segs[i]->len_bytes = 500 + 13 * round + i;
			for (uint32_t j = 0; j < segs[i]->len_bytes; j++, bytes++)
				segs[i]->data[j] = (uint8_t)(bytes * 3 + round);
			segs[i]->next = i < 4 ? segs[i + 1] : NULL;
		}
		segs[0]->data[0] &= 0xfe;
		segs[0]->seg_cnt = 5;
		segs[0]->frame_bytes = bytes;
		assert_int_equal(bh_port_tx(queue[0], segs, 1), 1);
		uint32_t cnt = 0;
		for (uint32_t i = 0; i < 1000 && cnt == 0; i++) {
			bh_yield();
			cnt = bh_port_rx(queue[1], got, 4);
		}
		assert_int_equal(cnt, 1);
		assert_int_equal(bh_pkt_frame_bytes(got[0]), bytes);
		uint32_t at = 0;
		for (const struct bh_pkt *seg = got[0]; seg != NULL; seg = seg->next) {
			for (uint32_t j = 0; j < seg->len_bytes; j++, at++) {
				if (at != 0)
					assert_int_equal(seg->data[j], (uint8_t)(at * 3 + round));
			}
		}
		assert_int_equal(at, bytes);
		bh_pkt_free(got[0]);
		(void)bh_port_tx(queue[0], segs, 0);
	}
	close_both();
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
	assert_int_equal(queue[1]->pool->free_cnt, queue[1]->pool->pkt_cnt);
}

static void
test_jumbo_frames_in_chains(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		pair_defaults();
		pair.model_config.packed = packed;
		pair_run(body_jumbo);
	}
}

/* A frame to which no header can be prepended goes out with its header apart. */
static void
body_no_headroom(void *arg)
{
	struct bh_pkt *pkt, *got[1];
	pair_open(NULL, port, queue);
	for (uint32_t round = 0; round < 600; round++) {
		assert_int_equal(bh_pkt_get(queue[0]->pool, &pkt, 1), 1);
		pkt->data = pkt->buf + round % 12;
		frame_fill(pkt, round, 60);
		assert_int_equal(bh_port_tx(queue[0], &pkt, 1), 1);
		pair_pass(2);
		assert_int_equal(bh_port_rx(queue[1], got, 1), 1);
		frame_check(got[0], round, 60);
		bh_pkt_free(got[0]);
	}
	close_both();
}

static void
test_no_headroom(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		pair_defaults();
		pair.model_config.packed = packed;
		pair_run(body_no_headroom);
	}
}

/* RFC 768 and 1071, computed by hand for this frame: 10.0.0.1:1 to 10.0.0.2:2, "AB", UDP checksum 0x9ba7. */
static const uint8_t udp_frame[] = {2,  0,  0,    0,    0,  2, 2, 0, 0,  0, 0, 1, 8, 0, 0x45, 0, 0, 30, 0, 0, 0,   0,
                                    64, 17, 0x66, 0xcd, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0,    2, 0, 10, 0, 0, 'A', 'B'};

static uint16_t
sum16(const uint8_t *bytes, uint32_t cnt, uint32_t sum)
{
	for (uint32_t i = 0; i < cnt; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static bool got_partial;

static void
body_checksum(void *arg)
{
	struct bh_pkt *pkt, *got[1];
	pair_open(arg, port, queue);
	assert_int_equal(bh_pkt_get(queue[0]->pool, &pkt, 1), 1);
	memcpy(pkt->data, udp_frame, sizeof(udp_frame));
	pkt->len_bytes = sizeof(udp_frame);
	uint16_t pseudo = sum16(udp_frame + 26, 8, 17 + 10);
	pkt->data[40] = (uint8_t)(pseudo >> 8);
	pkt->data[41] = (uint8_t)pseudo;
	pkt->flags = BH_PKT_CSUM_PARTIAL;
	pkt->csum_start = 34;
	pkt->csum_offset = 6;
	assert_int_equal(bh_port_tx(queue[0], &pkt, 1), 1);
	pair_pass(3);
	assert_int_equal(bh_port_rx(queue[1], got, 1), 1);
	got_partial = got[0]->flags & BH_PKT_CSUM_PARTIAL;
	if (got_partial) {
		assert_int_equal(got[0]->csum_start, 34);
		assert_int_equal(got[0]->csum_offset, 6);
		assert_int_equal(bh_pkt_csum_finish(got[0]), 0);
	}
	/* Whoever finished it: the sum over pseudo header, header and data is all ones. */
	assert_int_equal(sum16(got[0]->data + 34, 10, pseudo), 0xffff);
	assert_int_equal((uint16_t)~sum16(udp_frame + 34, 10, pseudo), got[0]->data[40] << 8 | got[0]->data[41]);
	bh_pkt_free(got[0]);
	close_both();
}

static void
body_checksum_software(void *arg)
{
	static const struct bh_port_options options = {.no_offload = true, .promiscuous = true};
	body_checksum((void *)(uintptr_t)&options);
}

static void
test_partial_checksums(void **state)
{
	pair_defaults();
	pair_run(body_checksum);
	assert_true(got_partial); /* handed on: nobody had to compute it */
	pair_defaults();
	pair.model_config.offload = false;
	pair_run(body_checksum);
	assert_false(got_partial); /* the sending port did */
	pair_defaults();
	pair_run(body_checksum_software);
	assert_false(got_partial);
}

static void
body_bad_requests(void *arg)
{
	struct bh_pkt *pkts[4];
	pair_open(NULL, port, queue);
	assert_int_equal(bh_pkt_get(queue[0]->pool, pkts, 4), 4);
	for (uint32_t i = 0; i < 4; i++)
		frame_fill(pkts[i], i, 60);
	pkts[0]->len_bytes = 13;
	pkts[1]->len_bytes = 1500 + 14 + 9;
	pkts[2]->flags = BH_PKT_CSUM_PARTIAL;
	pkts[2]->csum_start = 59;
	pkts[2]->csum_offset = 0;
	pkts[3]->flags = BH_PKT_VLAN;
	pkts[3]->data = pkts[3]->buf;
	assert_int_equal(bh_port_tx(queue[0], pkts, 4), 4);
	assert_int_equal(pair_counter("p0.drop_tx_too_short"), 1);
	assert_int_equal(pair_counter("p0.drop_tx_too_long"), 1);
	assert_int_equal(pair_counter("p0.drop_tx_bad_request"), 2);
	assert_int_equal(pair_counter("p0.tx_pkts"), 0);
	/* A chain that lies about itself. */
	assert_int_equal(bh_pkt_get(queue[0]->pool, pkts, 2), 2);
	frame_fill(pkts[0], 0, 60);
	frame_fill(pkts[1], 0, 60);
	pkts[0]->next = pkts[1];
	pkts[0]->seg_cnt = 2;
	pkts[0]->frame_bytes = 121;
	assert_int_equal(bh_port_tx(queue[0], pkts, 1), 1);
	assert_int_equal(pair_counter("p0.drop_tx_too_long"), 2);
	close_both();
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
}

static void
test_what_cannot_be_sent_is_counted(void **state)
{
	pair_defaults();
	pair_run(body_bad_requests);
}

static void
body_vlan(void *arg)
{
	struct bh_pkt *pkt, *got[1];
	pair_open(NULL, port, queue);
	assert_int_equal(bh_pkt_get(queue[0]->pool, &pkt, 1), 1);
	frame_fill(pkt, 7, 60);
	pkt->flags = BH_PKT_VLAN;
	pkt->vlan_tci = 0x6123;
	assert_int_equal(bh_port_tx(queue[0], &pkt, 1), 1);
	pair_pass(3);
	assert_int_equal(bh_port_rx(queue[1], got, 1), 1);
	assert_int_equal(got[0]->len_bytes, 64);
	/* 802.1Q: 8100, then the TCI, behind both addresses. */
	static const uint8_t tag[4] = {0x81, 0x00, 0x61, 0x23};
	assert_memory_equal(got[0]->data + 12, tag, 4);
	bh_pkt_free(got[0]);
	close_both();
}

static void
test_vlan_tag_is_inserted(void **state)
{
	pair_defaults();
	pair_run(body_vlan);
}

static uint32_t
send_to(const uint8_t *mac)
{
	struct bh_pkt *pkt, *got[1];
	assert_int_equal(bh_pkt_get(queue[0]->pool, &pkt, 1), 1);
	frame_fill(pkt, 1, 60);
	memcpy(pkt->data, mac, 6);
	assert_int_equal(bh_port_tx(queue[0], &pkt, 1), 1);
	pair_pass(5);
	uint32_t cnt = bh_port_rx(queue[1], got, 1);
	if (cnt)
		bh_pkt_free(got[0]);
	return cnt;
}

static void
body_filters(void *arg)
{
	static const uint8_t other[6] = {2, 9, 9, 9, 9, 9}, all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 5}, group2[6] = {1, 0, 0x5e, 0, 0, 6};
	static const uint8_t mine[6] = {2, 7, 7, 7, 7, 7};
	const struct bh_port_options options = {.promiscuous = false};
	pair_open(&options, port, queue);
	assert_int_equal(send_to(bh_port_info(port[1])->mac), 1);
	assert_int_equal(send_to(all), 1);
	assert_int_equal(send_to(other), 0);
	assert_int_equal(send_to(group), 0);
	assert_int_equal(bh_port_promiscuous_set(port[1], true), 0);
	assert_int_equal(send_to(other), 1);
	assert_int_equal(bh_port_promiscuous_set(port[1], false), 0);
	assert_int_equal(bh_port_multicast_set(port[1], &group, 1), 0);
	assert_int_equal(send_to(group), 1);
	assert_int_equal(send_to(group2), 0);
	assert_int_equal(bh_port_all_multicast_set(port[1], true), 0);
	assert_int_equal(send_to(group2), 1);
	assert_int_equal(bh_port_mac_set(port[1], group), -BH_EINVAL);
	assert_int_equal(bh_port_mac_set(port[1], mine), 0);
	assert_int_equal(send_to(mine), 1);
	/* They survive a reset. */
	assert_int_equal(bh_port_reset(port[1]), 0);
	struct bh_pkt *none[1];
	assert_int_equal(bh_port_rx(queue[1], none, 1), 0); /* fills */
	assert_int_equal(send_to(group2), 1);
	assert_int_equal(send_to(other), 0);
	close_both();
}

static void
test_filters(void **state)
{
	pair_defaults();
	pair_run(body_filters);
}

/* What the wire does to frames is in its own counts; what the ports count is the rest: nothing vanishes. */
static void
body_faulty_wire(void *arg)
{
	struct bh_pkt *pkts[BURST];
	struct vnet_wire_stats stats;
	uint64_t got = 0;
	pair_open(NULL, port, queue);
	for (uint32_t round = 0; round < 500; round++) {
		assert_int_equal(bh_pkt_get(queue[0]->pool, pkts, 8), 8);
		for (uint32_t i = 0; i < 8; i++) {
			frame_fill(pkts[i], round * 8 + i, 60);
			memcpy(pkts[i]->data, bh_port_info(port[1])->mac, 6);
		}
		assert_int_equal(bh_port_tx(queue[0], pkts, 8), 8);
		for (uint32_t i = 0; i < 4; i++) {
			pair_pass(100);
			uint32_t cnt = bh_port_rx(queue[1], pkts, BURST);
			bh_pkt_free_burst(queue[1]->pool, pkts, cnt);
			got += cnt;
		}
	}
	pair_pass(1000);
	uint32_t cnt = bh_port_rx(queue[1], pkts, BURST);
	bh_pkt_free_burst(queue[1]->pool, pkts, cnt);
	got += cnt;
	vnet_wire_stats_get(pair.wire, &stats);
	struct vnet_stats card;
	vnet_model_stats_get(pair.model[1], &card);
	assert_true(stats.lost_cnt > 200 && stats.lost_cnt < 600);
	assert_true(stats.duplicated_cnt > 200 && stats.duplicated_cnt < 600);
	assert_true(stats.reordered_cnt > 200);
	assert_int_equal(got + card.rx_filtered_cnt, 4000 - stats.lost_cnt + stats.duplicated_cnt);
	assert_int_equal(got, pair_counter("p1.rx_pkts"));
	close_both();
}

static void
test_faults_of_the_wire_add_up(void **state)
{
	pair_defaults();
	pair.wire_config = (struct vnet_wire_config){.loss = VNET_WIRE_PROBABLE_ONE / 10,
	                                             .duplicate = VNET_WIRE_PROBABLE_ONE / 10,
	                                             .reorder = VNET_WIRE_PROBABLE_ONE / 10,
	                                             .corrupt = VNET_WIRE_PROBABLE_ONE / 100,
	                                             .delay_ns = 1000,
	                                             .seed = 7};
	pair_run(body_faulty_wire);
}

/* What each lie of the device is counted as, and whether it takes a reset to go on. */
static const struct {
	enum vnet_fault fault;
	const char *counter;
	bool resets;
} lies[] = {
        {VNET_FAULT_LONG_LENGTH, "p1.drop_rx_bad_length", false},
        {VNET_FAULT_SHORT_LENGTH, "p1.drop_rx_bad_length", false},
        {VNET_FAULT_BAD_ID, "p1.drop_rx_bad_id", true},
        {VNET_FAULT_INDEX_JUMP, "p1.drop_rx_bad_id", true},
        {VNET_FAULT_BAD_COUNT, "p1.drop_rx_bad_length", false},
        {VNET_FAULT_BAD_HEADER, "p1.drop_rx_bad_header", false},
        {VNET_FAULT_TX_BAD_ID, "p0.drop_rx_bad_id", true},
        {VNET_FAULT_TX_TWICE, "p0.drop_rx_bad_id", true},
        {VNET_FAULT_NEEDS_RESET, "p1.resets", true},
};

/* Whatever arrives is whole; the rest is counted; in the end every packet is back. */
static void
body_lies(void *arg)
{
	struct bh_pkt *pkts[BURST];
	uint32_t number, got = 0;
	pair_open(NULL, port, queue);
	for (uint32_t round = 0; round < 1200; round++) {
		uint32_t cnt = bh_pkt_get(queue[0]->pool, pkts, 4);
		for (uint32_t i = 0; i < cnt; i++)
			frame_fill(pkts[i], round * 4 + i, 200);
		uint32_t taken = bh_port_tx(queue[0], pkts, cnt);
		bh_pkt_free_burst(queue[0]->pool, pkts + taken, cnt - taken);
		bh_yield();
		cnt = bh_port_rx(queue[1], pkts, BURST);
		for (uint32_t i = 0; i < cnt; i++) {
			memcpy(&number, pkts[i]->data + 14, 4);
			frame_check(pkts[i], number, 200);
			bh_pkt_free(pkts[i]);
		}
		got += cnt;
		if (round % 100 == 99) /* time for the keeper */
			bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(120000000));
	}
	struct vnet_stats stats[2];
	vnet_model_stats_get(pair.model[0], &stats[0]);
	vnet_model_stats_get(pair.model[1], &stats[1]);
	assert_true(stats[0].fault_cnt + stats[1].fault_cnt >= 3);
	assert_true(got > 300);
	close_both();
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
	assert_int_equal(queue[1]->pool->free_cnt, queue[1]->pool->pkt_cnt);
}

static void
body_lies_counted(void *arg)
{
	body_lies(arg);
	const size_t idx = (size_t)pair.context;
	assert_true(pair_counter(lies[idx].counter) >= 1);
	assert_int_equal(pair_counter("p0.resets") + pair_counter("p1.resets") > 0, lies[idx].resets);
}

static void
test_each_lie_of_the_device(void **state)
{
	for (uintptr_t i = 0; i < BH_ARRAY_CNT(lies); i++) {
		for (unsigned packed = 0; packed < 2; packed++) {
			pair_defaults();
			pair.context = i;
			pair.model_config.packed = packed;
			pair.model_config.rule[0] = (struct vnet_fault_rule){.fault = lies[i].fault, .every = 397};
			pair.model_config.rule_cnt = 1;
			pair_run(body_lies_counted);
		}
	}
}

static void
body_reset_under_load(void *arg)
{
	pair_open(NULL, port, queue);
	for (uint32_t round = 0; round < 20; round++) {
		struct bh_pkt *pkts[BURST];
		assert_int_equal(bh_pkt_get(queue[0]->pool, pkts, BURST), BURST);
		for (uint32_t i = 0; i < BURST; i++)
			frame_fill(pkts[i], i, 60);
		uint32_t taken = bh_port_tx(queue[0], pkts, BURST);
		bh_pkt_free_burst(queue[0]->pool, pkts + taken, BURST - taken);
		if (round % 2 == 0)
			pair_pass(1);
		assert_int_equal(bh_port_reset(port[round & 1]), 0);
		uint32_t cnt = bh_port_rx(queue[1], pkts, BURST);
		bh_pkt_free_burst(queue[1]->pool, pkts, cnt);
		(void)bh_port_rx(queue[0], pkts, BURST);
	}
	for (uint32_t i = 0; i < 20; i++) {
		struct bh_pkt *pkts[BURST];
		pair_pass(10);
		uint32_t cnt = bh_port_rx(queue[1], pkts, BURST);
		bh_pkt_free_burst(queue[1]->pool, pkts, cnt);
	}
	assert_int_equal(pair_counter("p0.resets"), 10);
	send_and_check(0, 500, 1500);
	close_both();
	assert_int_equal(queue[0]->pool->free_cnt, queue[0]->pool->pkt_cnt);
	assert_int_equal(queue[1]->pool->free_cnt, queue[1]->pool->pkt_cnt);
}

static void
test_resets_lose_no_packet(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		pair_defaults();
		pair.model_config.packed = packed;
		pair_run(body_reset_under_load);
	}
}

static void
body_link(void *arg)
{
	pair_open(NULL, port, queue);
	assert_true(bh_port_link(port[0]).up);
	assert_int_equal(bh_port_link(port[0]).speed_mbps, 10000);
	vnet_model_link_set(pair.model[0], false);
	bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(250000000));
	assert_false(bh_port_link(port[0]).up);
	vnet_model_link_set(pair.model[0], true);
	bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(250000000));
	assert_true(bh_port_link(port[0]).up);
	assert_int_equal(bh_port_link(port[0]).change_cnt, 2);
	assert_int_equal(pair_counter("p0.link_changes"), 2);
	close_both();
}

static void
test_link_changes(void **state)
{
	pair_defaults();
	pair_run(body_link);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_what_cannot_be_sent_is_counted),
	        cmocka_unit_test(test_every_kind_of_ring),
	        cmocka_unit_test(test_jumbo_frames_in_chains),
	        cmocka_unit_test(test_no_headroom),
	        cmocka_unit_test(test_partial_checksums),
	        cmocka_unit_test(test_vlan_tag_is_inserted),
	        cmocka_unit_test(test_filters),
	        cmocka_unit_test(test_faults_of_the_wire_add_up),
	        cmocka_unit_test(test_each_lie_of_the_device),
	        cmocka_unit_test(test_resets_lose_no_packet),
	        cmocka_unit_test(test_link_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
