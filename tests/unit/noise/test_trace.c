/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of trace_pipe, as a Debian 12 kernel (6.1) printed them and as Documentation/trace/ftrace.rst and the events' format files
 * describe them; then who had the core, on traces made by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/noise/internal.h"
#include "tests/unit/host/fake_tree.h"

static struct noise_trace trace;
static struct bh_noise_cpu cpu;
static const int cell_pid = 118;

static int
line(const char *text, struct noise_event *out)
{
	return noise_trace_line(text, &cell_pid, 1, &trace.names, out);
}

static void
what_is_no_event_is_refused(void **state)
{
	static const char *const bad[] = {
	        "hello",
	        "                                                  ",
	        "      noise.cell-118     [003] d.h..",
	        "      noise.cell-118     [9999] d.h.. 100: local_timer_entry: vector=236",
	        "      noise.cell-118     [003] d.h.. soon: local_timer_entry: vector=236",
	        "      noise.cell-118     [003] d.h.. 100: irq_handler_entry: nothing=1",
	        "      noise.cell-118     [003] d.h.. 100: irq_handler_entry: irq=24",
	        "      noise.cell-118     [003] d.h.. 100: softirq_entry: vec=1",
	        "      noise.cell-118     [003] d.... 100: sched_switch: prev_comm=a ==> next_pid=3",
	        "      noise.cell-118     [003] d.... 100: sched_switch: next_comm=a next_pid=3",
	        "      noise.cell_118     [003] d.h.. 100: local_timer_entry: vector=236",
	};
	static const char *const nothing[] = {
	        "",
	        "# tracer: nop",
	        "CPU:2 [LOST 17 EVENTS]",
	        "      noise.cell-118     [003] d.h.. 100: local_timer_entryx: vector=236",
	        "      noise.cell-118     [003] d.h.. 100: something_else: vector=236",
	        "      noise.cell-118     [003] d.h.. 100: softirq_raise: vec=1 [action=TIMER]",
	};
	struct noise_event event;
	unsigned lost_cpu;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_int_equal(line(bad[i], &event), -EINVAL);
	for (size_t i = 0; i < BH_ARRAY_CNT(nothing); i++)
		assert_int_equal(line(nothing[i], &event), 0);
	assert_int_equal(noise_trace_lost(nothing[2], &lost_cpu), 17);
	assert_int_equal(lost_cpu, 2);
	assert_int_equal(noise_trace_lost("CPU:x [LOST 17 EVENTS]", &lost_cpu), 0);
}

