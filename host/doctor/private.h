/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor's inside. Private to host/doctor.
 *
 *   facts*.c    what more than one check needs, read once: CPUs, command line, interrupts, tasks, the journal
 *   finding.c   how a check says what it found
 *   check_*.c   the checks, a file per area or two: each ends with its table
 *   doctor.c    the list of tables, and the run        print.c, json.c  its report
 */
#ifndef HOST_DOCTOR_PRIVATE_H
#define HOST_DOCTOR_PRIVATE_H

#include "host/device/sysfs.h"
#include "host/doctor/doctor.h"
#include "host/machine/journal.h"

#define CPU_DIR "/sys/devices/system/cpu"
#define CGROUP  "/sys/fs/cgroup"

/* The checks' tables; each ends with an entry whose id is NULL. */
extern const struct bh_check bh_checks_cpu[], bh_checks_cpu_boot[], bh_checks_irq[], bh_checks_net[],
        bh_checks_kernel[], bh_checks_task[], bh_checks_mm[], bh_checks_power[], bh_checks_clock[], bh_checks_machine[],
        bh_checks_memory[], bh_checks_iommu[], bh_checks_vfio[], bh_checks_device[], bh_checks_cgroup[],
        bh_checks_manager[], bh_checks_boot[];

/* One interrupt with a number. */
struct doctor_irq {
	unsigned number;
	char name[64]; /* who asked for it; "" nobody */
	char chip[40]; /* "IR-PCI-MSI 1048576-edge" */
	struct bh_cpus allowed, effective;
	int allowed_err, effective_err;
	bool fixed;   /* the kernel lets nobody move it */
	bool managed; /* ... because it spreads it itself */
};

/* One task that is a process's leader, or a thread of the kernel's. */
struct doctor_task {
	unsigned pid;
	char name[32];
	struct bh_cpus allowed;
	bool kernel, bound; /* bound: the kernel lets nobody move it */
	bool ours;          /* in our partition */
};

struct bh_doctor {
	const char *root;
	const struct bh_wants *wants;
	const char *file; /* NULL none */
	bool configured;
	struct bh_doctor_machine machine;

	struct bh_cpus cpus; /* whose quiet is judged; empty: none are named */
	bool cpus_isolated_now;
	struct bh_cpus online, host; /* host: online without cpus */
	int online_err;

	bool has_cpuset; /* cgroup v2's: a live partition is possible */
	char *cmdline;   /* NULL: cmdline_err */
	int cmdline_err;
	char *interrupts; /* /proc/interrupts */
	int interrupts_err;
	struct doctor_irq *irq;
	uint32_t irq_cnt;
	int irq_err; /* of listing /proc/irq */
	struct doctor_task *task;
	uint32_t task_cnt;
	int task_err;
	struct bh_journal journal; /* entry_cnt 0: none, or not readable */
	int journal_err;
};

/* The configuration that fixes name where there is none yet. */
#define DOCTOR_FILE "my.conf"

/* ---- facts.c, facts_irq.c, facts_task.c ---- */

void doctor_facts(struct bh_doctor *doctor, const struct bh_doctor_request *request);
void doctor_facts_free(struct bh_doctor *doctor);
void doctor_facts_irqs(struct bh_doctor *doctor);
void doctor_facts_tasks(struct bh_doctor *doctor);
void doctor_machine_read(struct bh_doctor_machine *out);

/* doctor_parameter - the last NAME=VALUE of the command line. Return: whether it is there; with out == NULL, NAME alone counts, too. */
bool doctor_parameter(const struct bh_doctor *doctor, const char *name, char *out, size_t out_bytes);
/* doctor_task_find - a running process of that name, or NULL. */
const struct doctor_task *doctor_task_find(const struct bh_doctor *doctor, const char *name);
/* doctor_refused - whether apply tried this file, and the kernel did not take it. */
bool doctor_refused(const struct bh_doctor *doctor, const char *path);
/* doctor_folder_empty - also if it is not there. */
bool doctor_folder_empty(const char *root, const char *path);

/* ---- finding.c ---- */

/* doctor_say - the state and what is so. */
BH_PRINTF(3, 4) void doctor_say(struct bh_finding *out, enum bh_finding_state state, const char *format, ...);
/* doctor_evidence - the file and what it said; a second call appends after "; ". */
BH_PRINTF(2, 3) void doctor_evidence(struct bh_finding *out, const char *format, ...);
BH_PRINTF(2, 3) void doctor_fix(struct bh_finding *out, const char *format, ...);
BH_PRINTF(2, 3) void doctor_detail(struct bh_finding *out, const char *format, ...);

/* doctor_fix_apply - `bulkhead apply FILE`; without a file, what to write first. `full`: it needs --level full and a reboot. */
void doctor_fix_apply(const struct bh_doctor *doctor, struct bh_finding *out);
void doctor_fix_apply_full(const struct bh_doctor *doctor, struct bh_finding *out);
/* doctor_fix_or - that of apply where a file is there and names CPUs, else this command. */
BH_PRINTF(3, 4)
void doctor_fix_or(const struct bh_doctor *doctor, struct bh_finding *out, const char *format, ...);

/* doctor_unreadable - unknown: this file could not be read. */
void doctor_unreadable(struct bh_finding *out, const char *path, int err);
/* doctor_lacks - not needed: this kernel does not have it, as the file's folder is there and the file is not. */
void doctor_lacks(struct bh_finding *out, const char *path, const char *what);

/*
 * doctor_read - a file's line as evidence. Return: whether it is there; if not, the finding is made: not needed if `feature` (a
 * folder) shows that this kernel lacks it, else unknown.
 */
bool doctor_read(const struct bh_doctor *doctor, struct bh_finding *out, char *text, size_t text_bytes,
                 const char *path, const char *feature);

/* doctor_no_cpus - none are named: makes the finding. */
bool doctor_no_cpus(const struct bh_doctor *doctor, struct bh_finding *out);
/* doctor_on_cpus - which of the set are the cells', as a list. Return: whether any. */
bool doctor_on_cpus(const struct bh_doctor *doctor, const struct bh_cpus *set, char list[BH_CPUS_TEXT_BYTES]);
/* doctor_short - a list for a sentence: what is longer is cut with "...". Return: out. */
#define DOCTOR_LIST_BYTES 48
const char *doctor_short(const struct bh_cpus *set, char out[DOCTOR_LIST_BYTES]);

#endif
