/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Starting, watching and ending one cell.
 *
 *	struct bh_run_config *config;
 *	struct bh_cell *cell;
 *	struct bh_cell_result result;
 *	if (bh_config_load(path, NULL, 0, apps, app_cnt, &config, &error) == 0 &&
 *	    bh_cell_start(config, &options, &cell, &error) == 0) {
 *		bh_cell_wait(cell, &result);   calls options.tick meanwhile
 *		... read metrics and log of bh_cell_view(cell) a last time ...
 *		bh_cell_free(cell);
 *	}
 *
 * bh_cell_start leaves nothing behind when it fails. After bh_cell_wait the cell's process and the software devices are
 * gone, the devices were reset, and DMA is unmapped; only the shared region stays readable until bh_cell_free.
 * If the calling process is killed (kill -9), the kernel kills the cell (ptrace) and the software devices (parent-death
 * signal); all memory is in memfds, so nothing with a name is left.
 *
 * One thread: the one that called bh_cell_start is the cell's tracer and must call everything else, but for
 * bh_cell_request_stop. Errors are negative errno values; `error` says what a person reads, and bh_error_exit_code()
 * (errors.h) what `bulkhead run` exits with.
 */
#ifndef HOST_RUN_RUN_H
#define HOST_RUN_RUN_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/abi/shared.h>
#include <bulkhead/types.h>

#include "host/device/device.h"
#include "host/errors/errors.h"
#include "host/observe/metrics.h"
#include "host/run/config.h"

#define BH_HEAP_BYTES_DEFAULT (UINT64_C(32) << 20)
#define BH_DRAIN_NS_DEFAULT   UINT64_C(5000000000)
#define BH_STALL_NS           UINT64_C(500000000)

struct bh_cell;

struct bh_cell_options {
	uint64_t duration_ns; /* stop after running so long; 0: until the cell returns or is asked to stop */
	uint64_t drain_ns;    /* how long a cell may drain once asked to stop; 0: BH_DRAIN_NS_DEFAULT */
	uint64_t tick_ns;     /* how often `tick` is called; 0: 100 ms */
	/* SIGINT, SIGTERM, SIGHUP (see reread) ask the cell to stop; a second one ends it at once; SIGPIPE asks, too */
	bool catch_signals;
	const char *cell_file; /* the cell's ELF file; NULL: bh_cell_find_file() */
	const char *program;   /* for software devices: `PROGRAM softdev nvme ...`; NULL: /proc/self/exe */
	uint64_t seed;         /* of the boot page; 0: drawn from the kernel */
	void *context;         /* of the functions below; each may be NULL */
	void (*tick)(void *context, struct bh_cell *cell);           /* while all cores run */
	void (*running)(void *context, struct bh_cell *cell);        /* once: every core is in cell_main */
	void (*warn)(void *context, const struct bh_error *warning); /* something is worse than asked for; goes on */
	void (*edit_page)(void *context, struct bh_boot_page *page); /* tests: before the page is sealed */
	/* The configuration, read anew, for bh_config_free: on SIGHUP, of applications that can take it while they run. */
	int (*reread)(void *context, struct bh_run_config **out, struct bh_error *error);
};

/**
 * bh_cell_find_file - where the cell of an application is: NAME.cell beside the running program, or below its apps/,
 * examples/ or tests/cells/, or, installed, in ../lib/bulkhead/apps; a name with a slash is a path
 * Return: 0; -ENOENT; -ENAMETOOLONG.
 */
BH_MUST_CHECK int bh_cell_find_file(const char *app_name, char *out_path, size_t path_bytes, struct bh_error *error);

/**
 * bh_cell_start - check everything, take memory and devices, start the cell's process
 *
 * Returns when the process executes the cell; boot's progress is bh_cell_wait's business.
 * Return: 0; -EPERM not root; -EINVAL the configuration asks for what this machine does not have; -ENOEXEC not a cell;
 * -ENOMEM, -EBUSY, ...; -ECANCELED a signal asked to stop meanwhile; or the back end's error.
 */
BH_MUST_CHECK int bh_cell_start(const struct bh_run_config *config, const struct bh_cell_options *options,
                                struct bh_cell **out, struct bh_error *error);

/**
 * bh_cell_confine_supervisor - take from the calling process, for good, what supervising does not need
 *
 * A seccomp filter for all of its threads: no new program, process, thread, socket, mount, module or tracee; files can
 * still be opened. For a program that has started the one cell it will start. Call it after bh_cell_start and before bh_cell_wait.
 * Return: 0; a negative errno where the kernel refuses filters: the cell is walled in all the same.
 */
BH_MUST_CHECK int bh_cell_confine_supervisor(struct bh_error *error);

/* bh_cell_request_stop - ask the cell to drain and return. Any thread, also a signal handler. */
void bh_cell_request_stop(struct bh_cell *cell);

enum bh_outcome {
	BH_OUTCOME_DONE = 0,    /* every core returned 0 */
	BH_OUTCOME_FAILED = 1,  /* a core returned an error */
	BH_OUTCOME_CRASHED = 2, /* a signal: signal_number, fault_addr, symbol */
	BH_OUTCOME_STALLED = 3, /* ran, but made no progress for BH_STALL_NS */
	BH_OUTCOME_SYSCALL = 4, /* made a system call and was killed for it */
	BH_OUTCOME_PANICKED = 5,
	BH_OUTCOME_DEVICE_GONE = 6,
	BH_OUTCOME_BOOT_FAILED = 7, /* boot/ gave up: boot_step, boot_error */
	BH_OUTCOME_NO_DRAIN = 8,    /* asked to stop, did not within drain_ns, and was ended */
	BH_OUTCOME_KILLED = 9,      /* by somebody else: SIGKILL, or an exit that boot does not make */
	BH_OUTCOME_ABORTED = 10,    /* ended at once on a second signal */
};

