/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"
#include <bulkhead/arch.h>
#include <bulkhead/sched.h>

static char trace[64];
static size_t trace_len;

static void
trace_add(char c)
{
	trace[trace_len++] = c;
	trace[trace_len] = '\0';
}

static int
setup(void **state)
{
	trace_len = 0;
	trace[0] = '\0';
	return unit_cell_start(state);
}

static uint64_t
soon_tsc(uint64_t us)
{
	return bh_clock_now_tsc() + bh_ns_to_tsc(us * 1000);
}

/* Waiting needs a fiber. */

static void
poller_that_waits(void *arg)
{
	(void)arg;
	bh_yield();
}

static void
yield_in_poller(void *arg)
{
	struct bh_poller poller = {.fn = poller_that_waits};
	bh_poller_add(&poller);
	unit_expect_panic(bh_yield());
	bh_poller_remove(&poller);
	*(bool *)arg = true;
}

static void
test_poller_must_not_wait(void **state)
{
	bool done = false;
	assert_int_equal(bh_hosted_run(0, yield_in_poller, &done), 0);
	assert_true(done);
}

static void
test_yield_outside_of_fibers_panics(void **state)
{
	unit_expect_panic(bh_yield());
	unit_expect_panic(bh_sleep_until(soon_tsc(1)));
}

static void
body_no_deadline(void *arg)
{
	struct bh_event event = {0};
	*(int *)arg = bh_event_wait(&event, BH_NO_DEADLINE);
	assert_null(event.waiters);
	unit_expect_panic(bh_sleep_until(BH_NO_DEADLINE));
}

static void
test_wait_without_deadline_is_refused(void **state)
{
	int err = 0;
	assert_int_equal(bh_hosted_run(0, body_no_deadline, &err), 0);
	assert_int_equal(err, -BH_EINVAL);
}

static void
body_idle(void *arg)
{
	while (!*(bool *)arg)
		bh_yield();
}

static void
body_spawn_all(void *arg)
{
	bool stop = false;
	unsigned spawned_cnt = 0;
	while (bh_fiber_spawn(body_idle, &stop) == 0)
		spawned_cnt++;
	assert_int_equal(spawned_cnt, BH_HOSTED_FIBER_CNT - 1);
	assert_int_equal(bh_fiber_spawn(body_idle, &stop), -BH_EAGAIN);
	stop = true;
	bh_yield();
	/* All have ended: their stacks can be had again. */
	assert_int_equal(bh_fiber_spawn(body_idle, &stop), 0);
	*(unsigned *)arg = spawned_cnt;
}

static void
test_spawn_fails_without_stack(void **state)
{
	unsigned spawned_cnt = 0;
	assert_int_equal(bh_hosted_run(0, body_spawn_all, &spawned_cnt), 0);
	assert_int_equal(spawned_cnt, BH_HOSTED_FIBER_CNT - 1);
}

static void
body_run_again(void *arg)
{
	*(int *)arg = bh_core_run_fn(bh_core_self(), body_idle, NULL);
}

static void
test_running_core_is_busy(void **state)
{
	int err = 0;
	assert_int_equal(bh_hosted_run(0, body_run_again, &err), 0);
	assert_int_equal(err, -BH_EBUSY);
}

/* Order. */

static void
body_letter(void *arg)
{
	for (int i = 0; i < 3; i++) {
		trace_add(*(const char *)arg);
		bh_yield();
	}
}

static void
body_fifo(void *arg)
{
	assert_int_equal(bh_fiber_spawn(body_letter, (void *)"a"), 0);
	assert_int_equal(bh_fiber_spawn(body_letter, (void *)"b"), 0);
	assert_int_equal(bh_fiber_spawn(body_letter, (void *)"c"), 0);
	trace_add('-');
	for (int i = 0; i < 5; i++)
		bh_yield();
}

static void
test_fifo_order(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_fifo, NULL), 0);
	assert_string_equal(trace, "-abcabcabc");
}

struct sleeper {
	uint64_t deadline_tsc;
	size_t woken_idx;
};

static void
body_sleeper(void *arg)
{
	struct sleeper *sleeper = arg;
	bh_sleep_until(sleeper->deadline_tsc);
	sleeper->woken_idx = trace_len;
	trace_add('s');
}

/* An hour passes, however slow the machine is: all deadlines come nearer by as much. */
static void
hour_pass(struct bh_core *core, uint64_t hour_tsc)
{
	for (uint32_t i = 0; i < core->deadline_cnt; i++)
		core->deadline[i]->deadline_tsc -= hour_tsc;
}

