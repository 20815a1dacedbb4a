/* SPDX-License-Identifier: Apache-2.0 */
#include "host/noise/noise.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "apps/noise/config.h"
#include "host/device/sysfs.h"
#include "host/noise/internal.h"
#include "host/run/run.h"

#define TICK_NS        UINT64_C(20000000)
#define TRACE_BUDGET   (size_t)(1u << 20)
#define MSR_SMI_COUNT  0x34 /* Intel SDM vol. 4, table 2-2 */
#define NS_PER_S       UINT64_C(1000000000)
#define INSIDE_WAIT_NS (30 * NS_PER_S) /* beyond our own end */

/* One cell and its CPUs: all of them, or those on one side of a partition. */
struct run {
	const struct bh_noise_options *options;
	struct bh_noise_report *report; /* shared with the other side's process */
	struct bh_cpus cpus;
	struct bh_noise_cpu *cpu[BH_NOISE_CPUS_MAX]; /* of the report, by the cell's core */
	uint32_t core_cnt;
	struct noise_config orders;
	struct bh_cell *cell;
	struct noise_trace *trace; /* NULL: none */
	struct noise_counters *before, *after;
	uint64_t begin_tsc;               /* before the cell was started: no stamp of its is older */
	uint64_t tail[BH_NOISE_CPUS_MAX]; /* gaps read */
	uint64_t smi_before[BH_NOISE_CPUS_MAX];
	bool done;
};

static bool
read_smi(unsigned cpu, uint64_t *out)
{
	char path[48];
	snprintf(path, sizeof(path), "/dev/cpu/%u/msr", cpu);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool got = fd >= 0 && pread(fd, out, sizeof(*out), MSR_SMI_COUNT) == (ssize_t)sizeof(*out);
	if (fd >= 0)
		close(fd);
	return got;
}

/* ---- the cell's gaps: hostile input ---- */

static void
keep_gap(struct run *run, struct bh_noise_cpu *cpu, const struct noise_gap *gap)
{
	uint64_t last_tsc = cpu->gap_cnt > 0 ? cpu->gap[cpu->gap_cnt - 1].end_tsc : 0;
	last_tsc = BH_MAX(last_tsc, run->begin_tsc);
	if (gap->start_tsc < last_tsc || gap->end_tsc <= gap->start_tsc || gap->end_tsc > __rdtsc() ||
	    cpu->gap_cnt == BH_NOISE_GAPS_MAX) {
		cpu->gap_lost_cnt++;
		return;
	}
	cpu->gap[cpu->gap_cnt++] = (struct bh_noise_gap){.start_tsc = gap->start_tsc, .end_tsc = gap->end_tsc};
}

static void
drain(struct run *run, const struct noise_core *core, uint32_t idx)
{
	struct bh_noise_cpu *cpu = run->cpu[idx];
	uint64_t head = __atomic_load_n(&core->head, __ATOMIC_ACQUIRE);
	if (head < run->tail[idx])
		return; /* it lies */
	/* Entries within one of being written over are given up: the cell does not wait for us. */
	if (head - run->tail[idx] > NOISE_GAPS - 64) {
		cpu->gap_lost_cnt += head - run->tail[idx] - (NOISE_GAPS - 64);
		run->tail[idx] = head - (NOISE_GAPS - 64);
	}
	for (; run->tail[idx] < head; run->tail[idx]++) {
		const volatile struct noise_gap *slot = &core->gap[run->tail[idx] % NOISE_GAPS];
		const struct noise_gap gap = {slot->start_tsc, slot->end_tsc};
		keep_gap(run, cpu, &gap);
	}
}

static struct noise_core *
cores_of(const struct run *run)
{
	uint64_t bytes;
	uint8_t *arena = bh_cell_arena(run->cell, &bytes);
	return arena != NULL && bytes >= run->core_cnt * sizeof(struct noise_core) ? (struct noise_core *)(void *)arena
	                                                                           : NULL;
}

