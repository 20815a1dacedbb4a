/* SPDX-License-Identifier: Apache-2.0 */
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/compare/machine.h"
#include "host/compare/text.h"

#define CPU_DIR          "/sys/devices/system/cpu"
#define CPUID_HYPERVISOR (1u << 31)
#define CPUID_HV_LEAF    0x40000000u

static void
read_hypervisor(char out[16])
{
	unsigned eax, ebx, ecx, edx, name[3];
	memset(out, 0, 16);
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & CPUID_HYPERVISOR) == 0)
		return;
	__cpuid(CPUID_HV_LEAF, eax, name[0], name[1], name[2]);
	memcpy(out, name, sizeof(name));
	for (char *c = out; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	if (out[0] == '\0')
		memcpy(out, "unnamed", sizeof("unnamed"));
}

static void
read_cpu_model(char *out, size_t out_bytes)
{
	char line[256];
	FILE *stream = fopen("/proc/cpuinfo", "re");
	snprintf(out, out_bytes, "unknown");
	while (stream != NULL && fgets(line, sizeof(line), stream) != NULL) {
		char *colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(out, out_bytes, "%s", colon + 2);
		break;
	}
	if (stream != NULL)
		fclose(stream);
}

static json_t *
read_mitigations(void)
{
	static const char dir[] = CPU_DIR "/vulnerabilities";
	char path[320], text[200];
	json_t *all = json_object();
	struct dirent *entry;
	DIR *stream = opendir(dir);
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		bh_text_path(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] != '.' && bh_text_file(text, sizeof(text), path) == 0)
			json_object_set_new(all, entry->d_name, json_string(text));
	}
	if (stream != NULL)
		closedir(stream);
	return all;
}

static enum bh_machine_kind
kind_of(const struct bh_machine *machine)
{
	if (strcmp(machine->hypervisor, "TCGTCGTCGTCG") == 0 || strstr(machine->cpu_model, "QEMU TCG") != NULL)
		return BH_MACHINE_EMULATOR;
	return machine->hypervisor[0] != '\0' ? BH_MACHINE_VIRTUAL : BH_MACHINE_METAL;
}

void
bh_machine_read(struct bh_machine *machine, unsigned cpu)
{
	struct utsname name;
	char path[128];
	memset(machine, 0, sizeof(*machine));
	uname(&name);
	read_hypervisor(machine->hypervisor);
	read_cpu_model(machine->cpu_model, sizeof(machine->cpu_model));
	bh_text_file(machine->vendor, sizeof(machine->vendor), "/sys/class/dmi/id/sys_vendor");
	bh_text_file(machine->product, sizeof(machine->product), "/sys/class/dmi/id/product_name");
	snprintf(machine->kernel, sizeof(machine->kernel), "%s", name.release);
	snprintf(machine->kernel_version, sizeof(machine->kernel_version), "%s", name.version);
	bh_text_file(machine->cmdline, sizeof(machine->cmdline), "/proc/cmdline");
	bh_text_file(machine->clocksource, sizeof(machine->clocksource),
	             "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	bh_text_file(machine->isolated, sizeof(machine->isolated), CPU_DIR "/isolated");
	bh_text_file(machine->nohz_full, sizeof(machine->nohz_full), CPU_DIR "/nohz_full");
	bh_text_file(machine->idle_driver, sizeof(machine->idle_driver), CPU_DIR "/cpuidle/current_driver");
	bh_text_path(path, sizeof(path), CPU_DIR "/cpu%u/cpufreq/scaling_governor", cpu);
	bh_text_file(machine->governor, sizeof(machine->governor), path);
	machine->cpu_cnt = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	machine->mitigations = read_mitigations();
	machine->kind = kind_of(machine);
}

void
bh_machine_free(struct bh_machine *machine)
{
	json_decref(machine->mitigations);
	machine->mitigations = NULL;
}

/* The last number of a list such as "2-3,6"; -1 for an empty one. */
static int
last_of_list(const char *list)
{
	const char *last = list + strlen(list);
	while (last > list && last[-1] >= '0' && last[-1] <= '9')
		last--;
	return *last != '\0' ? atoi(last) : -1;
}

bool
bh_machine_cpu_isolated(unsigned cpu)
{
	char list[256];
	unsigned from, to;
	int used;
	bh_text_file(list, sizeof(list), CPU_DIR "/isolated");
	for (const char *c = list; sscanf(c, "%u%n", &from, &used) == 1; c += *c == ',') {
		c += used;
		to = from;
		if (*c == '-' && sscanf(c, "-%u%n", &to, &used) == 1)
			c += used;
		if (cpu >= from && cpu <= to)
			return true;
	}
	return false;
}

int
bh_machine_choose_cpu(int wanted)
{
	char list[256], path[96], online[8];
	int cpu = wanted;
	if (cpu < 0) {
		bh_text_file(list, sizeof(list), CPU_DIR "/isolated");
		cpu = last_of_list(list);
	}
	if (cpu < 0) {
		bh_text_file(list, sizeof(list), CPU_DIR "/online");
		cpu = last_of_list(list);
	}
	bh_text_path(path, sizeof(path), CPU_DIR "/cpu%d", cpu);
	if (cpu < 0 || access(path, F_OK) != 0)
		return -EINVAL;
	bh_text_path(path, sizeof(path), CPU_DIR "/cpu%d/online", cpu);
	return bh_text_file(online, sizeof(online), path) == 0 && strcmp(online, "1") != 0 ? -EINVAL : cpu;
}

const char *
bh_machine_kind_name(enum bh_machine_kind kind)
{
	static const char *const name[] = {"hardware", "virtual machine", "emulator"};
	return name[kind];
}

bool
bh_machine_device_emulated(const char *model)
{
	return strstr(model, "QEMU") != NULL || strstr(model, "VMware") != NULL || strstr(model, "VBOX") != NULL;
}

json_t *
bh_machine_json(const struct bh_machine *machine)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:O}", "kind",
	                 bh_machine_kind_name(machine->kind), "hypervisor", machine->hypervisor, "cpu",
	                 machine->cpu_model, "vendor", machine->vendor, "product", machine->product, "kernel",
	                 machine->kernel, "kernel_version", machine->kernel_version, "cmdline", machine->cmdline,
	                 "clocksource", machine->clocksource, "isolated_cpus", machine->isolated, "nohz_full",
	                 machine->nohz_full, "governor", machine->governor, "idle_driver", machine->idle_driver, "cpus",
	                 (int)machine->cpu_cnt, "mitigations", machine->mitigations);
}
