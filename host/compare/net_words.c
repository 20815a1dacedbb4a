/* SPDX-License-Identifier: Apache-2.0 */
/* Linux's forwarding against the cell: the words of the report, and what decides. */
#include <stdio.h>
#include <string.h>

#include "host/compare/net_cards.h"
#include "host/compare/text.h"

/* In the order of enum bh_net_way. */
static const struct {
	const char *name;
	bool threaded, generic, af_xdp;
} ways[BH_NET_WAY_CNT] = {
        {"forward", false, false, false},
        {"forward, RPS to the CPU", false, false, false},
        {"forward, threaded NAPI", true, false, false},
        {"XDP redirect", false, false, false},
        {"XDP redirect, threaded NAPI", true, false, false},
        {"AF_XDP l2fwd", false, false, true},
        {"XDP redirect, generic", false, true, false},
        {"XDP redirect, generic, threaded NAPI", true, true, false},
        {"AF_XDP l2fwd, generic", false, true, true},
};

bool
bh_net_way_generic(uint32_t way)
{
	return way < BH_NET_WAY_CNT && ways[way].generic;
}

bool
bh_net_way_threaded(uint32_t way)
{
	return way < BH_NET_WAY_CNT && ways[way].threaded;
}

bool
bh_net_way_af_xdp(uint32_t way)
{
	return way < BH_NET_WAY_CNT && ways[way].af_xdp;
}

static const char *
way_name(uint32_t variant_idx)
{
	return variant_idx < BH_NET_WAY_CNT ? ways[variant_idx].name : NULL;
}

/* XDP in the driver where that has it, else in the stack. */
static bool
fits(const struct bh_session *session, uint32_t case_idx, uint32_t variant_idx, const char **why_not)
{
	*why_not = NULL; /* a way of the other kind of case: no word */
	if (bh_net_routes(&session->cases[case_idx]))
		return variant_idx <= BH_NET_FORWARD_THREADED;
	if (variant_idx <= BH_NET_FORWARD_THREADED)
		return false;
	if (session->net->native)
		return !bh_net_way_generic(variant_idx);
	if (!bh_net_way_generic(variant_idx))
		*why_not = session->net->native_why;
	return bh_net_way_generic(variant_idx);
}

static void
case_title(char *text, size_t text_bytes, const struct bh_case *which)
{
	snprintf(text, text_bytes, "%s, %u-byte frames", bh_net_routes(which) ? "IPv4 routing" : "cross-connect",
	         which->block_bytes);
}

static void
device_text(const struct bh_session *session, char *text, size_t text_bytes)
{
	const struct bh_net *net = session->net;
	if (net->lane.cards)
		snprintf(text, text_bytes,
		         "cards %s and %s (Linux: %s); generator on CPU %u with %s and %s; latency at %lu frames/s",
		         net->card[0].address, net->card[1].address, net->card[0].driver, net->generator_cpu,
		         net->card[BH_NET_CARD_TX].address, net->card[BH_NET_CARD_RX].address, net->latency_pps);
	else
		snprintf(text, text_bytes,
		         "two veth pairs in namespaces of their own; generator on CPU %u; latency at %lu frames/s",
		         net->generator_cpu, net->latency_pps);
}

static void
tools_text(const struct bh_session *session, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "bulkhead %s: pktgen %s", BH_VERSION,
	         session->net->lane.cards ? "on cards at the other ends of both wires" : "over AF_XDP on the far ends");
}

static json_t *
describe(const struct bh_session *session)
{
	const struct bh_net *net = session->net;
	json_t *all = json_pack("{s:s, s:I, s:I}", "ports", net->lane.cards ? "cards" : "veth", "latency_rate_pps",
	                        (json_int_t)net->latency_pps, "offered_rate_pps", (json_int_t)net->offered_pps);
	json_t *cards = json_array();
	for (uint32_t i = 0; i < BH_NET_CARD_CNT && net->lane.cards; i++) {
		const struct bh_net_card *card = &net->card[i];
		json_array_append_new(cards,
		                      json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "address", card->address, "port",
		                                card->port, "driver", card->driver, "interface", card->interface, "mac",
		                                card->mac, "generator", i >= BH_NET_CARD_TX));
	}
	if (net->lane.cards) {
		json_object_set(all, "cards", cards);
		json_object_set(all, "cards_tuned", net->lane.tuned);
		json_object_set_new(all, "xdp", json_string(net->native ? "in the driver" : "generic, in the stack"));
	}
	json_decref(cards);
	return all;
}

static void
judge_one(struct bh_session *session, const char *key, const char *title, bool p99, double threshold)
{
	struct bh_verdict *verdict = bh_verdict_add(session, key, title, false);
	uint32_t cpus_min = session->net->lane.cards ? BH_NET_CPUS_CARDS : BH_NET_CPUS_VETH;
	bool whole = true;
	snprintf(verdict->threshold, sizeof(verdict->threshold),
	         p99 ? "at least %g times lower, in each case" : "at least %g times, in each case", threshold);
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		const struct bh_summary *summary = &session->summary[i];
		bh_verdict_ratio(verdict, session->cases[i].name, summary,
		                 p99 ? &summary->p99_ratio : &summary->iops_ratio, threshold, session->round_cnt,
		                 &whole);
	}
	if (verdict->state != BH_COMPARE_MISSED)
		verdict->state = session->case_cnt != 0 && whole ? BH_COMPARE_MET : BH_COMPARE_NOT_MEASURED;
	if (!p99 && session->net->offered_pps != 0) {
		verdict->state = BH_COMPARE_NOT_MEASURED;
		(void)bh_text_add(verdict->value, sizeof(verdict->value), "; the generator offers %lu frames/s only",
		                  session->net->offered_pps);
	}
	if (session->machine.cpu_cnt >= cpus_min)
		return;
	verdict->state = BH_COMPARE_NOT_MEASURED;
	(void)bh_text_add(verdict->value, sizeof(verdict->value), "; %u CPUs, %u are needed", session->machine.cpu_cnt,
	                  cpus_min);
}

static void
judge(struct bh_session *session)
{
	judge_one(session, "throughput", "Frames a second of the cell", false, BH_GO_RATE_RATIO);
	judge_one(session, "p99", "p99 latency of the cell", true, BH_GO_P99_RATIO);
	if (session->net->lane.cards)
		bh_verdict_iommu(session);
}

const struct bh_subject bh_subject_net = {
        .command = "bulkhead compare net",
        .heading = "Linux and the cell between the same two ports",
        .sides = "<b class=\"a\">A</b> is Linux, tuned to win: its forwarding, XDP, a loop over AF_XDP. "
                 "<b class=\"b\">B</b> is the cell: xconnect, or the router with Linux's own routes, on the same CPU.",
        .rate_unit = "frames/s",
        .rate_heading = "Frames per second",
        .latency_about = "Through the ports at a rate that both sides can do (latency_rate_pps), from the time stamp "
                         "in a frame to its receipt",
        .ways_about = "way of forwarding with Linux",
        .settings_about = "Settings",
        .commands_about = "Namespaces are gone, and cards are back with their drivers. What this made itself "
                          "(<code>generator.conf</code>, <code>xconnect.conf</code>, <code>router.conf</code>: with "
                          "veth pairs) lies beside this page.",
        .emulator = "These are an emulator's figures: QEMU translates every instruction, so work of the CPU costs many "
                    "times what it costs on hardware.",
        .virtual_device = "",
        .way_name = way_name,
        .fits = fits,
        .run = bh_net_run,
        .judge = judge,
        .case_title = case_title,
        .device_text = device_text,
        .tools_text = tools_text,
        .describe = describe,
};