static void
lines_are_read(void **state)
{
	static const struct {
		const char *text, *name;
		uint64_t tsc;
		unsigned cpu;
		enum noise_event_kind kind;
		bool own;
	} good[] = {
	        {"          <idle>-0       [003] d.h1. 58292035144: local_timer_entry: vector=236",
	         "tick (local timer)", 58292035144, 3, NOISE_ENTER, false},
	        {"          <idle>-0       [003] d.h1. 58292035144: local_timer_exit: vector=236", "tick (local timer)",
	         58292035144, 3, NOISE_LEAVE, false},
	        {"      noise.cell-118     [002] d.h1.  5829: call_function_single_entry: vector=251",
	         "IPI call function", 5829, 2, NOISE_ENTER, false},
	        {"      noise.cell-118     [002] d.h1.  5829: call_function_entry: vector=252",
	         "IPI call function (all)", 5829, 2, NOISE_ENTER, false},
	        {"    kworker/0:1H-47       [000] d.h.. 123: irq_handler_entry: irq=24 name=virtio0-req.0",
	         "interrupt 24 virtio0-req.0", 123, 0, NOISE_ENTER, false},
	        {"    kworker/0:1H-47       [000] d.h.. 124: irq_handler_exit: irq=24 ret=handled", NULL, 124, 0,
	         NOISE_LEAVE, false},
	        {"    kworker/0:1H-47       [000] ..s1. 124: softirq_entry: vec=9 [action=RCU]", "softirq RCU", 124, 0,
	         NOISE_ENTER, false},
	        {"      noise.cell-118     [003] d..2. 77: sched_switch: prev_comm=noise.cell prev_pid=118 "
	         "prev_prio=120 "
	         "prev_state=R ==> next_comm=kworker/3:1 next_pid=42 next_prio=120",
	         "task kworker/3:1", 77, 3, NOISE_SWITCH, false},
	        {"     kworker/3:1-42      [003] d..2. 78: sched_switch: prev_comm=kworker/3:1 prev_pid=42 "
	         "prev_prio=120 "
	         "prev_state=I ==> next_comm=noise.cell next_pid=118 next_prio=120",
	         "the cell", 78, 3, NOISE_SWITCH, true},
	        /* Names that tasks may give themselves. */
	        {"  [000] 1: x: y -7       [003] d..2. 79: sched_switch: prev_comm= ==> next_comm prev_pid=7 "
	         "prev_prio=120 "
	         "prev_state=S ==> next_comm= next_pid=118  next_pid=9 next_prio=120",
	         "task  next_pid=118 ", 79, 3, NOISE_SWITCH, false},
	        {"          <idle>-0       [001] d.Z1. 80: nmi_handler: perf_event_nmi_handler() delta_ns: 2100 "
	         "handled: 1",
	         "NMI", 80, 1, NOISE_POINT, false},
	        {"      noise.cell-118     [002] ..... 81: page_fault_user: address=0x7f00 ip=0x7f01 error_code=0x6",
	         "page fault", 81, 2, NOISE_POINT, false},
	};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(good); i++) {
		struct noise_event event;
		assert_int_equal(line(good[i].text, &event), 1);
		assert_int_equal(event.tsc, good[i].tsc);
		assert_int_equal(event.cpu, good[i].cpu);
		assert_int_equal(event.kind, good[i].kind);
		assert_int_equal(event.own, good[i].own);
		if (good[i].name != NULL)
			assert_string_equal(trace.names.name[event.name_idx], good[i].name);
	}
}

static void
names_without_end_are_others(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * NOISE_NAMES_MAX; i++) {
		char name[32];
		snprintf(name, sizeof(name), "task %u", i);
		assert_true(noise_name(&trace.names, name) < NOISE_NAMES_MAX);
	}
	assert_string_equal(trace.names.name[noise_name(&trace.names, "one more")], "others");
}

static void
feed(const char *text)
{
	noise_trace_feed(&trace, 0, text, strlen(text));
}

static void
bytes_come_in_any_pieces(void **state)
{
	char longer[4000];
	(void)state;
	feed("          <idle>-0       [003] d.h1. 5");
	feed("8: local_timer_entry: vector=236\n          <idle>-0       [003] d.h1. 59: local_ti");
	feed("mer_exit: vector=236\n\n\nCPU:3 [LOST 5 EVENTS]\nnonsense that is none\n");
	feed("          <idle>-0       [002] d.h1. 60: local_timer_entry: vector=236\n"); /* another CPU's */
	memset(longer, 'x', sizeof(longer));
	noise_trace_feed(&trace, 0, longer, sizeof(longer));
	feed("\n          <idle>-0       [003] d.h1. 61: local_timer_entry: vector=236\n");
	assert_int_equal(trace.cpu[0].event_cnt, 3);
	assert_int_equal(trace.cpu[0].event[0].tsc, 58);
	assert_int_equal(trace.cpu[0].event[2].tsc, 61);
	assert_int_equal(trace.cpu[0].lost_cnt, 5);
	assert_int_equal(trace.cpu[0].odd_cnt, 2);
}

/* ---- attribution ---- */

static void
gap(uint64_t start_tsc, uint64_t end_tsc)
{
	cpu.gap[cpu.gap_cnt++] = (struct bh_noise_gap){.start_tsc = start_tsc, .end_tsc = end_tsc};
}

static void
event(uint64_t tsc, const char *text)
{
	char all[300];
	snprintf(all, sizeof(all), "      noise.cell-118     [003] d.h1. %llu: %s\n", (unsigned long long)tsc, text);
	feed(all);
}

