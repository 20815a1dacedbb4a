/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "devices/ixgbe/ixgbe_model.h"
#include "tests/sim/many.h"

#define SCRIPT_BYTES_MAX 65536u

static const char *const mutation_names[SIM_MUTATION_CNT] = {
        [SIM_MUTATION_NONE] = "none",
        [SIM_MUTATION_CORRUPT_READ] = "corrupt-read",
        [SIM_MUTATION_STALE_READ] = "stale-read",
        [SIM_MUTATION_SWALLOW_WRITE] = "swallow-write",
        [SIM_MUTATION_MISDIRECT] = "misdirect-write",
        [SIM_MUTATION_TWICE] = "complete-twice",
        [SIM_MUTATION_NEVER] = "complete-never",
        [SIM_MUTATION_LATE_DMA] = "late-dma",
        [SIM_MUTATION_OVERRUN] = "overrun",
        [SIM_MUTATION_COMPARE] = "wrong-compare",
        [SIM_MUTATION_DEVICE_FLIP] = "device-flip",
        [SIM_MUTATION_DEVICE_TEAR] = "device-tear",
        [SIM_MUTATION_DEVICE_DROP] = "device-drop",
        [SIM_MUTATION_DEVICE_MISDIRECT] = "device-misdirect",
        [SIM_MUTATION_NET_CORRUPT] = "net-corrupt",
        [SIM_MUTATION_NET_TWICE] = "net-twice",
        [SIM_MUTATION_NET_SWALLOW] = "net-swallow",
        [SIM_MUTATION_NET_SWAP] = "net-swap",
        [SIM_MUTATION_NET_LATE] = "net-late",
        [SIM_MUTATION_NET_LEAK] = "net-leak",
};

const char *
sim_mutation_name(enum sim_mutation mutation)
{
	return mutation_names[mutation];
}

enum sim_mutation
sim_mutation_by_name(const char *name)
{
	for (int i = 1; i < SIM_MUTATION_CNT; i++) {
		if (strcmp(name, mutation_names[i]) == 0)
			return (enum sim_mutation)i;
	}
	return SIM_MUTATION_NONE;
}

static const char *const kind_names[] = {
        [SIM_KIND_APP] = "app", [SIM_KIND_WORK] = "work", [SIM_KIND_NET] = "net", [SIM_KIND_IXGBE] = "ixgbe"};

const char *
sim_kind_name(enum sim_kind kind)
{
	return kind_names[kind];
}

int
sim_kind_by_name(const char *name)
{
	for (int i = 0; i < (int)BH_ARRAY_CNT(kind_names); i++) {
		if (strcmp(kind_names[i], name) == 0)
			return i;
	}
	return -1;
}

enum sim_kind
sim_mutation_kind(enum sim_mutation mutation)
{
	return mutation >= SIM_MUTATION_NET_CORRUPT ? SIM_KIND_NET : SIM_KIND_WORK;
}

/* Mutations of the device are fault rules: lies about data, for one command somewhere in the run. */
static void
device_mutation_apply(struct sim_plan *plan)
{
	static const int action_of[SIM_MUTATION_CNT] = {
	        [SIM_MUTATION_DEVICE_FLIP] = NVME_FAULT_FLIP,
	        [SIM_MUTATION_DEVICE_TEAR] = NVME_FAULT_TEAR,
	        [SIM_MUTATION_DEVICE_DROP] = NVME_FAULT_DROP_WRITE,
	        [SIM_MUTATION_DEVICE_MISDIRECT] = NVME_FAULT_MISDIRECT,
	};
	struct nvme_fault_rule rule = NVME_FAULT_RULE_ANY;

	if (action_of[plan->mutation] == 0)
		return;
	rule.action = (enum nvme_fault_action)action_of[plan->mutation];
	rule.op = NVME_NVM_WRITE;
	rule.nth = 20 + plan->seed % 20;
	rule.value = 3;
	plan->rule[0] = rule;
	plan->rule_cnt = 1;
}

/* Long enough for the fault to come, and without anything else that counts resets. */
static void
expect_apply(const struct sim_expect *expect, struct sim_plan *plan)
{
	plan->expect = expect;
	plan->work.op_cnt = BH_MAX(plan->work.op_cnt, 150u);
	plan->work.reset_one_in = 0;
	plan->work.recreate_one_in = 0;
	plan->work.round_cnt = 1;
	/* A second completion needs room beside the first. */
	plan->device.queue_entries = BH_MAX(plan->device.queue_entries, 64u);
}

