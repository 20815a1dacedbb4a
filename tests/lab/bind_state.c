/* SPDX-License-Identifier: Apache-2.0 */
/* What stands where, read from sysfs, and the answers of bind and unbind that each test wants. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/bind.h"

#define DEVICES "/sys/bus/pci/devices"

char bind_drive[3][16], bind_card[2][16];

/* The first entry of a folder below a function ("nvme/nvme0", "net") that starts so. */
static bool
first_entry(const char *address, const char *folder, const char *start, char out[64])
{
	char path[256];
	snprintf(path, sizeof(path), DEVICES "/%s/%s", address, folder);
	out[0] = '\0';
	DIR *dir = opendir(path);
	if (dir == NULL)
		return false;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (strncmp(entry->d_name, start, strlen(start)) == 0)
			snprintf(out, 64, "%.63s", entry->d_name);
	}
	closedir(dir);
	return out[0] != '\0';
}

/* Its number may be another after each return: something still held the old one. */
const char *
bind_disk_of(const char *address)
{
	static char disk[4][64];
	static unsigned turn;
	char controller[64], folder[80], start[80];
	char *out = disk[turn++ % 4];
	for (unsigned i = 0; i < 500; i++) {
		if (first_entry(address, "nvme", "nvme", controller)) {
			snprintf(folder, sizeof(folder), "nvme/%s", controller);
			snprintf(start, sizeof(start), "%sn", controller);
			if (first_entry(address, folder, start, out))
				return out;
		}
		usleep(20000);
	}
	fail_msg("%s has no disk", address);
	return "";
}

const char *
bind_interface_of(const char *address)
{
	static char name[2][64];
	static unsigned turn;
	char behind[64], folder[80];
	char *out = name[turn++ % 2];
	for (unsigned i = 0; i < 500; i++) {
		if (first_entry(address, "net", "", out) && out[0] != '.')
			return out;
		if (first_entry(address, "", "virtio", behind)) {
			snprintf(folder, sizeof(folder), "%s/net", behind);
			if (first_entry(address, folder, "", out) && out[0] != '.')
				return out;
		}
		usleep(20000);
	}
	fail_msg("%s has no interface", address);
	return "";
}

void
bind_read_state(const char *address, char out[160])
{
	char path[128], target[256], override[64] = "";
	snprintf(path, sizeof(path), DEVICES "/%s/driver", address);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", address);
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(override, sizeof(override), file) == NULL)
		override[0] = '\0';
	if (file != NULL)
		fclose(file);
	override[strcspn(override, "\n")] = '\0';
	const char *name = strrchr(target, '/');
	snprintf(path, sizeof(path), "/run/bulkhead/bind/%s", address);
	snprintf(out, 160, "%.60s %.60s %s", name != NULL ? name + 1 : "none", override,
	         access(path, F_OK) == 0 ? "journal" : "no journal");
}

void
bind_state_is(const char *address, const char *want)
{
	char state[160];
	bind_read_state(address, state);
	assert_string_equal(state, want);
}

/* bind refuses with exit code 4, names the reason and the evidence, and changes nothing; `devices` says the same. */
void
bind_refused(const char *address, const char *reason, const char *evidence)
{
	struct command_result result;
	char before[160], want[64];
	bind_read_state(address, before);
	inside_run(&result, "bulkhead bind %s", address);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "(BH-E140)"));
	snprintf(want, sizeof(want), "--override %s", reason);
	assert_non_null(strstr(result.err, want));
	command_result_free(&result);
	bind_state_is(address, before);
	inside_run(&result, "bulkhead devices --all --json");
	assert_int_equal(result.exit_code, 0);
	snprintf(want, sizeof(want), "\"reason\": \"%s\"", reason);
	assert_non_null(strstr(result.out, want));
	assert_non_null(strstr(result.out, evidence));
	command_result_free(&result);
}

/* With every reason named it is taken, and says what it overrode. */
void
bind_overridden(const char *address, const char *reasons)
{
	struct command_result result;
	char options[256] = "", copy[128], want[64], *rest;
	snprintf(copy, sizeof(copy), "%s", reasons);
	for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
		snprintf(options + strlen(options), sizeof(options) - strlen(options), " --override %s", word);
	inside_run(&result, "bulkhead bind %s%s", address, options);
	assert_int_equal(result.exit_code, 0);
	snprintf(copy, sizeof(copy), "%s", reasons);
	for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		snprintf(want, sizeof(want), "overrode %s: ", word);
		assert_non_null(strstr(result.out, want));
	}
	command_result_free(&result);
	bind_state_is(address, "vfio-pci vfio-pci journal");
}

void
bind_given_back(const char *address, const char *driver)
{
	char want[64];
	inside_ok("bulkhead unbind %s", address);
	snprintf(want, sizeof(want), "%s (null) no journal", driver);
	bind_state_is(address, want);
}

void
bind_wipe(const char *address)
{
	inside_ok("dd if=/dev/zero of=/dev/%s bs=1M count=2 conv=fsync 2>&1", bind_disk_of(address));
	inside_ok("dd if=/dev/zero of=/dev/%s bs=1M seek=254 count=2 conv=fsync 2>&1", bind_disk_of(address));
	inside_ok("blockdev --rereadpt /dev/%s", bind_disk_of(address));
}
