/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The two kinds of network card that a run can have, by the same functions: card_virtio.c, card_ixgbe.c.
 */
#ifndef TESTS_SIM_CARD_H
#define TESTS_SIM_CARD_H

#include "devices/virtio_net/wire.h"
#include "tests/sim/net.h"

struct bh_boot_device;
struct vfu_config;

struct sim_card_ops {
	uint64_t bar_bytes, doorbells_at;
	/* @idx: which of the two; the last byte of its address is one more. Ends the run if the plan is impossible. */
	void *(*create)(const struct sim_plan *plan, unsigned idx,
	                bool (*dma_window)(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot,
	                                   struct vnet_window *out));
	void (*destroy)(void *card);
	void (*config_make)(struct vfu_config *config);
	void (*describe)(struct bh_boot_device *out);
	uint64_t (*read)(void *card, uint64_t offset, uint32_t width_bytes);
	void (*write)(void *card, uint64_t offset, uint32_t width_bytes, uint64_t value);
	void (*reset)(void *card);
	void (*link_set)(void *card, bool up);
	uint32_t (*control)(void *card); /* what is not on the wire. Return: how much was done. */
	void (*stats)(const void *card, struct sim_card_stats *out);
	const struct vnet_wire_ops *wire;
};

extern const struct sim_card_ops sim_card_virtio, sim_card_ixgbe;

#endif
