/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fiber switch for the System V x86-64 ABI: rbx, rbp and r12..r15 belong to the caller and stay on its stack, everything
 * else is dead across a call. mxcsr and the x87 control word are callee-saved too, but nothing in a cell changes them.
 */
	.text

/* void bh_arch_fiber_switch(void **out_sp, void *sp) */
	.globl bh_arch_fiber_switch
	.hidden bh_arch_fiber_switch
	.type bh_arch_fiber_switch, @function
	.balign 64
bh_arch_fiber_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	/* Not ret: the return predictor would expect the stack that we left. */
	popq %rcx
	jmpq *%rcx
	.size bh_arch_fiber_switch, . - bh_arch_fiber_switch

/*
 * First instruction of a fiber: bh_arch_fiber_prepare laid out rbx = fn, r12 = arg, rbp = 0 (the end of a frame-pointer
 * back trace). The stack is 16-byte aligned here, so that fn is called as the ABI wants.
 */
	.globl bh_arch_fiber_entry
	.hidden bh_arch_fiber_entry
	.type bh_arch_fiber_entry, @function
	.balign 16
bh_arch_fiber_entry:
	movq %r12, %rdi
	callq *%rbx
	ud2
	.size bh_arch_fiber_entry, . - bh_arch_fiber_entry

	.section .note.GNU-stack, "", @progbits
