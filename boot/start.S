/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a cell begins, where its other threads begin, and the one system call instruction of both.
 */
#include "boot/note.h"

	.text

/* The kernel jumps here: the stack holds argc, argv, environment and the auxiliary vector; nothing is relocated. */
	.globl bh_boot_entry
	.hidden bh_boot_entry
	.type bh_boot_entry, @function
bh_boot_entry:
	xorl %ebp, %ebp
	andq $-16, %rsp
	callq bh_boot_relocate
	callq bh_boot_main
	ud2
	.size bh_boot_entry, . - bh_boot_entry

/* long bh_boot_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5) */
	.globl bh_boot_syscall
	.hidden bh_boot_syscall
	.type bh_boot_syscall, @function
bh_boot_syscall:
	movq %rdi, %rax
	movq %rsi, %rdi
	movq %rdx, %rsi
	movq %rcx, %rdx
	movq %r8, %r10
	movq %r9, %r8
	movq 8(%rsp), %r9
	syscall
	retq
	.size bh_boot_syscall, . - bh_boot_syscall

/*
 * long bh_boot_clone(unsigned long flags, void *stack_high, void *tls, unsigned long core_idx)
 * In the new thread: bh_boot_thread(core_idx) on the given stack. clone(flags, stack, parent_tid, child_tid, tls).
 */
	.globl bh_boot_clone
	.hidden bh_boot_clone
	.type bh_boot_clone, @function
bh_boot_clone:
	movq %rdx, %r8
	andq $-16, %rsi
	subq $16, %rsi
	movq %rcx, (%rsi)
	xorl %edx, %edx
	xorl %r10d, %r10d
	movl $56, %eax
	syscall
	testq %rax, %rax
	jz 1f
	retq
1:	xorl %ebp, %ebp
	movq (%rsp), %rdi
	addq $16, %rsp
	callq bh_boot_thread
	ud2
	.size bh_boot_clone, . - bh_boot_clone

	.section .note.bulkhead, "a", @note
	.balign 4
	.long BH_BOOT_NOTE_NAME_BYTES
	.long 4
	.long BH_BOOT_NOTE_TYPE
	.asciz BH_BOOT_NOTE_NAME
	.balign 4
	.long BH_BOOT_NOTE_VERSION

	.section .note.GNU-stack, "", @progbits
