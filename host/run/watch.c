/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor looks at every few milliseconds: are all cores up, do their hearts beat, are the devices there, is
 * it time to stop.
 */
#include <errno.h>
#include <string.h>

#include "host/run/internal.h"

#define BOOT_WAIT_NS    (UINT64_C(10) * BH_NS_PER_S)
#define STARVED_WALL_NS BH_NS_PER_S

static uint32_t
core_state(struct bh_cell *cell, uint32_t core_idx)
{
	return __atomic_load_n(&bh_cell_status(cell, core_idx)->state, __ATOMIC_ACQUIRE);
}

static uint64_t
cpu_ns(const struct bh_cell *cell, const struct bh_thread *thread)
{
	uint64_t ns = 0;
	return bh_proc_cpu_ns(cell->pid, thread->tid, &ns) == 0 ? ns : 0;
}

/* One thread without a wall is no wall. */
static void
take_worst(struct bh_proc_status *worst, const struct bh_proc_status *status)
{
	worst->seccomp = BH_MIN(worst->seccomp, status->seccomp);
	worst->seccomp_filters = BH_MIN(worst->seccomp_filters, status->seccomp_filters);
	worst->no_new_privs = BH_MIN(worst->no_new_privs, status->no_new_privs);
	worst->uid = BH_MIN(worst->uid, status->uid);
	worst->gid = BH_MIN(worst->gid, status->gid);
	worst->cap_eff |= status->cap_eff;
	worst->cap_prm |= status->cap_prm;
	worst->cap_inh |= status->cap_inh;
	worst->cap_bnd |= status->cap_bnd;
	worst->cap_amb |= status->cap_amb;
	worst->voluntary_switches += status->voluntary_switches;
	worst->involuntary_switches += status->involuntary_switches;
}

/* Over the threads that are still there: the worst of each, the sum of the switches. Return: how many threads. */
static uint32_t
sum_threads(const struct bh_cell *cell, struct bh_proc_status *sum)
{
	uint32_t cnt = 0;
	*sum = (struct bh_proc_status){0};
	for (uint32_t i = 0; i < cell->thread_cnt; i++) {
		struct bh_proc_status status;
		if (cell->thread[i].tid == 0 || bh_proc_status(cell->pid, cell->thread[i].tid, &status) != 0)
			continue;
		if (cnt++ == 0)
			*sum = status;
		else
			take_worst(sum, &status);
	}
	return cnt;
}

/* Those that our own process had before are in both counts. */
static uint32_t
own_filters(const struct bh_cell *cell, const struct bh_proc_status *sum)
{
	if (sum->seccomp_filters == BH_FILTERS_UNKNOWN || cell->filters_before == BH_FILTERS_UNKNOWN)
		return BH_FILTERS_UNKNOWN;
	return sum->seccomp_filters - BH_MIN(sum->seccomp_filters, cell->filters_before);
}

static struct bh_isolation
facts_of(const struct bh_cell *cell, const struct bh_proc_status *sum, int fd_cnt)
{
	return (struct bh_isolation){
	        .valid = true,
	        .seccomp = sum->seccomp,
	        .seccomp_filters = own_filters(cell, sum),
	        .no_new_privs = sum->no_new_privs,
	        .cap_eff = sum->cap_eff,
	        .cap_prm = sum->cap_prm,
	        .cap_inh = sum->cap_inh,
	        .cap_bnd = sum->cap_bnd,
	        .cap_amb = sum->cap_amb,
	        .uid = sum->uid,
	        .gid = sum->gid,
	        .open_fds = (uint32_t)fd_cnt,
	        .voluntary_switches = sum->voluntary_switches - cell->voluntary_start,
	        .involuntary_switches = sum->involuntary_switches - cell->involuntary_start,
	};
}

/* Only while every core is in cell_main: a thread that ends switches, and says nothing about the wall. */
void
bh_watch_facts(struct bh_cell *cell)
{
	struct bh_proc_status sum;
	if (sum_threads(cell, &sum) != cell->page.core_cnt)
		return;
	int fd_cnt = bh_proc_fd_cnt(cell->pid);
	for (uint32_t i = 0; i < cell->page.core_cnt; i++) {
		if (core_state(cell, i) != BH_CORE_RUNNING || fd_cnt < 0)
			return;
	}
	cell->result.isolation = facts_of(cell, &sum, fd_cnt);
}

