/* SPDX-License-Identifier: Apache-2.0 */
/* Which fault rule fires for a command, for a change of CC.EN, or for a moment. */
#include "devices/nvme/internal.h"

static bool
is_power_rule(const struct nvme_fault_rule *rule)
{
	return rule->action == NVME_FAULT_STUCK_READY || rule->action == NVME_FAULT_STUCK_ENABLED;
}

/* Needs no command: a whole-device action with a time or a count and nothing else. */
static bool
is_device_rule(const struct nvme_fault_rule *rule)
{
	bool whole = rule->action == NVME_FAULT_FATAL || rule->action == NVME_FAULT_REMOVE ||
	             rule->action == NVME_FAULT_EVENT;
	return whole && rule->op == NVME_FAULT_OP_ANY_IO && rule->queue == NVME_FAULT_QUEUE_ANY && rule->nsid == 0 &&
	       rule->lba_min == 0 && rule->lba_max == UINT64_MAX && rule->nth == 0 && rule->every == 0 &&
	       rule->probability >= 1.0 && (rule->from_ns > 0 || rule->after_ios > 0);
}

static bool
is_exhausted(const struct nvme_rule_state *state)
{
	return state->fired_cnt >= state->rule.times || (state->rule.nth && state->match_cnt >= state->rule.nth);
}

/* Commands take the slow path only while a rule may still fire for one. */
static void
paths_update(struct nvme_model *m)
{
	bool commands = false, device = false;

	for (uint32_t i = 0; i < m->config.rule_cnt; i++) {
		const struct nvme_rule_state *state = &m->rule[i];
		if (is_exhausted(state) || is_power_rule(&state->rule))
			continue;
		device |= is_device_rule(&state->rule);
		commands |= !is_device_rule(&state->rule);
	}
	m->device_rules = device;
	m->slow_io = commands || m->config.service.kind != NVME_SERVICE_FIXED || m->config.service.a_ns > 0;
}

static uint64_t
device_time_ns(const struct nvme_model *m)
{
	return m->enabled_before && m->now_ns > m->first_enabled_ns ? m->now_ns - m->first_enabled_ns : 0;
}

static bool
in_time(const struct nvme_model *m, const struct nvme_fault_rule *rule)
{
	uint64_t at_ns = device_time_ns(m);
	return at_ns >= rule->from_ns && at_ns <= rule->until_ns &&
	       (rule->after_ios == 0 || m->stats.io_cnt > rule->after_ios);
}

/* An event of the rule's kind that is in its time: count it, and decide. */
static bool
fires(struct nvme_model *m, struct nvme_rule_state *state)
{
	const struct nvme_fault_rule *rule = &state->rule;

	if (is_exhausted(state))
		return false;
	state->match_cnt++;
	bool hit = (rule->nth == 0 || state->match_cnt == rule->nth) &&
	           (rule->every == 0 || state->match_cnt % rule->every == 0) &&
	           (rule->probability >= 1.0 || nvme_random_unit(&m->random) < rule->probability);
	if (hit) {
		state->fired_cnt++;
		m->stats.fault_cnt[rule->action]++;
	}
	return hit;
}

static bool
op_matches(const struct nvme_fault_rule *rule, uint16_t sq_id, uint8_t opcode)
{
	switch (rule->op) {
	case NVME_FAULT_OP_ANY:
		return true;
	case NVME_FAULT_OP_ANY_IO:
		return sq_id != 0;
	case NVME_FAULT_OP_ANY_ADM:
		return sq_id == 0;
	default:
		return rule->op == (sq_id ? opcode : NVME_FAULT_OP_ADMIN | opcode);
	}
}

static bool
has_blocks(uint8_t opcode)
{
	return opcode == NVME_NVM_READ || opcode == NVME_NVM_WRITE || opcode == NVME_NVM_COMPARE ||
	       opcode == NVME_NVM_WRITE_ZEROES;
}

