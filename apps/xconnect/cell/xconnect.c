/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/xconnect/cell/xconnect.h"

#include <bulkhead/arch.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>

#define SWAP_AHEAD_CNT 4u
#define IDLE_TURNS     256u

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* One load, one shuffle, one store; 16 bytes of a frame of at least 14, whose buffer goes on. */
BH_INLINE void
swap_addresses(uint8_t *data)
{
	bytes16 head;
	__builtin_memcpy(&head, data, sizeof(head));
	head = __builtin_shufflevector(head, head, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15);
	__builtin_memcpy(data, &head, sizeof(head));
}

static void
swap_burst(struct bh_pkt *const *pkts, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		if (BH_LIKELY(i + SWAP_AHEAD_CNT < cnt))
			bh_prefetch_write(pkts[i + SWAP_AHEAD_CNT]->data);
		swap_addresses(pkts[i]->data);
	}
}

static uint32_t
one_way(struct xconnect *work, struct bh_port_queue *from, struct bh_port_queue *to)
{
	struct bh_pkt *pkts[XCONNECT_BURST_MAX];
	uint32_t cnt = bh_port_rx(from, pkts, work->burst_cnt);
	if (cnt == 0) {
		/* What it has sent comes back; not each time, since that looks at lines which the device is writing. */
		if (++work->idle_cnt % IDLE_TURNS == 0)
			(void)bh_port_tx(to, pkts, 0);
		return 0;
	}
	if (work->swap)
		swap_burst(pkts, cnt);
	uint32_t sent = bh_port_tx(to, pkts, cnt);
	if (BH_UNLIKELY(sent < cnt)) {
		bh_counter_add(work->ring_full, cnt - sent);
		bh_pkt_free_burst(from->pool, pkts + sent, cnt - sent);
	}
	return cnt;
}

void
xconnect_init(struct xconnect *work, const struct xconnect_config *config, struct bh_port_queue *first,
              struct bh_port_queue *second)
{
	work->queue[0] = first;
	work->queue[1] = second;
	work->swap = config->mode == XCONNECT_MACSWAP;
	work->burst_cnt = config->burst_cnt;
	work->ring_full = bh_counter_register(XCONNECT_COUNTER_RING_FULL, "");
}

uint32_t
xconnect_turn(struct xconnect *work)
{
	uint32_t cnt = one_way(work, work->queue[0], work->queue[1]);
	if (work->queue[0] != work->queue[1])
		cnt += one_way(work, work->queue[1], work->queue[0]);
	return cnt;
}
