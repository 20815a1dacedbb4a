/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control group that bulkhead apply makes (host/machine): its CPUs are in nobody's affinity but of those that are in it, so a
 * cell's process is moved there before it is pinned.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/run/internal.h"
#include "host/run/units.h"

#define GROUP "/sys/fs/cgroup/bulkhead"

static bool
read_line(const char *path, char *out, size_t out_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, out, out_bytes - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return false;
	out[got] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return true;
}

void
bh_partition_cpus(cpu_set_t *out)
{
	char text[512];
	uint16_t cpu[BH_CORES_MAX];
	uint32_t cnt;
	bool is_auto;
	CPU_ZERO(out);
	if (!read_line(GROUP "/cpuset.cpus.partition", text, sizeof(text)) || strcmp(text, "isolated") != 0 ||
	    !read_line(GROUP "/cpuset.cpus.effective", text, sizeof(text)) ||
	    bh_parse_cpus(text, &is_auto, cpu, &cnt) != 0 || is_auto)
		return;
	for (uint32_t i = 0; i < cnt; i++)
		CPU_SET(cpu[i], out);
}

int
bh_partition_join(pid_t pid, const cpu_set_t *cpus)
{
	cpu_set_t partition, both;
	char text[16];
	bh_partition_cpus(&partition);
	CPU_AND(&both, &partition, cpus);
	if (CPU_COUNT(&both) == 0)
		return 0;
	int len = snprintf(text, sizeof(text), "%d", (int)pid);
	int fd = open(GROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = write(fd, text, (size_t)len) == len ? 0 : -errno;
	close(fd);
	return err;
}
