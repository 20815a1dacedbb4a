/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel was told at boot, and what came of it. Documentation/admin-guide/kernel-parameters.txt: isolcpus, nohz_full,
 * rcu_nocbs, irqaffinity.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "host/doctor/private.h"

struct rule {
	const char *parameter;
	const char *also;  /* another one that has the same effect; or NULL */
	bool live_does_it; /* the live level has the same effect, without a boot */
};

static const struct rule isolcpus = {"isolcpus", NULL, true};
static const struct rule nohz_full = {"nohz_full", NULL, false};
static const struct rule rcu_nocbs = {"rcu_nocbs", "nohz_full", false};

/* A list behind flags: "managed_irq,domain,2-3". *out_domain: without flags, or with this one. */
static int
parse_list(const struct bh_doctor *doctor, const char *text, struct bh_cpus *out, bool *out_domain)
{
	*out_domain = true;
	if (isalpha((unsigned char)text[0]) && strcmp(text, "all") != 0)
		*out_domain = false;
	while (isalpha((unsigned char)text[0]) && strcmp(text, "all") != 0) {
		size_t len = strcspn(text, ",");
		*out_domain |= len == strlen("domain") && strncmp(text, "domain", len) == 0;
		text += len + (text[len] == ',');
	}
	if (strcmp(text, "all") == 0)
		*out = doctor->online;
	return strcmp(text, "all") == 0 ? 0 : bh_cpus_parse_list(text, out);
}

/* Return: whether the parameter names all of the CPUs; what it says is the evidence. */
static bool
named_by(const struct bh_doctor *doctor, struct bh_finding *out, const char *parameter)
{
	char text[BH_CPUS_TEXT_BYTES];
	struct bh_cpus cpus;
	bool domain;
	if (!doctor_parameter(doctor, parameter, text, sizeof(text))) {
		doctor_evidence(out, "/proc/cmdline: no %s=", parameter);
		return false;
	}
	doctor_evidence(out, "/proc/cmdline: %s=%.96s", parameter, text);
	return parse_list(doctor, text, &cpus, &domain) == 0 && bh_cpus_inside(&doctor->cpus, &cpus) &&
	       (domain || strcmp(parameter, "isolcpus") != 0);
}

static void
check_booted(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const struct rule *rule = out->check->rule;
	const bool full = doctor->wants->level == BH_LEVEL_FULL;
	if (doctor_no_cpus(doctor, out))
		return;
	if (doctor->cmdline == NULL) {
		doctor_unreadable(out, "/proc/cmdline", doctor->cmdline_err);
		return;
	}
	if (rule == &nohz_full && !bh_sys_exists(doctor->root, CPU_DIR "/nohz_full") &&
	    bh_sys_exists(doctor->root, CPU_DIR "/online")) {
		doctor_lacks(out, CPU_DIR "/nohz_full", "this kernel does not know it: see cpu.nohz_full");
		return;
	}
	if (named_by(doctor, out, rule->parameter) || (rule->also != NULL && named_by(doctor, out, rule->also))) {
		doctor_say(out, BH_FINDING_OK, "the kernel was booted with it");
	} else if (!full && rule->live_does_it && doctor->has_cpuset) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "the live level does without it");
	} else {
		doctor_say(out, full ? BH_FINDING_FAIL : BH_FINDING_WARN,
		           "the kernel was not booted with %s for these CPUs", rule->parameter);
		doctor_fix_apply_full(doctor, out);
	}
}

static void
check_nohz(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = CPU_DIR "/nohz_full";
	char text[BH_CPUS_TEXT_BYTES], list[DOCTOR_LIST_BYTES];
	struct bh_cpus cpus;
	if (doctor_no_cpus(doctor, out))
		return;
	int err = bh_sys_read(text, sizeof(text), doctor->root, "%s", path);
	if (err == -ENOENT && bh_sys_exists(doctor->root, CPU_DIR "/online")) {
		doctor_say(out, BH_FINDING_WARN, "this kernel cannot stop the tick (built without CONFIG_NO_HZ_FULL)");
		doctor_evidence(out, "%s: not there", path);
		doctor_fix(out, "a kernel with CONFIG_NO_HZ_FULL=y, such as Debian's linux-image-amd64");
		return;
	}
	if (err == 0)
		err = bh_cpus_parse_list(text, &cpus);
	if (err != 0) {
		doctor_unreadable(out, path, err);
		return;
	}
	doctor_evidence(out, "%s: %s", path, text[0] != '\0' ? text : "(empty)");
	if (bh_cpus_inside(&doctor->cpus, &cpus)) {
		doctor_say(out, BH_FINDING_OK, "the tick stops on CPUs %s", doctor_short(&doctor->cpus, list));
		return;
	}
	doctor_say(out, doctor->wants->level == BH_LEVEL_FULL ? BH_FINDING_FAIL : BH_FINDING_WARN,
	           "the timer tick interrupts these CPUs, 100 to 1000 times a second");
	doctor_fix_apply_full(doctor, out);
}

