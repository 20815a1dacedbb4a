/* SPDX-License-Identifier: Apache-2.0 */
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "host/errors/errors.h"
#include "host/run/internal.h"
#include "host/run/units.h"

#define CALIBRATION_NS_MIN (UINT64_C(10) * BH_NS_PER_MS)

uint64_t
bh_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * BH_NS_PER_S + (uint64_t)now.tv_nsec;
}

void
bh_sleep_ns(uint64_t ns)
{
	struct timespec time = {.tv_sec = (time_t)(ns / BH_NS_PER_S), .tv_nsec = (long)(ns % BH_NS_PER_S)};
	nanosleep(&time, NULL); /* a signal ends it early, and that is meant */
}

/* The raw clock: no slewing in between. The narrowest of a few readings, so that no interruption is inside. */
struct bh_tsc_sample
bh_tsc_sample(void)
{
	struct bh_tsc_sample best = {0};
	uint64_t width_min = UINT64_MAX;
	for (int i = 0; i < 8; i++) {
		struct timespec now;
		uint64_t before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		uint64_t width = __rdtsc() - before;
		if (width >= width_min)
			continue;
		width_min = width;
		best.tsc = before + width / 2;
		best.ns = (uint64_t)now.tv_sec * BH_NS_PER_S + (uint64_t)now.tv_nsec;
	}
	return best;
}

static bool
kernel_trusts_tsc(void)
{
	char text[256] = "";
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/available_clocksource", "re");
	if (file == NULL)
		return false;
	bool listed = fgets(text, sizeof(text), file) != NULL && strstr(text, "tsc") != NULL;
	fclose(file);
	return listed;
}

int
bh_tsc_check(struct bh_error *error)
{
	unsigned eax, ebx, ecx, edx = 0;
	/* Intel SDM vol. 3, 18.17.1; AMD APM vol. 3, E.4.7: invariant TSC. */
	if (__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & 1u << 8) != 0)
		return 0;
	if (kernel_trusts_tsc())
		return 0;
	return bh_error_set(error, "E002", -EOPNOTSUPP,
	                    "this machine's time stamp counter does not run at one rate, and cells read time from it; "
	                    "on a virtual machine, pass the invariant TSC on");
}

uint64_t
bh_tsc_hz(const struct bh_tsc_sample *start)
{
	struct bh_tsc_sample end = bh_tsc_sample();
	while (end.ns - start->ns < CALIBRATION_NS_MIN) {
		bh_sleep_ns(CALIBRATION_NS_MIN - (end.ns - start->ns));
		end = bh_tsc_sample();
	}
	return (uint64_t)((unsigned __int128)(end.tsc - start->tsc) * BH_NS_PER_S / (end.ns - start->ns));
}

static void
cpus_text(const cpu_set_t *set, char *out, size_t out_bytes)
{
	size_t used = 0;
	out[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE && used + 8 < out_bytes; cpu++) {
		if (CPU_ISSET(cpu, set))
			used += (size_t)snprintf(out + used, out_bytes - used, "%s%d", used > 0 ? "," : "", cpu);
	}
}

/*
 * CPUs that were booted isolated are in nobody's affinity mask, and are there for us. Which ones the kernel says; a cpuset that
 * forbids them is named when the cell's process is pinned.
 */
static void
read_isolated(cpu_set_t *out)
{
	char text[512] = "";
	uint16_t cpu[BH_CORES_MAX];
	uint32_t cnt;
	bool is_auto;
	CPU_ZERO(out);
	FILE *file = fopen("/sys/devices/system/cpu/isolated", "re");
	if (file == NULL)
		return;
	bool read = fgets(text, sizeof(text), file) != NULL;
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	if (!read || bh_parse_cpus(text, &is_auto, cpu, &cnt) != 0 || is_auto)
		return;
	for (uint32_t i = 0; i < cnt; i++)
		CPU_SET(cpu[i], out);
}

/* Half inside of the partition and half outside, a process can be in neither of the two groups. */
static int
check_partition(const struct bh_run_config *config, const struct bh_cpu_plan *plan, struct bh_error *error)
{
	char text[256];
	cpu_set_t partition;
	uint32_t inside_cnt = 0;
	bh_partition_cpus(&partition);
	for (uint32_t i = 0; i < plan->cell_cnt; i++)
		inside_cnt += CPU_ISSET(plan->cell[i], &partition) != 0;
	if (inside_cnt == 0 || inside_cnt == plan->cell_cnt)
		return 0;
	cpus_text(&partition, text, sizeof(text));
	return bh_config_error_id(
	        config, "cell", "cpus", "E020", error,
	        "only some of them are in the partition that 'bulkhead apply' made (%s); take all from "
	        "there, or none",
	        text);
}

