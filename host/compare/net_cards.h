/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A comparison of networks on cards: two that are compared, two that the generator has.
 *
 *   pktgen's tx card  ==wire==  FILE's first card [ A: Linux | B: the cell ] its second  ==wire==  pktgen's rx card
 *
 * Side A has both cards with Linux's own driver, inside of the namespace that net_lane.c makes; side B with vfio-pci. Which driver
 * that is, and that it comes back, is bind.h's. All four cards end as they began: with their own driver, or with vfio-pci
 * if `bulkhead bind` had taken them before. What they were is in /run/bulkhead/compare/net before anything is changed.
 */
#ifndef HOST_COMPARE_NET_CARDS_H
#define HOST_COMPARE_NET_CARDS_H

#include <bulkhead/abi/boot.h>

#include "host/compare/net.h"

#define BH_NET_CARD_CNT 4u

enum bh_net_card_place { BH_NET_CARD_A = 0, BH_NET_CARD_B = 1, BH_NET_CARD_TX = 2, BH_NET_CARD_RX = 3 };

struct bh_net_card {
	char address[BH_PCI_ADDRESS_BYTES];
	char port[BH_NAME_BYTES]; /* its [port NAME] */
	const char *path;         /* of the file that has it */
	char driver[32];          /* Linux's */
	char interface[32], mac[18];
	int group;
	bool taken_before; /* bulkhead had given it to vfio-pci before the comparison began */
};

/* The state of a comparison of networks: session->net. */
struct bh_net {
	struct bh_net_lane lane;
	uint64_t latency_pps;
	uint64_t offered_pps; /* while the rate is measured; 0: as fast as the generator can */
	unsigned generator_cpu;
	bool native;          /* the driver has XDP */
	char native_why[256]; /* why not */
	/* Cards only, from here on. */
	const char *file[2]; /* by kind: xconnect, fwd; NULL: none */
	const char *generator;
	char tap[2][16]; /* of the router's first and second port */
	struct bh_net_card card[BH_NET_CARD_CNT];
	bool begun; /* the journal is written */
};

/**
 * bh_net_files_read - read and check the configurations; fills file, generator, tap, card, CPUs; changes nothing (net_files.c)
 * @cpu: what --cpu said, -1 nothing; then the CPU of both sides
 * Return: 0; -EINVAL (E382, E383) and what bh_config_load returns.
 */
BH_MUST_CHECK int bh_net_files_read(const struct bh_compare_options *options, struct bh_net *net, int *cpu,
                                    struct bh_error *error);

/**
 * bh_net_cards_check - what speaks against taking the cards; fills in what Linux knows of them
 *
 * What a comparison that was killed left taken is given back first; else nothing is changed.
 * Return: 0; -EPERM (E384); -ENODEV no such card; as bh_compare_net_restore.
 */
BH_MUST_CHECK int bh_net_cards_check(struct bh_net *net, struct bh_error *error);

/**
 * bh_net_cards_begin - journal, the generator's cards to vfio-pci, the others to Linux and into the lane
 * Return: 0; -EIO (E186), nothing was changed; as bind.h; bh_net_cards_give_back follows then, too.
 */
BH_MUST_CHECK int bh_net_cards_begin(struct bh_session *session, struct bh_error *error);

/* bh_net_cards_to_linux, bh_net_cards_to_cell - hand both cards over; nothing to do if they are there */
BH_MUST_CHECK int bh_net_cards_to_linux(struct bh_session *session, struct bh_error *error);
BH_MUST_CHECK int bh_net_cards_to_cell(struct bh_session *session, struct bh_error *error);

/* bh_net_cards_give_back - all four as they were, whatever happened. It goes on after an error, and returns the first. */
BH_MUST_CHECK int bh_net_cards_give_back(struct bh_net *net, struct bh_error *error);

#endif