static void
switch_to(uint64_t tsc, const char *comm, int pid)
{
	char all[200];
	snprintf(all, sizeof(all),
	         "sched_switch: prev_comm=x prev_pid=1 prev_prio=120 prev_state=R ==> next_comm=%s next_pid=%d "
	         "next_prio=120",
	         comm, pid);
	event(tsc, all);
}

static void
had(const char *name, uint64_t tsc, uint64_t gap_cnt)
{
	for (uint32_t i = 0; i < cpu.thief_cnt; i++) {
		if (strcmp(cpu.thief[i].name, name) != 0)
			continue;
		assert_int_equal(cpu.thief[i].tsc, tsc);
		assert_int_equal(cpu.thief[i].gap_cnt, gap_cnt);
		return;
	}
	fail_msg("no thief %s", name);
}

static void
silence_is_outside_of_linux(void **state)
{
	(void)state;
	gap(100, 400);
	noise_attribute(&cpu, &trace, 0, "outside");
	had("outside", 300, 1);
	assert_int_equal(cpu.how_tsc[BH_NOISE_ELIMINATION], 300);
}

static void
silence_proves_nothing_where_events_were_lost(void **state)
{
	(void)state;
	feed("CPU:3 [LOST 1 EVENTS]\n");
	gap(100, 400);
	noise_attribute(&cpu, &trace, 0, "outside");
	had("unknown", 300, 1);
	assert_int_equal(cpu.how_tsc[BH_NOISE_UNKNOWN], 300);
}

static void
without_a_trace_all_is_unknown(void **state)
{
	(void)state;
	gap(100, 400);
	gap(500, 600);
	noise_attribute(&cpu, NULL, 0, "outside");
	had("unknown", 400, 2);
	assert_int_equal(cpu.stolen_tsc, 400);
}

/* Entry and exit are around what the events cover: the timer's, up to 2 * 60 + 500 turns of 1. */
static void
an_interrupt_has_its_gap(void **state)
{
	(void)state;
	gap(1000, 1200);
	event(1050, "local_timer_entry: vector=236");
	event(1110, "local_timer_exit: vector=236");
	noise_attribute(&cpu, &trace, 0, "outside");
	had("tick (local timer)", 200, 1);
	assert_int_equal(cpu.how_tsc[BH_NOISE_EVENT], 200);
	assert_int_equal(cpu.gap[0].thief_idx, 0);
}

/* A guest that was away finds its timer waiting: that one did not take all the time. */
static void
what_is_far_too_long_is_outside_again(void **state)
{
	(void)state;
	gap(1000, 101000);
	event(100500, "local_timer_entry: vector=236");
	event(100600, "local_timer_exit: vector=236");
	noise_attribute(&cpu, &trace, 0, "outside");
	had("tick (local timer)", 100 + 200 + 500, 1);
	had("outside", 100000 - 800, 1);
	assert_string_equal(cpu.thief[0].name, "outside");
	assert_int_equal(cpu.gap[0].thief_idx, 0);
}

static void
nested_time_is_the_inner_ones(void **state)
{
	(void)state;
	gap(1000, 2000);
	event(1000, "irq_handler_entry: irq=9 name=nic");
	event(1100, "softirq_entry: vec=3 [action=NET_RX]");
	event(1200, "local_timer_entry: vector=236");
	event(1500, "local_timer_exit: vector=236");
	event(1800, "softirq_exit: vec=3 [action=NET_RX]");
	event(2000, "irq_handler_exit: irq=9 ret=handled");
	noise_attribute(&cpu, &trace, 0, "outside");
	had("interrupt 9 nic", 300, 1);
	had("softirq NET_RX", 400, 1);
	had("tick (local timer)", 300, 1);
	assert_int_equal(cpu.how_tsc[BH_NOISE_EVENT], 1000);
}

