/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor is the cell's tracer: signals, registers and the forbidden system call come from the kernel, not from
 * the cell, and the kernel kills the cell when the supervisor dies. A running cell is never stopped: events come only
 * when it executes, starts a thread, faults, or ends.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "host/run/internal.h"

#define STOP_WAIT_NS (UINT64_C(300) * BH_NS_PER_MS)
#define KILL_WAIT_NS (UINT64_C(5) * BH_NS_PER_S)

static uint32_t
core_of(const struct bh_cell *cell, const struct bh_thread *thread)
{
	return (uint32_t)(thread - cell->thread);
}

static bool
read_registers(pid_t tid, struct bh_registers *out)
{
	struct user_regs_struct regs;
	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) != 0)
		return false;
	*out = (struct bh_registers){.rip = regs.rip,
	                             .rsp = regs.rsp,
	                             .rbp = regs.rbp,
	                             .rax = regs.rax,
	                             .rbx = regs.rbx,
	                             .rcx = regs.rcx,
	                             .rdx = regs.rdx,
	                             .rsi = regs.rsi,
	                             .rdi = regs.rdi,
	                             .r8 = regs.r8,
	                             .r9 = regs.r9,
	                             .r10 = regs.r10,
	                             .r11 = regs.r11,
	                             .r12 = regs.r12,
	                             .r13 = regs.r13,
	                             .r14 = regs.r14,
	                             .r15 = regs.r15,
	                             .rflags = regs.eflags};
	return true;
}

static void
note_place(struct bh_cell *cell, const struct bh_thread *thread)
{
	struct bh_cell_result *result = &cell->result;
	result->core_idx = core_of(cell, thread);
	result->registers_valid = read_registers(thread->tid, &result->registers);
	if (result->registers_valid)
		bh_elf_symbol(&cell->elf, result->registers.rip - cell->bias, result->symbol, sizeof(result->symbol));
}

static bool
panicked(struct bh_cell *cell, uint32_t core_idx)
{
	struct bh_panic_record *record =
	        (struct bh_panic_record *)(void *)(cell->shared.addr + cell->page.shared.panic_offset) + core_idx;
	if (core_idx >= cell->page.core_cnt || __atomic_load_n(&record->valid, __ATOMIC_ACQUIRE) != 1)
		return false;
	cell->result.panic = *(volatile struct bh_panic_record *)record;
	return true;
}

/*
 * A bus error in a device's registers: their memory was switched off, or the server's file was cut. If the device is not there
 * any more, that is what happened, and the cell is not to blame.
 */
static bool
lost_device(struct bh_cell *cell, int signal_number, uint64_t addr)
{
	struct bh_error error = {0};
	if (signal_number != SIGBUS || addr < BH_ADDR_BARS || addr >= BH_ADDR_SHARED || bh_devices_alive(cell, &error))
		return false;
	if (error.text[0] != '\0')
		cell->cause = error;
	return true;
}

/* The cell blocks every signal that can be: what arrives behind boot is a fault of the code that runs. */
static void
on_signal(struct bh_cell *cell, struct bh_thread *thread, int signal_number)
{
	siginfo_t info = {0};
	const bool fault = signal_number == SIGSEGV || signal_number == SIGBUS || signal_number == SIGILL ||
	                   signal_number == SIGFPE || signal_number == SIGTRAP;
	if (!fault || !cell->executed) {
		ptrace(PTRACE_CONT, thread->tid, NULL, (void *)(intptr_t)signal_number);
		return;
	}
	if (!cell->decided) {
		ptrace(PTRACE_GETSIGINFO, thread->tid, NULL, &info);
		note_place(cell, thread);
		cell->result.signal_number = signal_number;
		cell->result.signal_code = info.si_code;
		cell->result.fault_addr = (uintptr_t)info.si_addr;
		bool panic = signal_number == SIGILL && panicked(cell, core_of(cell, thread));
		bool lost = lost_device(cell, signal_number, cell->result.fault_addr);
		bh_verdict(cell, panic ? BH_OUTCOME_PANICKED : lost ? BH_OUTCOME_DEVICE_GONE : BH_OUTCOME_CRASHED);
	}
	kill(cell->pid, SIGKILL);
}

/* The two bytes before rip: only the thread that made the call stands right behind such an instruction. */
static bool
behind_syscall(pid_t tid, uint64_t rip, bool *out_i386)
{
	errno = 0;
	long word = ptrace(PTRACE_PEEKTEXT, tid, (void *)(uintptr_t)(rip - 2), NULL);
	unsigned bytes = (unsigned)word & 0xffffu;
	*out_i386 = bytes == 0x80cd; /* int 0x80 */
	return errno == 0 && (bytes == 0x050f || bytes == 0x340f || bytes == 0x80cd);
}

