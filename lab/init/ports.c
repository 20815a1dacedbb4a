/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lab/init/init.h"

#define WAIT_MS 20000

static int
open_if(const char *entry, const char *wanted, int flags)
{
	char path[320], name[64] = "";
	snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -1;
	bool read = fgets(name, sizeof(name), file) != NULL;
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	if (!read || strcmp(name, wanted) != 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/%s", entry);
	return open(path, O_RDWR | O_CLOEXEC | flags);
}

int
lab_port_open(const char *name, int flags)
{
	int fd = -1;
	for (int waited_ms = 0; fd < 0 && waited_ms < WAIT_MS; waited_ms += 10) {
		DIR *dir = opendir("/sys/class/virtio-ports");
		for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL && fd < 0;
		     entry = readdir(dir))
			fd = open_if(entry->d_name, name, flags);
		if (dir != NULL)
			closedir(dir);
		if (fd < 0)
			usleep(10000);
	}
	return fd;
}
