/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock, and whose turn it is. Every core has a stack of its own for what is below its fibers; a core runs until it
 * comes to a point (a call out of <bulkhead/arch.h>), where time passes, the device and the supervisor may run, and
 * another core may take over. Between two points a core is alone: that is all the atomicity there is.
 *
 * Where every core only waits, time is skipped, at first shortly and then further each time, never past the device's
 * next event.
 */
#include <stdlib.h>
#include <string.h>

#include "core/arch/arch.h"
#include "core/core.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/sim/sim.h"
#include <bulkhead/arch.h>

#define STACK_BYTES       (128u << 10)
#define IDLE_POINTS       3u /* of each core, without anything happening, before time is skipped */
#define SKIP_NS_MIN       UINT64_C(1000)
#define HOUSEKEEPING_MASK 255u
#define POINT_CNT_MAX     UINT64_C(60000000)
#define RUN_NS_MAX        UINT64_C(1800000000000) /* half an hour: longer than any chain of time-outs */
#define START_NS_MAX      UINT64_C(20000000000)   /* to the first command, at least: then it is stopped all the same */
#define TURN_POINTS_MAX   512u                    /* then another core, whatever is drawn */

struct core {
	struct bh_core *core;
	int (*body)(struct bh_core *core);
	void *sp;
	uint8_t *stack;
	bool live;
	uint64_t stolen_until_ns; /* the machine does something else with it */
	int exit_code;
	uint32_t idle_points;
};

static struct {
	struct sim_pace pace;
	struct nvme_random random;
	struct core core[SIM_CORES_MAX];
	unsigned core_cnt, live_cnt;
	struct core *current;
	void *main_sp;
	uint64_t now_ns;
	uint64_t point_cnt;
	uint64_t skip_ns;
	uint32_t self_calls; /* until the next point */
	uint32_t turn_points;
	bool active;
	uint64_t stop_ns, stop_io_cnt;
	bool stopped;
	void (*watch)(void);
} turn;

void
sim_turn_init(const struct sim_plan *plan)
{
	memset(&turn, 0, sizeof(turn));
	turn.pace = plan->pace;
	turn.stop_ns = plan->stop_ns;
	turn.stop_io_cnt = plan->stop_io_cnt;
	turn.skip_ns = SKIP_NS_MIN;
	turn.now_ns = 1000;
	turn.self_calls = 1;
	nvme_random_seed(&turn.random, plan->seed ^ UINT64_C(0x7475726e));
}

uint64_t
sim_draw(uint64_t limit)
{
	return nvme_random_below(&turn.random, limit);
}

bool
sim_chance(uint64_t one_in)
{
	return one_in != 0 && nvme_random_below(&turn.random, one_in) == 0;
}

uint64_t
sim_now_ns(void)
{
	return turn.now_ns;
}

uint64_t
sim_point_cnt(void)
{
	return turn.point_cnt;
}

unsigned
sim_core_idx(void)
{
	return turn.current ? (unsigned)(turn.current - turn.core) : 0;
}

void
sim_active(void)
{
	turn.active = true;
}

void
sim_watch(void (*fn)(void))
{
	turn.watch = fn;
}

int
sim_turn_exit_code(unsigned core_idx)
{
	return turn.core[core_idx].exit_code;
}

static bool
is_runnable(const struct core *core)
{
	return core->live && core->stolen_until_ns <= turn.now_ns;
}

static bool
all_idle(void)
{
	for (unsigned i = 0; i < turn.core_cnt; i++) {
		if (is_runnable(&turn.core[i]) && turn.core[i].idle_points < IDLE_POINTS)
			return false;
	}
	return true;
}

/* When a stolen core comes back; UINT64_MAX: none is away. */
static uint64_t
back_ns(void)
{
	uint64_t next_ns = UINT64_MAX;
	for (unsigned i = 0; i < turn.core_cnt; i++) {
		if (turn.core[i].live && !is_runnable(&turn.core[i]))
			next_ns = BH_MIN(next_ns, turn.core[i].stolen_until_ns);
	}
	return next_ns;
}

static void
idle_forget(void)
{
	for (unsigned i = 0; i < turn.core_cnt; i++)
		turn.core[i].idle_points = 0;
}

static void
skip(void)
{
	uint64_t next_ns = BH_MIN(sim_device_next_ns(), turn.stopped ? UINT64_MAX : turn.stop_ns);
	uint64_t until_ns = turn.now_ns + turn.skip_ns;

	next_ns = BH_MIN(next_ns, back_ns());
	if (next_ns > turn.now_ns && next_ns < until_ns)
		until_ns = next_ns;
	else
		turn.skip_ns = BH_MIN(2 * turn.skip_ns, turn.pace.skip_ns_max);
	sim_trace(SIM_EVENT_SKIP, until_ns - turn.now_ns, 0, 0);
	turn.now_ns = until_ns;
	idle_forget();
}

static void
time_pass(void)
{
	turn.now_ns += 1 + sim_draw(turn.pace.step_ns_max);
	if (sim_chance(turn.pace.stall_one_in))
		turn.now_ns += sim_draw(turn.pace.stall_ns_max);
	if (turn.active) {
		turn.active = false;
		turn.skip_ns = SKIP_NS_MIN;
		idle_forget();
	}
	turn.current->idle_points++;
	if (all_idle())
		skip();
}

