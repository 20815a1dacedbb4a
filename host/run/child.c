/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between fork and exec: every privilege goes, one after the other, each before what would need it is gone. Runs in the
 * child of a process that may have threads, so it calls nothing that takes a lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/run/internal.h"

#define PARKED_FD 512 /* above every number that the cell is given */

static void
report(const struct bh_child *child, const char *what, int err, bool fatal)
{
	struct bh_child_report text = {.err = err, .fatal = fatal};
	size_t len = BH_MIN(strlen(what), sizeof(text.what) - 1);
	memcpy(text.what, what, len);
	if (write(child->report_fd, &text, sizeof(text)) != (ssize_t)sizeof(text) || fatal)
		_exit(126);
}

static void
must(const struct bh_child *child, const char *what, long result)
{
	if (result < 0)
		report(child, what, -errno, true);
}

static bool
may(const struct bh_child *child, const char *what, long result)
{
	if (result < 0)
		report(child, what, -errno, false);
	return result >= 0;
}

/* An empty read-only file system as root: the namespace has no other. */
static void
leave_file_systems(const struct bh_child *child)
{
	if (!may(child, "a private mount namespace", mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) ||
	    !may(child, "an empty root",
	         mount("bulkhead", "/tmp", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "nr_inodes=1")) ||
	    !may(child, "an empty root", chdir("/tmp")))
		return;
	if (may(child, "an empty root", syscall(SYS_pivot_root, ".", ".")))
		may(child, "an empty root", umount2(".", MNT_DETACH));
}

static void
make_namespaces(const struct bh_child *child)
{
	static const struct {
		unsigned long flag;
		const char *what;
	} space[] = {
	        {CLONE_NEWNET, "a network namespace"},
	        {CLONE_NEWIPC, "an IPC namespace"},
	        {CLONE_NEWUTS, "a UTS namespace"},
	        {CLONE_NEWNS, "a mount namespace"},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(space); i++) {
		bool made = may(child, space[i].what, unshare((int)space[i].flag));
		if (made && space[i].flag == CLONE_NEWNS)
			leave_file_systems(child);
	}
	if ((child->unshare_flags & CLONE_NEWPID) != 0)
		report(child, "a PID namespace", -EPERM, false);
}

static void
set_limits(const struct bh_child *child)
{
	/* 1 and not 0: a core dump that goes to a program is made for 0 too (core(5)). */
	const struct rlimit core = {1, 1};
	/* Threads and processes of its uid: no more than the tracer keeps account of. */
	const struct rlimit threads = {BH_CORES_MAX, BH_CORES_MAX};
	must(child, "the core file limit", setrlimit(RLIMIT_CORE, &core));
	must(child, "the thread limit", setrlimit(RLIMIT_NPROC, &threads));
}

static void
drop_privileges(const struct bh_child *child)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		must(child, "dropping the capability bounding set", prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
	must(child, "clearing ambient capabilities", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	/* The raw calls: glibc's would signal threads that this child does not have. */
	must(child, "leaving all groups", syscall(SYS_setgroups, 0, NULL));
	must(child, "changing the group", syscall(SYS_setresgid, child->uid, child->uid, child->uid));
	must(child, "changing the user", syscall(SYS_setresuid, child->uid, child->uid, child->uid));
	must(child, "dropping capabilities", syscall(SYS_capset, &header, none));
	must(child, "setting no-new-privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	/* Cleared by the change of user. The tracer kills us when it dies; this one does it as well. */
	must(child, "setting the parent-death signal", prctl(PR_SET_PDEATHSIG, SIGKILL));
}

/* Numbers BH_BOOT_FD, BH_BOOT_FD + 1, ... and nothing else; what exec and the report need closes at exec. */
static void
arrange_descriptors(struct bh_child *child)
{
	for (uint32_t i = 0; i < child->fd_cnt; i++) {
		child->fd[i] = fcntl(child->fd[i], F_DUPFD_CLOEXEC, PARKED_FD);
		must(child, "arranging descriptors", child->fd[i]);
	}
	int exec_fd = fcntl(child->exec_fd, F_DUPFD_CLOEXEC, PARKED_FD);
	int report_fd = fcntl(child->report_fd, F_DUPFD_CLOEXEC, PARKED_FD);
	must(child, "arranging descriptors", exec_fd < 0 ? exec_fd : report_fd);
	int next = BH_BOOT_FD + (int)child->fd_cnt;
	for (uint32_t i = 0; i < child->fd_cnt; i++) {
		if (dup2(child->fd[i], BH_BOOT_FD + (int)i) < 0)
			_exit(126);
	}
	if (dup3(report_fd, next, O_CLOEXEC) < 0 || dup3(exec_fd, next + 1, O_CLOEXEC) < 0)
		_exit(126);
	child->report_fd = next;
	child->exec_fd = next + 1;
	must(child, "closing descriptors", close_range((unsigned)next + 2, ~0u, 0));
	must(child, "closing descriptors", close_range(0, BH_BOOT_FD - 1, 0));
}

void
bh_child_run(struct bh_child *child)
{
	char go;
	sigset_t none;
	const char *const arg[] = {child->name, NULL}, *const environment[] = {NULL};
	close(child->go_write_fd); /* or we would never read the end of file */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(child, "a session of its own", setsid());
	/* The tracer is there when the byte comes; end of file: it died. */
	if (read(child->go_fd, &go, 1) != 1)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	make_namespaces(child);
	set_limits(child);
	must(child, "setting the CPUs", sched_setaffinity(0, sizeof(child->cpus), &child->cpus));
	drop_privileges(child);
	arrange_descriptors(child);
	/* From here on: the execution, the word that it failed, and what boot/ does. */
	const struct sock_fprog program = {(unsigned short)child->filter.instruction_cnt,
	                                   (struct sock_filter *)(void *)child->filter.instruction};
	must(child, "the outer system call filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	syscall(SYS_execveat, child->exec_fd, "", arg, environment, AT_EMPTY_PATH);
	report(child, "executing the cell", -errno, true);
	_exit(126);
}
