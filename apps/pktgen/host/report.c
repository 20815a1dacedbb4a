/* SPDX-License-Identifier: Apache-2.0 */
/* pktgen's figures: a line each second, a table at the end, JSON. */
#include <string.h>

#include "apps/latency.h"
#include "apps/pktgen/config.h"
#include "apps/pktgen/host/app.h"
#include "apps/span.h"
#include "host/observe/ports.h"

#define PORTS_MAX 4u

struct moment {
	uint64_t tsc;
	uint64_t sent, received, bytes, reordered, duplicates, corrupt, foreign, behind, missing, ring_full;
	struct bh_hist_snapshot latency;
};

struct state {
	struct pktgen_config config;
	struct bh_span span;
	uint64_t first_tsc;
	struct moment now, before;
	struct bh_port_sample port[PORTS_MAX];
	const char *port_name[PORTS_MAX];
	uint32_t port_cnt;
};

static uint64_t
counter(const struct bh_view *view, const char *name)
{
	uint64_t value;
	(void)bh_view_counter(view, name, &value);
	return value;
}

static void
port_take(struct state *state, const struct bh_view *view, const char *name)
{
	for (uint32_t i = 0; i < state->port_cnt; i++) {
		if (strcmp(state->port_name[i], name) == 0)
			return;
	}
	state->port_name[state->port_cnt] = name;
	bh_port_sample_take(view, name, &state->port[state->port_cnt++]);
}

static void
sample(void *opaque, const void *config, const struct bh_view *view, uint64_t now_tsc)
{
	struct state *state = opaque;
	memcpy(&state->config, config, sizeof(state->config));
	state->before = state->now;
	state->first_tsc = counter(view, PKTGEN_GAUGE_FIRST);
	state->span =
	        (struct bh_span){view->tsc_hz, counter(view, PKTGEN_GAUGE_START), counter(view, PKTGEN_GAUGE_END)};
	/* What is received first: then a frame is never received before it was sent. */
	state->now = (struct moment){
	        .tsc = now_tsc,
	        .received = counter(view, PKTGEN_COUNTER_RECEIVED),
	        .bytes = counter(view, PKTGEN_COUNTER_BYTES),
	        .reordered = counter(view, PKTGEN_COUNTER_REORDERED),
	        .duplicates = counter(view, PKTGEN_COUNTER_DUPLICATE),
	        .corrupt = counter(view, PKTGEN_COUNTER_CORRUPT),
	        .foreign = counter(view, PKTGEN_COUNTER_FOREIGN),
	        .missing = counter(view, PKTGEN_GAUGE_MISSING),
	        .sent = counter(view, PKTGEN_COUNTER_SENT),
	        .behind = counter(view, PKTGEN_COUNTER_BEHIND),
	        .ring_full = counter(view, XCONNECT_COUNTER_RING_FULL),
	};
	(void)bh_view_hist(view, PKTGEN_HIST_LATENCY, &state->now.latency);
	state->port_cnt = 0;
	port_take(state, view, state->config.tx);
	port_take(state, view, state->config.rx);
	if (state->config.connect != 0) {
		port_take(state, view, state->config.xconnect.port[0]);
		port_take(state, view, state->config.xconnect.port[1]);
	}
}

/* Frames that were sent and did not come, duplicates not counted. */
static uint64_t
lost(const struct state *state)
{
	uint64_t unique = state->now.received - state->now.duplicates;
	return state->now.sent > unique ? state->now.sent - unique : 0;
}

static void
live(const void *opaque, FILE *stream, double elapsed_s)
{
	const struct state *state = opaque;
	const struct moment *now = &state->now, *before = &state->before;
	struct bh_hist_snapshot since;
	char p50[24], p99[24], max[24];
	if (state->span.start_tsc == 0) {
		fprintf(stream, "%6.1f s  opening the ports", elapsed_s);
		return;
	}
	double interval_s = bh_span_between_s(&state->span, BH_MAX(before->tsc, state->span.start_tsc), now->tsc);
	bh_hist_since(&now->latency, &before->latency, &since);
	fprintf(stream, "%6.1f s  sent %7.3f  received %7.3f Mpps  missing %lu  p50 %s  p99 %s  max %s", elapsed_s,
	        bh_span_rate_m(now->sent - before->sent, interval_s),
	        bh_span_rate_m(now->received - before->received, interval_s), now->missing,
	        bh_latency_text(p50, sizeof(p50), &since, 50, state->span.tsc_hz),
	        bh_latency_text(p99, sizeof(p99), &since, 99, state->span.tsc_hz),
	        bh_time_text(max, sizeof(max), bh_tsc_as_ns((double)since.max, state->span.tsc_hz)));
	if (now->corrupt != 0)
		fprintf(stream, "  CORRUPT %lu", now->corrupt);
}

