/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/xconnect/host/app.h"

#include <string.h>

#include "apps/span.h"
#include "apps/xconnect/config.h"
#include "host/observe/ports.h"

#define SECTION "xconnect"

/* In the order of enum xconnect_mode. */
static const char *const modes[] = {"forward", "macswap", NULL};

const struct bh_config_key xconnect_keys[XCONNECT_KEY_CNT] = {
        {SECTION, "a", BH_VALUE_STRING, NULL, NULL, 0, 0, "the NAME of a [port NAME]"},
        {SECTION, "b", BH_VALUE_STRING, NULL, NULL, 0, 0, "the NAME of a [port NAME]; the same as a: it reflects"},
        {SECTION, "mode", BH_VALUE_ENUM, "forward", modes, 0, 0, "what to do with a frame"},
        {SECTION, "burst", BH_VALUE_UINT, "32", NULL, 1, XCONNECT_BURST_MAX, "most frames at a time, 1 to 256"},
        {SECTION, "packets", BH_VALUE_UINT, "4096", NULL, 512, 1u << 20, "buffers of each core, from 512 on"},
};

static int
port_name(const struct bh_run_config *config, const char *key, char *out, struct bh_error *error)
{
	const struct bh_device_config *port = bh_config_device(config, bh_config_string(config, SECTION, key));
	if (port == NULL || !port->is_port)
		return bh_config_error(config, SECTION, key, error,
		                       "no such port; name one that has a [port NAME] section");
	memcpy(out, port->name, sizeof(port->name));
	return 0;
}

int
xconnect_compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes, struct bh_error *error)
{
	struct xconnect_config *xconnect = out;
	int err = port_name(config, "a", xconnect->port[0], error);
	if (err == 0)
		err = port_name(config, "b", xconnect->port[1], error);
	if (err != 0)
		return err;
	xconnect->mode = bh_config_enum(config, SECTION, "mode");
	xconnect->burst_cnt = (uint32_t)bh_config_uint(config, SECTION, "burst");
	xconnect->pkt_cnt = (uint32_t)bh_config_uint(config, SECTION, "packets");
	*out_bytes = sizeof(*xconnect);
	return 0;
}

struct moment {
	uint64_t tsc;
	uint64_t ring_full;
	struct bh_port_sample port[2];
};

struct state {
	struct xconnect_config config;
	struct bh_span span;
	uint32_t port_cnt;
	struct moment now, before;
};

static void
sample(void *opaque, const void *config, const struct bh_view *view, uint64_t now_tsc)
{
	struct state *state = opaque;
	memcpy(&state->config, config, sizeof(state->config));
	state->port_cnt = memcmp(state->config.port[0], state->config.port[1], BH_NAME_BYTES) == 0 ? 1 : 2;
	state->before = state->now;
	state->now.tsc = now_tsc;
	bh_span_take(&state->span, view, XCONNECT_GAUGE_START, XCONNECT_GAUGE_END);
	(void)bh_view_counter(view, XCONNECT_COUNTER_RING_FULL, &state->now.ring_full);
	for (uint32_t i = 0; i < state->port_cnt; i++)
		bh_port_sample_take(view, state->config.port[i], &state->now.port[i]);
}

static void
live(const void *opaque, FILE *stream, double elapsed_s)
{
	const struct state *state = opaque;
	if (state->span.start_tsc == 0) {
		fprintf(stream, "%6.1f s  opening the ports", elapsed_s);
		return;
	}
	uint64_t from_tsc = BH_MAX(state->before.tsc, state->span.start_tsc);
	double interval_s = bh_span_between_s(&state->span, from_tsc, state->now.tsc);
	uint64_t drops = state->now.ring_full;
	fprintf(stream, "%6.1f s", elapsed_s);
	for (uint32_t i = 0; i < state->port_cnt; i++) {
		struct bh_port_sample since;
		bh_port_sample_since(&state->now.port[i], &state->before.port[i], &since);
		drops += bh_port_sample_drops(&state->now.port[i]);
		fprintf(stream, "  %s%s rx %.3f tx %.3f Mpps", state->config.port[i],
		        state->now.port[i].link_up ? "" : " (link down)", bh_span_rate_m(since.rx_pkts, interval_s),
		        bh_span_rate_m(since.tx_pkts, interval_s));
	}
	fprintf(stream, "  drops %lu", drops);
}

