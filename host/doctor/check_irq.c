/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts of devices. Documentation/core-api/irq/irq-affinity.rst. */
#include <errno.h>
#include <string.h>

#include "host/doctor/private.h"
#include "host/machine/irqbalance.h"

static bool
is_there(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (doctor_no_cpus(doctor, out))
		return false;
	if (doctor->irq_err != 0)
		doctor_unreadable(out, "/proc/irq", doctor->irq_err);
	return doctor->irq_err == 0;
}

/* Where it is served now: a kernel that does not tell may serve it anywhere that is allowed. */
static const struct bh_cpus *
served_by(const struct doctor_irq *irq)
{
	return irq->effective_err == 0 ? &irq->effective : &irq->allowed;
}

static void
tell(struct bh_finding *out, const struct doctor_irq *irq)
{
	char allowed[DOCTOR_LIST_BYTES], effective[DOCTOR_LIST_BYTES];
	doctor_short(&irq->allowed, allowed);
	doctor_short(&irq->effective, effective);
	doctor_detail(out, "irq %u, %s: allowed on CPUs %s, served by %s", irq->number,
	              irq->name[0] != '\0' ? irq->name : "nobody's yet", allowed,
	              irq->effective_err != 0 ? "one that this kernel does not show"
	              : effective[0] == '\0'  ? "none yet"
	                                      : effective);
}

static bool
may_come(const struct bh_doctor *doctor, const struct doctor_irq *irq)
{
	return !irq->fixed && irq->allowed_err == 0 && bh_cpus_meet(&irq->allowed, &doctor->cpus);
}

/* Those that are served there first. */
static unsigned
tell_movable(const struct bh_doctor *doctor, struct bh_finding *out, bool served)
{
	char list[DOCTOR_LIST_BYTES];
	unsigned cnt = 0;
	for (uint32_t i = 0; i < doctor->irq_cnt; i++) {
		const struct doctor_irq *irq = &doctor->irq[i];
		if (!may_come(doctor, irq) || bh_cpus_meet(served_by(irq), &doctor->cpus) != served)
			continue;
		if (out->evidence[0] == '\0')
			doctor_evidence(out, "/proc/irq/%u/smp_affinity_list: %s", irq->number,
			                doctor_short(&irq->allowed, list));
		cnt++;
		tell(out, irq);
	}
	return cnt;
}

static void
check_affinity(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char list[DOCTOR_LIST_BYTES];
	unsigned movable_cnt = 0;
	if (!is_there(doctor, out))
		return;
	for (uint32_t i = 0; i < doctor->irq_cnt; i++)
		movable_cnt += !doctor->irq[i].fixed;
	const unsigned served_cnt = tell_movable(doctor, out, true);
	const unsigned allowed_cnt = served_cnt + tell_movable(doctor, out, false);
	doctor_short(&doctor->cpus, list);
	if (allowed_cnt == 0) {
		doctor_say(out, BH_FINDING_OK, "none of %u that can move may come to CPUs %s", movable_cnt, list);
		doctor_evidence(out, "/proc/irq/*/smp_affinity_list");
		return;
	}
	doctor_say(out, served_cnt > 0 ? BH_FINDING_FAIL : BH_FINDING_WARN,
	           "%u of %u that can move may come to CPUs %s; %u are served there now", allowed_cnt, movable_cnt,
	           list, served_cnt);
	doctor_fix_apply(doctor, out);
}

static void
check_managed(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char list[DOCTOR_LIST_BYTES];
	unsigned fixed_cnt = 0, here_cnt = 0;
	if (!is_there(doctor, out))
		return;
	for (uint32_t i = 0; i < doctor->irq_cnt; i++) {
		const struct doctor_irq *irq = &doctor->irq[i];
		fixed_cnt += irq->fixed;
		if (!irq->fixed || irq->allowed_err != 0 || !bh_cpus_meet(served_by(irq), &doctor->cpus))
			continue;
		if (here_cnt++ == 0)
			doctor_evidence(out, "/proc/irq/%u/effective_affinity_list: %s", irq->number,
			                doctor_short(served_by(irq), list));
		tell(out, irq);
	}
	if (fixed_cnt == 0) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "every interrupt can be moved");
		doctor_evidence(out, "/proc/irq/*/smp_affinity_list: writable");
	} else if (here_cnt == 0) {
		doctor_say(out, BH_FINDING_OK, "%u that the kernel keeps to itself are served by Linux's CPUs",
		           fixed_cnt);
		doctor_evidence(out, "/proc/irq/*/effective_affinity_list");
	} else {
		doctor_say(out, BH_FINDING_OK,
		           "%u of %u that the kernel keeps to itself belong to these CPUs: quiet until they do I/O "
		           "themselves",
		           here_cnt, fixed_cnt);
	}
}

