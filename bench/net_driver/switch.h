/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The switch in the cross-connect's place: what a port receives gets, inside of its rx, the addresses of two stations
 * drawn at random, the source on that port and the destination on the other.
 */
#ifndef BENCH_NET_DRIVER_SWITCH_H
#define BENCH_NET_DRIVER_SWITCH_H

#include <bulkhead/port.h>

#define BENCH_SWITCH_MACS 10000u

/* bench_switch_init - between two started queues. Return: 0, or as fwd_switch_create. */
BH_MUST_CHECK int bench_switch_init(struct bh_port_queue *const queue[2], uint32_t burst_cnt);
/* bench_switch_draw - the next burst's stations. Not to be timed. */
void bench_switch_draw(void);
/* bench_switch_turn - a turn. Return: frames received. */
uint32_t bench_switch_turn(void);

#endif
