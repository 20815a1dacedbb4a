/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/internal.h"

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
	int err = bh_lab_check(&machine->options, error);
	if (err == 0)
		err = bh_lab_tool_find("qemu-system-x86_64", "--no-install-recommends qemu-system-x86", machine->qemu,
		                       sizeof(machine->qemu), error);
	if (err == 0)
		err = bh_lab_accel_choose(machine, error);
	if (err == 0)
		err = bh_lab_nics_check(machine, error);
	if (err == 0)
		err = bh_lab_kernel_find(&machine->signals, &machine->options, &machine->kernel, error);
	if (err == 0)
		err = bh_lab_folder_make(&machine->folder, error);
	if (err != 0)
		return err;
	snprintf(path, sizeof(path), "%s/initramfs", machine->folder.path);
	err = bh_lab_initramfs(&machine->signals, &machine->options, &machine->kernel, path, error);
	return err == 0 ? bh_lab_qemu_arguments(machine, error) : err;
}

static void
end_qemu(struct bh_lab_machine *machine)
{
	if (machine->pid > 0) {
		kill(machine->pid, SIGKILL);
		while (waitpid(machine->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	if (machine->log_fd >= 0)
		close(machine->log_fd);
	machine->pid = 0;
	for (uint32_t i = 0; i < machine->stream_cnt; i++) {
		if (machine->stream[i].from >= 0)
			close(machine->stream[i].from);
		if (machine->qemu_fd[i] >= 0)
			close(machine->qemu_fd[i]);
		machine->stream[i].from = machine->qemu_fd[i] = -1;
	}
}

static void
say_what_runs(const struct bh_lab_machine *machine)
{
	fprintf(stderr, "lab: Linux %s on %s (%s), %u CPUs%s\n", machine->kernel.version, machine->accel,
	        machine->accel_why, machine->options.cpu_cnt,
	        machine->options.shell ? "; Ctrl-A x ends the machine" : "");
	if (machine->kernel.packed[0] != '\0')
		fprintf(stderr, "lab: the kernel's image stays packed, which costs seconds under emulation: %s\n",
		        machine->kernel.packed);
}

static int
run(struct bh_lab_machine *machine, int *out_exit_code, struct bh_error *error)
{
	const struct bh_lab_options *options = &machine->options;
	int err = prepare(machine, error);
	if (err == 0 && (options->verbose || options->shell))
		say_what_runs(machine);
	if (err == 0)
		err = bh_lab_get_start(machine, error);
	if (err == 0)
		err = bh_lab_session(machine, out_exit_code, error);
	end_qemu(machine);
	int unpacked = bh_lab_get_finish(machine, err == 0 ? error : NULL);
	if (options->keep && machine->folder.path[0] != '\0')
		keep_arguments(machine);
	bh_lab_folder_remove(&machine->folder, options->keep);
	return err == 0 ? unpacked : err;
}

static int
attempt(const struct bh_lab_options *options, int *out_exit_code, struct bh_error *error)
{
	struct bh_lab_machine *machine = calloc(1, sizeof(*machine));
	if (machine == NULL)
		return bh_error_set(error, "E203", -ENOMEM, "out of memory");
	machine->options = *options;
	machine->folder.lock_fd = machine->log_fd = -1;
	*out_exit_code = 1;
	int err = bh_lab_signals_open(&machine->signals, error);
	if (err == 0)
		err = run(machine, out_exit_code, error);
	bh_lab_signals_close(&machine->signals);
	for (size_t i = 0; i < machine->argv_cnt; i++)
		free(machine->argv[i]);
	free(machine->argv);
	free(machine);
	return err;
}

/* Now and then an emulated machine hangs while its kernel starts the other CPUs. The command has not run then. */
int
bh_lab_run(const struct bh_lab_options *options, int *out_exit_code, struct bh_error *error)
{
	int err = attempt(options, out_exit_code, error);
	if (err != -EAGAIN)
		return err;
	fprintf(stderr, "lab: %s; once more\n", error->text);
	err = attempt(options, out_exit_code, error);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}