/* Sleepers wake in the order of their deadlines, however they came. */
static void
body_sleep_order(void *arg)
{
	static const unsigned order[] = {5, 2, 8, 1, 9, 4, 7, 3, 6, 0, 11, 10};
	struct sleeper sleeper[BH_ARRAY_CNT(order)];
	uint64_t hour_tsc = bh_ns_to_tsc(UINT64_C(3600000000000)), base_tsc = bh_clock_now_tsc() + hour_tsc;
	for (size_t i = 0; i < BH_ARRAY_CNT(order); i++) {
		sleeper[i].deadline_tsc = base_tsc + order[i];
		assert_int_equal(bh_fiber_spawn(body_sleeper, &sleeper[i]), 0);
	}
	for (int i = 0; i < 100; i++)
		bh_yield();
	assert_int_equal(trace_len, 0);
	hour_pass(bh_core_self(), hour_tsc);
	while (trace_len < BH_ARRAY_CNT(order))
		bh_yield();
	for (size_t i = 0; i < BH_ARRAY_CNT(order); i++)
		assert_int_equal(sleeper[i].woken_idx, order[i]);
}

static void
test_sleepers_wake_in_deadline_order(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_sleep_order, NULL), 0);
	assert_int_equal(trace_len, 12);
}

static void
body_sleep(void *arg)
{
	uint64_t deadline_tsc = soon_tsc(200);
	bh_sleep_until(deadline_tsc);
	assert_true(bh_clock_now_tsc() >= deadline_tsc);
	bh_sleep_until(0); /* long past */
	trace_add('x');
}

static void
test_sleep_lasts_until_its_deadline(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_sleep, NULL), 0);
	assert_string_equal(trace, "x");
}

/* The deadline heap against a plain search for the earliest, with removals from anywhere. */
static void
test_deadline_heap_matches_search(void **state)
{
	struct bh_core *core = bh_hosted_core_get(0);
	struct bh_fiber fiber[BH_HOSTED_FIBER_CNT];
	bool inside[BH_HOSTED_FIBER_CNT] = {false};
	uint32_t seed = 1;
	for (int i = 0; i < 100000; i++) {
		seed = seed * 1664525 + 1013904223;
		unsigned idx = seed >> 27;
		if (inside[idx])
			bh_deadline_remove(core, &fiber[idx]);
		else
			bh_deadline_insert(core, &fiber[idx], seed >> 8 & 63);
		inside[idx] = !inside[idx];
		uint64_t earliest_tsc = UINT64_MAX, inside_cnt = 0;
		for (unsigned j = 0; j < BH_HOSTED_FIBER_CNT; j++) {
			earliest_tsc = inside[j] ? BH_MIN(earliest_tsc, fiber[j].deadline_tsc) : earliest_tsc;
			inside_cnt += inside[j];
			assert_true(!inside[j] || core->deadline[fiber[j].deadline_idx] == &fiber[j]);
		}
		assert_int_equal(core->deadline_cnt, inside_cnt);
		assert_true(inside_cnt == 0 || core->deadline[0]->deadline_tsc == earliest_tsc);
	}
}

/* Events. */

struct waiter {
	struct bh_event *event;
	uint64_t deadline_tsc;
	int result;
	char letter;
};

static void
body_waiter(void *arg)
{
	struct waiter *waiter = arg;
	waiter->result = bh_event_wait(waiter->event, waiter->deadline_tsc);
	trace_add(waiter->letter);
}

static void
body_event_timeout(void *arg)
{
	struct bh_event event = {0};
	assert_int_equal(bh_event_wait(&event, soon_tsc(100)), -BH_ETIMEDOUT);
	assert_null(event.waiters);
	assert_int_equal(bh_event_wait(&event, 0), -BH_ETIMEDOUT);
	bh_event_signal(&event); /* nobody waits: nothing is kept */
	assert_int_equal(bh_event_wait(&event, soon_tsc(100)), -BH_ETIMEDOUT);
	trace_add('x');
}

static void
test_event_times_out(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_event_timeout, NULL), 0);
	assert_string_equal(trace, "x");
}

/* The middle one's deadline passes; the others hear the signal, in order. */
static void
body_event_mixed(void *arg)
{
	struct bh_event event = {0};
	uint64_t far_tsc = soon_tsc(60000000), near_tsc = soon_tsc(100);
	struct waiter waiter[] = {
	        {&event, far_tsc, 1, 'a'},
	        {&event, near_tsc, 1, 'b'},
	        {&event, far_tsc, 1, 'c'},
	        {&event, far_tsc - 1, 1, 'd'},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(waiter); i++)
		assert_int_equal(bh_fiber_spawn(body_waiter, &waiter[i]), 0);
	while (waiter[1].result == 1)
		bh_yield();
	bh_event_signal(&event);
	assert_null(event.waiters);
	bh_yield();
	for (size_t i = 0; i < BH_ARRAY_CNT(waiter); i++)
		assert_int_equal(waiter[i].result, i == 1 ? -BH_ETIMEDOUT : 0);
}