/* A CPU whose callbacks are run elsewhere has threads rcuop/N or rcuos/N for that (kernel/rcu/tree_nocb.h). */
static bool
has_rcu_thread(const struct bh_doctor *doctor, unsigned cpu)
{
	for (uint32_t i = 0; i < doctor->task_cnt; i++) {
		unsigned number;
		char kind, rest;
		if (doctor->task[i].kernel && sscanf(doctor->task[i].name, "rcuo%c/%u%c", &kind, &number, &rest) == 2 &&
		    number == cpu && kind != 'g')
			return true;
	}
	return false;
}

static void
check_rcu(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char list[DOCTOR_LIST_BYTES];
	struct bh_cpus missing = {0};
	bool any_kernel = false;
	if (doctor_no_cpus(doctor, out))
		return;
	for (uint32_t i = 0; i < doctor->task_cnt; i++)
		any_kernel |= doctor->task[i].kernel;
	if (!any_kernel) {
		doctor_say(out, BH_FINDING_UNKNOWN, "no kernel thread is to be seen from here (a container?)");
		doctor_evidence(out, "/proc/*/stat: %s", doctor->task_err != 0 ? strerror(-doctor->task_err) : "none");
		return;
	}
	bh_cpus_each(cpu, &doctor->cpus)
	{
		if (!has_rcu_thread(doctor, cpu))
			bh_cpus_add(&missing, cpu);
	}
	if (bh_cpus_empty(&missing)) {
		doctor_say(out, BH_FINDING_OK, "RCU callbacks of these CPUs are run by threads elsewhere");
		doctor_evidence(out, "/proc/*/stat: rcuop/%u", bh_cpus_next(&doctor->cpus, 0));
		return;
	}
	doctor_say(out, doctor->wants->level == BH_LEVEL_FULL ? BH_FINDING_FAIL : BH_FINDING_WARN,
	           "RCU callbacks are run on CPU %s", doctor_short(&missing, list));
	doctor_evidence(out, "/proc/*/stat: no thread rcuop/%u or rcuos/%u", bh_cpus_next(&missing, 0),
	                bh_cpus_next(&missing, 0));
	doctor_fix_apply_full(doctor, out);
}

const struct bh_check bh_checks_cpu_boot[] = {
        {"cpu.isolated.booted", "isolcpus on the kernel's command line",
         "It isolates from the first moment on, and keeps the kernel's own spreading of interrupts off (managed_irq).",
         "The full level writes isolcpus=managed_irq,domain,LIST. The live level's partition isolates just as well "
         "once it is "
         "there; what only the parameter does is managed_irq: interrupts that the kernel spreads over all CPUs by "
         "itself "
         "avoid these while others can serve. Cost: a reboot to change it.",
         check_booted, &isolcpus},
        {"cpu.nohz_full.booted", "nohz_full on the kernel's command line",
         "Only a boot parameter can stop the timer tick on a CPU that runs one task.",
         "The full level writes nohz_full=LIST. Without it each CPU is interrupted CONFIG_HZ times a second (250 on "
         "Debian), "
         "for 1 to 5 us each, more in a guest. Cost: entering and leaving the kernel is somewhat slower on these CPUs "
         "(time "
         "is accounted there); a cell does neither. Documentation/timers/no_hz.rst.",
         check_booted, &nohz_full},
        {"cpu.nohz_full", "the tick can stop on the CPUs",
         "The tick is the most frequent interruption of a CPU that is otherwise quiet.",
         "/sys/devices/system/cpu/nohz_full lists the CPUs whose tick stops while one task runs there; one tick a "
         "second may "
         "remain. '(null)' or nothing: none. It follows nohz_full= of the command line and cannot be changed later. "
         "Level "
         "full sets it.",
         check_nohz, NULL},
        {"cpu.rcu_nocbs.booted", "rcu_nocbs on the kernel's command line",
         "Without it the kernel's deferred frees of a CPU run on that CPU, as softirqs.",
         "The full level writes rcu_nocbs=LIST; nohz_full=LIST implies it. Cost: threads on Linux's CPUs do that work, "
         "and "
         "wake-ups for it are needed. Documentation/admin-guide/kernel-parameters.txt, rcu_nocbs.",
         check_booted, &rcu_nocbs},
        {"cpu.rcu_nocbs", "RCU callbacks are run elsewhere",
         "RCU callbacks in a softirq take from some us to some ms, whenever anything freed memory that way.",
         "The kernel shows the list nowhere; but a CPU that is offloaded has threads rcuop/N (or rcuos/N) for its "
         "callbacks, "
         "and those are looked for. Level full sets it.",
         check_rcu, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
