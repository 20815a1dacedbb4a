/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/pktgen/cell/pktgen.h"
#include "apps/pktgen/cell/arp.h"

#include <bulkhead/cell.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>

#define STEP_SHIFT 16u

static void
metrics_register(struct pktgen *gen)
{
	gen->cnt_sent = bh_counter_register(PKTGEN_COUNTER_SENT, "");
	gen->cnt_received = bh_counter_register(PKTGEN_COUNTER_RECEIVED, "");
	gen->cnt_bytes = bh_counter_register(PKTGEN_COUNTER_BYTES, "bytes");
	gen->cnt_reordered = bh_counter_register(PKTGEN_COUNTER_REORDERED, "");
	gen->cnt_duplicate = bh_counter_register(PKTGEN_COUNTER_DUPLICATE, "");
	gen->cnt_corrupt = bh_counter_register(PKTGEN_COUNTER_CORRUPT, "");
	gen->cnt_foreign = bh_counter_register(PKTGEN_COUNTER_FOREIGN, "");
	gen->cnt_behind = bh_counter_register(PKTGEN_COUNTER_BEHIND, "");
	gen->missing = bh_gauge_register(PKTGEN_GAUGE_MISSING, "");
	gen->latency = bh_hist_register(PKTGEN_HIST_LATENCY);
}

int
pktgen_init(struct pktgen *gen, const struct pktgen_config *config, const uint8_t *tx_mac, const uint8_t *rx_mac,
            struct bh_port_queue *tx, struct bh_pkt_pool *pool, struct bh_port_queue *rx)
{
	*gen = (struct pktgen){.config = config, .magic = PKTGEN_MAGIC, .tx = tx, .pool = pool, .rx = rx};
	gen->sequence = bh_heap_alloc(config->flow_cnt * sizeof(*gen->sequence));
	gen->seen = bh_heap_alloc(config->flow_cnt * sizeof(*gen->seen));
	if (gen->sequence == NULL || gen->seen == NULL)
		return -BH_ENOMEM;
	memcpy(gen->rx_mac, rx_mac, sizeof(gen->rx_mac));
	for (uint32_t i = 0; i < config->size_cnt; i++)
		pktgen_template_make(&gen->template[i], (uint16_t)(config->bytes[i] - PKTGEN_FCS_BYTES), tx_mac,
		                     config -> dst_is_rx ? rx_mac : config -> dst_mac);
	if (config->rate_pps != 0)
		gen->step = (bh_boot_page()->tsc_hz << STEP_SHIFT) / config->rate_pps;
	metrics_register(gen);
	gen->start_tsc = bh_clock_now_tsc();
	return 0;
}

void
pktgen_warm(struct pktgen *gen)
{
	gen->magic = PKTGEN_MAGIC_WARM;
}

/* A frame of the sink's: it is not counted, and one that finds no room is not missed. */
static void
sink_say(struct pktgen *gen, const uint8_t *frame)
{
	struct bh_pkt *pkt;
	if (bh_pkt_get(gen->pool, &pkt, 1) == 0)
		return;
	memcpy(pkt->data, frame, PKTGEN_FRAME_BYTES);
	pkt->len_bytes = PKTGEN_FRAME_BYTES;
	if (bh_port_tx(gen->rx, &pkt, 1) == 0)
		bh_pkt_free_burst(gen->pool, &pkt, 1);
}

void
pktgen_announce(struct pktgen *gen)
{
	uint8_t frame[PKTGEN_FRAME_BYTES];
	pktgen_arp_announce(gen->rx_mac, frame);
	sink_say(gen, frame);
}

static void
metrics_clear(struct pktgen *gen)
{
	uint64_t *const counters[] = {gen->cnt_sent,      gen->cnt_received,  gen->cnt_bytes,
	                              gen->cnt_reordered, gen->cnt_duplicate, gen->cnt_corrupt,
	                              gen->cnt_foreign,   gen->cnt_behind,    gen->missing};
	for (uint32_t i = 0; i < BH_ARRAY_CNT(counters); i++)
		*counters[i] = 0;
	memset(gen->latency, 0, sizeof(*gen->latency));
	gen->latency->min = UINT64_MAX;
}

