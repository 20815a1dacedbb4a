/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder's figures: a line each second, a table at the end, JSON. */
#include <string.h>

#include "apps/fwd/host/app.h"
#include "apps/fwd/reason.h"
#include "apps/span.h"
#include "host/observe/ports.h"

static const char reason_names[FWD_REASON_CNT][28] = FWD_REASON_NAMES;
static const char switch_names[FWD_SWITCH_REASON_CNT][20] = FWD_SWITCH_REASON_NAMES;

struct moment {
	uint64_t tsc;
	uint64_t forward4, forward6, from_linux;
	uint64_t reason[FWD_REASON_CNT], port_reason[FWD_PORTS_MAX][FWD_DROP_END];
	uint64_t switch_forward, flood, copy, no_buffer, macs, learned, moved, aged, flushed, full, limited;
	uint64_t taken, refused;
	uint64_t switch_drop[FWD_PORTS_MAX][FWD_SWITCH_REASON_CNT], switch_full[FWD_PORTS_MAX];
	struct bh_port_sample port[FWD_PORTS_MAX];
};

struct state {
	struct fwd_config config;
	struct bh_span span;
	struct moment now, before;
	struct fwd_host_stats host;
};

static uint64_t
counter(const struct bh_view *view, const char *prefix, const char *name)
{
	char full[72];
	uint64_t value;
	snprintf(full, sizeof(full), "%.39s%.31s", prefix, name);
	(void)bh_view_counter(view, full, &value);
	return value;
}

static void
take_switch(struct moment *now, const struct fwd_config *config, const struct bh_view *view)
{
	now->switch_forward = counter(view, "", FWD_SWITCH_COUNTER_FORWARD);
	now->flood = counter(view, "", FWD_SWITCH_COUNTER_FLOOD);
	now->copy = counter(view, "", FWD_SWITCH_COUNTER_COPY);
	now->no_buffer = counter(view, "", FWD_SWITCH_COUNTER_NO_BUFFER);
	now->macs = counter(view, "", FWD_SWITCH_GAUGE_MACS);
	now->learned = counter(view, "", FWD_SWITCH_COUNTER_LEARN);
	now->moved = counter(view, "", FWD_SWITCH_COUNTER_MOVE);
	now->aged = counter(view, "", FWD_SWITCH_COUNTER_AGED);
	now->flushed = counter(view, "", FWD_SWITCH_COUNTER_FLUSHED);
	now->full = counter(view, "", FWD_SWITCH_COUNTER_FULL);
	now->limited = counter(view, "", FWD_SWITCH_COUNTER_LIMIT);
	for (uint32_t i = 0; i < config->port_cnt; i++) {
		char prefix[BH_NAME_BYTES + 8];
		snprintf(prefix, sizeof(prefix), "%s.drop_", config->port[i]);
		for (uint32_t j = 0; j < FWD_SWITCH_REASON_CNT; j++)
			now->switch_drop[i][j] = counter(view, prefix, switch_names[j]);
		now->switch_full[i] = counter(view, prefix, "tx_full");
	}
}

static void
take_router(struct moment *now, const struct fwd_config *config, const struct bh_view *view)
{
	for (uint32_t i = 0; i < config->port_cnt; i++) {
		char prefix[16];
		snprintf(prefix, sizeof(prefix), "fwd%u.", i);
		for (uint32_t j = 0; j < FWD_DROP_END; j++)
			now->port_reason[i][j] = counter(view, prefix, reason_names[j]);
	}
}

static void
sample(void *opaque, const void *config, const struct bh_view *view, uint64_t now_tsc)
{
	struct state *state = opaque;
	struct moment *now = &state->now;
	memcpy(&state->config, config, sizeof(state->config));
	state->before = *now;
	now->tsc = now_tsc;
	bh_span_take(&state->span, view, FWD_GAUGE_START, FWD_GAUGE_END);
	now->forward4 = counter(view, "", FWD_COUNTER_FORWARD4);
	now->forward6 = counter(view, "", FWD_COUNTER_FORWARD6);
	now->from_linux = counter(view, "", FWD_COUNTER_FROM_LINUX);
	now->taken = counter(view, "", FWD_SWITCH_COUNTER_TAKEN);
	now->refused = counter(view, "", FWD_SWITCH_COUNTER_REFUSED);
	for (uint32_t i = 0; i < FWD_REASON_CNT; i++)
		now->reason[i] = counter(view, "fwd.", reason_names[i]);
	if (state->config.mode == FWD_MODE_SWITCH)
		take_switch(now, &state->config, view);
	else
		take_router(now, &state->config, view);
	for (uint32_t i = 0; i < state->config.port_cnt; i++)
		bh_port_sample_take(view, state->config.port[i], &now->port[i]);
	fwd_host_stats(&state->host);
}

