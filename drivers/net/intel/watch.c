/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper looks at: is the device there, is it still ours, is the link up, does it work, what has it lost. */
#include "drivers/net/intel/intel.h"

void
intel_link_read(struct intel_port *ip)
{
	static const uint32_t speed_mbps[] = {10, 100, 1000, 1000};
	uint32_t status = intel_read(ip, INTEL_REG_STATUS);
	if (ip->err == 0)
		bh_port_link_set(&ip->port, status & INTEL_STATUS_LU,
		                 speed_mbps[status >> INTEL_STATUS_SPEED_SHIFT & INTEL_STATUS_SPEED_MASK],
		                 status & INTEL_STATUS_FD);
}

static void
take(struct intel_port *ip, uint64_t *counter, const uint32_t *regs, size_t reg_cnt)
{
	for (size_t i = 0; i < reg_cnt; i++) {
		uint32_t value = intel_read(ip, regs[i]);
		if (value != 0)
			bh_counter_add(counter, value);
	}
}

/* Not RUC (undersized, CRC good): QEMU counts so what it pads and delivers; on a wire runts have no good CRC (RFC). */
void
intel_stats_take(struct intel_port *ip)
{
	static const uint32_t no_buffer[] = {INTEL_REG_MPC};
	static const uint32_t rx_error[] = {INTEL_REG_CRCERRS, INTEL_REG_ALGNERRC, INTEL_REG_RXERRC,
	                                    INTEL_REG_RFC,     INTEL_REG_ROC,      INTEL_REG_RJC};
	static const uint32_t tx_error[] = {INTEL_REG_ECOL, INTEL_REG_LATECOL};
	take(ip, ip->no_buffer, no_buffer, BH_ARRAY_CNT(no_buffer));
	take(ip, ip->rx_error, rx_error, BH_ARRAY_CNT(rx_error));
	take(ip, ip->tx_error, tx_error, BH_ARRAY_CNT(tx_error));
}

/* A ring with work whose head stands still, though nobody pauses us. Both indices are the device's own. */
static bool
hangs(struct intel_port *ip, uint32_t queue_idx, bool paused)
{
	struct intel_progress *progress = &ip->progress[queue_idx];
	uint32_t base = ip->card->tx_base + queue_idx * ip->card->queue_step;
	uint32_t head = intel_read(ip, base + INTEL_QUEUE_HEAD), tail = intel_read(ip, base + INTEL_QUEUE_TAIL);
	if (ip->err != 0)
		return false;
	if (head == tail || head != progress->head || paused)
		progress->turn_cnt = 0;
	else
		progress->turn_cnt++;
	progress->head = head;
	return progress->turn_cnt >= INTEL_HANG_TURNS;
}

static int
rings_watch(struct intel_port *ip)
{
	bool paused = intel_read(ip, INTEL_REG_STATUS) & INTEL_STATUS_TXOFF;
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
	intel_begin(ip);
	intel_link_read(ip);
	bool on = intel_read(ip, INTEL_REG_RCTL) & INTEL_RCTL_EN;
	if (ip->err == 0 && !on) {
		bh_log_error("port %u: somebody has switched its receiver off", port->port_idx);
		return -BH_EIO;
	}
	intel_stats_take(ip);
	int err = rings_watch(ip);
	if (err == 0 && ip->err == 0 && ip->card->watch != NULL)
		err = ip->card->watch(ip);
	return ip->err != 0 ? ip->err : err;
}
