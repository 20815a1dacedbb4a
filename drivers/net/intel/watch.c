/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper looks at: is the device there, is it still ours, is the link up, does it work, what has it lost. */
#include "drivers/net/intel/intel.h"

void
intel_stats_add(struct intel_port *ip, uint64_t *counter, const uint32_t *regs, size_t reg_cnt)
{
	for (size_t i = 0; i < reg_cnt; i++) {
		uint32_t value = intel_read(ip, regs[i]);
		if (value != 0)
			bh_counter_add(counter, value);
	}
}

/*
 * The oldest report that the queue's core waits for, UINT32_MAX if it waits for none, or has it already. That core goes on
 * meanwhile: what is read here may be old, but not for long.
 */
static uint32_t
report_due(const struct intel_port *ip, uint32_t queue_idx)
{
	const struct intel_tx_ring *ring = &intel_queue_of(ip->port.queue[queue_idx])->tx;
	uint32_t tail = __atomic_load_n(&ring->mark_tail, __ATOMIC_RELAXED);
	if (tail == __atomic_load_n(&ring->mark_head, __ATOMIC_RELAXED))
		return UINT32_MAX;
	uint32_t idx = __atomic_load_n(&ring->mark[tail & ring->mask], __ATOMIC_RELAXED);
	return __atomic_load_n(&ring->desc[idx].word[1], __ATOMIC_RELAXED) & INTEL_TXD_DD ? UINT32_MAX : tail;
}

/*
 * A ring with work whose head stands still, though nobody pauses us; or the head moves, and a report that is owed does not
 * come, without which its packets never come back. Both indices are the device's own.
 */
static bool
hangs(struct intel_port *ip, uint32_t queue_idx, bool paused)
{
	struct intel_progress *progress = &ip->progress[queue_idx];
	uint32_t base = ip->card->tx_base + queue_idx * ip->card->queue_step;
	uint32_t head = intel_read(ip, base + INTEL_QUEUE_HEAD), tail = intel_read(ip, base + INTEL_QUEUE_TAIL);
	uint32_t report = report_due(ip, queue_idx);
	if (ip->err != 0)
		return false;
	bool stands = (head != tail && head == progress->head) || (report != UINT32_MAX && report == progress->report);
	if (!stands || paused) {
		progress->turn_cnt = 0;
		progress->since_tsc = bh_clock_now_tsc();
	} else {
		progress->turn_cnt++;
	}
	progress->head = head;
	progress->report = report;
	return progress->turn_cnt >= INTEL_HANG_TURNS &&
	       bh_clock_now_tsc() - progress->since_tsc >= bh_ns_to_tsc(INTEL_HANG_NS);
}

static int
rings_watch(struct intel_port *ip)
{
	bool paused = ip->card->family->paused(ip);
	for (uint32_t i = 0; i < ip->port.info.queue_cnt; i++) {
		if (!hangs(ip, i, paused))
			continue;
		bh_log_error("port %u: transmit queue %u stands still at %u", ip->port.port_idx, i,
		             ip->progress[i].head);
		return -BH_EIO;
	}
	return 0;
}

int
intel_watch(struct bh_port *port)
{
	struct intel_port *ip = intel_port_of(port);
	const struct intel_family *family = ip->card->family;
	intel_begin(ip);
	family->link_read(ip);
	bool on = intel_read(ip, family->rx_ctl) & family->rx_on;
	if (ip->err == 0 && !on) {
		bh_log_error("port %u: somebody has switched its receiver off", port->port_idx);
		return -BH_EIO;
	}
	family->stats_take(ip);
	int err = rings_watch(ip);
	if (err == 0 && ip->err == 0 && ip->card->watch != NULL)
		err = ip->card->watch(ip);
	return ip->err != 0 ? ip->err : err;
}
