/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The system calls that boot/ makes: numbers and constants of the Linux x86-64 ABI, without a libc header.
 */
#ifndef BOOT_SYSCALL_H
#define BOOT_SYSCALL_H

#include <bulkhead/types.h>

enum {
	SYS_LSEEK = 8,
	SYS_MMAP = 9,
	SYS_RT_SIGPROCMASK = 14,
	SYS_EXIT = 60,
	SYS_FCNTL = 72,
	SYS_MLOCK = 149,
	SYS_MPROTECT = 10,
	SYS_PRCTL = 157,
	SYS_ARCH_PRCTL = 158,
	SYS_GETTID = 186,
	SYS_SCHED_SETAFFINITY = 203,
	SYS_SCHED_GETAFFINITY = 204,
	SYS_EXIT_GROUP = 231,
	SYS_GETCPU = 309,
	SYS_SECCOMP = 317,
	SYS_CLOSE_RANGE = 436,
};

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2 };

enum {
	MAP_SHARED = 0x01,
	MAP_PRIVATE = 0x02,
	MAP_FIXED = 0x10,
	MAP_ANONYMOUS = 0x20,
	MAP_NORESERVE = 0x4000,
	MAP_POPULATE = 0x8000,
	MAP_FIXED_NOREPLACE = 0x100000,
};

/* Return: the kernel's: a value, or a negative errno in -4095..-1. */
long bh_boot_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
long bh_boot_clone(unsigned long flags, void *stack_high, void *tls, unsigned long core_idx);

#define SYSCALL0(nr)             bh_boot_syscall(nr, 0, 0, 0, 0, 0, 0)
#define SYSCALL1(nr, a)          bh_boot_syscall(nr, (long)(a), 0, 0, 0, 0, 0)
#define SYSCALL2(nr, a, b)       bh_boot_syscall(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYSCALL3(nr, a, b, c)    bh_boot_syscall(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYSCALL4(nr, a, b, c, d) bh_boot_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* bh_boot_mmap - mmap at exactly `addr`. Return: 0, or a negative errno (-BH_EEXIST if the kernel chose another place). */
BH_MUST_CHECK int bh_boot_mmap(uint64_t addr, uint64_t size_bytes, int prot, int flags, int fd, uint64_t fd_offset);

#endif