static uint64_t
forwarded(const struct moment *moment)
{
	return moment->forward4 + moment->forward6 - moment->reason[FWD_DROP_TX_FULL] + moment->switch_forward +
	       moment->flood;
}

static uint64_t
sum(const uint64_t *of, uint32_t cnt)
{
	uint64_t all = 0;
	for (uint32_t i = 0; i < cnt; i++)
		all += of[i];
	return all;
}

static uint64_t
punted(const struct moment *moment)
{
	return sum(moment->reason, FWD_PUNT_CNT);
}

static uint64_t
dropped(const struct moment *moment)
{
	uint64_t all = sum(moment->reason + FWD_PUNT_CNT, FWD_DROP_END - FWD_PUNT_CNT);
	for (uint32_t i = 0; i < FWD_PORTS_MAX; i++)
		all += sum(moment->switch_drop[i], FWD_SWITCH_REASON_CNT) + moment->switch_full[i];
	return all;
}

static void
live(const void *opaque, FILE *stream, double elapsed_s)
{
	const struct state *state = opaque;
	const struct moment *now = &state->now, *before = &state->before;
	if (state->span.start_tsc == 0) {
		fprintf(stream, "%6.1f s  opening the ports", elapsed_s);
		return;
	}
	double interval_s = bh_span_between_s(&state->span, BH_MAX(before->tsc, state->span.start_tsc), now->tsc);
	fprintf(stream, "%6.1f s  forwarded %.3f Mpps", elapsed_s,
	        bh_span_rate_m(forwarded(now) - forwarded(before), interval_s));
	if (state->config.mode == FWD_MODE_SWITCH)
		fprintf(stream, "  flooded %lu  addresses %lu", now->flood - before->flood, now->macs);
	else
		fprintf(stream, "  to Linux %lu, from it %lu  routes %lu + %lu", punted(now) - punted(before),
		        now->from_linux - before->from_linux, state->host.fib.route_cnt[0],
		        state->host.fib.route_cnt[1]);
	fprintf(stream, "  dropped %lu", dropped(now) - dropped(before));
	for (uint32_t i = 0; i < state->config.port_cnt; i++) {
		if (!now->port[i].link_up)
			fprintf(stream, "  %s: link down", state->config.port[i]);
	}
}

static void
table_reasons(const struct state *state, FILE *stream)
{
	for (uint32_t i = FWD_DROP_END; i < FWD_REASON_CNT; i++) { /* the others are at their ports */
		if (state->now.reason[i] != 0)
			fprintf(stream, "    %-28s %lu\n", reason_names[i], state->now.reason[i]);
	}
	for (uint32_t i = 0; i < state->config.port_cnt; i++) {
		for (uint32_t j = 0; j < FWD_SWITCH_REASON_CNT; j++) {
			if (state->now.switch_drop[i][j] != 0)
				fprintf(stream, "    %s: drop_%-20s %lu\n", state->config.port[i], switch_names[j],
				        state->now.switch_drop[i][j]);
		}
		if (state->now.switch_full[i] != 0)
			fprintf(stream, "    %s: drop_%-20s %lu\n", state->config.port[i], "tx_full",
			        state->now.switch_full[i]);
	}
}