static int
plan_listed(const struct bh_run_config *config, const cpu_set_t *usable, struct bh_cpu_plan *plan,
            struct bh_error *error)
{
	char text[256];
	for (uint32_t i = 0; i < config->cpu_cnt; i++) {
		if (config->cpu[i] >= CPU_SETSIZE || !CPU_ISSET(config->cpu[i], usable)) {
			cpus_text(usable, text, sizeof(text));
			return bh_config_error_id(config, "cell", "cpus", "E020", error,
			                          "CPU %u is not online, or not one that this process may use; "
			                          "there are %s",
			                          config->cpu[i], text);
		}
		plan->cell[plan->cell_cnt++] = config->cpu[i];
	}
	return 0;
}

/* The last ones: interrupts and daemons gather on the first. */
static void
take_last(const cpu_set_t *from, uint32_t cnt, uint16_t *out)
{
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && cnt > 0; cpu--) {
		if (CPU_ISSET(cpu, from))
			out[--cnt] = (uint16_t)cpu;
	}
}

/* Isolated ones if there are enough. */
static int
plan_auto(const struct bh_run_config *config, const cpu_set_t *usable, const cpu_set_t *isolated,
          struct bh_cpu_plan *plan, struct bh_error *error)
{
	int usable_cnt = CPU_COUNT(usable);
	if (config->cpu_cnt > (unsigned)usable_cnt)
		return bh_config_error_id(config, "cell", "cpus", "E020", error, "there are %d CPUs", usable_cnt);
	plan->cell_cnt = config->cpu_cnt;
	take_last(config->cpu_cnt <= (unsigned)CPU_COUNT(isolated) ? isolated : usable, config->cpu_cnt, plan->cell);
	return 0;
}

/* Where we and the devices go: any CPU of ours that the cell leaves, if need be an isolated one, if need be the cell's. */
static void
plan_rest(const cpu_set_t *own, const cpu_set_t *usable, struct bh_cpu_plan *plan)
{
	cpu_set_t own_left = *own, left = *usable;
	for (uint32_t i = 0; i < plan->cell_cnt; i++) {
		CPU_CLR(plan->cell[i], &own_left);
		CPU_CLR(plan->cell[i], &left);
	}
	plan->shared = CPU_COUNT(&left) == 0;
	const cpu_set_t *from = CPU_COUNT(&own_left) > 0 ? &own_left : plan->shared ? usable : &left;
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && plan->rest_cnt < BH_CORES_MAX; cpu--) {
		if (CPU_ISSET(cpu, from))
			plan->rest[plan->rest_cnt++] = (uint16_t)cpu;
	}
}

int
bh_cpu_plan(const struct bh_run_config *config, struct bh_cpu_plan *out, struct bh_error *error)
{
	cpu_set_t own, isolated, usable;
	*out = (struct bh_cpu_plan){0};
	if (sched_getaffinity(0, sizeof(own), &own) != 0)
		return bh_error_set(error, "E020", -errno, "cannot read this process's CPUs: %s", strerror(errno));
	read_isolated(&isolated);
	bh_partition_cpus(&usable);
	CPU_OR(&isolated, &isolated, &usable);
	CPU_OR(&usable, &own, &isolated);
	int err = config->cpus_auto ? plan_auto(config, &usable, &isolated, out, error)
	                            : plan_listed(config, &usable, out, error);
	if (err == 0)
		err = check_partition(config, out, error);
	if (err == 0)
		plan_rest(&own, &usable, out);
	return err;
}

int
bh_cpu_node(unsigned cpu)
{
	char path[64];
	int node = -1;
	if (access("/sys/devices/system/node/node1", F_OK) != 0)
		return -1;
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u", cpu);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -1;
	for (struct dirent *entry = readdir(dir); entry != NULL && node < 0; entry = readdir(dir)) {
		if (sscanf(entry->d_name, "node%d", &node) != 1)
			node = -1;
	}
	closedir(dir);
	return node;
}