static void
a_task_has_the_time_between_its_switches(void **state)
{
	(void)state;
	gap(1000, 5000);
	switch_to(1100, "busy", 7);
	event(2000, "local_timer_entry: vector=236");
	event(2500, "local_timer_exit: vector=236");
	switch_to(4900, "noise.cell", cell_pid);
	gap(6000, 6100); /* the cell runs again: this one is nobody's */
	noise_attribute(&cpu, &trace, 0, "outside");
	had("task busy", 100 + 900 + 2400 + 100, 1); /* with the ways in and out */
	had("tick (local timer)", 500, 1);
	had("outside", 100, 1);
}

/* It began before the first gap and ends in the second. */
static void
a_task_can_have_several_gaps(void **state)
{
	(void)state;
	switch_to(500, "busy", 7);
	gap(400, 1000);
	gap(1001, 2000);
	switch_to(1900, "noise.cell", cell_pid);
	noise_attribute(&cpu, &trace, 0, "outside");
	had("task busy", 600 + 999, 2);
}

static void
hostile_traces_end(void **state)
{
	(void)state;
	gap(1000, 2000);
	for (unsigned i = 0; i < 300; i++) /* deeper than anything nests, and never left */
		event(1000 + i, "softirq_entry: vec=3 [action=NET_RX]");
	event(900, "local_timer_exit: vector=236"); /* backwards */
	for (unsigned i = 0; i < 400; i++)
		event(1400, "local_timer_exit: vector=236");
	gap(3000, 4000);
	for (unsigned i = 0; i < 300; i++) {
		char text[80];
		snprintf(text, sizeof(text), "irq_handler_entry: irq=%u name=many", i);
		event(3000 + i, text);
		event(3001 + i, "irq_handler_exit: irq=1 ret=handled");
	}
	noise_attribute(&cpu, &trace, 0, "outside");
	uint64_t sum = 0;
	for (uint32_t i = 0; i < cpu.thief_cnt; i++)
		sum += cpu.thief[i].tsc;
	assert_int_equal(cpu.stolen_tsc, 2000);
	assert_int_equal(cpu.how_tsc[0] + cpu.how_tsc[1] + cpu.how_tsc[2], sum);
}

/* More thieves than there is room for, in one gap and in all: time and the way of naming are kept. */
static void
too_many_thieves_are_others(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		const uint64_t start_tsc = 100000 * (round + 1);
		gap(start_tsc, start_tsc + 90000);
		for (unsigned i = 0; i < 60; i++) {
			char text[80];
			snprintf(text, sizeof(text), "irq_handler_entry: irq=%u name=many", round * 60 + i);
			event(start_tsc + 10 * i, text);
			event(start_tsc + 10 * i + 10, "irq_handler_exit: irq=1 ret=handled");
		}
	}
	noise_attribute(&cpu, &trace, 0, "outside");
	assert_true(cpu.thief_cnt <= BH_NOISE_THIEVES_MAX);
	uint64_t by_how[BH_NOISE_HOWS] = {0};
	for (uint32_t i = 0; i < cpu.thief_cnt; i++)
		by_how[cpu.thief[i].how] += cpu.thief[i].tsc;
	assert_int_equal(by_how[BH_NOISE_EVENT], 5 * (600 + 1200 + 500)); /* covered, twice that, 500 turns */
	assert_int_equal(by_how[BH_NOISE_ELIMINATION], 5 * (90000 - 2300));
	for (unsigned how = 0; how < BH_NOISE_HOWS; how++)
		assert_int_equal(cpu.how_tsc[how], by_how[how]);
}

/* One turn in 10,000 is longer than p99.99 says; what was outside of Linux does not count. */
static void
the_linux_part_has_percentiles_of_its_own(void **state)
{
	const struct bh_noise_report report = {.tsc_hz = 1000000000, .threshold_ns = 1000};
	(void)state;
	cpu.turns.count = 30000;
	cpu.turns.min = 20;
	cpu.turns.max = 60000;
	cpu.turns.bucket[bh_hist_bucket_idx(20)] = 30000;
	gap(10000, 20000);
	gap(30000, 90000); /* nobody of Linux */
	gap(100000, 105000);
	gap(200000, 203000);
	gap(300000, 302000);
	event(12000, "local_timer_entry: vector=236");
	event(18000, "local_timer_exit: vector=236");
	event(101000, "local_timer_entry: vector=236");
	event(104000, "local_timer_exit: vector=236");
	event(200000, "local_timer_entry: vector=236");
	event(203000, "local_timer_exit: vector=236");
	event(300000, "local_timer_entry: vector=236");
	event(302000, "local_timer_exit: vector=236");
	noise_attribute(&cpu, &trace, 0, "outside");
	assert_int_equal(cpu.gap[0].linux_tsc, 10000);
	assert_int_equal(cpu.gap[1].linux_tsc, 0);
	assert_int_equal(bh_noise_linux_percentile(&report, &cpu, 100), 10000);
	assert_int_equal(bh_noise_linux_percentile(&report, &cpu, 99.99), 2000); /* three are longer */
	assert_int_equal(bh_noise_linux_percentile(&report, &cpu, 99.9), 20);
}

