/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer of a cell's two filters. It stands before the cell's file runs, so that a file which is no cell at all can do no more
 * than boot/ does: map what it was given, without executable pages, start threads, pin them, lock memory, lay the inner filter over
 * it. Anything else kills the process, and the tracer names the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/run/internal.h"

#define ARCH_SET_FS 0x1002 /* asm/prctl.h */
/* As boot/thread.c has them, to the bit: no namespace, no thread that the tracer would not get to see (CLONE_UNTRACED). */
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS)

struct rule {
	int call;
	unsigned arg_cnt;
	struct scmp_arg_cmp arg[2];
};

#define EQUAL(idx, value)                                                                                              \
	{                                                                                                              \
		(idx), SCMP_CMP_EQ, (value), 0                                                                         \
	}
#define BITS(idx, mask, value)                                                                                         \
	{                                                                                                              \
		(idx), SCMP_CMP_MASKED_EQ, (mask), (value)                                                             \
	}

/* As boot/ makes them (boot/syscall.h). */
static const struct rule boot_rules[] = {
        {SCMP_SYS(lseek), 0, {{0}}},
        {SCMP_SYS(mmap), 1, {BITS(2, PROT_EXEC, 0)}},
        {SCMP_SYS(mprotect), 1, {BITS(2, PROT_EXEC, 0)}},
        {SCMP_SYS(rt_sigprocmask), 0, {{0}}},
        {SCMP_SYS(exit), 0, {{0}}},
        {SCMP_SYS(exit_group), 0, {{0}}},
        {SCMP_SYS(fcntl), 1, {EQUAL(1, F_GET_SEALS)}},
        {SCMP_SYS(fcntl), 1, {EQUAL(1, F_GETFD)}},
        {SCMP_SYS(mlock), 0, {{0}}},
        {SCMP_SYS(prctl), 1, {EQUAL(0, PR_SET_NO_NEW_PRIVS)}},
        {SCMP_SYS(prctl), 1, {EQUAL(0, PR_GET_NO_NEW_PRIVS)}},
        {SCMP_SYS(arch_prctl), 1, {EQUAL(0, ARCH_SET_FS)}},
        {SCMP_SYS(gettid), 0, {{0}}},
        {SCMP_SYS(sched_setaffinity), 1, {EQUAL(0, 0)}},
        {SCMP_SYS(sched_getaffinity), 1, {EQUAL(0, 0)}},
        {SCMP_SYS(getcpu), 0, {{0}}},
        {SCMP_SYS(seccomp), 2, {EQUAL(0, SECCOMP_SET_MODE_FILTER), EQUAL(1, SECCOMP_FILTER_FLAG_TSYNC)}},
        {SCMP_SYS(close_range), 0, {{0}}},
        {SCMP_SYS(clone), 1, {EQUAL(0, THREAD_FLAGS)}},
};

static int
add_rules(scmp_filter_ctx filter, int report_fd, int exec_fd)
{
	/* Both close with the execution: of the cell's file itself, and of the word that it failed. */
	const struct rule own_rules[] = {
	        {SCMP_SYS(execveat), 2, {EQUAL(0, (unsigned)exec_fd), EQUAL(4, AT_EMPTY_PATH)}},
	        {SCMP_SYS(write), 1, {EQUAL(0, (unsigned)report_fd)}},
	};
	int err = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(boot_rules) && err == 0; i++)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, boot_rules[i].call, boot_rules[i].arg_cnt,
		                             boot_rules[i].arg);
	for (size_t i = 0; i < BH_ARRAY_CNT(own_rules) && err == 0; i++)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, own_rules[i].call, own_rules[i].arg_cnt,
		                             own_rules[i].arg);
	return err;
}

/* libseccomp writes to a descriptor only. */
static int
export_program(scmp_filter_ctx filter, struct bh_child_filter *out)
{
	int fd = memfd_create("cell-filter", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = seccomp_export_bpf(filter, fd);
	off_t bytes = err == 0 ? lseek(fd, 0, SEEK_END) : 0;
	if (err == 0 && (bytes <= 0 || (size_t)bytes > sizeof(out->instruction) || bytes % 8 != 0))
		err = -E2BIG;
	if (err == 0 && pread(fd, out->instruction, (size_t)bytes, 0) != bytes)
		err = -EIO;
	out->instruction_cnt = (uint32_t)bytes / 8;
	close(fd);
	return err;
}

int
bh_child_filter_build(uint32_t fd_cnt, struct bh_child_filter *out)
{
	int report_fd = BH_BOOT_FD + (int)fd_cnt; /* as child.c arranges them */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (filter == NULL)
		return -ENOMEM;
	int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (err == 0)
		err = add_rules(filter, report_fd, report_fd + 1);
	if (err == 0)
		err = export_program(filter, out);
	seccomp_release(filter);
	return err;
}
