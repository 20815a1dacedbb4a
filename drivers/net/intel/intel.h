/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the drivers of Intel's 82574L (e1000e), 82576 (igb) and 82599 (ixgbe) share: rings, bursts, registers, filters,
 * link, reset.
 *
 * A card is a constant struct intel_card: where its registers are, and the steps that it does in its own way; what a whole
 * family has elsewhere or does otherwise is its struct intel_family. Receiving is the inline function of rx.h, made once per
 * family, because only the error bits of the descriptors differ. Transmitting is that of tx.h, made around each way to
 * describe a frame. Everything but the bursts is for the port's owner core; registers may be behind the mailbox.
 *
 *	open     registers are there; reset (reset.c); MAC address
 *	start    after a reset: the card's own bits, PHY, filters, RSS, rings without buffers, transmitter and receiver on
 *	watch    link, statistics, the device's death, a ring that stands still
 *	quiesce  receiver and transmitter off, no request on PCIe any more (STATUS.GIO_MASTER_ENABLE), reset
 */
#ifndef DRIVERS_NET_INTEL_H
#define DRIVERS_NET_INTEL_H

#include <bulkhead/arch.h>
#include <bulkhead/cell.h>
#include <bulkhead/spec/intel_gbe.h>
#include <bulkhead/spec/intel_gbe_desc.h>

#include "drivers/net/net.h"

#define INTEL_MS_NS      UINT64_C(1000000)
#define INTEL_FILL_CNT   32u /* buffers that are given to the device at a time; half of a smaller ring */
#define INTEL_HANG_NS    (2000 * INTEL_MS_NS) /* without progress of a ring that has work */
#define INTEL_HANG_TURNS 4u /* of the keeper, at least: a machine that stood still is no card that does */

struct intel_port;

/* Where a family has what all have: the gigabit cards, or those of 10 Gb/s. */
struct intel_family {
	uint32_t imc, eec;
	uint32_t rx_ctl, rx_on; /* the receiver's register and its switch in it */
	uint32_t tx_ctl, tx_on;
	uint32_t swsm, sw_fw_sync, sync_fw_shift; /* semaphore.c; the firmware's bits are so much further up */
	/* Around writing CTRL.RST, or NULL. */
	void (*reset_begin)(struct intel_port *ip);
	void (*reset_end)(struct intel_port *ip);
	/* The master does not rest: what it still holds is thrown away. NULL: there is no way. */
	void (*flush)(struct intel_port *ip);
	uint64_t reset_wait_ns; /* from when CTRL.RST is clear again to the next access */
	/* Link, PHY and tags, after `begin`. */
	void (*link_up)(struct intel_port *ip);
	void (*link_read)(struct intel_port *ip);
	/* port->filter into the register for it; the multicast table is there already. */
	void (*filter)(struct intel_port *ip);
	/* Transmitter and receiver on: the last thing. */
	void (*go)(struct intel_port *ip);
	void (*stats_take)(struct intel_port *ip);
	/* Whether the peer has told us to send nothing for now. */
	bool (*paused)(struct intel_port *ip);
};

/* gbe.c: 82574 and 82576 */
extern const struct intel_family intel_gbe;

struct intel_card {
	const struct intel_family *family;
	const char *name, *mode;
	uint32_t queue_cnt_max;
	uint32_t rx_base, tx_base, queue_step;
	/* After a reset, before anything else: what the datasheet's initialization section wants. */
	void (*begin)(struct intel_port *ip);
	/* The receiver's queues, checksums and RSS. */
	void (*rx_setup)(struct intel_port *ip);
	/* One queue's thresholds (and its switch, where it has one), once its ring is set; tx then rx. */
	void (*queue_setup)(struct intel_port *ip, uint32_t queue_idx);
	uint32_t tctl; /* gigabit cards */
	/* Who may talk to the PHY: take and give back. -BH_ETIMEDOUT: firmware keeps it. */
	BH_MUST_CHECK int (*phy_take)(struct intel_port *ip);
	void (*phy_give)(struct intel_port *ip);
	/* More to watch than what both have, or NULL. */
	BH_MUST_CHECK int (*watch)(struct intel_port *ip);
};

/* What the device said of one ring when the keeper looked last. */
struct intel_progress {
	uint32_t head;
	uint32_t report;   /* which report it owes us */
	uint32_t turn_cnt; /* since it moved */
	uint64_t since_tsc;
};

struct intel_port {
	struct bh_port port;
	const struct intel_card *card;
	int err;                                   /* of the first access that failed since intel_begin() */
	uint64_t *no_buffer, *rx_error, *tx_error; /* drops that only the device counts: on the owner core */
	struct intel_progress progress[INTEL_QUEUES_82576];
};

struct intel_rx_ring {
	struct intel_desc *desc; /* arena */
	struct bh_pkt **slot;    /* heap: the buffer of each descriptor that the device has */
	volatile void *tail;
	uint32_t mask;
	uint32_t next;   /* the next that the device completes */
	uint32_t filled; /* descriptors from there on that it has */
	uint32_t fill_cnt;
	struct bh_pkt *first, *last; /* the frame that has begun and not ended */
	bool discarding;             /* up to its end: the reason is counted */
};