static void
finish(struct run *run, struct noise_core *core)
{
	if (run->trace != NULL) {
		noise_trace_stop(run->trace);
		noise_trace_read(run->trace, SIZE_MAX);
	}
	run->after = noise_counters_read("");
	for (uint32_t i = 0; i < run->core_cnt; i++) {
		struct bh_noise_cpu *cpu = run->cpu[i];
		uint64_t smi, end_tsc = core[i].end_tsc, start_tsc = core[i].start_tsc;
		drain(run, &core[i], i);
		cpu->measured_tsc = end_tsc > start_tsc ? end_tsc - start_tsc : 0;
		cpu->smi_known = cpu->smi_known && read_smi(cpu->cpu, &smi);
		cpu->smi_cnt = cpu->smi_known ? smi - run->smi_before[i] : 0;
		__atomic_store_n(&core[i].read, 1, __ATOMIC_RELEASE);
	}
	run->done = true;
}

static void
tick(void *context, struct bh_cell *cell)
{
	struct run *run = context;
	run->cell = cell;
	struct noise_core *core = cores_of(run);
	uint32_t done_cnt = 0;
	if (core == NULL || run->done)
		return;
	for (uint32_t i = 0; i < run->core_cnt; i++) {
		drain(run, &core[i], i);
		done_cnt += __atomic_load_n(&core[i].state, __ATOMIC_ACQUIRE) == NOISE_DONE;
	}
	if (run->trace != NULL)
		noise_trace_read(run->trace, TRACE_BUDGET);
	if (run->options->progress != NULL)
		run->options->progress(run->options->context, (double)bh_cell_elapsed_ns(cell) / 1e9);
	if (done_cnt == run->core_cnt)
		finish(run, core);
}

static void
warn(void *context, const struct bh_error *warning)
{
	const struct run *run = context;
	if (run->options->warn != NULL)
		run->options->warn(run->options->context, warning);
}

static void
edit_page(void *context, struct bh_boot_page *page)
{
	struct run *run = context;
	run->report->tsc_hz = page->tsc_hz;
	run->orders.duration_tsc = (uint64_t)((double)run->options->duration_ns / 1e9 * (double)page->tsc_hz);
	run->orders.threshold_tsc = (uint64_t)((double)run->options->threshold_ns / 1e9 * (double)page->tsc_hz);
	memcpy(page->app_config, &run->orders, sizeof(run->orders));
	page->app_config_bytes = sizeof(run->orders);
	page->checksum = bh_boot_page_checksum(page);
}

_Static_assert(sizeof(struct noise_config) <= BH_APP_CONFIG_BYTES, "the orders fit into the boot page");

/* The cell's threads are its own: switches to them are no theft. Their ids are those of /proc/PID/task. */
static void
running(void *context, struct bh_cell *cell)
{
	struct run *run = context;
	struct bh_sys_names names;
	if (run->trace != NULL && bh_sys_list(&names, "", "/proc/%d/task", bh_cell_pid(cell)) == 0) {
		for (size_t i = 0; i < names.cnt && run->trace->own_cnt < BH_NOISE_CPUS_MAX; i++)
			run->trace->own_pid[run->trace->own_cnt++] = atoi(names.name[i]);
		bh_sys_names_free(&names);
	}
}

static int
load_config(const struct bh_cpus *cpus, struct bh_run_config **out, struct bh_error *error)
{
	char text[BH_CPUS_TEXT_BYTES + 256], list[BH_CPUS_TEXT_BYTES], path[64];
	uint64_t arena_bytes = BH_ALIGN_UP(bh_cpus_cnt(cpus) * sizeof(struct noise_core), NOISE_ARENA_BYTES);
	int len = snprintf(text, sizeof(text),
	                   "[cell]\nname = noise\napp = noise\ncpus = %s\narena = %lluM\npages = normal\n",
	                   bh_cpus_list(cpus, list), (unsigned long long)(arena_bytes >> 20));
	int fd = memfd_create("noise.conf", MFD_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)len) != len) {
		int err = -errno;
		if (fd >= 0)
			close(fd);
		return bh_error_set(error, "E251", err, "cannot write the cell's configuration: %s", strerror(-err));
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = bh_config_load(path, NULL, 0, NULL, 0, out, error);
	close(fd);
	return err;
}

