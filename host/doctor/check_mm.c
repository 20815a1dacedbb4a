/* SPDX-License-Identifier: Apache-2.0 */
/* Memory management that comes to every CPU, or stops who touches memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/private.h"

#define THP "/sys/kernel/mm/transparent_hugepage"

static void
check_ksm(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char text[32];
	if (!doctor_read(doctor, out, text, sizeof(text), "/sys/kernel/mm/ksm/run", "/sys/kernel/mm"))
		return;
	if (strcmp(text, "1") != 0) {
		doctor_say(out, BH_FINDING_OK, "nothing looks for equal pages");
		return;
	}
	doctor_say(out, BH_FINDING_WARN, "ksmd looks for equal pages and write-protects them");
	doctor_fix_or(doctor, out, "echo 0 > /sys/kernel/mm/ksm/run");
}

static void
check_thp(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char enabled[128], defrag[128];
	if (!doctor_read(doctor, out, enabled, sizeof(enabled), THP "/enabled", "/sys/kernel/mm") ||
	    !doctor_read(doctor, out, defrag, sizeof(defrag), THP "/defrag", NULL))
		return;
	if (strstr(enabled, "[never]") != NULL) {
		doctor_say(out, BH_FINDING_OK, "they are off");
	} else if (strstr(enabled, "[always]") != NULL && strstr(defrag, "[always]") != NULL) {
		doctor_say(out, BH_FINDING_WARN, "page faults of any process may stop to compact memory");
		doctor_fix(out, "echo madvise > " THP "/defrag");
	} else {
		doctor_say(out, BH_FINDING_OK,
		           "page faults do not stop to compact memory unless a program asked for it");
	}
}

static void
check_khugepaged(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = THP "/khugepaged/defrag";
	char enabled[128], text[32];
	if (!doctor_read(doctor, out, text, sizeof(text), path, "/sys/kernel/mm"))
		return;
	if (bh_sys_read(enabled, sizeof(enabled), doctor->root, THP "/enabled") == 0 &&
	    strstr(enabled, "[never]") != NULL && strcmp(text, "0") != 0) {
		/* Nothing to do for it; but apply sets it just the same, and says so. */
		doctor_evidence(out, THP "/enabled: %s", enabled);
		doctor_say(out, BH_FINDING_OK, "khugepaged has nothing to do");
	} else if (strcmp(text, "0") == 0) {
		doctor_say(out, BH_FINDING_OK, "khugepaged does not compact memory");
	} else {
		doctor_say(out, BH_FINDING_WARN, "khugepaged may compact memory, which interrupts all CPUs");
		doctor_fix_or(doctor, out, "echo 0 > %s", path);
	}
}

static void
check_numa(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/proc/sys/kernel/numa_balancing";
	char text[32];
	if (!doctor_read(doctor, out, text, sizeof(text), path, "/proc/sys/kernel"))
		return;
	if (strcmp(text, "0") == 0) {
		doctor_say(out, BH_FINDING_OK, "it is off");
		return;
	}
	doctor_say(out, BH_FINDING_WARN, "pages are unmapped to find out who uses them");
	if (strcmp(text, "1") == 0)
		doctor_fix_or(doctor, out, "sysctl -w kernel.numa_balancing=0");
	else
		doctor_fix(out, "sysctl -w kernel.numa_balancing=0");
}

static void
check_swap(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char *text, *line;
	int64_t len = bh_sys_load(&text, doctor->root, "/proc/swaps");
	if (len == -ENOENT && bh_sys_exists(doctor->root, "/proc/sys/vm")) {
		doctor_lacks(out, "/proc/swaps", "this kernel does not swap");
		return;
	}
	if (len < 0) {
		doctor_unreadable(out, "/proc/swaps", (int)len);
		return;
	}
	line = strchr(text, '\n'); /* behind the heading */
	line = line != NULL ? line + 1 : text + len;
	line[strcspn(line, " \t\n")] = '\0';
	bh_sys_clean(line);
	doctor_evidence(out, "/proc/swaps: %.128s", line[0] != '\0' ? line : "none");
	if (line[0] == '\0') {
		doctor_say(out, BH_FINDING_OK, "nothing is swapped out");
	} else if (doctor->wants->has_cell) {
		doctor_say(out, BH_FINDING_OK, "there is swap space, but a cell's memory is locked");
	} else {
		doctor_say(out, BH_FINDING_WARN, "memory that is not locked may be swapped out");
		doctor_fix(out, "mlockall(2) in the program that is to be quiet, or swapoff -a");
	}
	free(text);
}

