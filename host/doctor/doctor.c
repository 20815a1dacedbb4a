/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/doctor/private.h"
#include "host/errors/errors.h"

static const struct bh_check *const table[] = {
        bh_checks_cpu,    bh_checks_cpu_boot, bh_checks_irq,     bh_checks_net,     bh_checks_kernel, bh_checks_task,
        bh_checks_mm,     bh_checks_power,    bh_checks_clock,   bh_checks_memory,  bh_checks_iommu,  bh_checks_vfio,
        bh_checks_device, bh_checks_cgroup,   bh_checks_manager, bh_checks_machine, bh_checks_boot,
};

const struct bh_check *
bh_check_at(size_t idx)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(table); i++) {
		for (const struct bh_check *check = table[i]; check->id != NULL; check++) {
			if (idx-- == 0)
				return check;
		}
	}
	return NULL;
}

const struct bh_check *
bh_check_find(const char *id)
{
	const struct bh_check *check;
	for (size_t i = 0; (check = bh_check_at(i)) != NULL; i++) {
		if (strcmp(check->id, id) == 0)
			return check;
	}
	return NULL;
}

const char *
bh_check_area(const struct bh_check *check, char out[16])
{
	snprintf(out, 16, "%.*s", (int)strcspn(check->id, "."), check->id);
	return out;
}

/* NULL is all; "irq" is an area; "irq.affinity" one of it. */
static bool
is_asked_for(const struct bh_check *check, const char *area)
{
	size_t len = area != NULL ? strlen(area) : 0;
	return area == NULL ||
	       (strncmp(check->id, area, len) == 0 && (check->id[len] == '\0' || check->id[len] == '.'));
}

static unsigned
count_asked_for(const char *area)
{
	const struct bh_check *check;
	unsigned cnt = 0;
	for (size_t i = 0; (check = bh_check_at(i)) != NULL; i++)
		cnt += is_asked_for(check, area);
	return cnt;
}

static void
list_areas(char *out, size_t out_bytes)
{
	const struct bh_check *check;
	char area[16], last[16] = "";
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; (check = bh_check_at(i)) != NULL && used < out_bytes; i++) {
		if (strcmp(bh_check_area(check, area), last) != 0)
			used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", used > 0 ? ", " : "", area);
		memcpy(last, area, sizeof(last));
	}
}

static bool
is_mended_by_apply(const struct bh_finding *finding)
{
	return (finding->state == BH_FINDING_WARN || finding->state == BH_FINDING_FAIL) &&
	       strstr(finding->fix, "bulkhead apply") != NULL;
}

static void
advise(const struct bh_doctor *doctor, struct bh_doctor_report *report)
{
	const unsigned bad_cnt = report->cnt[BH_FINDING_FAIL] + report->cnt[BH_FINDING_WARN];
	if (report->apply_cnt > 0 && report->apply_cnt == report->reboot_cnt && doctor->file != NULL)
		snprintf(report->advice, sizeof(report->advice),
		         "%u of these %u take a reboot: bulkhead apply %s --level full, then reboot", report->apply_cnt,
		         bad_cnt, doctor->file);
	else if (report->apply_cnt > 0 && doctor->file != NULL)
		snprintf(report->advice, sizeof(report->advice),
		         "bulkhead plan %s shows the writes that mend %u of these %u; bulkhead apply %s makes them",
		         doctor->file, report->apply_cnt, bad_cnt, doctor->file);
	else if (bh_cpus_empty(&doctor->cpus))
		snprintf(
		        report->advice, sizeof(report->advice),
		        "no CPUs are named, so isolation and interrupts were not judged: bulkhead doctor FILE.conf, or "
		        "bulkhead doctor --cpus LIST");
	else if (report->apply_cnt > 0)
		snprintf(report->advice, sizeof(report->advice),
		         "printf '[partition]\\ncpus = %.48s\\n' > " DOCTOR_FILE "; bulkhead plan " DOCTOR_FILE
		         " shows the writes that mend %u of these %u",
		         report->cpus, report->apply_cnt, bad_cnt);
	else if (bad_cnt > 0)
		snprintf(report->advice, sizeof(report->advice), "bulkhead explain ID tells more about a finding");
	else
		snprintf(report->advice, sizeof(report->advice),
		         "nothing to mend; bulkhead noise --cpus %.48s measures whether it holds", report->cpus);
}

static void
sum_up(const struct bh_doctor *doctor, struct bh_doctor_report *report)
{
	for (uint32_t i = 0; i < report->finding_cnt; i++) {
		report->cnt[report->finding[i].state]++;
		report->apply_cnt += is_mended_by_apply(&report->finding[i]);
		report->reboot_cnt +=
		        is_mended_by_apply(&report->finding[i]) && strstr(report->finding[i].fix, "reboot") != NULL;
	}
	snprintf(report->file, sizeof(report->file), "%s", doctor->file != NULL ? doctor->file : "");
	bh_cpus_list(&doctor->cpus, report->cpus);
	report->cpus_isolated_now = doctor->cpus_isolated_now;
	advise(doctor, report);
}

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int
bh_doctor_run(const struct bh_doctor_request *request, struct bh_doctor_report *out, struct bh_error *error)
{
	static struct bh_doctor doctor; /* large; one thread */
	const uint64_t start_ns = now_ns();
	const struct bh_check *check;
	char areas[256];
	const unsigned cnt = count_asked_for(request->area);
	memset(out, 0, sizeof(*out));
	if (cnt == 0) {
		list_areas(areas, sizeof(areas));
		return bh_error_set(error, "E260", -EINVAL, "no area or check '%.40s'; the areas are %s", request->area,
		                    areas);
	}
	out->finding = calloc(cnt, sizeof(*out->finding));
	if (out->finding == NULL)
		return bh_error_set(error, "E261", -ENOMEM, "not enough memory for %u findings", cnt);
	doctor_facts(&doctor, request);
	for (size_t i = 0; (check = bh_check_at(i)) != NULL; i++) {
		if (!is_asked_for(check, request->area))
			continue;
		struct bh_finding *finding = &out->finding[out->finding_cnt++];
		finding->check = check;
		finding->state = BH_FINDING_UNKNOWN;
		check->fn(&doctor, finding);
	}
	sum_up(&doctor, out);
	doctor_facts_free(&doctor);
	out->duration_ns = now_ns() - start_ns;
	return 0;
}

void
bh_doctor_free(struct bh_doctor_report *report)
{
	for (uint32_t i = 0; i < report->finding_cnt; i++)
		free(report->finding[i].detail);
	free(report->finding);
	report->finding = NULL;
	report->finding_cnt = 0;
}