struct bh_registers {
	uint64_t rip, rsp, rbp, rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
};

/* Read from the kernel while the cell ran. */
struct bh_isolation {
	bool valid; /* the cell ran long enough to be looked at */
	uint32_t seccomp;
	uint32_t seccomp_filters; /* of its own: two, its supervisor's outer and boot's inner one; UINT32_MAX unknown */
	uint32_t no_new_privs;
	uint64_t cap_eff, cap_prm, cap_inh, cap_bnd, cap_amb;
	uint32_t uid, gid;
	uint32_t open_fds;
	uint64_t voluntary_switches; /* of all threads, since all cores were in cell_main */
	uint64_t involuntary_switches;
};

struct bh_memory_facts {
	uint64_t arena_bytes, heap_bytes, shared_bytes;
	uint64_t page_size_bytes; /* of the arena: 4096 or 2097152 */
	uint64_t heap_page_size_bytes;
	bool locked; /* all of it, by the supervisor */
};

/* Nanoseconds since bh_cell_start was called. 0: not reached. */
struct bh_start_times {
	uint64_t memory_ns, devices_ns, exec_ns;
	uint64_t running_ns; /* every core in cell_main */
	uint64_t end_ns;     /* the process was gone */
};

struct bh_cell_result {
	enum bh_outcome outcome;
	int exit_code;         /* what `bulkhead run` exits with */
	struct bh_error error; /* what happened; "" with BH_OUTCOME_DONE */
	bool stop_requested;   /* by duration_ns, a signal or bh_cell_request_stop */
	uint32_t core_idx;     /* which core it happened on */
	int cell_error;        /* FAILED: the negative BH_E* that cell_main returned */
	int signal_number, signal_code;
	uint64_t fault_addr;
	bool registers_valid;
	struct bh_registers registers;
	char symbol[128]; /* "cell_main+0x1c" of rip, "" if unknown */
	int syscall_number;
	char syscall_name[32];
	uint32_t boot_step;           /* enum bh_boot_step */
	int boot_error;               /* 0 or a negative errno */
	struct bh_panic_record panic; /* PANICKED: a copy; strings are terminated and printable */
	struct bh_isolation isolation;
	struct bh_memory_facts memory;
	struct bh_start_times times;
	uint64_t reload_cnt, reload_refused_cnt; /* SIGHUP: the configuration was taken anew, or was not */
	char reset_log[2048]; /* the last reset of each device behind VFIO, rung by rung: "NAME: RUNG ...\n" */
};

/**
 * bh_cell_wait - serve the mailbox and watch the cell until it is gone, then reset and release its devices
 *
 * Ends whatever the cell does: a crash or stall is seen and named within a second, a stop request has drain_ns.
 */
void bh_cell_wait(struct bh_cell *cell, struct bh_cell_result *out_result);

/* bh_cell_free - give the rest back; ends the cell first if bh_cell_wait was not called. NULL is fine. */
void bh_cell_free(struct bh_cell *cell);

/* bh_cell_view - the shared region and our own layout of it, for host/observe: what it holds is hostile input. */
const struct bh_view *bh_cell_view(const struct bh_cell *cell);

/* bh_cell_page - the boot page that the cell was given (our copy). */
const struct bh_boot_page *bh_cell_page(const struct bh_cell *cell);

/* bh_cell_elf_path - a path that opens the very file that was executed, until bh_cell_free (for log sites). */
const char *bh_cell_elf_path(const struct bh_cell *cell);

int bh_cell_pid(const struct bh_cell *cell);

/**
 * bh_cell_backend - the back end of a device of the configuration, while the cell runs: for commands that change what a device
 * may reach (prove-iommu). NULL: no such device, or it is gone.
 */
struct bh_backend *bh_cell_backend(const struct bh_cell *cell, uint32_t device_idx);

/* bh_cell_arena - our own mapping of the cell's arena, until bh_cell_wait returns. What the cell writes there is hostile. */
uint8_t *bh_cell_arena(const struct bh_cell *cell, uint64_t *out_bytes);

/* bh_cell_elapsed_ns - how long all cores have been in cell_main; 0 before. */
uint64_t bh_cell_elapsed_ns(const struct bh_cell *cell);

/**
 * bh_cell_silence_ns - how long the most silent core has not shown progress; 0 before all run, and once it was asked to stop,
 * when cores end one after the other and drain_ns bounds them
 */
uint64_t bh_cell_silence_ns(struct bh_cell *cell);

/* bh_cell_live - the result's facts so far (isolation, memory, times); its outcome is not decided yet. */
const struct bh_cell_result *bh_cell_live(const struct bh_cell *cell);

/* bh_outcome_name - "done", "crashed", ...: stable words for JSON. bh_boot_step_name likewise. */
const char *bh_outcome_name(enum bh_outcome outcome);
const char *bh_boot_step_name(uint32_t step);

#endif