static void
stop_look(void)
{
	uint64_t io_cnt = sim_device_io_cnt();

	if (turn.stopped || (turn.now_ns < turn.stop_ns && io_cnt < turn.stop_io_cnt))
		return;
	if (io_cnt == 0 && turn.now_ns - turn.stop_ns < START_NS_MAX)
		return;
	struct bh_control *control = bh_hosted_shared(bh_hosted_page()->shared.control_offset);
	control->stop = 1;
	turn.stopped = true;
	sim_trace(SIM_EVENT_STOP, 0, 0, 0);
}

static void
housekeeping(void)
{
	sim_trace_log_drain();
	if (turn.watch)
		turn.watch();
	if (turn.point_cnt > POINT_CNT_MAX || turn.now_ns > RUN_NS_MAX)
		sim_fail("the run does not end: %lu points, %lu ms of virtual time", turn.point_cnt,
		         turn.now_ns / 1000000);
}

/* The drawn-th of the cores that can run; the device goes on while none can. */
static struct core *
choose(void)
{
	unsigned cnt = 0;

	for (;;) {
		for (unsigned i = 0; i < turn.core_cnt; i++)
			cnt += is_runnable(&turn.core[i]);
		if (cnt > 0)
			break;
		/* The device's next event may have passed (a full completion queue): then some time all the same. */
		uint64_t next_ns = BH_MAX(turn.now_ns + SKIP_NS_MIN, sim_device_next_ns());
		turn.now_ns = BH_MIN(back_ns(), next_ns);
		sim_device_poll();
		sim_supervisor_poll();
	}
	uint64_t skip_cnt = sim_draw(cnt);
	for (unsigned i = 0;; i++) {
		if (is_runnable(&turn.core[i]) && skip_cnt-- == 0)
			return &turn.core[i];
	}
}

static bool
steal(void)
{
	if (!sim_chance(turn.pace.steal_one_in))
		return false;
	uint64_t ns = 1 + sim_draw(turn.pace.steal_ns_max);
	sim_trace(SIM_EVENT_STEAL, ns, 0, 0);
	turn.current->stolen_until_ns = turn.now_ns + ns;
	return true;
}

static void
switch_to(struct core *next)
{
	struct core *self = turn.current;
	if (next == self)
		return;
	turn.current = next;
	turn.turn_points = 0;
	bh_arch_fiber_switch(&self->sp, next->sp);
}

/* A point. Outside of the run (the cores are being made) only time passes. */
static void
point(uint64_t kind)
{
	if (!turn.current) {
		turn.now_ns++;
		return;
	}
	turn.point_cnt++;
	time_pass();
	sim_trace(SIM_EVENT_POINT, kind, sim_core_idx(), 0);
	if ((turn.point_cnt & HOUSEKEEPING_MASK) == 0)
		housekeeping();
	if (sim_chance(turn.pace.device_one_in) || turn.current->idle_points == 0)
		sim_device_poll();
	sim_supervisor_poll();
	stop_look();
	if (steal() ||
	    (turn.live_cnt > 1 && (sim_chance(turn.pace.switch_one_in) || ++turn.turn_points > TURN_POINTS_MAX)))
		switch_to(choose());
}

/* What the cell calls through <bulkhead/arch.h>. */

struct bh_core *
sim_core_self(void)
{
	if (turn.current && --turn.self_calls == 0) {
		turn.self_calls = 1 + (uint32_t)sim_draw(turn.pace.self_calls_max);
		point(1);
	}
	return turn.current ? turn.current->core : turn.core[0].core;
}

uint64_t
sim_clock_now(void)
{
	point(2);
	return (uint64_t)((unsigned __int128)turn.now_ns * turn.pace.tsc_hz / 1000000000u);
}

void
sim_pause(void)
{
	point(3);
}

void
sim_barrier(void)
{
	bh_compiler_barrier();
	if (turn.current && sim_chance(4))
		point(4);
	bh_compiler_barrier();
}

/* The life of a core, on its own stack. */
static void
core_main(void *arg)
{
	struct core *self = arg;

	self->exit_code = self->body(self->core);
	self->live = false;
	turn.live_cnt--;
	sim_trace(SIM_EVENT_CORE_DONE, (uint64_t)(int64_t)self->exit_code, 0, 0);
	void *dead_sp;
	if (turn.live_cnt == 0) {
		turn.current = NULL;
		bh_arch_fiber_switch(&dead_sp, turn.main_sp);
	}
	turn.current = choose();
	bh_arch_fiber_switch(&dead_sp, turn.current->sp);
	abort(); /* nobody switches back */
}

void
sim_turn_core_add(struct bh_core *core, int (*body)(struct bh_core *core))
{
	struct core *self = &turn.core[turn.core_cnt++];
	uintptr_t low;

	self->core = core;
	self->body = body;
	self->live = true;
	self->stack = aligned_alloc(64, STACK_BYTES);
	sim_require(self->stack != NULL);
	low = (uintptr_t)self->stack;
	self->sp = bh_arch_fiber_prepare(low, low + STACK_BYTES, core_main, self);
	turn.live_cnt++;
}

void
sim_turn_run(void)
{
	turn.current = choose();
	bh_arch_fiber_switch(&turn.main_sp, turn.current->sp);
	sim_trace_log_drain();
	for (unsigned i = 0; i < turn.core_cnt; i++)
		free(turn.core[i].stack);
}
