/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace. Its hash covers every point and every event with their times; neither an address nor real time is in it, so
 * it is the same in every process.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bulkhead/abi/log.h>

#include "host/observe/log.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/sim/sim.h"

#define TAIL_CNT   96u
#define TEXT_BYTES 200u
#define FNV_PRIME  UINT64_C(0x100000001b3)

struct record {
	uint64_t now_ns, a, b, c;
	unsigned core_idx;
	enum sim_event event;
	char text[TEXT_BYTES];
};

static struct {
	uint64_t hash;
	bool print;
	uint64_t cnt;
	struct record tail[TAIL_CNT];
} trace;

static const char *const formats[SIM_EVENT_CNT] = {
        [SIM_EVENT_POINT] = "",
        [SIM_EVENT_CORE_DONE] = "core is done: %" PRId64,
        [SIM_EVENT_REG_READ] = "register %#" PRIx64 " reads %#" PRIx64,
        [SIM_EVENT_REG_WRITE] = "register %#" PRIx64 " := %#" PRIx64,
        [SIM_EVENT_DOORBELL] = "doorbell %#" PRIx64 " := %" PRIu64,
        [SIM_EVENT_MAILBOX] = "supervisor answers: op %" PRIu64 " offset %#" PRIx64 " value %#" PRIx64,
        [SIM_EVENT_DEVICE] = "device: %" PRIu64 " steps, %" PRIu64 " admin and %" PRIu64 " I/O commands so far",
        [SIM_EVENT_FAULT] = "device: fault %" PRIu64 ", %" PRIu64 " of its kind so far",
        [SIM_EVENT_FUNCTION_RESET] = "device: function level reset",
        [SIM_EVENT_STOP] = "supervisor asks to stop",
        [SIM_EVENT_SKIP] = "nothing happens for %" PRIu64 " ns",
        [SIM_EVENT_STEAL] = "the machine takes this core away for %" PRIu64 " ns",
        [SIM_EVENT_LOG] = "",
        [SIM_EVENT_SUBMIT] = "",
        [SIM_EVENT_COMPLETE] = "command %" PRIu64 " completes: status %#" PRIx64,
        [SIM_EVENT_REFUSED] = "command %" PRIu64 " is not accepted: %" PRId64,
        [SIM_EVENT_CALL] = "",
        [SIM_EVENT_FRAME_SENT] = "port %" PRIu64 " takes frame %" PRIu64 " of %" PRIu64 " bytes",
        [SIM_EVENT_FRAME_RECEIVED] = "port %" PRIu64 " gives frame %" PRIu64 " of %" PRIu64 " bytes",
        [SIM_EVENT_RETURN] = "returns %" PRId64,
};

static void
mix(uint64_t word)
{
	trace.hash = (trace.hash ^ word) * FNV_PRIME;
	trace.hash ^= trace.hash >> 29;
}

static void
record_print(FILE *to, const struct record *record)
{
	char text[TEXT_BYTES];
	const char *shown = record->text;

	if (shown[0] == '\0') {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), formats[record->event], record->a, record->b, record->c);
#pragma GCC diagnostic pop
		shown = text;
	}
	fprintf(to, "%15" PRIu64 ".%03" PRIu64 " us core %u  %s\n", record->now_ns / 1000, record->now_ns % 1000,
	        record->core_idx, shown);
}

void
sim_trace_init(bool print)
{
	memset(&trace, 0, sizeof(trace));
	trace.hash = UINT64_C(0xcbf29ce484222325);
	trace.print = print;
}

static struct record *
record_add(enum sim_event event, uint64_t a, uint64_t b, uint64_t c)
{
	struct record *record = &trace.tail[trace.cnt++ % TAIL_CNT];
	*record = (struct record){
	        .now_ns = sim_now_ns(), .core_idx = sim_core_idx(), .event = event, .a = a, .b = b, .c = c};
	return record;
}

void
sim_trace(enum sim_event event, uint64_t a, uint64_t b, uint64_t c)
{
	mix(sim_now_ns() << 5 | (uint64_t)event);
	mix(a);
	mix(b);
	mix(c);
	if (event == SIM_EVENT_POINT)
		return;
	const struct record *record = record_add(event, a, b, c);
	if (trace.print)
		record_print(stdout, record);
}

void
sim_trace_text(enum sim_event event, const char *text)
{
	mix(sim_now_ns() << 5 | (uint64_t)event);
	for (const char *at = text; *at != '\0'; at++)
		mix((uint8_t)*at);
	struct record *record = record_add(event, 0, 0, 0);
	snprintf(record->text, sizeof(record->text), "%s", text);
	if (trace.print)
		record_print(stdout, record);
}

uint64_t
sim_trace_hash(void)
{
	return trace.hash;
}

void
sim_trace_tail(void)
{
	uint64_t first = trace.cnt > TAIL_CNT ? trace.cnt - TAIL_CNT : 0;
	for (uint64_t i = first; i < trace.cnt; i++)
		record_print(stderr, &trace.tail[i % TAIL_CNT]);
}

/* The cell's logging sites are in this very program. */
extern const struct bh_log_site sites_start[] __asm__("__start_" BH_LOG_SECTION);
extern const struct bh_log_site sites_stop[] __asm__("__stop_" BH_LOG_SECTION);

static void
log_record_take(const struct bh_log_reader *reader, unsigned core_idx, const struct bh_log_record *record)
{
	char line[BH_LOG_TEXT_BYTES], text[TEXT_BYTES];
	const char *message = line;

	bh_log_format(reader, record, bh_hosted_page()->tsc_hz, line, sizeof(line));
	/* Without the time, which has a float's rounding in it and stands in front of the line anyway. */
	while (*message != '\0' && *message != ' ')
		message++;
	snprintf(text, sizeof(text), "core %u logs%.160s", core_idx, message);
	sim_trace_text(SIM_EVENT_LOG, text);
}

void
sim_trace_log_drain(void)
{
	const struct bh_boot_page *page = bh_hosted_page();
	struct bh_log_reader reader = {.site = (struct bh_log_site *)(uintptr_t)sites_start,
	                               .site_cnt = (uint32_t)(sites_stop - sites_start)};

	for (uint32_t i = 0; i < page->core_cnt; i++) {
		struct bh_log_ring *ring =
		        bh_hosted_shared(page->shared.log_offset + i * page->shared.log_stride_bytes);
		for (; ring->tail != ring->head; ring->tail++)
			log_record_take(&reader, i, &ring->record[ring->tail & (page->shared.log_record_cnt - 1)]);
	}
}
