/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Its parts: canary.c (pages and where they are), other.c (another process with a cell of its own), fault.c (the kernel's log),
 * steps.c (what to aim at), judge.c (what held), prove.c (the order of it all).
 */
#ifndef HOST_PROVE_INTERNAL_H
#define HOST_PROVE_INTERNAL_H

#include <sys/types.h>

#include "apps/prove-iommu/config.h"
#include "host/errors/errors.h"
#include "host/prove/prove.h"
#include "host/run/run.h"

/* canary.c */

struct canary {
	int fd; /* of canary_page */
	uint8_t *page;
	uint64_t physical; /* 0: unknown */
	uint64_t pattern;
};

/* canary_set - fill a page that is mapped and resident, and look up where it is. */
BH_MUST_CHECK int canary_set(struct canary *canary, uint8_t *page);
/* canary_page - a page of our own, locked, of zeroes; canary_make - and set. */
BH_MUST_CHECK int canary_page(struct canary *canary);
BH_MUST_CHECK int canary_make(struct canary *canary);
/* canary_changed - whether a byte differs. canary_moved - whether the page is elsewhere now, so that it proves nothing. */
bool canary_changed(const struct canary *canary);
bool canary_moved(const struct canary *canary);

/* other.c */

struct other {
	pid_t pid;
	int fd;
	bool ready;
	uint64_t memory_physical, memory_virtual; /* a page of that process */
	uint64_t arena_physical, arena_iova;      /* a page of its cell's arena */
};

struct other_result {
	uint32_t memory_changed, memory_moved, arena_changed, arena_moved;
};

/* other_start - fork it, wait until its cell runs. Return: 0; or why there is none (`ready` is false then). */
BH_MUST_CHECK int other_start(struct other *other, const char *second, struct bh_error *error);
/* other_finish - end its cell and take what it found. Return: 0 or a negative errno: it told nothing. */
BH_MUST_CHECK int other_finish(struct other *other, struct other_result *out);

/* cell.c: running the hostile cell's file, for both processes */

struct prove_cell {
	struct prove_config orders;
	struct bh_run_config *config;
	struct bh_cell *cell;
};

/* prove_cell_start - backend_text: the [device d] section's lines, "" none. cpus: the key's text. */
BH_MUST_CHECK int prove_cell_start(struct prove_cell *out, const char *backend_text, const char *cpus,
                                   struct bh_cell_options *options, struct bh_error *error);

/* fault.c */

struct faults {
	int fd;          /* /dev/kmsg, from where we opened it; -1: cannot be read */
	char device[16]; /* "01:00.0" */
	uint32_t line_cnt;
	char last[200];
	uint32_t seen_cnt;
	struct fault {
		uint64_t addr; /* ~0: none in the line */
		bool read;     /* the device wanted to read; else to write */
		bool remap;    /* an interrupt request that was refused */
		bool stray;    /* an interrupt that no handler waited for, whosever it was */
		uint32_t step; /* how many steps were done when it was seen */
	} seen[128];
	uint32_t stray_cnt;
};

void faults_open(struct faults *faults, const char *address);
/* faults_read - take what is new; step: how many steps are done. */
void faults_read(struct faults *faults, uint32_t step);
/* faults_at - faults at an address while step step_idx ran or just behind it. */
uint32_t faults_at(const struct faults *faults, uint32_t step_idx, uint64_t iova, uint64_t bytes, bool read);
/* faults_of_interrupts - requests that were refused meanwhile, and interrupts that nobody waited for. */
uint32_t faults_of_interrupts(const struct faults *faults, uint32_t step_idx, uint32_t *out_stray_cnt);
/* fault_parse - one line of the kernel's log. Return: whether it is a fault of that device. */
bool fault_parse(const char *line, const char *device, struct fault *out);

/* steps.c, judge.c */

enum step_canary { CANARY_NONE, CANARY_OWN, CANARY_OTHER_MEMORY, CANARY_OTHER_ARENA, CANARY_EXTRA };

struct step_facts {
	bool used;
	bool skipped;   /* the device has no such command */
	bool control;   /* must work */
	bool interrupt; /* the interrupt window */
	bool own_arena; /* the access is allowed, must work, and must not show elsewhere */
	bool virtual;   /* an address that means something to a CPU only: the canary alone proves nothing */
	bool mapped;    /* the extra page, while it is mapped: the host sees whether data came */
	enum step_canary canary;
};

struct prove {
	const struct bh_prove_options *options;
	struct bh_prove_report *report;
	struct canary own, extra;
	bool extra_mapped, extra_reached, extra_unmapped;
	uint32_t unmap_step; /* the step behind which the extra page is unmapped */
	struct other other;
	struct other_result other_result;
	bool other_told;
	struct faults faults;
	struct prove_cell cell;
	struct step_facts facts[PROVE_STEPS_MAX];
	uint64_t arena_bytes;
	uint32_t target_cnt; /* attempts, controls not counted */
};

void steps_build(struct prove *prove);
void judge_all(struct prove *prove, const struct bh_view *view);

#endif