const char *
bh_wall_breach(const struct bh_isolation *facts)
{
	if (facts->seccomp < 2) /* 2 is a filter; newer kernels say 3 of a thread that one has just killed */
		return "it has no system call filter";
	if (facts->seccomp_filters < 2)
		return "boot/ did not close its system call filter";
	if (facts->no_new_privs != 1)
		return "it may gain privileges";
	if ((facts->cap_eff | facts->cap_prm | facts->cap_inh | facts->cap_bnd | facts->cap_amb) != 0)
		return "it has capabilities";
	if (facts->uid == 0 || facts->gid == 0)
		return "it is root";
	return facts->open_fds != 0 ? "it has open files" : NULL;
}

/*
 * boot/ should have seen to it. The kernel's word counts, for every thread, whatever the cell says of its cores: once all
 * were up, the filter stands as long as a thread lives.
 */
void
bh_watch_wall(struct bh_cell *cell)
{
	struct bh_proc_status sum;
	int fd_cnt = bh_proc_fd_cnt(cell->pid);
	if (cell->decided || fd_cnt < 0 || sum_threads(cell, &sum) == 0)
		return;
	const struct bh_isolation facts = facts_of(cell, &sum, fd_cnt);
	const char *breach =
	        cell->thread_cnt > cell->page.core_cnt ? "it has more threads than cores" : bh_wall_breach(&facts);
	if (breach == NULL)
		return;
	bh_error_set(&cell->cause, "E086", 0, "%s", breach);
	bh_verdict(cell, BH_OUTCOME_BOOT_FAILED);
	bh_trace_kill(cell);
}

static void
on_all_running(struct bh_cell *cell, uint64_t now_ns)
{
	struct bh_proc_status sum;
	cell->all_running = true;
	cell->running_at_ns = now_ns;
	cell->result.times.running_ns = now_ns - cell->start_ns;
	(void)sum_threads(cell, &sum);
	cell->voluntary_start = sum.voluntary_switches;
	cell->involuntary_start = sum.involuntary_switches;
	for (uint32_t i = 0; i < cell->page.core_cnt && i < cell->thread_cnt; i++) {
		cell->thread[i].beat_ns = now_ns;
		cell->thread[i].beat_cpu_ns = cpu_ns(cell, &cell->thread[i]);
	}
	int32_t lock_error = bh_cell_status(cell, 0)->lock_error;
	if (lock_error != 0)
		bh_warn(cell, "E092", "the cell's code and stacks are not all locked: %s; raise the limit (ulimit -l)",
		        strerror(lock_error < 0 && lock_error > -4096 ? -lock_error : EINVAL));
	bh_watch_facts(cell);
	bh_watch_wall(cell);
	if (cell->options.running != NULL && !cell->decided)
		cell->options.running(cell->options.context, cell);
}

static void
watch_start(struct bh_cell *cell, uint64_t now_ns)
{
	for (uint32_t i = 0; i < cell->page.core_cnt; i++) {
		uint32_t state = core_state(cell, i);
		if (state == BH_CORE_OFF || state == BH_CORE_BOOTING) {
			if (now_ns - cell->start_ns - cell->result.times.exec_ns < BOOT_WAIT_NS)
				return;
			cell->result.core_idx = i;
			cell->result.boot_error = -ETIMEDOUT;
			cell->result.boot_step = bh_cell_status(cell, i)->boot_step;
			bh_verdict(cell, BH_OUTCOME_BOOT_FAILED);
			bh_trace_kill(cell);
			return;
		}
	}
	on_all_running(cell, now_ns);
}

/* No heartbeat for a while: did the thread run meanwhile? Running without a beat is a stall, not running is none. */
static void
judge_silence(struct bh_cell *cell, uint32_t core_idx, uint64_t now_ns)
{
	struct bh_thread *thread = &cell->thread[core_idx];
	uint64_t ran_ns = cpu_ns(cell, thread) - thread->beat_cpu_ns;
	if (ran_ns >= BH_STALL_NS) {
		bh_trace_registers(cell, core_idx);
		cell->result.core_idx = core_idx;
		bh_verdict(cell, BH_OUTCOME_STALLED);
		bh_trace_kill(cell);
		return;
	}
	if (now_ns - thread->beat_ns < STARVED_WALL_NS || thread->starved_told || cell->stopped_told)
		return;
	thread->starved_told = true;
	bh_warn(cell, "E090", "core %u got only %lu ms of CPU %u in the last %lu ms: something else runs there",
	        core_idx, ran_ns / BH_NS_PER_MS, cell->page.cpu[core_idx], (now_ns - thread->beat_ns) / BH_NS_PER_MS);
}