/* From one fold a second on, each CPU that has counters to fold is interrupted by a worker. */
static void
check_stat(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/proc/sys/vm/stat_interval";
	char text[32];
	uint64_t interval_s;
	if (!doctor_read(doctor, out, text, sizeof(text), path, "/proc/sys/vm"))
		return;
	if (bh_sys_read_number(&interval_s, UINT64_MAX, doctor->root, "%s", path) != 0) {
		doctor_say(out, BH_FINDING_UNKNOWN, "that is no number");
	} else if (interval_s > 1) {
		doctor_say(out, BH_FINDING_OK, "memory counters are folded every %s s", text);
	} else {
		doctor_say(out, BH_FINDING_WARN,
		           "memory counters are folded every second, on each CPU that changed any");
		doctor_fix_or(doctor, out, "sysctl -w vm.stat_interval=120");
	}
}

const struct bh_check bh_checks_mm[] = {
        {"mm.ksm", "nothing looks for equal pages",
         "Merging pages interrupts all CPUs that have them mapped (TLB shootdowns).",
         "'bulkhead apply' writes 0 to /sys/kernel/mm/ksm/run: no further scan; pages that are merged stay so. Cost: "
         "guests with "
         "equal contents need more memory. Documentation/admin-guide/mm/ksm.rst.",
         check_ksm, NULL},
        {"mm.thp", "page faults do not compact memory", "A page fault that stops to compact memory takes milliseconds.",
         "A cell's memory is mapped and locked before it starts, so it has no page faults; this is for programs of "
         "your own. "
         "'defrag = madvise' (the kernel's preset) lets only programs stop that asked for huge pages. 'bulkhead apply' "
         "leaves "
         "it alone. Documentation/admin-guide/mm/transhuge.rst.",
         check_thp, NULL},
        {"mm.khugepaged", "khugepaged does not compact memory",
         "Compaction drains lists of pages on every CPU, by work that runs there.",
         "'bulkhead apply' writes 0 to transparent_hugepage/khugepaged/defrag: khugepaged takes huge pages only where "
         "they are "
         "free. Cost: long-running programs of Linux get fewer huge pages. Documentation/admin-guide/mm/transhuge.rst.",
         check_khugepaged, NULL},
        {"mm.numa_balancing", "no page faults to find out who uses memory",
         "It unmaps pages at intervals: each first touch is then a page fault, and may move the page.",
         "'bulkhead apply' writes 0 to /proc/sys/kernel/numa_balancing. Cost: on machines with more than one node, "
         "programs "
         "of Linux that run far from their memory stay so. Documentation/admin-guide/sysctl/kernel.rst.",
         check_numa, NULL},
        {"mm.swap", "memory is not swapped out", "Touching a page that was swapped out waits for a disk.",
         "Cells lock their memory, so swap space does them no harm. A program of your own should lock its memory: "
         "mlockall(MCL_CURRENT | MCL_FUTURE). 'bulkhead apply' leaves it alone.",
         check_swap, NULL},
        {"mm.stat_interval", "memory counters are folded seldom",
         "Folding runs a worker on each CPU whose counters changed.",
         "'bulkhead apply' sets vm.stat_interval to 120 where it is 1. Cost: numbers in /proc/vmstat and /proc/meminfo "
         "may be "
         "two minutes old; low-memory decisions are a little coarser. Documentation/admin-guide/sysctl/vm.rst.",
         check_stat, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
