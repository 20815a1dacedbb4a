/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong. A plan has up to four rules; each action has its own sensible frequency, so that a run still gets
 * somewhere. Lies about data (flip, tear, drop-write, misdirect) are not among them: no driver can see those, and the
 * checker's own test uses them.
 */
#include "tests/sim/plan_draw.h"

#include <bulkhead/spec/nvme.h>

static const enum nvme_fault_action actions[] = {
        NVME_FAULT_DELAY,         NVME_FAULT_LOSE,       NVME_FAULT_HANG,   NVME_FAULT_DUPLICATE,
        NVME_FAULT_REORDER,       NVME_FAULT_WRONG_ID,   NVME_FAULT_STRAY,  NVME_FAULT_WRONG_PHASE,
        NVME_FAULT_WRONG_SQ,      NVME_FAULT_WRONG_HEAD, NVME_FAULT_STATUS, NVME_FAULT_DMA_OUTSIDE,
        NVME_FAULT_FATAL,         NVME_FAULT_REMOVE,     NVME_FAULT_EVENT,  NVME_FAULT_STUCK_READY,
        NVME_FAULT_STUCK_ENABLED, NVME_FAULT_OLD_HEAD,
};

static const uint16_t statuses[] = {
        NVME_SC_UNRECOVERED_READ, NVME_SC_WRITE_FAULT,         NVME_SC_GUARD_CHECK,
        NVME_SC_INTERNAL_ERROR,   NVME_SC_NAMESPACE_NOT_READY, NVME_SC_ACCESS_DENIED,
};

static const uint32_t admin_ops[] = {
        NVME_FAULT_OP_ANY_ADM,
        NVME_FAULT_OP_ADMIN | NVME_ADMIN_ABORT,
        NVME_FAULT_OP_ADMIN | NVME_ADMIN_CREATE_CQ,
        NVME_FAULT_OP_ADMIN | NVME_ADMIN_CREATE_SQ,
        NVME_FAULT_OP_ADMIN | NVME_ADMIN_DELETE_SQ,
        NVME_FAULT_OP_ADMIN | NVME_ADMIN_GET_LOG_PAGE,
};

static bool
is_rare(enum nvme_fault_action action)
{
	switch (action) {
	case NVME_FAULT_LOSE:
	case NVME_FAULT_HANG:
	case NVME_FAULT_WRONG_ID:
	case NVME_FAULT_WRONG_PHASE:
	case NVME_FAULT_WRONG_SQ:
	case NVME_FAULT_WRONG_HEAD:
	case NVME_FAULT_FATAL:
		return true;
	default:
		return false;
	}
}

/* Faults that cost a time-out come a few times; the others all the time. */
static void
frequency_draw(struct nvme_random *random, struct nvme_fault_rule *rule)
{
	if (is_rare(rule->action)) {
		rule->times = 1 + draw_below(random, 3);
		if (draw_chance(random, 2))
			rule->nth = 1 + draw_log(random, 1, 400);
		else
			rule->probability = 0.01;
		return;
	}
	rule->probability = 1.0 / (double)draw_log(random, 2, 300);
	if (rule->action == NVME_FAULT_STRAY)
		rule->times = 1 + draw_below(random, 12);
}

static void
device_rule_draw(struct nvme_random *random, struct nvme_fault_rule *rule)
{
	switch (rule->action) {
	case NVME_FAULT_FATAL:
	case NVME_FAULT_REMOVE:
		rule->times = 1;
		if (draw_chance(random, 2))
			rule->after_ios = draw_log(random, 1, 1000);
		else
			rule->from_ns = draw_log(random, 1000, 50000000);
		break;
	case NVME_FAULT_STUCK_READY:
	case NVME_FAULT_STUCK_ENABLED:
		rule->nth = 1 + draw_below(random, 4);
		rule->times = 1;
		break;
	case NVME_FAULT_EVENT:
		rule->from_ns = draw_log(random, 1000, 50000000);
		rule->times = 1 + draw_below(random, 4);
		rule->value = draw_chance(random, 2)
		                      ? NVME_AER_HEALTH | draw_below(random, 3) << 8 | NVME_LOG_HEALTH << 16
		                      : NVME_AER_NOTICE | (uint64_t)NVME_LOG_CHANGED_NS << 16;
		break;
	default:
		break;
	}
}

static void
values_draw(struct nvme_random *random, struct nvme_fault_rule *rule)
{
	switch (rule->action) {
	case NVME_FAULT_DELAY:
		rule->delay_ns_min = draw_log(random, 1000, 1000000);
		rule->delay_ns_max = rule->delay_ns_min + draw_log(random, 1, 20000000);
		break;
	case NVME_FAULT_REORDER:
		rule->value = 1 + draw_below(random, 20);
		break;
	case NVME_FAULT_STATUS:
		rule->value = statuses[draw_below(random, BH_ARRAY_CNT(statuses))];
		rule->no_retry = draw_chance(random, 2);
		break;
	default:
		break;
	}
}

static bool
is_for_device(enum nvme_fault_action action)
{
	return action >= NVME_FAULT_FATAL;
}

static void
rule_draw(struct nvme_random *random, struct nvme_fault_rule *rule)
{
	*rule = (struct nvme_fault_rule)NVME_FAULT_RULE_ANY;
	rule->action = actions[draw_below(random, BH_ARRAY_CNT(actions))];
	/* A removed device ends the run, so it is drawn less often than the others. */
	if (rule->action == NVME_FAULT_REMOVE && draw_chance(random, 2))
		rule->action = NVME_FAULT_FATAL;
	if (is_for_device(rule->action)) {
		device_rule_draw(random, rule);
		return;
	}
	frequency_draw(random, rule);
	values_draw(random, rule);
	if (draw_chance(random, 6)) {
		rule->op = admin_ops[draw_below(random, BH_ARRAY_CNT(admin_ops))];
		rule->times = 1 + draw_below(random, 2);
		rule->nth = draw_chance(random, 2) ? 1 + draw_below(random, 20) : 0;
	}
}

void
sim_plan_faults_draw(struct nvme_random *random, struct sim_plan *plan)
{
	plan->rule_cnt = 1 + (uint32_t)draw_below(random, 4);
	for (uint32_t i = 0; i < plan->rule_cnt; i++)
		rule_draw(random, &plan->rule[i]);
	if (!plan->registers_mapped && draw_chance(random, 8))
		plan->pace.mailbox_bad_one_in = (uint32_t)draw_log(random, 10, 400);
}