static void
check_default(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/proc/irq/default_smp_affinity";
	char text[BH_CPUS_TEXT_BYTES], list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus cpus;
	if (doctor_no_cpus(doctor, out) || !doctor_read(doctor, out, text, sizeof(text), path, NULL))
		return;
	if (bh_cpus_parse_mask(text, &cpus) != 0) {
		doctor_say(out, BH_FINDING_UNKNOWN, "that is no mask of CPUs");
	} else if (!doctor_on_cpus(doctor, &cpus, list)) {
		doctor_say(out, BH_FINDING_OK, "new interrupts go to Linux's CPUs");
	} else {
		doctor_say(out, BH_FINDING_WARN, "interrupts that are asked for from now on may come to CPU %.40s",
		           list);
		doctor_fix_apply(doctor, out);
	}
}

static void
check_booted(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char text[BH_CPUS_TEXT_BYTES];
	struct bh_cpus cpus;
	if (doctor_no_cpus(doctor, out))
		return;
	if (doctor->cmdline == NULL) {
		doctor_unreadable(out, "/proc/cmdline", doctor->cmdline_err);
		return;
	}
	bool there = doctor_parameter(doctor, "irqaffinity", text, sizeof(text));
	doctor_evidence(out, there ? "/proc/cmdline: irqaffinity=%.96s" : "/proc/cmdline: no irqaffinity=", text);
	if (there && bh_cpus_parse_list(text, &cpus) == 0 && !bh_cpus_meet(&cpus, &doctor->cpus)) {
		doctor_say(out, BH_FINDING_OK, "interrupts begin on Linux's CPUs");
	} else if (doctor->wants->level != BH_LEVEL_FULL) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "the live level moves them when it is applied");
	} else {
		doctor_say(out, BH_FINDING_WARN, "between boot and apply, interrupts may come to these CPUs");
		doctor_fix_apply_full(doctor, out);
	}
}

/* Told already, and it answers so from its next turn on (irqbalance.h). */
static bool
told(const struct bh_doctor *doctor)
{
	struct bh_cpus cpus;
	if (doctor->journal_err != 0)
		return false;
	const struct bh_journal_entry *entry = bh_journal_find(&doctor->journal, BH_CHANGE_IRQBALANCE, "irqbalance");
	return entry != NULL && entry->state == BH_ENTRY_DONE && entry->want != NULL &&
	       bh_cpus_parse_list(entry->want, &cpus) == 0 && bh_cpus_inside(&doctor->cpus, &cpus);
}

#define IRQBALANCE_WAIT_NS UINT64_C(200000000)