static void
table_port(const struct state *state, FILE *stream, uint32_t idx)
{
	const struct bh_port_sample *port = &state->now.port[idx];
	double span_s = bh_span_s(&state->span, state->now.tsc);
	fprintf(stream, "  %-14s  received %lu (%.3f Mpps), sent %lu (%.3f Mpps)\n", state->config.port[idx],
	        port->rx_pkts, bh_span_rate_m(port->rx_pkts, span_s), port->tx_pkts,
	        bh_span_rate_m(port->tx_pkts, span_s));
	for (uint32_t i = 0; i < BH_DROP_CNT; i++) {
		if (port->drop[i] != 0)
			fprintf(stream, "  %-14s  dropped %lu: %s\n", "", port->drop[i],
			        bh_drop_name((enum bh_drop_reason)i));
	}
	if (port->link_changes + port->resets != 0)
		fprintf(stream, "  %-14s  link changes %lu, resets %lu\n", "", port->link_changes, port->resets);
}

static void
table(const void *opaque, FILE *stream)
{
	const struct state *state = opaque;
	fprintf(stream, "cross-connect, %s, bursts of %u, %.2f s\n", modes[state->config.mode], state->config.burst_cnt,
	        bh_span_s(&state->span, state->now.tsc));
	for (uint32_t i = 0; i < state->port_cnt; i++)
		table_port(state, stream, i);
	if (state->now.ring_full != 0)
		fprintf(stream, "  %-14s  dropped %lu: ring_full\n", "in between", state->now.ring_full);
}

static json_t *
drops_json(const struct bh_port_sample *port)
{
	json_t *drops = json_object();
	for (uint32_t i = 0; i < BH_DROP_CNT; i++)
		json_object_set_new(drops, bh_drop_name((enum bh_drop_reason)i),
		                    json_integer((json_int_t)port->drop[i]));
	return drops;
}

static json_t *
json(const void *opaque)
{
	const struct state *state = opaque;
	json_t *ports = json_object();
	for (uint32_t i = 0; i < state->port_cnt; i++) {
		const struct bh_port_sample *port = &state->now.port[i];
		json_object_set_new(ports, state->config.port[i],
		                    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "rx_pkts",
		                              (json_int_t)port->rx_pkts, "rx_bytes", (json_int_t)port->rx_bytes,
		                              "tx_pkts", (json_int_t)port->tx_pkts, "tx_bytes",
		                              (json_int_t)port->tx_bytes, "link_changes",
		                              (json_int_t)port->link_changes, "resets", (json_int_t)port->resets,
		                              "link_up", port->link_up, "drops", drops_json(port)));
	}
	return json_pack("{s:s, s:i, s:f, s:I, s:o}", "mode", modes[state->config.mode], "burst",
	                 (int)state->config.burst_cnt, "seconds", bh_span_s(&state->span, state->now.tsc),
	                 "drop_ring_full", (json_int_t)state->now.ring_full, "ports", ports);
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
	const struct state *state = opaque;
	return state->span.start_tsc;
}

static bool
check_failed(const void *opaque)
{
	return false;
}

const struct bh_app_report xconnect_report = {
        .name = "xconnect",
        .state_bytes = sizeof(struct state),
        .sample = sample,
        .live = live,
        .table = table,
        .json = json,
        .latency = latency,
        .first_io_tsc = first_io_tsc,
        .check_failed = check_failed,
};
