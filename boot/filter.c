/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wall's inner side: descriptors closed, then a seccomp filter that lets exit and exit_group pass and kills the
 * process for anything else. Classic BPF; layouts of the kernel's uapi (linux/filter.h, linux/seccomp.h).
 */
#include "boot/boot.h"

#include "boot/syscall.h"

enum { BPF_LD_W_ABS = 0x20, BPF_JEQ_K = 0x15, BPF_RET_K = 0x06 };
enum { SECCOMP_DATA_NR = 0, SECCOMP_DATA_ARCH = 4 };
enum { SECCOMP_SET_MODE_FILTER = 1, SECCOMP_FILTER_FLAG_TSYNC = 1 };
enum { PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39 };
enum { F_GETFD = 1 };

#define AUDIT_ARCH_X86_64        0xc000003eu
#define SECCOMP_RET_KILL_PROCESS 0x80000000u
#define SECCOMP_RET_ALLOW        0x7fff0000u
#define LAST_CHECKED_FD          (BH_BOOT_FD + 1 + BH_REGIONS_MAX)

struct bpf_instruction {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};

struct bpf_program {
	uint16_t instruction_cnt;
	const struct bpf_instruction *instruction;
};

int
bh_boot_close(void)
{
	long err = SYSCALL3(SYS_CLOSE_RANGE, 0, ~0u, 0);
	if (err < 0)
		return (int)err;
	for (int fd = 0; fd <= (int)LAST_CHECKED_FD; fd++) {
		if (SYSCALL2(SYS_FCNTL, fd, F_GETFD) >= 0)
			return -BH_EBUSY;
	}
	return 0;
}

int
bh_boot_filter(void)
{
	/* A system call of another machine (int 0x80) has another number: only x86-64's own pass. x32 has bit 30 set. */
	static const struct bpf_instruction instruction[] = {
	        {BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARCH}, {BPF_JEQ_K, 0, 3, AUDIT_ARCH_X86_64},
	        {BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_NR},   {BPF_JEQ_K, 2, 0, SYS_EXIT},
	        {BPF_JEQ_K, 1, 0, SYS_EXIT_GROUP},       {BPF_RET_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
	        {BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW},
	};
	const struct bpf_program program = {BH_ARRAY_CNT(instruction), instruction};
	long err = bh_boot_syscall(SYS_PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	if (err < 0)
		return (int)err;
	if (bh_boot_syscall(SYS_PRCTL, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0) != 1)
		return -BH_EPERM;
	/* The point of no return. A positive result is the thread that could not be brought along. */
	err = SYSCALL3(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	return err > 0 ? -BH_EBUSY : (int)err;
}