struct intel_tx_ring {
	struct intel_desc *desc;
	struct bh_pkt **slot; /* heap: the frame that ends at a descriptor, or NULL */
	uint16_t *mark;       /* heap: descriptors that will be reported, oldest first */
	volatile void *tail;
	uint32_t mask;
	uint32_t next;  /* where the next frame begins */
	uint32_t clean; /* the oldest that is not taken back */
	uint32_t mark_head, mark_tail;
	uint32_t segs_max;
	uint32_t gap_cnt; /* NULL slots from clean on: without them all are freed in one go */
};

struct intel_queue {
	struct bh_port_queue queue;
	struct intel_rx_ring rx BH_ALIGNED(BH_CACHE_LINE_BYTES);
	struct intel_tx_ring tx BH_ALIGNED(BH_CACHE_LINE_BYTES);
};

BH_INLINE struct intel_port *
intel_port_of(struct bh_port *port)
{
	return (struct intel_port *)(void *)port;
}

BH_INLINE struct intel_queue *
intel_queue_of(struct bh_port_queue *queue)
{
	return (struct intel_queue *)(void *)queue;
}

/* register.c: a sequence of accesses; the first that fails is kept, and the others are not made. */

void intel_begin(struct intel_port *ip);
/* intel_end - Return: 0, or what the first failed access since intel_begin() was. */
BH_MUST_CHECK int intel_end(const struct intel_port *ip);
void intel_write(struct intel_port *ip, uint32_t reg, uint32_t value);
/* intel_read - 0 after a failure. All ones: -BH_ENODEV, if STATUS reads so, too. */
uint32_t intel_read(struct intel_port *ip, uint32_t reg);
/* intel_change - read, clear, set, write */
void intel_change(struct intel_port *ip, uint32_t reg, uint32_t clear, uint32_t set);
/* intel_wait - until (reg & mask) == want. Return: whether it came in time, and no access failed. */
bool intel_wait(struct intel_port *ip, uint32_t reg, uint32_t mask, uint32_t want, uint64_t timeout_ns);
void intel_sleep(uint64_t ns);

/* phy.c: wake the PHY if a driver before us has put it to sleep; a PHY that cannot be reached is left alone, and told. */
void intel_phy_up(struct intel_port *ip);

/*
 * semaphore.c: what SW_FW_SYNC's bit stands for, shared with the other function's driver and with firmware.
 * Return: 0; -BH_ETIMEDOUT: somebody keeps it.
 */
BH_MUST_CHECK int intel_sync_take(struct intel_port *ip, uint32_t bit);
void intel_sync_give(struct intel_port *ip, uint32_t bit);

/* ring.c */

BH_MUST_CHECK int intel_queue_init(struct bh_port_queue *queue);
/* intel_rings_set - tell the device where they are; all are empty */
void intel_rings_set(struct intel_port *ip);
void intel_fill(struct bh_port_queue *queue);
/* intel_close - what the rings have of the heap */
void intel_close(struct bh_port *port);
void intel_drain(struct bh_port_queue *queue);
/* intel_rx_refill - as many buffers as the ring takes and the pool has */
void intel_rx_refill(struct intel_queue *iq);
/* intel_tx_reclaim - free what the device reported as sent */
void intel_tx_reclaim(struct intel_queue *iq);
/* intel_tx_link_down - drop and count all of them. Return: cnt. */
uint32_t intel_tx_link_down(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);

/* rx.c: the gigabit cards' */

uint32_t intel_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt);

/* adv_tx.c: bh_port_tx with advanced descriptors, which 82576 (with a descriptor a page, see tx.h) and 82599 share */

uint32_t intel_adv_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);
uint32_t intel_adv_tx_paged(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);

/* rss.c: key and table; queue q of a redirection entry is written as q << shift. */

void intel_rss_set(struct intel_port *ip, uint32_t shift);

/* port.c: struct bh_port_driver's functions, and what a card's open adds to them */

BH_MUST_CHECK int intel_open(struct bh_port *port, const struct intel_card *card);
BH_MUST_CHECK int intel_start(struct bh_port *port);
BH_MUST_CHECK int intel_filter_set(struct bh_port *port);
BH_MUST_CHECK int intel_mac_set(struct bh_port *port, const uint8_t mac[BH_MAC_BYTES]);
bool intel_matches(const struct bh_boot_device *device, const char *name, const uint16_t *ids, size_t id_cnt);

/* reset.c */

BH_MUST_CHECK int intel_quiesce(struct bh_port *port);

/* watch.c */

BH_MUST_CHECK int intel_watch(struct bh_port *port);
/* intel_stats_add - what registers that reading clears have counted since the last time, into a counter */
void intel_stats_add(struct intel_port *ip, uint64_t *counter, const uint32_t *regs, size_t reg_cnt);

#endif
