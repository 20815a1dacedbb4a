/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/ring.h>

int
bh_spsc_init(struct bh_spsc *ring, uint64_t *items, size_t item_cnt)
{
	if (items == NULL || !BH_IS_POW2(item_cnt))
		return -BH_EINVAL;
	*ring = (struct bh_spsc){
	        .producer = {.mask = item_cnt - 1, .item = items},
	        .consumer = {.mask = item_cnt - 1, .item = items},
	};
	return 0;
}

size_t
bh_spsc_push(struct bh_spsc *ring, const uint64_t *items, size_t cnt)
{
	uint64_t head = ring->producer.head, mask = ring->producer.mask;
	uint64_t room = mask + 1 - (head - ring->producer.cached_tail);
	if (room < cnt) {
		/* Acquire: the consumer is done reading the slots that it gave back. */
		ring->producer.cached_tail = __atomic_load_n(&ring->consumer.tail, __ATOMIC_ACQUIRE);
		room = mask + 1 - (head - ring->producer.cached_tail);
	}
	size_t n = BH_MIN((uint64_t)cnt, room);
	size_t first = BH_MIN((uint64_t)n, mask + 1 - (head & mask));
	uint64_t *restrict slot = ring->producer.item;
	for (size_t i = 0; i < first; i++)
		slot[(head & mask) + i] = items[i];
	for (size_t i = first; i < n; i++)
		slot[i - first] = items[i];
	/* Release: the items, and what they point at, are visible before the index. */
	__atomic_store_n(&ring->producer.head, head + n, __ATOMIC_RELEASE);
	return n;
}

size_t
bh_spsc_pop(struct bh_spsc *ring, uint64_t *out_items, size_t cnt)
{
	uint64_t tail = ring->consumer.tail, mask = ring->consumer.mask;
	uint64_t ready = ring->consumer.cached_head - tail;
	if (ready < cnt) {
		/* Acquire: pairs with the producer's release of its index. */
		ring->consumer.cached_head = __atomic_load_n(&ring->producer.head, __ATOMIC_ACQUIRE);
		ready = ring->consumer.cached_head - tail;
	}
	size_t n = BH_MIN((uint64_t)cnt, ready);
	size_t first = BH_MIN((uint64_t)n, mask + 1 - (tail & mask));
	const uint64_t *restrict slot = ring->consumer.item;
	for (size_t i = 0; i < first; i++)
		out_items[i] = slot[(tail & mask) + i];
	for (size_t i = first; i < n; i++)
		out_items[i] = slot[i - first];
	/* Release: the slots are read before the producer may write them again. */
	__atomic_store_n(&ring->consumer.tail, tail + n, __ATOMIC_RELEASE);
	return n;
}
