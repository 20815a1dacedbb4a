/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEVICES    "/sys/bus/pci/devices"
#define TIMEOUT_MS 60000

static void
run_text(struct command_result *out, const char *text, int timeout_ms)
{
	const char *const argv[] = {"/bin/sh", "-c", text, NULL};
	command_run(argv, timeout_ms, out);
	printf("$ %s\n%s%s[%d]\n", text, out->out, out->err, out->exit_code); /* print_message cuts */
	fflush(stdout);
}

void
inside_run(struct command_result *out, const char *format, ...)
{
	char text[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	run_text(out, text, TIMEOUT_MS);
}

void
inside_run_for(struct command_result *out, int timeout_ms, const char *format, ...)
{
	char text[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	run_text(out, text, timeout_ms);
}

void
inside_ok(const char *format, ...)
{
	struct command_result result;
	char text[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	run_text(&result, text, TIMEOUT_MS);
	assert_int_equal(result.exit_code, 0);
	command_result_free(&result);
}

static void
read_line(const char *address, const char *name, char *out, int out_bytes)
{
	char path[512];
	snprintf(path, sizeof(path), DEVICES "/%s/%s", address, name);
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(out, out_bytes, file) == NULL)
		out[0] = '\0';
	if (file != NULL)
		fclose(file);
	out[strcspn(out, "\n")] = '\0';
}

static const char *
link_name(const char *address, const char *name, char *out, size_t out_bytes)
{
	char path[512];
	snprintf(path, sizeof(path), DEVICES "/%s/%s", address, name);
	ssize_t len = readlink(path, out, out_bytes - 1);
	out[len < 0 ? 0 : len] = '\0';
	const char *slash = strrchr(out, '/');
	return slash != NULL ? slash + 1 : out;
}

const char *
inside_find(const char *class, unsigned idx, char address[16])
{
	struct dirent **entry;
	char text[32];
	int cnt = scandir(DEVICES, &entry, NULL, alphasort);
	address[0] = '\0';
	for (int i = 0; i < cnt; i++) {
		read_line(entry[i]->d_name, "class", text, sizeof(text));
		if (strncmp(text, class, strlen(class)) == 0 && idx-- == 0)
			snprintf(address, 16, "%.15s", entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	assert_string_not_equal(address, "");
	return address;
}

int
inside_group(const char *address)
{
	char text[256];
	const char *name = link_name(address, "iommu_group", text, sizeof(text));
	return name[0] >= '0' && name[0] <= '9' ? atoi(name) : -1;
}

/* Some of these files refuse, which is no failure of the test: the read-back says what became of it. */
static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	close(fd);
}

void
inside_bind(const char *address, const char *driver)
{
	char path[512], text[256];
	snprintf(path, sizeof(path), DEVICES "/%s/driver/unbind", address);
	write_file(path, address);
	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", address);
	write_file(path, driver[0] != '\0' ? driver : "none-at-all");
	write_file("/sys/bus/pci/drivers_probe", address);
	assert_string_equal(link_name(address, "driver", text, sizeof(text)), driver);
}

uint16_t
inside_command_register(const char *address)
{
	char path[512];
	uint16_t command = 0xffff;
	snprintf(path, sizeof(path), DEVICES "/%s/config", address);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0xffff;
	if (pread(fd, &command, sizeof(command), 4) != (ssize_t)sizeof(command))
		command = 0xffff;
	close(fd);
	return command;
}

uint64_t
inside_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool
inside_wait_quiet(const char *address, int timeout_ms)
{
	uint64_t deadline_ms = inside_now_ms() + (uint64_t)timeout_ms;
	for (;;) {
		uint16_t command = inside_command_register(address);
		if (command == 0xffff || (command & 4) == 0)
			return true;
		if (inside_now_ms() >= deadline_ms)
			return false;
		usleep(5000);
	}
}

bool
inside_wait_gone(const char *address, int timeout_ms)
{
	uint64_t deadline_ms = inside_now_ms() + (uint64_t)timeout_ms;
	char path[512];
	snprintf(path, sizeof(path), DEVICES "/%s", address);
	while (access(path, F_OK) == 0) {
		if (inside_now_ms() >= deadline_ms)
			return false;
		usleep(20000);
	}
	return true;
}

unsigned
inside_iommu_faults(void)
{
	struct command_result result;
	const char *const argv[] = {"/bin/sh", "-c", "dmesg | grep -cE 'DMAR:.*fault|IO_PAGE_FAULT'", NULL};
	command_run(argv, 10000, &result);
	unsigned cnt = (unsigned)strtoul(result.out, NULL, 10);
	command_result_free(&result);
	return cnt;
}
