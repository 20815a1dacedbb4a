/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The supervisor's parts and what they share: one struct bh_cell. Private to host/run.
 *
 *   machine.c   CPUs, time stamp counter          launch.c, child.c   the process: namespaces, uid, exec
 *   memory.c    memfds, hugepages, locking        trace.c             ptrace events: crash, forbidden system call
 *   elf.c       the cell's file and its symbols   watch.c             heartbeats, /proc facts, deadlines
 *   page.c      boot page and shared layout       mailbox.c           trapped registers
 *   devices.c   back ends, softdev.c their processes    verdict.c     what a person reads
 *   prepare.c   all before the process            run.c               start, wait, free
 *   confine.c   the supervisor's own filter       child_filter.c      the cell's outer filter
 *   partition.c the control group of bulkhead apply     app.c         an application's host half
 */
#ifndef HOST_RUN_INTERNAL_H
#define HOST_RUN_INTERNAL_H

#include <sched.h>
#include <stdio.h>
#include <sys/types.h>

#include "host/run/config_file.h"
#include "host/run/run.h"

#define BH_FIBER_CNT         16u
#define BH_FIBER_STACK_BYTES 65536u
#define BH_NS_PER_MS         UINT64_C(1000000)
#define BH_NS_PER_S          UINT64_C(1000000000)

/* prepare.c: everything before the cell's process. What it took stays in `cell`, also when it fails. */
BH_MUST_CHECK int bh_cell_prepare(struct bh_cell *cell, struct bh_error *error);

/* machine.c */

uint64_t bh_now_ns(void);
void bh_sleep_ns(uint64_t ns);

/* CPUs that this process may use, split between the cell and the rest. */
struct bh_cpu_plan {
	uint16_t cell[BH_CORES_MAX];
	uint32_t cell_cnt;
	uint16_t rest[BH_CORES_MAX]; /* for software devices and ourselves; the cell's own if there are no others */
	uint32_t rest_cnt;
	bool shared; /* no CPU is left for the host */
};

BH_MUST_CHECK int bh_cpu_plan(const struct bh_run_config *config, struct bh_cpu_plan *out, struct bh_error *error);
int bh_cpu_node(unsigned cpu); /* NUMA node, or -1 where there is one only */

/* partition.c: CPUs of the group that bulkhead apply made; none if there is no such group, or it isolates nothing. */
void bh_partition_cpus(cpu_set_t *out);
/* bh_partition_join - move a process there if it is to run on one of them. Return: 0 or a negative errno. */
BH_MUST_CHECK int bh_partition_join(pid_t pid, const cpu_set_t *cpus);

/* Two readings of both clocks, at least 10 ms apart, give the rate. */
struct bh_tsc_sample {
	uint64_t tsc, ns;
};
struct bh_tsc_sample bh_tsc_sample(void);
BH_MUST_CHECK int bh_tsc_check(struct bh_error *error);
uint64_t bh_tsc_hz(const struct bh_tsc_sample *start);

/* memory.c */

struct bh_memory {
	int fd; /* -1: none */
	uint8_t *addr;
	uint64_t size_bytes;
	uint64_t page_bytes;
	bool locked;
};

/* bh_memory_alloc - a memfd of size_bytes, mapped, filled and locked; `huge` as bh_memory_use_huge said. */
BH_MUST_CHECK int bh_memory_alloc(const char *name, uint64_t size_bytes, bool huge, int node, struct bh_memory *out,
                                  struct bh_error *error);
void bh_memory_free(struct bh_memory *memory);
/* bh_memory_use_huge - whether bytes fit into the hugepages that are free; -EINVAL if the configuration insists and they do not. */
BH_MUST_CHECK int bh_memory_use_huge(const struct bh_run_config *config, uint64_t bytes, bool *out_huge,
                                     struct bh_error *warning, struct bh_error *error);

/* elf.c */

struct bh_symbol {
	uint64_t low, size_bytes;
	const char *name;
};

struct bh_elf {
	int fd; /* a sealed copy of the file: what was checked and what is executed */
	uint64_t entry;
	struct bh_symbol *symbol; /* functions, by address */
	uint32_t symbol_cnt;
	char *names;
};

BH_MUST_CHECK int bh_elf_open(const char *path, struct bh_elf *out, struct bh_error *error);
void bh_elf_close(struct bh_elf *elf);
/* bh_elf_symbol - "name+0x12" of a link-time address, or "". */
void bh_elf_symbol(const struct bh_elf *elf, uint64_t addr, char *out, size_t out_bytes);