void
pktgen_begin(struct pktgen *gen)
{
	memset(gen->sequence, 0, gen->config->flow_cnt * sizeof(*gen->sequence));
	memset(gen->seen, 0, gen->config->flow_cnt * sizeof(*gen->seen));
	metrics_clear(gen);
	gen->magic = PKTGEN_MAGIC;
	gen->flow = gen->pattern_idx = 0;
	gen->sent_cnt = gen->due_tsc = 0;
	gen->start_tsc = bh_clock_now_tsc();
}

/* How many frames are due. A schedule that fell far behind is moved on, and what was left out is counted. */
static uint32_t
due_cnt(struct pktgen *gen, uint64_t now_tsc)
{
	uint32_t cnt = 0;
	if (gen->step == 0)
		return gen->config->burst_cnt;
	uint64_t now = (now_tsc - gen->start_tsc) << STEP_SHIFT;
	while (cnt < gen->config->burst_cnt && gen->due_tsc + cnt * gen->step <= now)
		cnt++;
	if (cnt == gen->config->burst_cnt && now - gen->due_tsc > gen->config->catch_up_cnt * gen->step) {
		uint64_t behind = (now - gen->due_tsc) / gen->step - cnt;
		gen->due_tsc += behind * gen->step;
		bh_counter_add(gen->cnt_behind, behind);
	}
	return cnt;
}

static void
frame_make(struct pktgen *gen, struct bh_pkt *pkt, uint64_t now_tsc)
{
	const struct pktgen_config *config = gen->config;
	const struct pktgen_template *template = &gen->template[config->pattern[gen->pattern_idx]];
	struct pktgen_mark mark = {.magic = gen->magic,
	                           .flow = (uint16_t)gen->flow,
	                           .sequence = gen->sequence[gen->flow]++,
	                           .tx_tsc = now_tsc};
	pktgen_frame_write(template, &mark, pkt->data);
	pkt->len_bytes = template->len_bytes;
	if (++gen->flow == config->flow_cnt)
		gen->flow = 0;
	if (++gen->pattern_idx == config->pattern_cnt)
		gen->pattern_idx = 0;
}

/* What the ring did not take is taken back: those sequence numbers are used again. */
static void
frames_unmake(struct pktgen *gen, struct bh_pkt *const *pkts, uint32_t cnt)
{
	const struct pktgen_config *config = gen->config;
	for (uint32_t i = 0; i < cnt; i++) {
		gen->flow = gen->flow == 0 ? config->flow_cnt - 1 : gen->flow - 1;
		gen->pattern_idx = gen->pattern_idx == 0 ? config->pattern_cnt - 1u : gen->pattern_idx - 1;
		gen->sequence[gen->flow]--;
	}
	bh_pkt_free_burst(gen->pool, pkts, cnt);
}

uint32_t
pktgen_send(struct pktgen *gen)
{
	struct bh_pkt *pkts[PKTGEN_BURST_MAX];
	uint64_t now_tsc = bh_clock_now_tsc();
	uint32_t cnt = due_cnt(gen, now_tsc);
	if (gen->config->frame_cnt != 0 && cnt > gen->config->frame_cnt - gen->sent_cnt)
		cnt = (uint32_t)(gen->config->frame_cnt - gen->sent_cnt);
	if (cnt != 0)
		cnt = bh_pkt_get(gen->pool, pkts, cnt);
	if (cnt == 0) {
		(void)bh_port_tx(gen->tx, pkts, 0); /* what it has sent comes back */
		return 0;
	}
	for (uint32_t i = 0; i < cnt; i++)
		frame_make(gen, pkts[i], now_tsc);
	uint32_t sent = bh_port_tx(gen->tx, pkts, cnt);
	if (sent < cnt)
		frames_unmake(gen, pkts + sent, cnt - sent);
	gen->due_tsc += sent * gen->step;
	gen->sent_cnt += sent;
	bh_counter_add(gen->cnt_sent, sent);
	return sent;
}

