/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What keeps CPUs from being quiet, and a device from being a cell's: checks, each with a finding.
 *
 *	struct bh_doctor_request request = {.root = "", .wants = &wants, .file = "x.conf"};
 *	int err = bh_doctor_run(&request, &report, &error);
 *	bh_doctor_print(&report, stdout, &(struct bh_doctor_style){.columns = 100});
 *	bh_doctor_free(&report);
 *
 * Reads only, and needs no root; what only root may read is then unknown, with the file named. Nothing is guessed: a file
 * that is missing makes a finding unknown, or not needed where its folder shows that this kernel does not have the feature.
 * docs/doctor.md has the checks by area, docs/settings.md what each setting does and costs.
 *
 * A check's id (area.name) never changes its meaning. One thread; under a second.
 */
#ifndef HOST_DOCTOR_DOCTOR_H
#define HOST_DOCTOR_DOCTOR_H

#include <jansson.h>
#include <stdio.h>

#include "host/device/device.h"
#include "host/machine/wants.h"

#define BH_FINDING_VALUE_BYTES    200
#define BH_FINDING_EVIDENCE_BYTES 400
#define BH_FINDING_FIX_BYTES      480
#define BH_FINDING_DETAILS_MAX    256u
#define BH_FINDING_DETAIL_BYTES   160

enum bh_finding_state {
	BH_FINDING_OK = 0,
	BH_FINDING_WARN = 1,       /* it works, less quietly */
	BH_FINDING_FAIL = 2,       /* the configuration does not get what it needs */
	BH_FINDING_UNKNOWN = 3,    /* could not be read: the evidence says what */
	BH_FINDING_NOT_NEEDED = 4, /* by this configuration, or this kernel does not have it */
	BH_FINDING_STATES = 5,
};

struct bh_check;

struct bh_finding {
	const struct bh_check *check;
	enum bh_finding_state state;
	char value[BH_FINDING_VALUE_BYTES];       /* what is so, in a few words */
	char evidence[BH_FINDING_EVIDENCE_BYTES]; /* the file, and what it said */
	char fix[BH_FINDING_FIX_BYTES];           /* a command; "" nothing to do, or nothing that can be done */
	char (*detail)[BH_FINDING_DETAIL_BYTES];  /* single interrupts, threads, devices */
	uint32_t detail_cnt;
	uint32_t detail_left_out_cnt; /* beyond BH_FINDING_DETAILS_MAX */
};

struct bh_doctor;

/* One line of the table. Texts are for people. */
struct bh_check {
	const char *id;    /* "irq.affinity" */
	const char *title; /* what is checked */
	const char *why;   /* why it matters, one sentence */
	const char *page;  /* for `bulkhead explain`: what it is, what the fix does and costs */
	void (*fn)(const struct bh_doctor *doctor, struct bh_finding *out);
	const void *rule; /* what fn needs besides; its own type */
};

/* bh_check_at - by position, areas together, NULL at the end. bh_check_find - by id, or NULL. */
const struct bh_check *bh_check_at(size_t idx);
const struct bh_check *bh_check_find(const char *id);
/* bh_check_area - the part of its id before the dot. Return: out. */
const char *bh_check_area(const struct bh_check *check, char out[16]);

/* What does not come from a file. */
struct bh_doctor_machine {
	bool cpuid_known;       /* all of the next three */
	bool tsc_invariant;     /* CPUID 80000007h, EDX bit 8 */
	bool guest;             /* CPUID 1, ECX bit 31 */
	char hypervisor[16];    /* CPUID 40000000h: "KVMKVMKVM", "TCGTCGTCGTCG"; "" none */
	bool memlock_known;     /* RLIMIT_MEMLOCK, for this process */
	uint64_t memlock_bytes; /* UINT64_MAX unlimited */
	bool memlock_free;      /* CAP_IPC_LOCK: the limit does not count */
};

struct bh_doctor_request {
	const char *root;                        /* "" this machine */
	const struct bh_wants *wants;            /* bh_wants_none: nothing in particular */
	const char *file;                        /* of the configuration, as a person would type it; NULL none */
	const char *area;                        /* an area or an id; NULL all */
	const struct bh_doctor_machine *machine; /* NULL: read from this one */
};

struct bh_doctor_report {
	struct bh_finding *finding;
	uint32_t finding_cnt;
	uint32_t cnt[BH_FINDING_STATES];
	uint32_t apply_cnt;  /* warnings and failures that `bulkhead apply` mends */
	uint32_t reboot_cnt; /* those of them that take a reboot */
	char file[PATH_MAX];
	char cpus[BH_CPUS_TEXT_BYTES];     /* whose quiet is judged; "" none are named */
	bool cpus_isolated_now;            /* not named by a configuration: those that are isolated already */
	char advice[BH_FINDING_FIX_BYTES]; /* what to do next */
	uint64_t duration_ns;
};

/**
 * bh_doctor_run - look at everything
 * Return: 0, whatever is found; -EINVAL no such area or check (E260); -ENOMEM (E261).
 */
BH_MUST_CHECK int bh_doctor_run(const struct bh_doctor_request *request, struct bh_doctor_report *out,
                                struct bh_error *error);
void bh_doctor_free(struct bh_doctor_report *report);

/* "ok", "warn", "fail", "unknown", "not needed": stable words for JSON. */
const char *bh_finding_state_name(enum bh_finding_state state);

struct bh_doctor_style {
	unsigned columns;
	bool colour;
	bool all; /* also what is well or not needed, with its evidence */
};

void bh_doctor_print(const struct bh_doctor_report *report, FILE *stream, const struct bh_doctor_style *style);
/* bh_doctor_json - {"checks":[...],"summary":{...}}; NULL out of memory. */
json_t *bh_doctor_json(const struct bh_doctor_report *report);

#endif