/* ---- /proc ---- */

static void
counters_are_by_cpu_and_name(void **state)
{
	char root[64];
	(void)state;
	fake_tree_make(root);
	fake_file(root, "/proc/interrupts",
	          "           CPU0       CPU3       \n  0:         20          0   IO-APIC   2-edge      timer\n"
	          " 24:          5          7   PCI-MSI 512-edge      virtio0-req\nLOC:        100        200   Local "
	          "timer "
	          "interrupts\nERR:          0\ngarbage\n");
	fake_file(root, "/proc/softirqs", "                    CPU0       CPU3\n          HI:          0          1\n");
	fake_file(root, "/proc/stat", "cpu 1 2 3\ncpu3 1 1 1 1 1 1 1 40 0 0\ncpu99999 1 1 1 1 1 1 1 1\n");
	struct noise_counters *before = noise_counters_read(root);
	fake_file(root, "/proc/interrupts",
	          "           CPU0       CPU3       \n  0:         20          0   IO-APIC   2-edge      timer\n"
	          " 24:          9         10   PCI-MSI 512-edge      virtio0-req\nLOC:        100        300   Local "
	          "timer "
	          "interrupts\n");
	fake_file(root, "/proc/stat", "cpu3 1 1 1 1 1 1 1 42 0 0\n");
	struct noise_counters *after = noise_counters_read(root);
	cpu.cpu = 3;
	noise_counters_since(before, after, &cpu);
	assert_int_equal(cpu.count_cnt, 2);
	assert_string_equal(cpu.count[0].name, "LOC Local timer interrupts");
	assert_int_equal(cpu.count[0].cnt, 100);
	assert_string_equal(cpu.count[1].name, "interrupt 24 virtio0-req");
	assert_int_equal(cpu.count[1].cnt, 3);
	assert_int_equal(cpu.steal_ticks, 2);
	noise_counters_free(before);
	noise_counters_free(after);
	fake_tree_remove(root);
}

static int
start(void **state)
{
	(void)state;
	memset(&trace, 0, sizeof(trace));
	memset(&cpu, 0, sizeof(cpu));
	trace.cpu_cnt = 1;
	trace.cpu[0].cpu = 3;
	trace.own_pid[0] = cell_pid;
	trace.own_cnt = 1;
	cpu.turn_tsc = 1;
	cpu.gap = malloc(64 * sizeof(cpu.gap[0]));
	return cpu.gap != NULL ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	free(cpu.gap);
	free(trace.cpu[0].event);
	return 0;
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
	        T(what_is_no_event_is_refused),
	        T(lines_are_read),
	        T(names_without_end_are_others),
	        T(bytes_come_in_any_pieces),
	        T(silence_is_outside_of_linux),
	        T(silence_proves_nothing_where_events_were_lost),
	        T(without_a_trace_all_is_unknown),
	        T(an_interrupt_has_its_gap),
	        T(what_is_far_too_long_is_outside_again),
	        T(nested_time_is_the_inner_ones),
	        T(a_task_has_the_time_between_its_switches),
	        T(a_task_can_have_several_gaps),
	        T(hostile_traces_end),
	        T(too_many_thieves_are_others),
	        T(the_linux_part_has_percentiles_of_its_own),
	        T(counters_are_by_cpu_and_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
