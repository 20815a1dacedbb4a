/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes out of the machine is hostile: tar takes no absolute names and no "..", and makes links last; it gets no right to
 * make device nodes, no file beyond a size, and dies with us.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/internal.h"

#define FILE_BYTES_MAX (UINT64_C(16) << 30)

__attribute__((noreturn)) static void
become_tar(const struct bh_lab_machine *machine, const char *tar, const char *folder, int from)
{
	const char *const argv[] = {"tar", "-x", "-C", folder, "--no-same-owner", "--no-same-permissions",
	                            "-f",  "-",  NULL};
	const struct rlimit limit = {FILE_BYTES_MAX, FILE_BYTES_MAX};
	struct sigaction act = {.sa_handler = SIG_DFL};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_CAPBSET_DROP, CAP_MKNOD, 0, 0, 0); /* fails without root, who alone has it */
	setrlimit(RLIMIT_FSIZE, &limit);
	sigaction(SIGPIPE, &act, NULL);
	sigprocmask(SIG_SETMASK, &machine->signals.mask_before, NULL);
	setpgid(0, 0); /* Ctrl-C ends the machine, and with it what comes here */
	if (dup2(from, STDIN_FILENO) == STDIN_FILENO)
		execv(tar, (char *const *)argv);
	_exit(127);
}

static int
start_one(struct bh_lab_machine *machine, uint32_t idx, const char *tar, struct bh_error *error)
{
	const char *folder = strrchr(machine->options.get[idx], ':') + 1;
	int ends[2], err = bh_lab_make_dirs(folder);
	if (err != 0)
		return bh_error_set(error, "E215", err, "cannot make the folder %.300s: %s", folder, strerror(-err));
	if (pipe2(ends, O_CLOEXEC) != 0)
		return bh_error_set(error, "E203", -errno, "no pipe: %s", strerror(errno));
	machine->tar_pid[idx] = fork();
	if (machine->tar_pid[idx] == 0)
		become_tar(machine, tar, folder, ends[0]);
	close(ends[0]);
	machine->stream[BH_LAB_GET + idx].to = ends[1];
	return machine->tar_pid[idx] > 0 ? 0
	                                 : bh_error_set(error, "E203", -errno, "cannot start tar: %s", strerror(errno));
}

int
bh_lab_get_start(struct bh_lab_machine *machine, struct bh_error *error)
{
	char tar[PATH_MAX];
	int err = 0;
	if (machine->options.get_cnt > 0)
		err = bh_lab_tool_find("tar", "tar", tar, sizeof(tar), error);
	for (uint32_t i = 0; i < machine->options.get_cnt && err == 0; i++)
		err = start_one(machine, i, tar, error);
	return err;
}

int
bh_lab_get_finish(struct bh_lab_machine *machine, struct bh_error *error)
{
	int err = 0;
	for (uint32_t i = 0; i < machine->options.get_cnt; i++) {
		struct bh_lab_relay *relay = &machine->stream[BH_LAB_GET + i];
		int status = 0;
		if (relay->to >= 0)
			close(relay->to);
		relay->to = -1;
		if (machine->tar_pid[i] <= 0)
			continue;
		while (waitpid(machine->tar_pid[i], &status, 0) < 0 && errno == EINTR)
			continue;
		machine->tar_pid[i] = 0;
		if ((status != 0 || relay->byte_cnt == 0 || relay->reader_gone) && err == 0)
			err = bh_error_set(
			        error, "E215", -EIO,
			        "--get %.200s: nothing whole came out of the machine; is the path there when "
			        "the command ends?",
			        machine->options.get[i]);
	}
	return err;
}