bool
pktgen_done(const struct pktgen *gen)
{
	const struct pktgen_config *config = gen->config;
	if (config->frame_cnt != 0 && gen->sent_cnt >= config->frame_cnt)
		return true;
	return config->time_ns != 0 && bh_clock_now_tsc() - gen->start_tsc >= bh_ns_to_tsc(config->time_ns);
}

static bool
window_test_and_set(struct pktgen_flow *flow, uint64_t sequence)
{
	uint64_t *word = &flow->seen[sequence / 64 % BH_ARRAY_CNT(flow->seen)], bit = UINT64_C(1) << sequence % 64;
	bool was_set = *word & bit;
	*word |= bit;
	return was_set;
}

/* The window moves up to `sequence`: what enters it has not been seen. */
static void
window_move(struct pktgen_flow *flow, uint64_t sequence)
{
	uint64_t fresh = BH_MIN(sequence + 1 - flow->next, (uint64_t)PKTGEN_WINDOW_BITS);
	for (uint64_t at = sequence + 1 - fresh; at <= sequence; at++)
		flow->seen[at / 64 % BH_ARRAY_CNT(flow->seen)] &= ~(UINT64_C(1) << at % 64);
	flow->next = sequence + 1;
}

static void
mark_note(struct pktgen *gen, const struct pktgen_mark *mark)
{
	struct pktgen_flow *flow = &gen->seen[mark->flow];
	uint64_t next = flow->next;
	if (mark->sequence >= next) {
		window_move(flow, mark->sequence);
		(void)window_test_and_set(flow, mark->sequence);
		*gen->missing += mark->sequence - next;
		return;
	}
	if (next - mark->sequence <= PKTGEN_WINDOW_BITS && window_test_and_set(flow, mark->sequence)) {
		bh_counter_add(gen->cnt_duplicate, 1);
		return;
	}
	bh_counter_add(gen->cnt_reordered, 1);
	if (*gen->missing > 0)
		(*gen->missing)--;
}

static void
foreign_note(struct pktgen *gen, const struct bh_pkt *pkt)
{
	uint8_t answer[PKTGEN_FRAME_BYTES];
	bh_counter_add(gen->cnt_foreign, 1);
	if (pktgen_arp_answer(pkt, gen->rx_mac, answer))
		sink_say(gen, answer);
}

static void
frame_note(struct pktgen *gen, const struct bh_pkt *pkt)
{
	struct pktgen_mark mark;
	switch (pktgen_frame_read(pkt, &mark)) {
	case PKTGEN_FOREIGN:
		foreign_note(gen, pkt);
		return;
	case PKTGEN_CORRUPT:
		bh_counter_add(gen->cnt_corrupt, 1);
		return;
	case PKTGEN_OURS:
		break;
	}
	/* Sent before this run began: a switch, a device or a socket held it. */
	if (mark.magic != gen->magic || (int64_t)(mark.tx_tsc - gen->start_tsc) < 0) {
		bh_counter_add(gen->cnt_foreign, 1);
		return;
	}
	/* A sequence from ahead of what was sent is no frame of this run. */
	if (mark.flow >= gen->config->flow_cnt || mark.sequence >= gen->sequence[mark.flow]) {
		bh_counter_add(gen->cnt_corrupt, 1);
		return;
	}
	mark_note(gen, &mark);
	bh_counter_add(gen->cnt_received, 1);
	bh_counter_add(gen->cnt_bytes, bh_pkt_frame_bytes(pkt));
	bh_hist_record(gen->latency, pkt->rx_tsc > mark.tx_tsc ? pkt->rx_tsc - mark.tx_tsc : 0);
}

uint32_t
pktgen_receive(struct pktgen *gen)
{
	struct bh_pkt *pkts[PKTGEN_BURST_MAX];
	uint32_t cnt = bh_port_rx(gen->rx, pkts, gen->config->burst_cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		if (i + 2 < cnt)
			bh_prefetch_read(pkts[i + 2]->data);
		frame_note(gen, pkts[i]);
	}
	bh_pkt_free_burst(gen->rx->pool, pkts, cnt);
	return cnt;
}