static void
check_irqbalance(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char list[DOCTOR_LIST_BYTES];
	struct bh_cpus banned;
	struct bh_error error = {0};
	if (doctor_no_cpus(doctor, out))
		return;
	const struct doctor_task *task = doctor_task_find(doctor, "irqbalance");
	int err = bh_irqbalance_banned_within(doctor->root, IRQBALANCE_WAIT_NS, &banned, &error);
	if (err == -ENOENT && task == NULL) {
		doctor_say(out, BH_FINDING_OK, "it does not run");
		doctor_evidence(out, "/proc/*/comm: no irqbalance");
		return;
	}
	if (task != NULL)
		doctor_evidence(out, "/proc/%u/comm: irqbalance", task->pid);
	if (err == 0)
		doctor_evidence(out, "its socket: banned %s",
		                bh_cpus_empty(&banned) ? "none" : doctor_short(&banned, list));
	else
		doctor_evidence(out, "its socket: %.200s", error.text[0] != '\0' ? error.text : strerror(-err));
	if (err == 0 && bh_cpus_inside(&doctor->cpus, &banned)) {
		doctor_say(out, BH_FINDING_OK, "it leaves these CPUs alone");
	} else if (told(doctor) && (err == 0 || err == -ETIMEDOUT)) {
		doctor_say(out, BH_FINDING_OK, "it was told, and does so from its next turn on");
	} else if (err == 0) {
		doctor_say(out, BH_FINDING_FAIL, "it may move interrupts to these CPUs");
		doctor_fix_apply(doctor, out);
	} else if (err == -EOPNOTSUPP || err == -ENOENT) {
		doctor_say(out, BH_FINDING_WARN, "it runs, and cannot be told to leave CPUs alone");
		doctor_fix(
		        out,
		        "echo 'IRQBALANCE_BANNED_CPULIST=%s' >> /etc/default/irqbalance; systemctl restart irqbalance",
		        doctor_short(&doctor->cpus, list));
	} else {
		doctor_say(out, BH_FINDING_UNKNOWN, "%s",
		           err == -EPERM       ? "it tells only root which CPUs it leaves alone"
		           : err == -ETIMEDOUT ? "it is in its turn and does not answer; ask again in ten seconds"
		                               : "its answer makes no sense");
		doctor_fix(out, "%s", err == -EPERM ? "sudo bulkhead doctor" : "");
	}
}

const struct bh_check bh_checks_irq[] = {
        {"irq.affinity", "interrupts that can move are kept off the CPUs",
         "An interrupt takes 2 to 20 us of whatever runs there, and the softirq work behind it more.",
         "Each interrupt has a list of CPUs that may serve it (/proc/irq/N/smp_affinity_list) and the one that does "
         "(effective_affinity_list). 'bulkhead apply' takes the cells' CPUs out of each list, after the devices were "
         "bound. "
         "Cost: Linux's CPUs serve all of them. It fails where one is served on these CPUs now, and warns where one "
         "might be. "
         "Those that the kernel lets nobody move are in irq.managed.",
         check_affinity, NULL},
        {"irq.managed", "interrupts that the kernel keeps to itself",
         "Nobody can move them; they come to a CPU only for I/O that was started on it.",
         "Drivers with a queue per CPU (NVMe, virtio-blk, many network cards) leave the interrupts of these queues to "
         "the "
         "kernel, which gives each CPU its own. Writing to smp_affinity_list fails there, so they are not blamed: a "
         "queue is "
         "used only by tasks on its CPU, and nothing of Linux runs on isolated CPUs. With isolcpus=managed_irq (level "
         "full) "
         "the kernel serves them elsewhere where it can. The PC's timer (irq 0) and what apply tried in vain are "
         "counted "
         "here, too.",
         check_managed, NULL},
        {"irq.default", "new interrupts go to Linux's CPUs",
         "A driver that is loaded later would bring its interrupts to the cells' CPUs.",
         "/proc/irq/default_smp_affinity is the mask that interrupts get when they are asked for. 'bulkhead apply' "
         "takes the "
         "cells' CPUs out of it. Cost: none.",
         check_default, NULL},
        {"irq.affinity.booted", "irqaffinity on the kernel's command line",
         "Drivers ask for their interrupts at boot, before anything can be applied.",
         "The full level writes irqaffinity=LIST with Linux's CPUs, so interrupts begin there. Cost: none.",
         check_booted, NULL},
        {"irq.irqbalance", "irqbalance leaves the CPUs alone",
         "irqbalance moves interrupts every ten seconds, also back to CPUs from which they were taken.",
         "It runs by default on many distributions. It leaves CPUs alone that were isolated at boot, and those that it "
         "is told "
         "over its socket: 'bulkhead apply' adds the cells' CPUs to that list, as a union, and restore takes them out "
         "again. "
         "It starts to heed it at its next turn. Where it has no socket, name them in /etc/default/irqbalance "
         "(IRQBALANCE_BANNED_CPULIST).",
         check_irqbalance, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
