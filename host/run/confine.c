/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor reads what a cell and a device wrote. Should one of them find a hole in that code, it finds a process that
 * can start no program, open no socket, mount nothing, load nothing and trace nothing new.
 */
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ptrace.h>

#include "host/errors/errors.h"
#include "host/run/run.h"

/* What supervising, reporting and ending take; anything else fails with EPERM. */
static const int allowed[] = {
        /* memory */
        SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(munlock),
        SCMP_SYS(munmap), SCMP_SYS(mlock),
        /* files: /proc of the cell, reports */
        SCMP_SYS(access), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fcntl),
        SCMP_SYS(fstat), SCMP_SYS(fsync), SCMP_SYS(ftruncate), SCMP_SYS(getdents64), SCMP_SYS(ioctl), SCMP_SYS(lseek),
        SCMP_SYS(newfstatat), SCMP_SYS(openat), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(pwrite64),
        SCMP_SYS(pwritev), SCMP_SYS(read), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(readv), SCMP_SYS(stat),
        SCMP_SYS(statx), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(write), SCMP_SYS(writev),
        /* the device's socket, which is open */
        SCMP_SYS(accept4), SCMP_SYS(eventfd2), SCMP_SYS(getsockopt), SCMP_SYS(poll), SCMP_SYS(ppoll),
        SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(shutdown),
        /* the cell's process, and the devices' */
        SCMP_SYS(kill), SCMP_SYS(process_vm_readv), SCMP_SYS(wait4), SCMP_SYS(waitid),
        /* time, signals, ourselves */
        SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(exit),
        SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(getcpu), SCMP_SYS(geteuid), SCMP_SYS(getpid),
        SCMP_SYS(getrandom), SCMP_SYS(gettid), SCMP_SYS(gettimeofday), SCMP_SYS(getuid), SCMP_SYS(nanosleep),
        SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_yield),
        SCMP_SYS(set_robust_list), SCMP_SYS(sigaltstack), SCMP_SYS(sysinfo), SCMP_SYS(tgkill), SCMP_SYS(uname)};

/* What is traced already may be read and ended; nothing else becomes traced. */
static const unsigned ptrace_allowed[] = {PTRACE_CONT,      PTRACE_GETEVENTMSG, PTRACE_GETREGS, PTRACE_GETSIGINFO,
                                          PTRACE_INTERRUPT, PTRACE_LISTEN,      PTRACE_PEEKTEXT};

/* The leak check of AddressSanitizer starts a tracer when the program ends, so such a build cannot be confined. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static int
add_rules(scmp_filter_ctx filter)
{
	int err = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(allowed) && err == 0; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < BH_ARRAY_CNT(ptrace_allowed) && err == 0; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ptrace), 1,
		                       (struct scmp_arg_cmp){0, SCMP_CMP_EQ, ptrace_allowed[i], 0});
	return err;
}

int
bh_cell_confine_supervisor(struct bh_error *error)
{
	if (IS_SANITIZED)
		return bh_error_set(error, "E095", -EOPNOTSUPP,
		                    "the supervisor is not confined: built with AddressSanitizer");
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter == NULL ? -ENOMEM : add_rules(filter);
	/* Threads of an application's host half read what its cell wrote, too. */
	if (err == 0)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (err == 0)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err == 0 ? 0
	                : bh_error_set(error, "E095", err, "the supervisor could not confine itself: %s",
	                               strerror(-err));
}