/* devices.c, softdev.c */

struct bh_cell_device {
	const struct bh_device_config *config;
	struct bh_backend *backend;
	bool dma_mapped;
	bool gone;
	pid_t softdev_pid; /* 0: none, or reaped */
};

BH_MUST_CHECK int bh_devices_open(struct bh_cell *cell, struct bh_error *error);
/* bh_devices_alive - false once a device is gone, with the reason. */
bool bh_devices_alive(struct bh_cell *cell, struct bh_error *error);
void bh_devices_release(struct bh_cell *cell);
BH_MUST_CHECK int bh_softdev_start(const struct bh_device_config *config, const char *program, unsigned cpu,
                                   bool shares_cpu, int *out_fd, pid_t *out_pid, struct bh_error *error);
/* bh_softdev_ended - whether the process ended, at most wait_ns from now; its wait status in out_status. */
bool bh_softdev_ended(pid_t *pid, uint64_t wait_ns, int *out_status);
void bh_softdev_end(pid_t *pid);
/* softdev_net.c: the process of all soft ports, which belongs to the first; fills soft_port_fd. */
BH_MUST_CHECK int bh_softdev_net_start(struct bh_cell *cell, struct bh_cell_device *first, unsigned cpu,
                                       struct bh_error *error);

/* ports.c: back ends of [port NAME] from its keys */
BH_MUST_CHECK int bh_port_vhost_user_open(const struct bh_run_config *config, const struct bh_device_config *port,
                                          uint32_t device_idx, struct bh_backend **out, struct bh_error *error);

BH_MUST_CHECK int bh_port_af_xdp_open(const struct bh_run_config *config, const struct bh_device_config *port,
                                      struct bh_backend **out, struct bh_error *error);
BH_MUST_CHECK int bh_port_pcap_open(const struct bh_run_config *config, const struct bh_device_config *port,
                                    struct bh_backend **out, struct bh_error *error);

/* app.c: the application's host half, if it has one */
BH_MUST_CHECK int bh_app_open(struct bh_cell *cell, struct bh_error *error);
BH_MUST_CHECK int bh_app_start(struct bh_cell *cell, struct bh_error *error);
bool bh_app_reloads(const struct bh_cell *cell);
/* bh_app_reload - read the configuration anew; what cannot be is a warning, and nothing has changed */
void bh_app_reload(struct bh_cell *cell);
void bh_app_close(struct bh_cell *cell);

/* page.c */

void bh_page_layout(uint32_t core_cnt, struct bh_shared_layout *out);
BH_MUST_CHECK int bh_page_build(struct bh_cell *cell, struct bh_error *error);
/* bh_page_seal - a memfd with the page, sealed. Return: the descriptor, or a negative errno. */
BH_MUST_CHECK int bh_page_seal(const struct bh_boot_page *page);

/* child_filter.c */

struct bh_child_filter {
	uint32_t instruction_cnt;
	uint64_t instruction[512]; /* struct sock_filter */
};

/* bh_child_filter_build - for a child that is given fd_cnt descriptors. Return: 0; -ENOMEM; -E2BIG. */
BH_MUST_CHECK int bh_child_filter_build(uint32_t fd_cnt, struct bh_child_filter *out);

/* launch.c, child.c */

struct bh_child {
	int exec_fd;
	int fd[1 + BH_REGIONS_MAX]; /* becomes BH_BOOT_FD, BH_BOOT_FD + 1, ... */
	uint32_t fd_cnt;
	int go_fd; /* read end: one byte when the tracer is there */
	int go_write_fd;
	int report_fd; /* write end; closed by a successful exec */
	uid_t uid;
	const char *name;
	cpu_set_t cpus;
	unsigned long unshare_flags; /* namespaces that clone could not make */
	struct bh_child_filter filter;
};

/* What the child tells through report_fd. */
struct bh_child_report {
	char what[48];
	int32_t err;
	uint32_t fatal; /* 0: a warning, it goes on */
};

BH_NORETURN void bh_child_run(struct bh_child *child);
BH_MUST_CHECK int bh_launch(struct bh_cell *cell, struct bh_error *error);

/* trace.c */

struct bh_thread {
	pid_t tid; /* 0: gone */
	bool started;
	uint64_t heartbeat;   /* as last seen */
	uint64_t beat_ns;     /* when it last changed */
	uint64_t beat_cpu_ns; /* the thread's CPU time then */
	bool starved_told;
};

