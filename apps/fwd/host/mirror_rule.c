/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules (`ip rule`) choose between routing tables by more than the destination. The cell follows the three that every
 * machine has; others are counted, so that it can be said that Linux and the cell do not agree.
 */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_rib.h"

static const struct fwd_nl_rule *
rule_of(const struct fwd_rib_item *item)
{
	return &((const struct fwd_rib_rule *)(const void *)item)->rule;
}

static uint32_t
rule_hash(const struct fwd_nl_event *event)
{
	return fwd_rib_hash(event->rule.priority, &event->rule.table, sizeof(event->rule.table));
}

static bool
rule_is(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	const struct fwd_nl_rule *had = rule_of(item), *said = &event->rule;
	return had->priority == said->priority && had->table == said->table && had->action == said->action &&
	       had->selective == said->selective;
}

static bool
rule_same(const struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	return true; /* all that is kept is its key */
}

static int
rule_set(struct fwd_rib *rib, struct fwd_rib_item *item, const struct fwd_nl_event *event)
{
	((struct fwd_rib_rule *)(void *)item)->rule = event->rule;
	return 0;
}

static void
rule_changed(struct fwd_rib *rib, struct fwd_rib_item *item)
{
}

const struct fwd_rib_class_ops fwd_rib_rule_ops = {
        .item_bytes = sizeof(struct fwd_rib_rule),
        .hash = rule_hash,
        .is = rule_is,
        .same = rule_same,
        .set = rule_set,
        .changed = rule_changed,
};

/* Priorities 0, 32766 and 32767: local, main, default. */
static bool
usual(const struct fwd_nl_rule *rule)
{
	return !rule->selective && rule->action == FR_ACT_TO_TBL &&
	       (rule->table == RT_TABLE_LOCAL || rule->table == RT_TABLE_MAIN || rule->table == RT_TABLE_DEFAULT);
}

static void
count(struct fwd_rib *rib, struct fwd_rib_item *item, void *context)
{
	uint64_t *cnt = context;
	*cnt += !usual(rule_of(item));
}

uint64_t
fwd_rib_policy_cnt(struct fwd_rib *rib)
{
	uint64_t cnt = 0;
	fwd_rib_each(rib, FWD_RIB_RULE4, count, &cnt);
	fwd_rib_each(rib, FWD_RIB_RULE6, count, &cnt);
	return cnt;
}
