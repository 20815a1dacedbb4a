/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ports of a hosted cell on one thread and a virtual clock: the virtio driver against two models with a wire between
 * them. "p0" and "p1"; pair_run() calls the test's body as a fiber while a poller plays the devices.
 */
#ifndef TESTS_UNIT_NET_PAIR_H
#define TESTS_UNIT_NET_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bulkhead/cell.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/port.h>
#include <bulkhead/sched.h>

#include "devices/virtio_net/wire.h"
#include "drivers/net/virtio/virtio.h"

struct pair {
	struct vnet_model_config model_config;
	struct vnet_wire_config wire_config;
	bool frozen; /* the devices do nothing: the test writes their half of the rings */
	bool gone;   /* registers read all ones */
	struct vnet_model *model[2];
	struct vnet_wire *wire;
	uint64_t now_ns;
	uintptr_t context; /* the test's own */
};

extern struct pair pair;

/* pair_defaults - before each test; then change what is to be otherwise, and run */
void pair_defaults(void);
/* pair_run - body as a fiber of core 0, in a fresh world */
void pair_run(void (*body)(void *));
/* pair_open - both ports with a pool each; queue 0 of each. options NULL: promiscuous. */
void pair_open(const struct bh_port_options *options, struct bh_port *out_port[2], struct bh_port_queue *out_queue[2]);
/* pair_pass - let the world go on for so many turns */
void pair_pass(unsigned turn_cnt);
uint64_t pair_counter(const char *name);

#endif