static bool
command_matches(const struct nvme_fault_rule *rule, uint16_t sq_id, const struct nvme_sqe *sqe)
{
	if (!op_matches(rule, sq_id, sqe->opcode) || (rule->nsid && rule->nsid != sqe->nsid) ||
	    (rule->queue != NVME_FAULT_QUEUE_ANY && rule->queue != sq_id))
		return false;
	if (rule->lba_min == 0 && rule->lba_max == UINT64_MAX)
		return true;
	if (sq_id == 0 || !has_blocks(sqe->opcode))
		return false;
	uint64_t first = sqe->cdw10 | (uint64_t)sqe->cdw11 << 32;
	uint64_t last = first + NVME_GET(sqe->cdw12, NVME_RW_NLB);
	return last >= first && first <= rule->lba_max && last >= rule->lba_min;
}

/* Return: the first rule that fires, or NULL. */
struct nvme_rule_state *
nvme_fault_for_command(struct nvme_model *m, uint16_t sq_id, const struct nvme_sqe *sqe)
{
	struct nvme_rule_state *first = NULL;

	for (uint32_t i = 0; i < m->config.rule_cnt; i++) {
		struct nvme_rule_state *state = &m->rule[i];
		if (is_power_rule(&state->rule) || is_device_rule(&state->rule) || !in_time(m, &state->rule) ||
		    !command_matches(&state->rule, sq_id, sqe))
			continue;
		if (!first && fires(m, state))
			first = state;
		else if (first)
			state->match_cnt++;
	}
	if (first)
		paths_update(m);
	return first;
}

/* CC.EN changes: whether the rules for this direction let CSTS.RDY hang. */
bool
nvme_fault_for_power(struct nvme_model *m, enum nvme_fault_action action)
{
	bool hit = false;

	for (uint32_t i = 0; i < m->config.rule_cnt; i++) {
		struct nvme_rule_state *state = &m->rule[i];
		const struct nvme_fault_rule *rule = &state->rule;
		if (rule->action != action || (rule->after_ios && m->stats.io_cnt <= rule->after_ios))
			continue;
		if (device_time_ns(m) < rule->from_ns || device_time_ns(m) > rule->until_ns)
			continue;
		hit |= fires(m, state);
	}
	paths_update(m);
	return hit;
}

void
nvme_fault_device_apply(struct nvme_model *m, const struct nvme_fault_rule *rule)
{
	switch (rule->action) {
	case NVME_FAULT_FATAL:
		nvme_fatal(m);
		break;
	case NVME_FAULT_REMOVE:
		nvme_remove(m);
		break;
	case NVME_FAULT_EVENT:
		m->ns_changed |= (rule->value >> 16 & 0xff) == NVME_LOG_CHANGED_NS;
		if ((rule->value & 0xff) == NVME_AER_HEALTH)
			m->critical_warning |= NVME_HEALTH_SPARE;
		nvme_event_raise(m, rule->value & 0xff, rule->value >> 8 & 0xff, rule->value >> 16 & 0xff);
		break;
	default:
		break;
	}
}

/* Return: whether a rule fired. */
bool
nvme_fault_device_step(struct nvme_model *m)
{
	bool hit = false;

	for (uint32_t i = 0; i < m->config.rule_cnt && m->power == NVME_READY; i++) {
		struct nvme_rule_state *state = &m->rule[i];
		if (!is_device_rule(&state->rule) || device_time_ns(m) < state->rule.from_ns ||
		    device_time_ns(m) > state->rule.until_ns || m->stats.io_cnt < state->rule.after_ios)
			continue;
		if (!fires(m, state))
			continue;
		hit = true;
		nvme_fault_device_apply(m, &state->rule);
	}
	if (hit)
		paths_update(m);
	return hit;
}

uint64_t
nvme_fault_next_ns(const struct nvme_model *m)
{
	uint64_t next_ns = UINT64_MAX;

	for (uint32_t i = 0; i < m->config.rule_cnt; i++) {
		const struct nvme_rule_state *state = &m->rule[i];
		if (!is_device_rule(&state->rule) || is_exhausted(state) || m->stats.io_cnt < state->rule.after_ios)
			continue;
		next_ns = BH_MIN(next_ns, m->first_enabled_ns + state->rule.from_ns);
	}
	return next_ns;
}

void
nvme_fault_init(struct nvme_model *m)
{
	for (uint32_t i = 0; i < m->config.rule_cnt; i++)
		m->rule[i] = (struct nvme_rule_state){.rule = m->config.rules[i]};
	m->config.rules = NULL;
	paths_update(m);
}
