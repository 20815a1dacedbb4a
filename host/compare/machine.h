/* SPDX-License-Identifier: Apache-2.0 */
/* What a figure depends on: the machine, its kernel, how it was set up. Read once, for the report. */
#ifndef HOST_COMPARE_MACHINE_H
#define HOST_COMPARE_MACHINE_H

#include <bulkhead/types.h>
#include <jansson.h>

enum bh_machine_kind { BH_MACHINE_METAL = 0, BH_MACHINE_VIRTUAL = 1, BH_MACHINE_EMULATOR = 2 };

struct bh_machine {
	enum bh_machine_kind kind;
	char hypervisor[16]; /* what CPUID says: "TCGTCGTCGTCG", "KVMKVMKVM"; "" none */
	char cpu_model[96];
	char vendor[64], product[64]; /* DMI */
	char kernel[72], kernel_version[96];
	char cmdline[1024];
	char clocksource[32];
	char isolated[64], nohz_full[64];
	char governor[32], idle_driver[32];
	uint32_t cpu_cnt;
	json_t *mitigations; /* {"spectre_v2": "Mitigation: ...", ...} */
};

void bh_machine_read(struct bh_machine *machine, unsigned cpu);
void bh_machine_free(struct bh_machine *machine);

/* bh_machine_choose_cpu - `wanted`, or with -1 the last isolated CPU, else the last one. Return: the CPU; -EINVAL no such. */
int bh_machine_choose_cpu(int wanted);
bool bh_machine_cpu_isolated(unsigned cpu);

/* bh_machine_kind_name - "hardware", "virtual machine", "emulator". */
const char *bh_machine_kind_name(enum bh_machine_kind kind);

/* bh_machine_device_emulated - whether a model's name is that of an emulated device ("QEMU NVMe Ctrl"). */
bool bh_machine_device_emulated(const char *model);

json_t *bh_machine_json(const struct bh_machine *machine);

#endif