/* Core 0 waits for the others when it is done. Every other thread ends at once, so what a core says is no excuse. */
static bool
may_be_silent(struct bh_cell *cell, uint32_t core_idx)
{
	if (cell->thread[core_idx].tid == 0)
		return true;
	if (core_idx != 0 || core_state(cell, 0) != BH_CORE_DONE)
		return false;
	for (uint32_t i = 1; i < cell->thread_cnt; i++) {
		if (cell->thread[i].tid != 0)
			return true;
	}
	return false;
}

static void
watch_hearts(struct bh_cell *cell, uint64_t now_ns)
{
	for (uint32_t i = 0; i < cell->page.core_cnt && i < cell->thread_cnt && cell->pid != 0; i++) {
		struct bh_thread *thread = &cell->thread[i];
		if (may_be_silent(cell, i))
			continue;
		uint64_t heartbeat = __atomic_load_n(&bh_cell_status(cell, i)->heartbeat, __ATOMIC_RELAXED);
		if (heartbeat != thread->heartbeat) {
			thread->heartbeat = heartbeat;
			thread->beat_ns = now_ns;
			thread->beat_cpu_ns = 0;
			thread->starved_told = false;
		} else if (thread->beat_cpu_ns == 0) {
			/* Silent since the last look; from here on its CPU time counts. */
			thread->beat_cpu_ns = cpu_ns(cell, thread);
		} else if (now_ns - thread->beat_ns >= BH_STALL_NS) {
			judge_silence(cell, i, now_ns);
		}
	}
}

uint64_t
bh_cell_silence_ns(struct bh_cell *cell)
{
	uint64_t now_ns = bh_now_ns(), oldest_ns = now_ns;
	for (uint32_t i = 0; i < cell->page.core_cnt && i < cell->thread_cnt; i++) {
		if (!may_be_silent(cell, i))
			oldest_ns = BH_MIN(oldest_ns, cell->thread[i].beat_ns);
	}
	return cell->all_running && cell->stop_ns == 0 ? now_ns - oldest_ns : 0;
}

static void
ask_to_stop(struct bh_cell *cell, uint64_t now_ns)
{
	struct bh_control *control =
	        (struct bh_control *)(void *)(cell->shared.addr + cell->page.shared.control_offset);
	/* A last look: once it drains, its threads end. */
	if (cell->all_running)
		bh_watch_facts(cell);
	__atomic_store_n(&control->stop, 1, __ATOMIC_RELEASE);
	cell->stop_ns = now_ns;
	cell->result.stop_requested = true;
}

static uint32_t
busy_core(struct bh_cell *cell)
{
	for (uint32_t i = 0; i < cell->page.core_cnt; i++) {
		if (core_state(cell, i) == BH_CORE_RUNNING)
			return i;
	}
	return 0;
}

static void
watch_stop(struct bh_cell *cell, uint64_t now_ns)
{
	bool over = cell->options.duration_ns != 0 && cell->all_running &&
	            now_ns - cell->running_at_ns >= cell->options.duration_ns;
	uint32_t requests = __atomic_load_n(&cell->stop_requested, __ATOMIC_RELAXED);
	if (cell->stop_ns == 0 && (over || requests != 0))
		ask_to_stop(cell, now_ns);
	if (requests > 1) {
		bh_verdict(cell, BH_OUTCOME_ABORTED);
		bh_trace_kill(cell);
	} else if (cell->stop_ns != 0 && now_ns - cell->stop_ns >= cell->options.drain_ns) {
		bh_trace_registers(cell, busy_core(cell));
		bh_verdict(cell, BH_OUTCOME_NO_DRAIN);
		bh_trace_kill(cell);
	}
}

static void
watch_devices(struct bh_cell *cell, uint64_t now_ns)
{
	struct bh_error error = {0};
	if (cell->decided || bh_devices_alive(cell, &error))
		return;
	if (error.text[0] != '\0')
		cell->cause = error;
	bh_verdict(cell, BH_OUTCOME_DEVICE_GONE);
	/* The driver sees it too, and may still end in order. */
	if (cell->stop_ns == 0)
		ask_to_stop(cell, now_ns);
}

void
bh_watch(struct bh_cell *cell, uint64_t now_ns)
{
	if (!cell->all_running)
		watch_start(cell, now_ns);
	if (cell->pid != 0 && cell->all_running)
		watch_hearts(cell, now_ns);
	if (cell->pid != 0)
		watch_devices(cell, now_ns);
	if (cell->pid != 0)
		watch_stop(cell, now_ns);
}