static void
test_event_wakes_all_in_order(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_event_mixed, NULL), 0);
	assert_string_equal(trace, "bacd");
}

static void
signal_once(void *arg)
{
	struct bh_event *event = arg;
	if (event->waiters != NULL)
		bh_event_signal(event);
}

static void
body_signal_from_poller(void *arg)
{
	struct bh_event event = {0};
	struct bh_poller poller = {.fn = signal_once, .arg = &event};
	bh_poller_add(&poller);
	*(int *)arg = bh_event_wait(&event, soon_tsc(60000000));
	bh_poller_remove(&poller);
}

static void
test_poller_signals(void **state)
{
	int err = 1;
	assert_int_equal(bh_hosted_run(0, body_signal_from_poller, &err), 0);
	assert_int_equal(err, 0);
}

/* Pollers. */

struct counting_poller {
	struct bh_poller poller;
	struct bh_poller *victim; /* taken out when this one runs */
	unsigned run_cnt;
};

static void
poller_count(void *arg)
{
	struct counting_poller *self = arg;
	self->run_cnt++;
	if (self->victim != NULL)
		bh_poller_remove(self->victim);
	self->victim = NULL;
}

static void
body_pollers(void *arg)
{
	struct counting_poller a = {{poller_count, &a, NULL}, NULL, 0}, b = {{poller_count, &b, NULL}, NULL, 0},
	                       c = {{poller_count, &c, NULL}, NULL, 0};
	bh_poller_add(&a.poller);
	bh_poller_add(&b.poller);
	bh_poller_add(&c.poller);
	bh_yield();
	a.victim = &b.poller; /* the one that would be next */
	c.victim = &c.poller; /* itself */
	bh_yield();
	bh_yield();
	assert_int_equal(a.run_cnt, 3);
	assert_int_equal(b.run_cnt, 1);
	assert_int_equal(c.run_cnt, 2);
	bh_poller_remove(&a.poller);
	bh_poller_remove(&b.poller); /* not there any more: nothing happens */
	bh_yield();
	assert_int_equal(a.run_cnt, 3);
	trace_add('x');
}

static void
test_pollers_run_each_pass(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_pollers, NULL), 0);
	assert_string_equal(trace, "x");
}

static void
body_heartbeat(void *arg)
{
	const struct bh_core_status *status = bh_hosted_shared(bh_hosted_page()->shared.core_offset);
	uint64_t before = status->heartbeat;
	bh_yield();
	assert_true(status->heartbeat > before);
	before = status->heartbeat;
	bh_heartbeat();
	assert_true(status->heartbeat > before);
	trace_add('x');
}

static void
test_passes_beat(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_heartbeat, NULL), 0);
	assert_string_equal(trace, "x");
}

static void
body_registers(void *arg)
{
	/* Values that the compiler keeps in callee-saved registers across the switch. */
	uint64_t a = (uintptr_t)arg, b = a * 3, c = a * 5, d = a * 7, e = a * 11;
	for (int i = 0; i < 100; i++) {
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
		bh_yield();
		assert_int_equal(a + b + c + d + e, (uintptr_t)arg * 27);
	}
}

static void
body_register_fibers(void *arg)
{
	for (uintptr_t i = 1; i < 9; i++)
		assert_int_equal(bh_fiber_spawn(body_registers, (void *)i), 0);
	for (int i = 0; i < 102; i++)
		bh_yield();
	trace_add('x');
}

static void
test_switch_keeps_registers(void **state)
{
	assert_int_equal(bh_hosted_run(0, body_register_fibers, NULL), 0);
	assert_string_equal(trace, "x");
}

#define CELL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, unit_cell_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        CELL_TEST(test_poller_must_not_wait),
	        CELL_TEST(test_yield_outside_of_fibers_panics),
	        CELL_TEST(test_wait_without_deadline_is_refused),
	        CELL_TEST(test_spawn_fails_without_stack),
	        CELL_TEST(test_running_core_is_busy),
	        CELL_TEST(test_fifo_order),
	        CELL_TEST(test_sleepers_wake_in_deadline_order),
	        CELL_TEST(test_sleep_lasts_until_its_deadline),
	        CELL_TEST(test_deadline_heap_matches_search),
	        CELL_TEST(test_event_times_out),
	        CELL_TEST(test_event_wakes_all_in_order),
	        CELL_TEST(test_poller_signals),
	        CELL_TEST(test_pollers_run_each_pass),
	        CELL_TEST(test_passes_beat),
	        CELL_TEST(test_switch_keeps_registers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
