/* SPDX-License-Identifier: Apache-2.0 */
/* How a check says what it found. Texts that do not fit are cut: they are for people, and the file is named first. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/private.h"

const char *
bh_finding_state_name(enum bh_finding_state state)
{
	static const char *const name[BH_FINDING_STATES] = {"ok", "warn", "fail", "unknown", "not needed"};
	return name[state];
}

void
doctor_say(struct bh_finding *out, enum bh_finding_state state, const char *format, ...)
{
	va_list args;
	out->state = state;
	va_start(args, format);
	vsnprintf(out->value, sizeof(out->value), format, args);
	va_end(args);
}

void
doctor_evidence(struct bh_finding *out, const char *format, ...)
{
	size_t used = strlen(out->evidence);
	va_list args;
	if (used > 0 && used + 2 < sizeof(out->evidence)) {
		memcpy(out->evidence + used, "; ", 3);
		used += 2;
	}
	va_start(args, format);
	vsnprintf(out->evidence + used, sizeof(out->evidence) - used, format, args);
	va_end(args);
}

void
doctor_fix(struct bh_finding *out, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(out->fix, sizeof(out->fix), format, args);
	va_end(args);
}

void
doctor_detail(struct bh_finding *out, const char *format, ...)
{
	va_list args;
	if (out->detail == NULL)
		out->detail = calloc(BH_FINDING_DETAILS_MAX, sizeof(*out->detail));
	if (out->detail == NULL || out->detail_cnt == BH_FINDING_DETAILS_MAX) {
		out->detail_left_out_cnt++;
		return;
	}
	va_start(args, format);
	vsnprintf(out->detail[out->detail_cnt++], BH_FINDING_DETAIL_BYTES, format, args);
	va_end(args);
}

static bool
has_file(const struct bh_doctor *doctor)
{
	return doctor->file != NULL && !bh_cpus_empty(&doctor->wants->cpus);
}

/* Without a file the report's advice says how to write one. Where there is no live partition, only level full is possible. */
static void
fix_apply(const struct bh_doctor *doctor, struct bh_finding *out, bool full, const char *then)
{
	const char *file = has_file(doctor) ? doctor->file : DOCTOR_FILE;
	full = (full || !doctor->has_cpuset) && doctor->wants->level != BH_LEVEL_FULL;
	doctor_fix(out, "bulkhead apply %s%s%s", file, full ? " --level full" : "", then);
}

void
doctor_fix_apply(const struct bh_doctor *doctor, struct bh_finding *out)
{
	fix_apply(doctor, out, false, "");
}

void
doctor_fix_apply_full(const struct bh_doctor *doctor, struct bh_finding *out)
{
	fix_apply(doctor, out, true, ", then reboot");
}

void
doctor_fix_or(const struct bh_doctor *doctor, struct bh_finding *out, const char *format, ...)
{
	va_list args;
	if (has_file(doctor)) {
		fix_apply(doctor, out, false, "");
		return;
	}
	va_start(args, format);
	vsnprintf(out->fix, sizeof(out->fix), format, args);
	va_end(args);
}

void
doctor_unreadable(struct bh_finding *out, const char *path, int err)
{
	doctor_say(out, BH_FINDING_UNKNOWN, "%s",
	           err == -EACCES || err == -EPERM ? "only root may read it"
	           : err == -ENOENT                ? "this machine does not show it"
	                                           : "it cannot be read");
	doctor_evidence(out, "%s: %s", path, strerror(-err));
	if (err == -EACCES || err == -EPERM)
		doctor_fix(out, "sudo bulkhead doctor");
}

void
doctor_lacks(struct bh_finding *out, const char *path, const char *what)
{
	doctor_say(out, BH_FINDING_NOT_NEEDED, "%s", what);
	doctor_evidence(out, "%s: not there", path);
}

bool
doctor_read(const struct bh_doctor *doctor, struct bh_finding *out, char *text, size_t text_bytes, const char *path,
            const char *feature)
{
	int err = bh_sys_read(text, text_bytes, doctor->root, "%s", path);
	if (err == -ENOENT && feature != NULL && bh_sys_exists(doctor->root, "%s", feature))
		doctor_lacks(out, path, "this kernel does not have it");
	else if (err != 0)
		doctor_unreadable(out, path, err);
	else
		doctor_evidence(out, "%s: %s", path, text[0] != '\0' ? text : "(empty)");
	return err == 0;
}

bool
doctor_no_cpus(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!bh_cpus_empty(&doctor->cpus))
		return false;
	doctor_say(out, BH_FINDING_NOT_NEEDED, "no CPUs are named");
	doctor_evidence(out, "%s", doctor->file != NULL ? doctor->file : "no configuration");
	return true;
}

bool
doctor_on_cpus(const struct bh_doctor *doctor, const struct bh_cpus *set, char list[BH_CPUS_TEXT_BYTES])
{
	const struct bh_cpus both = bh_cpus_and(set, &doctor->cpus);
	bh_cpus_list(&both, list);
	return !bh_cpus_empty(&both);
}

const char *
doctor_short(const struct bh_cpus *set, char out[DOCTOR_LIST_BYTES])
{
	char list[BH_CPUS_TEXT_BYTES];
	bh_cpus_list(set, list);
	if (strlen(list) < DOCTOR_LIST_BYTES) {
		memcpy(out, list, strlen(list) + 1);
		return out;
	}
	memcpy(out, list, DOCTOR_LIST_BYTES - 4);
	memcpy(out + DOCTOR_LIST_BYTES - 4, "...", 4);
	return out;
}
