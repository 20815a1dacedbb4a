/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "host/compare/session.h"
#include "host/compare/text.h"

const char *
bh_verdict_name(enum bh_compare_verdict state)
{
	static const char *const name[] = {"not measured here", "missed", "met"};
	return name[state];
}

struct bh_verdict *
bh_verdict_add(struct bh_session *session, const char *key, const char *title, bool goal)
{
	struct bh_verdict *verdict = &session->verdict[session->verdict_cnt++];
	*verdict = (struct bh_verdict){.goal = goal};
	snprintf(verdict->key, sizeof(verdict->key), "%s", key);
	snprintf(verdict->title, sizeof(verdict->title), "%s", title);
	return verdict;
}

/* Adds one case's figure to a criterion: a missed one decides, one that was not measured whole keeps it from being met. */
void
bh_verdict_ratio(struct bh_verdict *verdict, const char *label, const struct bh_summary *summary,
                 const struct bh_spread *ratio, double threshold, uint32_t round_cnt, bool *whole)
{
	char median[16], min[16], max[16];
	if (ratio->cnt == 0) {
		(void)bh_text_add(verdict->value, sizeof(verdict->value), "%s%s: no complete pair",
		                  verdict->value[0] != '\0' ? "; " : "", label);
		*whole = false;
		return;
	}
	(void)bh_text_add(verdict->value, sizeof(verdict->value), "%s%s: %s (%s to %s)",
	                  verdict->value[0] != '\0' ? "; " : "", label,
	                  bh_text_ratio(median, sizeof(median), ratio->median),
	                  bh_text_ratio(min, sizeof(min), ratio->min), bh_text_ratio(max, sizeof(max), ratio->max));
	if (ratio->median < threshold)
		verdict->state = BH_COMPARE_MISSED;
	if (summary->failed_cnt > 0 || summary->pair_cnt < round_cnt) {
		(void)bh_text_add(verdict->value, sizeof(verdict->value), ", %u of %u pairs whole", summary->pair_cnt,
		                  round_cnt);
		*whole = false;
	}
}

void
bh_verdict_iommu(struct bh_session *session)
{
	struct bh_verdict *verdict =
	        bh_verdict_add(session, "iommu", "An IOMMU is enforced while the cell has the device", false);
	snprintf(verdict->threshold, sizeof(verdict->threshold), "yes");
	snprintf(verdict->value, sizeof(verdict->value), "%s",
	         session->iommu[0] != '\0' ? session->iommu : "the cell never had the device");
	if (session->iommu[0] != '\0' && !session->target.file)
		verdict->state = session->iommu_enforced ? BH_COMPARE_MET : BH_COMPARE_MISSED;
}

enum bh_compare_verdict
bh_judge(struct bh_session *session)
{
	enum bh_compare_verdict whole = BH_COMPARE_MET;
	session->verdict_cnt = 0;
	session->subject->judge(session);
	for (uint32_t i = 0; i < session->verdict_cnt; i++) {
		if (session->verdict[i].goal || whole == BH_COMPARE_MISSED)
			continue;
		if (session->verdict[i].state != BH_COMPARE_MET)
			whole = session->verdict[i].state;
	}
	return whole;
}
