/* SPDX-License-Identifier: Apache-2.0 */
/* What the counters of a run must add up to. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/net.h"

static uint64_t
port_counter(unsigned idx, const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "p%u.%s", idx, name);
	return sim_counter(text);
}

static uint64_t
drops(unsigned idx, const char *const *names, size_t cnt)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < cnt; i++)
		sum += port_counter(idx, names[i]);
	return sum;
}

static const char *const tx_refused[] = {"drop_tx_too_long", "drop_tx_too_short", "drop_tx_bad_request",
                                         "drop_tx_link_down"};
static const char *const rx_drops[] = {"drop_rx_no_buffer",  "drop_rx_error",  "drop_rx_too_long",
                                       "drop_rx_bad_length", "drop_rx_bad_id", "drop_rx_bad_header"};

static void
equal(const char *what, unsigned idx, uint64_t is, uint64_t wanted)
{
	if (is != wanted)
		sim_fail("port %u: %s: %lu, wanted %lu", idx, what, is, wanted);
}

static void
at_most(const char *what, unsigned idx, uint64_t is, uint64_t most)
{
	if (is > most)
		sim_fail("port %u: %s: %lu, at most %lu", idx, what, is, most);
}

/*
 * An 82599 reports the last frame of a burst, not each: of those before it the driver does not know after a reset whether
 * they were sent, and what it counts as lost is too much, never too little. Its count of missed frames ends with a reset.
 */
static void
lost_check(unsigned idx, uint64_t lost_cnt)
{
	if (net.all->kind == SIM_KIND_NET)
		equal("lost by resets, both halves", idx, lost_cnt, port_counter(idx, "drop_reset"));
	else if (!net.plan->wire.drop_when_full)
		at_most("lost by resets, both halves", idx, lost_cnt, port_counter(idx, "drop_reset"));
}

/* include/bulkhead/port.h, "What adds up". */
static void
port_check(unsigned idx, const struct sim_card_stats *card)
{
	uint64_t taken_cnt = 0, received_cnt = 0, odd_cnt = 0;
	uint64_t tx_cnt = port_counter(idx, "tx_pkts"), rx_cnt = port_counter(idx, "rx_pkts");
	uint64_t refused_cnt = drops(idx, tx_refused, BH_ARRAY_CNT(tx_refused));
	uint64_t rx_drop_cnt = drops(idx, rx_drops, BH_ARRAY_CNT(rx_drops));

	for (unsigned i = 0; i < SIM_CORES_MAX; i++) {
		taken_cnt += net.core[i].taken_cnt[idx];
		received_cnt += net.core[i].received_cnt[idx];
		odd_cnt += net.core[i].odd_cnt[idx];
	}
	equal("frames taken = tx_pkts + refused", idx, tx_cnt + refused_cnt, taken_cnt);
	if (net.all->kind == SIM_KIND_IXGBE && !net.tame) /* it sends nothing while the link is down, and counts why */
		at_most("frames that cannot be sent", idx, odd_cnt, refused_cnt);
	else
		equal("frames refused = frames that cannot be sent", idx, refused_cnt, odd_cnt);
	equal("frames received = rx_pkts", idx, received_cnt, rx_cnt);
	equal("addresses outside of the arena", idx, card->dma_refused_cnt, 0);
	if (sim_net_may_garble(net.all))
		return;
	/* A card that writes into a header which it gave back writes into the next frame that is sent from there, too. */
	if (net.all->kind == SIM_KIND_IXGBE || card->fault_kind_cnt[VNET_FAULT_CHANGE_HEADER] == 0)
		equal("frames that the card found bad", idx, card->tx_bad_cnt, 0);
	at_most("frames sent by the card", idx, card->tx_pkts + card->tx_bad_cnt, tx_cnt);
	at_most("tx_pkts", idx, tx_cnt, card->tx_pkts + card->tx_bad_cnt + port_counter(idx, "drop_reset"));
	at_most("frames received", idx, rx_cnt, card->rx_pkts);
	if (net.plan->card.rule_cnt == 0 && !sim_net_may_give_up(net.all))
		lost_check(idx, tx_cnt - card->tx_pkts + card->rx_pkts + card->rx_missed_cnt - rx_cnt - rx_drop_cnt);
	if (!net.tame)
		return;
	equal("frames sent by the card", idx, card->tx_pkts, tx_cnt);
	equal("frames given by the card", idx, card->rx_pkts, rx_cnt);
	equal("frames dropped", idx, rx_drop_cnt + port_counter(idx, "drop_reset"), 0);
	equal("resets", idx, port_counter(idx, "resets"), 0);
}

/* A card fails only by its own script: never for what the driver put into its rings. */
static void
cards_check(const struct sim_card_stats card[2], struct sim_result *out)
{
	for (unsigned i = 0; i < 2; i++) {
		equal("times that the driver's rings broke the rules", i, card[i].failed_cnt, 0);
		for (unsigned kind = 0; kind < SIM_CARD_FAULTS_MAX; kind++)
			out->net_fault_cnt[kind] += card[i].fault_kind_cnt[kind];
		out->reset_cnt += port_counter(i, "resets");
	}
}

void
sim_net_check(const struct sim_plan *plan, struct sim_result *out)
{
	struct sim_card_stats card[2];

	sim_net_stats(card);
	for (unsigned i = 0; i < plan->core_cnt; i++)
		sim_require(sim_turn_exit_code(i) == 0);
	net_frames_end();
	cards_check(card, out);
	for (unsigned i = 0; i < 2; i++)
		port_check(i, &card[i]);
	out->checked_cnt = net_frames_seen();
	out->removed_cnt = sim_net_gone();
}
