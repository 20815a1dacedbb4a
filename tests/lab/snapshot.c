/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/snapshot.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const pattern[] = {
        "/proc/cmdline",
        "/proc/irq/default_smp_affinity",
        "/proc/irq/*/smp_affinity_list",
        "/proc/sys/kernel/watchdog*",
        "/proc/sys/kernel/nmi_watchdog",
        "/proc/sys/kernel/soft_watchdog",
        "/proc/sys/kernel/timer_migration",
        "/proc/sys/kernel/numa_balancing",
        "/proc/sys/kernel/sched_*",
        "/proc/sys/vm/stat_interval",
        "/proc/sys/vm/nr_hugepages",
        "/proc/sys/vm/compaction_proactiveness",
        "/sys/devices/virtual/workqueue/cpumask",
        "/sys/devices/virtual/workqueue/*/cpumask",
        "/sys/devices/system/machinecheck/machinecheck*/check_interval",
        "/sys/devices/system/node/node*/hugepages/*/nr_hugepages",
        "/sys/devices/system/cpu/online",
        "/sys/devices/system/cpu/isolated",
        "/sys/devices/system/cpu/nohz_full",
        "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        "/sys/devices/system/cpu/cpu*/cpuidle/state*/disable",
        "/sys/kernel/mm/ksm/run",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
        "/sys/class/net/*/queues/*/?ps_cpus",
        "/sys/bus/pci/devices/*/driver_override",
        "/sys/bus/pci/devices/*/driver",
        "/sys/fs/cgroup/cgroup.subtree_control",
        "/sys/fs/cgroup/cpuset.cpus.effective",
        "/sys/fs/cgroup/*/cpuset.cpus*",
        "/sys/fs/cgroup/*/",
        "/etc/default/grub",
        "/etc/default/grub.d/*",
        "/boot/grub/*",
};

static void
add_file(FILE *out, const char *path)
{
	char text[65536];
	struct stat info;
	size_t len = 0;
	if (lstat(path, &info) != 0)
		return;
	FILE *file = S_ISREG(info.st_mode) ? fopen(path, "re") : NULL;
	if (S_ISLNK(info.st_mode)) {
		ssize_t got = readlink(path, text, sizeof(text));
		len = got > 0 ? (size_t)got : 0;
	}
	if (file != NULL) {
		len = fread(text, 1, sizeof(text), file);
		fclose(file);
	}
	fprintf(out, "%s: %.*s%s", path, (int)len, text, len > 0 && text[len - 1] == '\n' ? "" : "\n");
}

char *
snapshot_take(void)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	if (out == NULL)
		abort();
	for (size_t i = 0; i < sizeof(pattern) / sizeof(pattern[0]); i++) {
		glob_t found;
		if (glob(pattern[i], 0, NULL, &found) == 0) {
			for (size_t j = 0; j < found.gl_pathc; j++)
				add_file(out, found.gl_pathv[j]);
			globfree(&found);
		}
	}
	fclose(out);
	return text;
}

bool
snapshot_is(const char *before)
{
	char *now = snapshot_take();
	size_t at = 0;
	while (now[at] != '\0' && now[at] == before[at])
		at++;
	bool same = now[at] == before[at];
	while (!same && at > 0 && now[at - 1] != '\n')
		at--;
	if (!same)
		printf("was: %.*s\nis:  %.*s\n", (int)strcspn(before + at, "\n"), before + at,
		       (int)strcspn(now + at, "\n"), now + at);
	free(now);
	return same;
}
