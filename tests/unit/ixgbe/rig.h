/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ports of a hosted cell on one thread and a virtual clock: drivers/net/ixgbe against two models of devices/ixgbe with
 * a wire between them. "p0" and "p1"; rig_run() calls the test's body as a fiber while a poller plays the cards.
 */
#ifndef TESTS_UNIT_IXGBE_RIG_H
#define TESTS_UNIT_IXGBE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/port.h>
#include <bulkhead/sched.h>

#include "devices/ixgbe/internal.h"

#define RIG_PKTS   1024u
#define RIG_NO_LIE UINT32_MAX

struct rig {
	struct ixgbe_model_config config;
	uint32_t liar; /* the card that config's rules are for */
	struct vnet_wire_config wire_config;
	uint16_t pci_device;
	bool loop;   /* p0 gets back what it sends, and p1 is not there */
	bool frozen; /* the cards do nothing */
	bool gone;   /* registers read all ones */
	/* The test's own registers: every read at lie_at, if that is not RIG_NO_LIE, gives lie_value. */
	uint32_t lie_at, lie_value;
	uint32_t function_reset_cnt;
	struct ixgbe_model *model[2];
	struct vnet_wire *wire;
	struct bh_pkt_pool *pool[2];
	struct bh_port *port[2];
	struct bh_port_queue *queue[2];
	uint64_t now_ns;
};

extern struct rig rig;

/* rig_defaults - before each test; then change what is to be otherwise, and run */
void rig_defaults(void);
void rig_run(void (*body)(void *));
/* rig_open - both ports (one with `loop`), queue 0 of each, a pool of RIG_PKTS each; options NULL: promiscuous */
void rig_open(const struct bh_port_options *options);
/* rig_close - and all packets are back */
void rig_close(void);
/* rig_pass - let the world go on for so long */
void rig_pass(uint64_t ns);
/* rig_pkt - a frame of that many bytes for the card with this number: addresses, then each byte its place */
struct bh_pkt *rig_pkt(uint32_t from, uint32_t bytes);
/* rig_send - one frame from a port. rig_receive - the next at the other, within a while, or NULL */
void rig_send(uint32_t from, struct bh_pkt *pkt);
struct bh_pkt *rig_receive(uint32_t at);
uint64_t rig_counter(const char *name);
struct ixgbe_stats rig_stats(uint32_t idx);

#define RIG_TEST(name)                                                                                                 \
	static void name##_body(void *arg);                                                                            \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		rig_run(name##_body);                                                                                  \
	}                                                                                                              \
	static void name##_body(void *arg)

#endif