/* CPUID's hypervisor leaf (0x40000000): who runs us, if anybody does. */
static void
read_hypervisor(char out[16])
{
	unsigned eax, ebx, ecx, edx, name[3];
	memset(out, 0, 16);
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & 1u << 31) == 0)
		return;
	__cpuid(0x40000000u, eax, name[0], name[1], name[2]);
	memcpy(out, name, sizeof(name));
	bh_sys_clean(out);
	if (out[0] == '\0')
		memcpy(out, "unnamed", sizeof("unnamed"));
}

/* CPUs of the partition that bulkhead apply made; none without it. */
static struct bh_cpus
partition_cpus(void)
{
	struct bh_cpus set = {0};
	char kind[32];
	if (bh_sys_read(kind, sizeof(kind), "", "/sys/fs/cgroup/bulkhead/cpuset.cpus.partition") != 0 ||
	    strcmp(kind, "isolated") != 0 ||
	    bh_cpus_read(&set, "", "/sys/fs/cgroup/bulkhead/cpuset.cpus.effective") != 0)
		return (struct bh_cpus){0};
	return set;
}

static bool
is_isolated(unsigned cpu)
{
	const struct bh_cpus partition = partition_cpus();
	struct bh_cpus booted;
	return bh_cpus_has(&partition, cpu) ||
	       (bh_cpus_read(&booted, "", "/sys/devices/system/cpu/isolated") == 0 && bh_cpus_has(&booted, cpu));
}