static void
sizes_text(const struct pktgen_config *config, char *out, size_t out_bytes)
{
	if (config->size_cnt == 1)
		snprintf(out, out_bytes, "%u bytes", config->bytes[0]);
	else
		snprintf(out, out_bytes, "IMIX");
}

static void
table_drops(const struct state *state, FILE *stream)
{
	for (uint32_t i = 0; i < state->port_cnt; i++) {
		for (uint32_t j = 0; j < BH_DROP_CNT; j++) {
			if (state->port[i].drop[j] != 0)
				fprintf(stream, "  port %-10s dropped %lu: %s\n", state->port_name[i],
				        state->port[i].drop[j], bh_drop_name((enum bh_drop_reason)j));
		}
	}
	if (state->now.ring_full != 0)
		fprintf(stream, "  cross-connect   dropped %lu: ring_full\n", state->now.ring_full);
}

static void
table(const void *opaque, FILE *stream)
{
	const struct state *state = opaque;
	const struct moment *now = &state->now;
	char size[32];
	double span = bh_span_s(&state->span, state->now.tsc);
	sizes_text(&state->config, size, sizeof(size));
	fprintf(stream, "%s to %s%s, %s, %u flow%s, bursts of %u, %.2f s\n", state->config.tx, state->config.rx,
	        state->config.connect ? " through a cross-connect on the same core" : "", size, state->config.flow_cnt,
	        state->config.flow_cnt == 1 ? "" : "s", state->config.burst_cnt, span);
	fprintf(stream, "  sent            %lu (%.3f Mpps)\n", now->sent, bh_span_rate_m(now->sent, span));
	fprintf(stream, "  received        %lu (%.3f Mpps, %.3f Gb/s)\n", now->received,
	        bh_span_rate_m(now->received, span), span > 0 ? (double)now->bytes * 8 / span / 1e9 : 0);
	fprintf(stream, "  lost            %lu\n", lost(state));
	if (now->behind != 0)
		fprintf(stream, "  never sent      %lu: the schedule could not be kept\n", now->behind);
	fprintf(stream, "  out of order    %lu, duplicates %lu, corrupt %lu, foreign %lu\n", now->reordered,
	        now->duplicates, now->corrupt, now->foreign);
	table_drops(state, stream);
	if (now->latency.count != 0)
		bh_latency_table(stream, &now->latency, state->span.tsc_hz);
}

static json_t *
json(const void *opaque)
{
	const struct state *state = opaque;
	const struct moment *now = &state->now;
	double span = bh_span_s(&state->span, state->now.tsc);
	json_t *app = json_pack("{s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "seconds", span, "sent",
	                        (json_int_t)now->sent, "received", (json_int_t)now->received, "received_bytes",
	                        (json_int_t)now->bytes, "lost", (json_int_t)lost(state), "reordered",
	                        (json_int_t)now->reordered, "duplicates", (json_int_t)now->duplicates, "corrupt",
	                        (json_int_t)now->corrupt, "foreign", (json_int_t)now->foreign, "never_sent",
	                        (json_int_t)now->behind, "drop_ring_full", (json_int_t)now->ring_full);
	json_object_set_new(app, "sent_mpps", json_real(bh_span_rate_m(now->sent, span)));
	json_object_set_new(app, "received_mpps", json_real(bh_span_rate_m(now->received, span)));
	json_object_set_new(app, "latency_ns", bh_latency_json(&now->latency, state->span.tsc_hz));
	json_object_set_new(app, "latency_histogram",
	                    json_pack("{s:I, s:o}", "tsc_hz", (json_int_t)state->span.tsc_hz, "bins",
	                              bh_latency_bins_json(&now->latency)));
	return app;
}

static const struct bh_hist_snapshot *
latency(const void *opaque)
{
	return &((const struct state *)opaque)->now.latency;
}

static uint64_t
first_io_tsc(const void *opaque)
{
	return ((const struct state *)opaque)->first_tsc;
}

/* Frames that arrive changed mean that something between the ports is broken. */
static bool
check_failed(const void *opaque)
{
	return ((const struct state *)opaque)->now.corrupt != 0;
}

const struct bh_app_report pktgen_report = {
        .name = "pktgen",
        .state_bytes = sizeof(struct state),
        .sample = sample,
        .live = live,
        .table = table,
        .json = json,
        .latency = latency,
        .first_io_tsc = first_io_tsc,
        .check_failed = check_failed,
};
