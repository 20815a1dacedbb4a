/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/lab_host.h"

#define TIMEOUT_MS 240000 /* a hang; never the judge of how fast */

const char *lab_program;
char lab_folder[64];
struct command_result lab;

int
lab_setup(void **state)
{
	char temp[96], own[4200];
	strcpy(lab_folder, "/tmp/bulkhead-test-lab.XXXXXX");
	if (mkdtemp(lab_folder) == NULL)
		return -1;
	snprintf(temp, sizeof(temp), "mkdir %s/tmp", lab_folder);
	/* The commands run in a folder of their own, and meson names the program by its path from the build folder. */
	char *program = realpath(lab_program, NULL);
	snprintf(own, sizeof(own), "%s lab", program != NULL ? program : lab_program);
	free(program);
	return setenv("D", lab_folder, 1) != 0 || setenv("LAB", own, 1) != 0 || system(temp) != 0;
}

int
lab_teardown(void **state)
{
	char line[96];
	command_result_free(&lab);
	snprintf(line, sizeof(line), "rm -rf %s", lab_folder);
	return system(line);
}

int
lab_sh(const char *format, ...)
{
	char line[4096];
	va_list args;
	int used = snprintf(line, sizeof(line), "cd $D; export TMPDIR=$D/tmp; ");
	va_start(args, format);
	vsnprintf(line + used, sizeof(line) - (size_t)used, format, args);
	va_end(args);
	command_result_free(&lab);
	command_run((const char *const[]){"/bin/sh", "-c", line, NULL}, TIMEOUT_MS, &lab);
	return lab.exit_code;
}

void
lab_wants(const char *text)
{
	if (strstr(lab.err, text) == NULL)
		fail_msg("standard error does not have '%s', but:\n%s", text, lab.err);
}

/* Whether a process names the folder: the lab with its QEMU, tar, apt-get. */
static bool
is_named(const char *pid)
{
	char path[300], text[65536];
	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	FILE *file = fopen(path, "r");
	size_t used = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
	if (file != NULL)
		fclose(file);
	return used > 0 && memmem(text, used, lab_folder, strlen(lab_folder)) != NULL;
}

void
lab_nothing_left(void)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/tmp", lab_folder);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] != '.')
			fail_msg("%s was left", entry->d_name);
	}
	closedir(dir);
	dir = opendir("/proc");
	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_named(entry->d_name))
			fail_msg("process %s was left", entry->d_name);
	}
	closedir(dir);
}