/* The command line of this very run. */
static void
replay_write(const struct sim_choice *choice, struct sim_plan *plan)
{
	int used = snprintf(plan->replay, sizeof(plan->replay), "--seed %lu", plan->seed);
	char *at = plan->replay + used, kind_option[16] = "";
	size_t left = sizeof(plan->replay) - (size_t)used;

	if (choice->kind >= 0)
		snprintf(kind_option, sizeof(kind_option), " --kind %s", kind_names[choice->kind]);
	if (choice->fault_case != NULL)
		snprintf(at, left, " --fault-case %s", choice->fault_case);
	else if (choice->mutation != SIM_MUTATION_NONE)
		snprintf(at, left, " --mutate %s", mutation_names[choice->mutation]);
	else
		snprintf(at, left, "%s%s%s%s", kind_option, choice->no_faults ? " --no-faults" : "",
		         choice->fault_file ? " --fault " : "", choice->fault_file ? choice->fault_file : "");
}

void
sim_choice_plan(const struct sim_choice *choice, uint64_t seed, struct sim_plan *out)
{
	bool faults = !choice->no_faults && !choice->rules_given && choice->mutation == SIM_MUTATION_NONE;

	sim_plan_draw(seed, choice->kind, faults, out);
	out->mutation = choice->mutation;
	if (choice->rules_given) {
		memcpy(out->rule, choice->rule, sizeof(out->rule));
		memcpy(out->net.card.rule, choice->net_rule, sizeof(choice->net_rule));
		*(sim_kind_is_net(out->kind) ? &out->net.card.rule_cnt : &out->rule_cnt) = choice->rule_cnt;
	}
	if (choice->expect != NULL)
		expect_apply(choice->expect, out);
	device_mutation_apply(out);
	sim_plan_rules_applied(out);
	replay_write(choice, out);
}

static int
net_faults_parse(struct sim_choice *choice, const char *text, const char *name)
{
	char error[256];
	int cnt = choice->kind == SIM_KIND_IXGBE ? vnet_fault_parse_kinds(text, 50, ixgbe_fault_names, IXGBE_FAULT_CNT,
	                                                                  choice->net_rule, error, sizeof(error))
	                                         : vnet_fault_parse(text, 50, choice->net_rule, error, sizeof(error));

	if (cnt < 0) {
		fprintf(stderr, "sim: %s: %s\n", name, error);
		return -BH_EINVAL;
	}
	choice->rule_cnt = (uint32_t)cnt;
	choice->rules_given = true;
	return 0;
}

int
sim_choice_faults_parse(struct sim_choice *choice, const char *text, const char *name)
{
	static struct nvme_fault_rule rule[NVME_FAULT_RULES_MAX];
	char error[256];
	if (choice->kind >= 0 && sim_kind_is_net((enum sim_kind)choice->kind))
		return net_faults_parse(choice, text, name);
	int cnt = nvme_fault_parse(text, strlen(text), name, rule, error, sizeof(error));

	if (cnt < 0 || cnt > (int)SIM_RULES_MAX) {
		if (cnt >= 0)
			snprintf(error, sizeof(error), "%s: %d rules; the simulator takes %u", name, cnt,
			         SIM_RULES_MAX);
		fprintf(stderr, "sim: %s\n", error);
		return -BH_EINVAL;
	}
	memcpy(choice->rule, rule, (size_t)cnt * sizeof(*rule));
	choice->rule_cnt = (uint32_t)cnt;
	choice->rules_given = true;
	return 0;
}

int
sim_choice_faults_read(struct sim_choice *choice, const char *path)
{
	static char text[SCRIPT_BYTES_MAX + 1];
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		fprintf(stderr, "sim: cannot open %s\n", path);
		return -BH_EINVAL;
	}
	size_t bytes = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (bytes > SCRIPT_BYTES_MAX) {
		fprintf(stderr, "sim: %s is larger than %u bytes\n", path, SCRIPT_BYTES_MAX);
		return -BH_EINVAL;
	}
	text[bytes] = '\0';
	choice->fault_file = path;
	return sim_choice_faults_parse(choice, text, path);
}
