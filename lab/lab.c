/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/internal.h"

extern char **environ;

static int
check(const struct bh_lab_options *options, struct bh_error *error)
{
	if (options->cpu_cnt < 1 || options->cpu_cnt > 64)
		return bh_error_set(error, "E201", -EINVAL, "--cpus: 1 to 64");
	if (options->memory_bytes < (UINT64_C(512) << 20))
		return bh_error_set(error, "E201", -EINVAL, "--memory: at least 512M");
	for (uint32_t i = 0; i < options->get_cnt; i++) {
		const char *colon = strrchr(options->get[i], ':');
		if (options->get[i][0] != '/' || colon == NULL || colon[1] == '\0')
			return bh_error_set(error, "E201", -EINVAL,
			                    "--get %.200s: PATH:DIR was meant, PATH being absolute inside the machine",
			                    options->get[i]);
	}
	return 0;
}

/* One tar per --get, reading what the machine packs at the end. It takes no absolute names and no "..", as tar does by itself. */
static int
start_unpacking(struct bh_lab_machine *machine, struct bh_error *error)
{
	char tar[PATH_MAX];
	for (uint32_t i = 0; i < machine->options->get_cnt; i++) {
		const char *to = strrchr(machine->options->get[i], ':') + 1;
		int err = bh_lab_make_dirs(to);
		if (err != 0)
			return bh_error_set(error, "E215", err, "cannot make the folder %.300s: %s", to,
			                    strerror(-err));
		err = bh_lab_tool_find("tar", "tar", tar, sizeof(tar), error);
		if (err != 0)
			return err;
		const char *const argv[] = {"tar", "-x", "-C", to, "--no-same-owner", "--no-same-permissions",
		                            "-f",  "-",  NULL};
		posix_spawn_file_actions_t actions;
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, machine->host_fd[BH_LAB_GET + i], STDIN_FILENO);
		err = -posix_spawn(&machine->tar_pid[i], tar, &actions, NULL, (char *const *)argv, environ);
		posix_spawn_file_actions_destroy(&actions);
		if (err != 0)
			return bh_error_set(error, "E215", err, "cannot start tar: %s", strerror(-err));
		close(machine->host_fd[BH_LAB_GET + i]);
		machine->host_fd[BH_LAB_GET + i] = -1;
	}
	return 0;
}

/* After QEMU's end the archives end too. */
static int
finish_unpacking(struct bh_lab_machine *machine, struct bh_error *error)
{
	int err = 0;
	for (uint32_t i = 0; i < machine->options->get_cnt; i++) {
		int status = 0;
		if (machine->tar_pid[i] <= 0)
			continue;
		while (waitpid(machine->tar_pid[i], &status, 0) < 0 && errno == EINTR)
			continue;
		if (status != 0 && err == 0)
			err = bh_error_set(error, "E215", -EIO, "--get %.200s: nothing whole came out of the machine",
			                   machine->options->get[i]);
	}
	return err;
}

static void
keep_arguments(const struct bh_lab_machine *machine)
{
	char path[PATH_MAX + 16];
	snprintf(path, sizeof(path), "%s/command", machine->folder.path);
	FILE *file = fopen(path, "we");
	for (size_t i = 0; file != NULL && i < machine->argv_cnt; i++)
		fprintf(file, "'%s'%s\n", machine->argv[i], i + 1 < machine->argv_cnt ? " \\" : "");
	if (file != NULL)
		fclose(file);
	fprintf(stderr, "lab: kept %s (QEMU's arguments in 'command', initramfs, drives)\n", machine->folder.path);
}

static int
prepare(struct bh_lab_machine *machine, struct bh_error *error)
{
	char path[PATH_MAX + 16];
	int err = check(machine->options, error);
	if (err == 0)
		err = bh_lab_tool_find("qemu-system-x86_64", "--no-install-recommends qemu-system-x86", machine->qemu,
		                       sizeof(machine->qemu), error);
	if (err == 0)
		err = bh_lab_accel_choose(machine, error);
	if (err == 0)
		err = bh_lab_kernel_find(machine->options->cache, &machine->kernel, error);
	if (err == 0)
		err = bh_lab_folder_make(&machine->folder, error);
	if (err != 0)
		return err;
	snprintf(path, sizeof(path), "%s/initramfs", machine->folder.path);
	err = bh_lab_initramfs(machine->options, &machine->kernel, path, error);
	return err == 0 ? bh_lab_qemu_arguments(machine, error) : err;
}

static void
release(struct bh_lab_machine *machine)
{
	if (machine->pid > 0) {
		kill(machine->pid, SIGKILL);
		waitpid(machine->pid, NULL, 0);
	}
	for (uint32_t i = 0; i < machine->stream_cnt; i++) {
		if (machine->host_fd[i] >= 0)
			close(machine->host_fd[i]);
		if (machine->qemu_fd[i] >= 0)
			close(machine->qemu_fd[i]);
	}
	if (machine->log_fd > 0)
		close(machine->log_fd);
	machine->pid = 0;
	machine->stream_cnt = 0;
}

int
bh_lab_run(const struct bh_lab_options *options, int *out_exit_code, struct bh_error *error)
{
	struct bh_lab_machine *machine = calloc(1, sizeof(*machine));
	if (machine == NULL)
		return bh_error_set(error, "E203", -ENOMEM, "out of memory");
	machine->options = options;
	machine->folder.lock_fd = -1;
	*out_exit_code = 1;
	int err = prepare(machine, error);
	if (err == 0 && (options->verbose || options->shell))
		fprintf(stderr, "lab: Linux %s on %s (%s), %u CPUs%s\n", machine->kernel.version, machine->accel,
		        machine->accel_why, options->cpu_cnt, options->shell ? "; Ctrl-A x ends the machine" : "");
	if (err == 0)
		err = start_unpacking(machine, error);
	if (err == 0)
		err = bh_lab_session(machine, out_exit_code, error);
	release(machine);
	int unpacked = finish_unpacking(machine, err == 0 ? error : NULL);
	if (options->keep && machine->folder.path[0] != '\0')
		keep_arguments(machine);
	bh_lab_folder_remove(&machine->folder, options->keep);
	for (size_t i = 0; i < machine->argv_cnt; i++)
		free(machine->argv[i]);
	free(machine->argv);
	free(machine);
	return err == 0 ? unpacked : err;
}
