/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up machine in perfect health: four CPUs, 2-3 isolated by boot and by partition, an NVMe drive with vfio-pci. */
#ifndef TESTS_UNIT_DOCTOR_PATIENT_H
#define TESTS_UNIT_DOCTOR_PATIENT_H

#include "host/doctor/doctor.h"
#include "tests/unit/host/fake_tree.h"

#define NVME "0000:01:00.0"

struct patient {
	char root[64];
	struct bh_wants wants;
	struct bh_doctor_machine machine;
	const char *file;
	struct bh_doctor_report report;
	struct bh_error error;
};

extern struct patient patient;

/* For cmocka. */
int patient_arrives(void **state);
int patient_leaves(void **state);

/* patient_look - at all, or an area or id. Return: bh_doctor_run's. */
int patient_look(const char *area);
/* patient_finding - of the last look; fails the test if there is none. */
const struct bh_finding *patient_finding(const char *id);
/* patient_is - looks, and that finding must have this state; its value, evidence, fix or a detail says so. "" anything. */
void patient_is(const char *id, enum bh_finding_state state, const char *says);
/* patient_task - a process or kernel thread (flags as in /proc/PID/stat). */
void patient_task(unsigned pid, const char *name, unsigned flags, const char *cpus);

#define TASK_KERNEL 0x00200000u
#define TASK_BOUND  0x04000000u

#endif