static void
table_router(const struct state *state, FILE *stream)
{
	const struct fwd_host_stats *host = &state->host;
	fprintf(stream, "  forwarded       %lu IPv4, %lu IPv6 (%.3f Mpps)\n", state->now.forward4, state->now.forward6,
	        bh_span_rate_m(forwarded(&state->now), bh_span_s(&state->span, state->now.tsc)));
	fprintf(stream, "  Linux           %lu to it, %lu from it\n", punted(&state->now), state->now.from_linux);
	fprintf(stream, "  routes          %lu IPv4, %lu IPv6, %lu neighbours; tables %.1f MiB in use\n",
	        host->fib.route_cnt[0], host->fib.route_cnt[1], host->fib.neighbour_cnt,
	        (double)host->fib.used_bytes / (1 << 20));
	fprintf(stream, "  in step         %lu messages, %lu comparisons, %lu differences that nothing explains\n",
	        host->mirror.message_cnt, host->mirror.sync_cnt, host->mirror.diff_cnt);
	if (host->mirror.policy_cnt != 0)
		fprintf(stream, "  not followed    %lu rules (ip rule): their packets go by the main table\n",
		        host->mirror.policy_cnt);
	if (host->mirror.rib.fib_error_cnt != 0)
		fprintf(stream, "  not followed    %lu changes: the tables are full; make [fwd] tables larger\n",
		        host->mirror.rib.fib_error_cnt);
}

static void
table_switch(const struct state *state, FILE *stream)
{
	const struct moment *now = &state->now;
	fprintf(stream, "  forwarded       %lu to one port, %lu to all (%.3f Mpps); %lu copies, %lu without a buffer\n",
	        now->switch_forward, now->flood,
	        bh_span_rate_m(forwarded(now), bh_span_s(&state->span, state->now.tsc)), now->copy, now->no_buffer);
	fprintf(stream, "  addresses       %lu; learned %lu, moved %lu, aged %lu, %lu gone with their link\n",
	        now->macs, now->learned, now->moved, now->aged, now->flushed);
	if (now->full != 0)
		fprintf(stream, "  not learned     %lu times: the table is full; make [fwd] macs larger\n", now->full);
	if (now->limited != 0)
		fprintf(stream, "  not learned     %lu times: beyond mac_max of the port\n", now->limited);
}

static void
table(const void *opaque, FILE *stream)
{
	const struct state *state = opaque;
	bool is_switch = state->config.mode == FWD_MODE_SWITCH;
	fprintf(stream, "%s of %u ports, bursts of %u, %.2f s\n", is_switch ? "switch" : "router",
	        state->config.port_cnt, state->config.burst_cnt, bh_span_s(&state->span, state->now.tsc));
	if (is_switch)
		table_switch(state, stream);
	else
		table_router(state, stream);
	if (state->host.reload_cnt != 0)
		fprintf(stream, "  settings        %lu times anew\n", state->host.reload_cnt);
	table_reasons(state, stream);
	for (uint32_t i = 0; i < state->config.port_cnt; i++) {
		const struct bh_port_sample *port = &state->now.port[i];
		fprintf(stream, "  %-14s  received %lu, sent %lu\n", state->config.port[i], port->rx_pkts,
		        port->tx_pkts);
		for (uint32_t j = 0; j < BH_DROP_CNT; j++) {
			if (port->drop[j] != 0)
				fprintf(stream, "    %-28s %lu\n", bh_drop_name((enum bh_drop_reason)j), port->drop[j]);
		}
		for (uint32_t j = 0; j < FWD_DROP_END; j++) {
			if (state->now.port_reason[i][j] != 0)
				fprintf(stream, "    %-28s %lu\n", reason_names[j], state->now.port_reason[i][j]);
		}
	}
}