static void
on_filtered(struct bh_cell *cell, struct bh_thread *thread)
{
	struct bh_cell_result *result = &cell->result;
	struct user_regs_struct regs;
	bool i386;
	if (ptrace(PTRACE_GETREGS, thread->tid, NULL, &regs) != 0 || !behind_syscall(thread->tid, regs.rip, &i386))
		return;
	note_place(cell, thread);
	result->signal_number = SIGSYS;
	result->syscall_number = (int)regs.orig_rax;
	bool x32 = !i386 && (result->syscall_number & 0x40000000) != 0;
	char *name = seccomp_syscall_resolve_num_arch(i386  ? SCMP_ARCH_X86
	                                              : x32 ? SCMP_ARCH_X32
	                                                    : SCMP_ARCH_X86_64,
	                                              result->syscall_number);
	snprintf(result->syscall_name, sizeof(result->syscall_name), "%s", name != NULL ? name : "unknown");
	free(name);
	bh_verdict(cell, BH_OUTCOME_SYSCALL);
}

static void
on_exit_event(struct bh_cell *cell, struct bh_thread *thread)
{
	unsigned long status = 0;
	ptrace(PTRACE_GETEVENTMSG, thread->tid, NULL, &status);
	if (!cell->decided && cell->executed && WIFSIGNALED((int)status) && WTERMSIG((int)status) == SIGSYS)
		on_filtered(cell, thread);
	ptrace(PTRACE_CONT, thread->tid, NULL, NULL);
}

static void
on_clone(struct bh_cell *cell, struct bh_thread *thread)
{
	unsigned long tid = 0;
	ptrace(PTRACE_GETEVENTMSG, thread->tid, NULL, &tid);
	if (cell->thread_cnt < BH_CORES_MAX)
		cell->thread[cell->thread_cnt++] = (struct bh_thread){.tid = (pid_t)tid};
	ptrace(PTRACE_CONT, thread->tid, NULL, NULL);
}

static void
on_exec(struct bh_cell *cell, struct bh_thread *thread)
{
	cell->executed = true;
	cell->bias = bh_proc_entry(cell->pid) - cell->elf.entry;
	cell->result.times.exec_ns = bh_now_ns() - cell->start_ns;
	ptrace(PTRACE_CONT, thread->tid, NULL, NULL);
}

/* A new thread's first stop, or a group stop: somebody sent SIGSTOP. */
static void
on_stop_event(struct bh_cell *cell, struct bh_thread *thread, int signal_number)
{
	if (signal_number == SIGTRAP) {
		thread->started = true;
		ptrace(PTRACE_CONT, thread->tid, NULL, NULL);
		return;
	}
	if (!cell->stopped_told)
		bh_warn(cell, "E091", "the cell was stopped by signal %d (%s) from outside; SIGCONT lets it go on",
		        signal_number, strsignal(signal_number));
	cell->stopped_told = true;
	ptrace(PTRACE_LISTEN, thread->tid, NULL, NULL);
}

static void
on_stopped(struct bh_cell *cell, struct bh_thread *thread, int status)
{
	switch (status >> 16) {
	case PTRACE_EVENT_EXEC:
		on_exec(cell, thread);
		break;
	case PTRACE_EVENT_CLONE:
		on_clone(cell, thread);
		break;
	case PTRACE_EVENT_EXIT:
		on_exit_event(cell, thread);
		break;
	case PTRACE_EVENT_STOP:
		on_stop_event(cell, thread, WSTOPSIG(status));
		break;
	default:
		on_signal(cell, thread, WSTOPSIG(status));
	}
}

static void
on_gone(struct bh_cell *cell, struct bh_thread *thread, int status)
{
	if (thread == &cell->thread[0]) {
		cell->exit_status = status;
		cell->pid = 0;
		cell->result.times.end_ns = bh_now_ns() - cell->start_ns;
	}
	thread->tid = 0;
}

void
bh_trace_poll(struct bh_cell *cell)
{
	int status;
	/* Threads may be added while we go. */
	for (uint32_t i = 0; i < cell->thread_cnt; i++) {
		struct bh_thread *thread = &cell->thread[i];
		if (thread->tid == 0)
			continue;
		pid_t got = waitpid(thread->tid, &status, __WALL | WNOHANG);
		if (got == 0 || (got < 0 && errno == EINTR))
			continue;
		if (got < 0)
			on_gone(cell, thread, SIGKILL);
		else if (WIFSTOPPED(status))
			on_stopped(cell, thread, status);
		else
			on_gone(cell, thread, status);
	}
}

void
bh_trace_registers(struct bh_cell *cell, uint32_t core_idx)
{
	struct bh_thread *thread = &cell->thread[core_idx];
	uint64_t deadline_ns = bh_now_ns() + STOP_WAIT_NS;
	int status;
	if (core_idx >= cell->thread_cnt || thread->tid == 0 || ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL) != 0)
		return;
	while (bh_now_ns() < deadline_ns) {
		pid_t got = waitpid(thread->tid, &status, __WALL | WNOHANG);
		if (got == thread->tid && WIFSTOPPED(status)) {
			note_place(cell, thread);
			return;
		}
		if (got != 0)
			return;
		bh_sleep_ns(BH_NS_PER_MS / 10);
	}
}

void
bh_trace_kill(struct bh_cell *cell)
{
	uint64_t deadline_ns = bh_now_ns() + KILL_WAIT_NS;
	if (cell->pid != 0)
		kill(cell->pid, SIGKILL);
	while (cell->pid != 0 && bh_now_ns() < deadline_ns) {
		bh_trace_poll(cell);
		bh_sleep_ns(BH_NS_PER_MS / 5);
	}
}
