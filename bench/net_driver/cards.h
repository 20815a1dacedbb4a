/* SPDX-License-Identifier: Apache-2.0 */
/* Two software network cards, p0 and p1, in the process of a hosted core: their models, and the registers to drivers. */
#ifndef BENCH_NET_DRIVER_CARDS_H
#define BENCH_NET_DRIVER_CARDS_H

#include <pthread.h>

#include "devices/virtio_net/wire.h"

struct bench_cards {
	bool packed;   /* virtio with packed rings */
	bool is_ixgbe; /* 82599s in the place of virtio */
	uint64_t arena_bytes;
};

/* Around every register access: a thread that plays the devices holds it while it works. */
extern pthread_mutex_t bench_cards_lock;

/* bench_cards_make - the cards, the boot page, the hosted core. Return: 0; -BH_EINVAL, -BH_ENOMEM. */
int bench_cards_make(const struct bench_cards *wanted);

/* bench_card_end - a card as the end of a wire */
struct vnet_wire_end bench_card_end(uint32_t idx);

/* bench_cards_control - serve the control queues */
void bench_cards_control(void);

#endif