/* Zeroed, and the same memory in a process that is forked. NULL: none. */
static void *
new_shared(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

#define GAPS_BYTES (BH_NOISE_GAPS_MAX * sizeof(struct bh_noise_gap))

static int
new_report(const struct bh_noise_options *options, struct bh_noise_report **out, struct bh_error *error)
{
	unsigned cpu_cnt = bh_cpus_cnt(&options->cpus);
	if (cpu_cnt == 0 || cpu_cnt > BH_NOISE_CPUS_MAX)
		return bh_error_set(error, "E250", -EINVAL, "measure 1 to %u CPUs at a time", BH_NOISE_CPUS_MAX);
	if (options->duration_ns < NS_PER_S / 10 || options->duration_ns > 3600 * NS_PER_S ||
	    options->threshold_ns < 100 || options->threshold_ns > NS_PER_S)
		return bh_error_set(error, "E250", -EINVAL,
		                    "a duration from 100ms to 1h, and a threshold from 100ns to 1s");
	struct bh_noise_report *report = new_shared(sizeof(*report));
	if (report == NULL || (report->cpu = new_shared(BH_NOISE_CPUS_MAX * sizeof(report->cpu[0]))) == NULL) {
		bh_noise_free(report);
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	}
	report->threshold_ns = options->threshold_ns;
	report->duration_ns = options->duration_ns;
	read_hypervisor(report->hypervisor);
	bh_cpus_each(cpu, &options->cpus)
	{
		struct bh_noise_cpu *one = &report->cpu[report->cpu_cnt++];
		one->cpu = cpu;
		one->isolated = is_isolated(cpu);
		one->gap = new_shared(GAPS_BYTES);
		if (one->gap == NULL) {
			bh_noise_free(report);
			return bh_error_set(error, "E030", -ENOMEM, "out of memory");
		}
	}
	*out = report;
	return 0;
}

void
bh_noise_free(struct bh_noise_report *report)
{
	if (report == NULL)
		return;
	for (uint32_t i = 0; i < report->cpu_cnt; i++) {
		if (report->cpu[i].gap != NULL)
			munmap(report->cpu[i].gap, GAPS_BYTES);
	}
	if (report->cpu != NULL)
		munmap(report->cpu, BH_NOISE_CPUS_MAX * sizeof(report->cpu[0]));
	munmap(report, sizeof(*report));
}

static void
open_trace(struct run *run)
{
	struct bh_noise_report *report = run->report;
	if (!run->options->trace) {
		snprintf(report->trace_text, sizeof(report->trace_text), "no tracepoints, as asked");
		return;
	}
	run->trace = malloc(sizeof(*run->trace));
	if (run->trace == NULL)
		return;
	int err = noise_trace_open(run->trace, &run->cpus, report->trace_text, sizeof(report->trace_text));
	if (err == 0 && (err = noise_trace_start(run->trace)) != 0) {
		snprintf(report->trace_text, sizeof(report->trace_text), "no tracepoints: none can be enabled: %s",
		         strerror(-err));
		noise_trace_close(run->trace);
	}
	if (err != 0) {
		free(run->trace);
		run->trace = NULL;
		return;
	}
	report->traced = true;
	snprintf(report->trace_text, sizeof(report->trace_text),
	         "tracepoints of interrupts, softirqs, IPIs, tasks, NMIs and page faults; each costs a fraction of a "
	         "microsecond, which is in the figures (--no-trace measures without)");
}

static const char *
outside_name(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu, char out[BH_NOISE_NAME_BYTES])
{
	if (strncmp(report->hypervisor, "TCG", 3) == 0)
		snprintf(out, BH_NOISE_NAME_BYTES, "outside of Linux: the emulator");
	else if (report->hypervisor[0] != '\0')
		snprintf(out, BH_NOISE_NAME_BYTES, "outside of Linux: the hypervisor");
	else if (cpu->smi_cnt > 0)
		snprintf(out, BH_NOISE_NAME_BYTES, "outside of Linux: SMI (%llu)", (unsigned long long)cpu->smi_cnt);
	else
		snprintf(out, BH_NOISE_NAME_BYTES, "outside of Linux: hardware or SMI");
	return out;
}

static int
judge(struct run *run, const struct bh_cell_result *result, struct bh_error *error)
{
	const struct bh_noise_report *report = run->report;
	if (!run->done) {
		if (result->error.text[0] != '\0')
			return bh_error_set(error, "E251", -EIO, "the measuring cell ended early: %.300s",
			                    result->error.text);
		return bh_error_set(error, "E251", -EIO, "ended before the measurement was over");
	}
	for (uint32_t i = 0; i < run->core_cnt; i++) {
		struct bh_noise_cpu *cpu = run->cpu[i];
		char outside[BH_NOISE_NAME_BYTES];
		if (bh_view_hist_core(bh_cell_view(run->cell), NOISE_HIST, i, &cpu->turns) != 0)
			return bh_error_set(error, "E251", -EIO, "the measuring cell has left no histogram");
		cpu->turn_tsc = bh_hist_percentile(&cpu->turns, 50);
		if (run->trace != NULL) {
			cpu->event_cnt = run->trace->cpu[i].event_cnt;
			cpu->event_lost_cnt = run->trace->cpu[i].lost_cnt + run->trace->cpu[i].odd_cnt;
		}
		noise_attribute(cpu, run->trace, i, outside_name(report, cpu, outside));
		noise_counters_since(run->before, run->after, cpu);
	}
	return 0;
}

static int
measure(struct run *run, struct bh_error *error)
{
	struct bh_run_config *config;
	struct bh_cell_result *result = calloc(1, sizeof(*result));
	const struct bh_cell_options options = {.catch_signals = true,
	                                        .tick_ns = TICK_NS,
	                                        .context = run,
	                                        .tick = tick,
	                                        .running = running,
	                                        .warn = warn,
	                                        .edit_page = edit_page};
	if (result == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	int err = load_config(&run->cpus, &config, error);
	if (err == 0) {
		err = bh_cell_start(config, &options, &run->cell, error);
		if (err == 0) {
			bh_cell_wait(run->cell, result);
			err = judge(run, result, error);
			bh_cell_free(run->cell);
		}
		bh_config_free(config);
	}
	free(result);
	return err;
}

/* One side, in this process. */
static int
measure_side(struct run *run, struct bh_error *error)
{
	open_trace(run);
	for (uint32_t i = 0; i < run->core_cnt; i++)
		run->cpu[i]->smi_known = read_smi(run->cpu[i]->cpu, &run->smi_before[i]);
	run->before = noise_counters_read("");
	run->begin_tsc = __rdtsc();
	int err = measure(run, error);
	if (run->trace != NULL)
		noise_trace_close(run->trace);
	free(run->trace);
	noise_counters_free(run->before);
	noise_counters_free(run->after);
	return err;
}

static void
take_cpus(struct run *run, const struct bh_cpus *cpus)
{
	run->cpus = *cpus;
	run->core_cnt = 0;
	for (uint32_t i = 0; i < run->report->cpu_cnt; i++) {
		if (bh_cpus_has(cpus, run->report->cpu[i].cpu))
			run->cpu[run->core_cnt++] = &run->report->cpu[i];
	}
}

/* What the other side's process tells. */
struct told {
	int err;
	struct bh_error error;
};

/* A process is in one control group: the two sides of a partition are measured by two, at the same time. */
static pid_t
start_inside(struct run *run, const struct bh_cpus *cpus, struct told *told)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	const struct bh_noise_options quiet = {.cpus = run->options->cpus,
	                                       .duration_ns = run->options->duration_ns,
	                                       .threshold_ns = run->options->threshold_ns,
	                                       .trace = run->options->trace};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run->options = &quiet;
	take_cpus(run, cpus);
	told->err = measure_side(run, &told->error);
	_exit(0);
}

/* It measures as long as we do. What is stuck is ended, with its cell. */
static void
wait_inside(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	for (uint64_t waited_ns = 0; waited_ns < INSIDE_WAIT_NS; waited_ns += (uint64_t)pause.tv_nsec) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int
measure_both(struct run *run, const struct bh_cpus *inside, const struct bh_cpus *outside, struct bh_error *error)
{
	struct told *told = new_shared(sizeof(*told));
	int err = 0;
	if (told == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	told->err = -EIO;
	bh_error_set(&told->error, "E251", -EIO, "the process that measures inside of the partition ended early");
	pid_t pid = start_inside(run, inside, told);
	if (pid < 0)
		err = bh_error_set(error, "E251", -errno, "no second process: %s", strerror(errno));
	if (err == 0) {
		take_cpus(run, outside);
		err = measure_side(run, error);
		/* Ctrl-C reaches both; where only we were asked to end, it ends, too. It is done at about the same time anyhow. */
		if (err != 0 || run->cpu[0]->measured_tsc < run->orders.duration_tsc)
			kill(pid, SIGTERM);
		wait_inside(pid);
	}
	if (err == 0 && told->err != 0) {
		*error = told->error;
		err = told->err;
	}
	munmap(told, sizeof(*told));
	return err;
}

int
bh_noise_run(const struct bh_noise_options *options, struct bh_noise_report **out, struct bh_error *error)
{
	struct run run = {.options = options};
	const struct bh_cpus partition = partition_cpus();
	const struct bh_cpus inside = bh_cpus_and(&options->cpus, &partition);
	const struct bh_cpus outside = bh_cpus_minus(&options->cpus, &partition);
	if (geteuid() != 0)
		return bh_error_set(error, "E252", -EPERM,
		                    "measuring needs root: it starts a cell and reads tracepoints");
	int err = new_report(options, &run.report, error);
	if (err != 0)
		return err;
	if (!bh_cpus_empty(&inside) && !bh_cpus_empty(&outside)) {
		err = measure_both(&run, &inside, &outside, error);
	} else {
		take_cpus(&run, &options->cpus);
		err = measure_side(&run, error);
	}
	if (err != 0) {
		bh_noise_free(run.report);
		return err;
	}
	*out = run.report;
	return 0;
}
