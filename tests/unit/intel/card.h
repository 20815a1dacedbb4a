/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A scripted Intel network card, 82574 or 82576, for the unit tests of both drivers, and the virtual world around it: a
 * clock that only moves when it is read, one core. Written from the datasheets for the tests alone.
 *
 * It sends at once what the tail hands over, unless held, and puts what the test gives it into the receive ring; a test can
 * write any descriptor back by hand.
 */
#ifndef TESTS_UNIT_INTEL_CARD_H
#define TESTS_UNIT_INTEL_CARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/port.h>
#include <bulkhead/sched.h>
#include <bulkhead/spec/intel_gbe.h>
#include <bulkhead/spec/intel_gbe_desc.h>

#define CARD_SENT_MAX  1024u
#define CARD_FRAME_MAX 10000u

struct card_ring {
	struct intel_desc *desc;
	uint32_t entries, head, tail;
};

/* One frame that the card sent: how its first data descriptor and the context before it looked. */
struct card_sent {
	uint32_t queue_idx, bytes, desc_cnt;
	uint64_t ctx[2], word1; /* ctx all zero: there was none */
	uint8_t head[64];
};

struct card {
	bool is_82576;

	/* Script */
	bool gone;          /* every register reads all ones */
	bool no_windows;    /* BAR 0 is not mapped */
	bool never_quiet;   /* requests stay under way */
	bool never_reset;   /* CTRL.RST stays */
	bool never_enabled; /* 82576: a queue's ENABLE does not read back */
	bool phy_busy;      /* firmware keeps the PHY */
	bool phy_asleep;
	bool link_down, paused;
	bool hold_tx; /* descriptors are fetched by nobody */
	uint8_t mac[6];

	/* State */
	uint32_t reg[INTEL_REG_BYTES / 4];
	uint32_t bmcr;
	uint32_t reset_cnt, function_reset_cnt, negotiated_cnt;
	uint32_t tail_writes;
	uint32_t partly; /* descriptors of a frame that has begun */
	struct card_sent next;
	uint32_t sent_cnt;
	struct card_sent sent[CARD_SENT_MAX];
};

extern struct card card;

/* Set-up and teardown of each test: a hosted cell of one core and a well-behaved card "p0". */
int card_start_82574(void **state);
int card_start_82576(void **state);
int card_stop(void **state);

/* card_run - run a body as a fiber of core 0 until it returns */
void card_run(bh_fiber_fn fn, void *arg);
void card_clock_advance(uint64_t ns);

/* card_wait - let the keeper run for so long */
void card_wait(uint64_t ns);

/* card_ring - a queue's ring as its registers have it */
struct card_ring card_ring(uint32_t queue_idx, bool tx);

/**
 * card_receive - a frame arrives; in as many buffers as it takes; `status` is put into its last descriptor (EOP is)
 * Return: false: no room, nothing happened but the missed packets count (MPC).
 */
bool card_receive(uint32_t queue_idx, const void *frame, uint32_t bytes, uint32_t status, uint16_t vlan);
/* card_write_back - the next receive descriptor, with any words at all. Return: false: the ring is empty. */
bool card_write_back(uint32_t queue_idx, uint64_t word0, uint64_t word1);
/* card_send_held - let go on what hold_tx kept */
void card_send_held(void);

/* card_counter - "p0.<name>" of the calling core */
uint64_t card_counter(const char *name);

#endif
