/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Many seeds, each in a process of its own: a run that crashes or hangs is a result like any other.
 */
#ifndef TESTS_SIM_MANY_H
#define TESTS_SIM_MANY_H

#include "tests/sim/sim.h"

/* What the command line changes in every plan. */
struct sim_choice {
	int kind; /* enum sim_kind; -1: as drawn */
	bool no_faults;
	enum sim_mutation mutation;
	bool rules_given;
	uint32_t rule_cnt;
	struct nvme_fault_rule rule[SIM_RULES_MAX];
	struct vnet_fault_rule net_rule[VNET_FAULT_RULES_MAX];
	const char *fault_file; /* where the rules came from, or NULL */
	const char *fault_case; /* or this line of the fault table */
	const struct sim_expect *expect;
};

/* sim_choice_plan - a seed's plan with the choice applied. */
void sim_choice_plan(const struct sim_choice *choice, uint64_t seed, struct sim_plan *out);

/* sim_choice_faults_read, sim_choice_faults_parse - a fault script. Return: 0, or -BH_EINVAL after a message. */
BH_MUST_CHECK int sim_choice_faults_read(struct sim_choice *choice, const char *path);
BH_MUST_CHECK int sim_choice_faults_parse(struct sim_choice *choice, const char *text, const char *name);

/* sim_choice_fault_case - one line of the fault table. Return: as above. */
BH_MUST_CHECK int sim_choice_fault_case(struct sim_choice *choice, const char *name);

/* sim_kind_name, sim_kind_by_name - "app", ...; -1 for a name that there is not */
const char *sim_kind_name(enum sim_kind kind);
int sim_kind_by_name(const char *name);

/* sim_mutation_kind - what runs it is made in */
enum sim_kind sim_mutation_kind(enum sim_mutation mutation);

/* sim_mutation_name, sim_mutation_by_name - SIM_MUTATION_NONE for a name that there is not. */
const char *sim_mutation_name(enum sim_mutation mutation);
enum sim_mutation sim_mutation_by_name(const char *name);

/**
 * sim_spawn - run one seed in a child and wait for it
 * Return: whether it passed; else out->failure says why, also when it crashed.
 */
bool sim_spawn(const struct sim_choice *choice, uint64_t seed, struct sim_result *out);

/* The modes of the command line. Return: the exit status. */
int sim_many(const struct sim_choice *choice, uint64_t first, uint64_t cnt, uint64_t jobs);
int sim_twice(uint64_t first, uint64_t cnt);
int sim_self_test(void);
int sim_fault_table(void);

#endif
