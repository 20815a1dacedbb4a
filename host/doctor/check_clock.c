/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/doctor/private.h"

#define SOURCE "/sys/devices/system/clocksource/clocksource0"

/* As bh_tsc_check decides before a cell starts. */
static void
check_tsc(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char text[128];
	bool read = bh_sys_read(text, sizeof(text), doctor->root, SOURCE "/available_clocksource") == 0;
	if (read)
		doctor_evidence(out, SOURCE "/available_clocksource: %s", text);
	if (doctor->machine.cpuid_known)
		doctor_evidence(out, "CPUID 80000007h EDX bit 8: %d", doctor->machine.tsc_invariant);
	if (doctor->machine.cpuid_known && doctor->machine.tsc_invariant) {
		doctor_say(out, BH_FINDING_OK, "one rate, in every state of the processor");
	} else if (read && strstr(text, "tsc") != NULL) {
		doctor_say(out, BH_FINDING_OK,
		           "not promised by the processor, but the kernel found that it keeps time");
	} else if (!doctor->machine.cpuid_known && !read) {
		doctor_say(out, BH_FINDING_UNKNOWN, "neither the processor nor the kernel tells");
		doctor_evidence(out, SOURCE "/available_clocksource: not there");
	} else {
		doctor_say(out, doctor->wants->has_cell ? BH_FINDING_FAIL : BH_FINDING_WARN,
		           "the time stamp counter changes its rate");
		doctor_fix(out, doctor->machine.guest
		                        ? "pass the invariant TSC on to this guest (QEMU: -cpu host,+invtsc)"
		                        : "");
	}
}

static void
check_source(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char text[64];
	if (!doctor_read(doctor, out, text, sizeof(text), SOURCE "/current_clocksource", NULL))
		return;
	if (strcmp(text, "tsc") == 0) {
		doctor_say(out, BH_FINDING_OK, "programs read the time in 20 to 30 ns, without a system call");
	} else if (strcmp(text, "kvm-clock") == 0 || strstr(text, "hyperv") != NULL) {
		doctor_say(out, BH_FINDING_OK,
		           "the hypervisor's clock: somewhat slower than the TSC, without a system call");
	} else {
		doctor_say(out, BH_FINDING_WARN,
		           "reading the time is a system call and a slow register: a microsecond or more");
		doctor_fix(out, "dmesg | grep -i tsc says why the kernel gave it up; if it can be trusted: "
		                "echo tsc > " SOURCE "/current_clocksource");
	}
}

const struct bh_check bh_checks_clock[] = {
        {"clock.tsc", "the time stamp counter keeps time",
         "Cells read time from it alone: no other clock is reached without a system call.",
         "An invariant TSC runs at one rate in every power state (Intel SDM vol. 3, 18.17.1; AMD APM vol. 3, E.4.7). "
         "Guests "
         "have it where the hypervisor passes it on. Without it a cell does not start (BH-E002).",
         check_tsc, NULL},
        {"clock.source", "Linux's clock is the time stamp counter",
         "Where the kernel does not trust the TSC, each look at the time takes a microsecond, and timers are coarser.",
         "The kernel compares the TSC with another clock and gives it up when they drift apart, or when the firmware "
         "writes to "
         "it. dmesg says which. For programs on Linux's side; a cell reads the TSC itself.",
         check_source, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