/* bh_trace_poll - take all events of the cell's threads that are waiting. */
void bh_trace_poll(struct bh_cell *cell);
/* bh_trace_registers - stop one thread and read its registers; it stays stopped. For a cell that is about to be ended. */
void bh_trace_registers(struct bh_cell *cell, uint32_t core_idx);
/* bh_trace_kill - end the process and take its last events. */
void bh_trace_kill(struct bh_cell *cell);

/* watch.c */

void bh_watch(struct bh_cell *cell, uint64_t now_ns);
/* bh_watch_facts - keep what the kernel says, for the report. */
void bh_watch_facts(struct bh_cell *cell);
/* bh_watch_wall - end a cell whose wall does not stand. Only after all its cores were up. */
void bh_watch_wall(struct bh_cell *cell);
/* bh_wall_breach - what is missing in the wall, in words; NULL: it stands. */
const char *bh_wall_breach(const struct bh_isolation *facts);

/* proc.c */

#define BH_FILTERS_UNKNOWN UINT32_MAX

struct bh_proc_status {
	uint32_t seccomp, no_new_privs, uid, gid;
	uint32_t seccomp_filters; /* BH_FILTERS_UNKNOWN: a kernel before 5.9 */
	uint64_t cap_eff, cap_prm, cap_inh, cap_bnd, cap_amb;
	uint64_t voluntary_switches, involuntary_switches;
};

BH_MUST_CHECK int bh_proc_status(pid_t pid, pid_t tid, struct bh_proc_status *out);
BH_MUST_CHECK int bh_proc_cpu_ns(pid_t pid, pid_t tid, uint64_t *out_ns);
int bh_proc_fd_cnt(pid_t pid);
uint64_t bh_proc_entry(pid_t pid); /* AT_ENTRY; 0 unknown */

/* mailbox.c */

/* bh_mailbox_service - do the accesses that wait. Return: how many. */
unsigned bh_mailbox_service(struct bh_cell *cell);

/* verdict.c */

void bh_verdict(struct bh_cell *cell, enum bh_outcome outcome);
/* bh_verdict_text - fill result.error and exit_code of what was decided. */
void bh_verdict_text(struct bh_cell *cell);
BH_PRINTF(3, 4) void bh_warn(struct bh_cell *cell, const char *id, const char *format, ...);

struct bh_cell {
	const struct bh_run_config *config;
	struct bh_cell_options options;
	uint64_t start_ns;
	struct bh_tsc_sample tsc_start;
	struct bh_cpu_plan cpus;
	cpu_set_t old_affinity;
	bool affinity_set;
	struct bh_elf elf;
	char elf_path[32];
	struct bh_memory arena, heap, shared;
	struct bh_cell_device device[BH_DEVICES_MAX];
	uint32_t device_cnt;
	int soft_port_fd[BH_DEVICES_MAX]; /* of soft ports that are not open yet; 0: none */
	bool soft_ports_started;
	void *app_state;                    /* of the application's host half; NULL: not open */
	struct bh_device_config app_device; /* its channel */
	struct bh_boot_page page;
	int region_fd[BH_REGIONS_MAX];
	struct bh_view view;

	pid_t pid;                             /* 0: no process */
	struct bh_thread thread[BH_CORES_MAX]; /* in the order in which boot/ starts them: one per core */
	uint32_t thread_cnt;
	bool executed; /* the cell's file is what runs */
	uint64_t bias;
	int exit_status; /* of waitpid, once pid is 0 */

	uint32_t mailbox_seq[BH_CORES_MAX];
	uint64_t mailbox_ns; /* when the last access was done */

	uint32_t stop_requested; /* set by signals and bh_cell_request_stop */
	uint64_t stop_ns;        /* when we asked the cell; 0: not yet */
	bool all_running;
	uint64_t running_at_ns, next_watch_ns, next_tick_ns;
	uint64_t voluntary_start, involuntary_start;
	uint32_t filters_before; /* of our own process, which the cell's inherits */
	bool stopped_told;
	bool waited;
	bool decided;
	struct bh_cell_result result;
	struct bh_error cause; /* what the verdict shall say beside its own words (a lost device's reason) */
};

BH_INLINE struct bh_core_status *
bh_cell_status(struct bh_cell *cell, uint32_t core_idx)
{
	return (struct bh_core_status *)(void *)(cell->shared.addr + cell->page.shared.core_offset) + core_idx;
}

#endif