static void
put(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *
port_json(const struct state *state, uint32_t idx)
{
	const struct bh_port_sample *port = &state->now.port[idx];
	json_t *out = json_object(), *drops = json_object(), *reasons = json_object();
	put(out, "rx_pkts", port->rx_pkts);
	put(out, "rx_bytes", port->rx_bytes);
	put(out, "tx_pkts", port->tx_pkts);
	put(out, "tx_bytes", port->tx_bytes);
	json_object_set_new(out, "link_up", json_boolean(port->link_up));
	for (uint32_t i = 0; i < BH_DROP_CNT; i++)
		put(drops, bh_drop_name((enum bh_drop_reason)i), port->drop[i]);
	for (uint32_t i = 0; i < FWD_DROP_END && state->config.mode == FWD_MODE_ROUTER; i++)
		put(reasons, reason_names[i], state->now.port_reason[idx][i]);
	if (state->config.mode == FWD_MODE_ROUTER)
		json_object_set(out, "reasons", reasons);
	json_decref(reasons);
	for (uint32_t i = 0; i < FWD_SWITCH_REASON_CNT && state->config.mode == FWD_MODE_SWITCH; i++)
		put(drops, switch_names[i], state->now.switch_drop[idx][i]);
	if (state->config.mode == FWD_MODE_SWITCH)
		put(drops, "tx_full", state->now.switch_full[idx]);
	json_object_set_new(out, "drops", drops);
	return out;
}

static json_t *
mirror_json(const struct fwd_host_stats *host)
{
	json_t *out = json_object();
	put(out, "routes4", host->fib.route_cnt[0]);
	put(out, "routes6", host->fib.route_cnt[1]);
	put(out, "neighbours", host->fib.neighbour_cnt);
	put(out, "used_bytes", host->fib.used_bytes);
	put(out, "messages", host->mirror.message_cnt);
	put(out, "overruns", host->mirror.overrun_cnt);
	put(out, "comparisons", host->mirror.sync_cnt);
	put(out, "differences", host->mirror.diff_cnt);
	put(out, "healed", host->mirror.healed_cnt);
	put(out, "rules_not_followed", host->mirror.policy_cnt);
	put(out, "refused_by_tables", host->mirror.rib.fib_error_cnt);
	put(out, "tap_down", host->pump.tap_down_cnt);
	put(out, "tap_full", host->pump.tap_full_cnt);
	return out;
}

static void
switch_json(const struct moment *now, json_t *out)
{
	put(out, "forward", now->switch_forward);
	put(out, "flood", now->flood);
	put(out, "copies", now->copy);
	put(out, "no_buffer", now->no_buffer);
	put(out, "addresses", now->macs);
	put(out, "learned", now->learned);
	put(out, "moved", now->moved);
	put(out, "aged", now->aged);
	put(out, "flushed", now->flushed);
	put(out, "table_full", now->full);
	put(out, "beyond_mac_max", now->limited);
}

static json_t *
json(const void *opaque)
{
	const struct state *state = opaque;
	json_t *out = json_object(), *ports = json_object(), *reasons = json_object();
	bool is_switch = state->config.mode == FWD_MODE_SWITCH;
	json_object_set_new(out, "mode", json_string(is_switch ? "switch" : "router"));
	json_object_set_new(out, "seconds", json_real(bh_span_s(&state->span, state->now.tsc)));
	put(out, "forward4", state->now.forward4);
	put(out, "forward6", state->now.forward6);
	put(out, "from_linux", state->now.from_linux);
	put(out, "reloads", state->host.reload_cnt);
	put(out, "settings_taken", state->now.taken);
	put(out, "settings_refused", state->now.refused);
	for (uint32_t i = 0; i < FWD_REASON_CNT; i++)
		put(reasons, reason_names[i], state->now.reason[i]);
	if (is_switch)
		switch_json(&state->now, out);
	else
		json_object_set_new(out, "mirror", mirror_json(&state->host));
	for (uint32_t i = 0; i < state->config.port_cnt; i++)
		json_object_set_new(ports, state->config.port[i], port_json(state, i));
	json_object_set_new(out, "reasons", reasons);
	json_object_set_new(out, "ports", ports);
	return out;
}

static const struct bh_hist_snapshot *
latency(const void *opaque)
{
	static const struct bh_hist_snapshot none;
	return &none;
}

static uint64_t
first_io_tsc(const void *opaque)
{
	return ((const struct state *)opaque)->span.start_tsc;
}

static bool
check_failed(const void *opaque)
{
	return false;
}

const struct bh_app_report fwd_report = {
        .name = "fwd",
        .state_bytes = sizeof(struct state),
        .sample = sample,
        .live = live,
        .table = table,
        .json = json,
        .latency = latency,
        .first_io_tsc = first_io_tsc,
        .check_failed = check_failed,
};
