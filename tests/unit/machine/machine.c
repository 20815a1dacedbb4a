/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/machine/machine.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct machine machine;

#define GROUP BH_PARTITION_GROUP

static const char *
below_root(const char *path)
{
	return path + strlen(fake.root);
}

static int
make_group(const char *path)
{
	fake_folder(fake.root, below_root(path));
	fake_file(fake.root, GROUP "/cpuset.cpus", "\n");
	fake_file(fake.root, GROUP "/cpuset.cpus.partition", "member\n");
	fake_file(fake.root, GROUP "/cgroup.procs", "%s", "");
	return 0;
}

static int
remove_group(const char *path)
{
	static const char *const file[] = {"/cpuset.cpus", "/cpuset.cpus.partition", "/cgroup.procs"};
	char full[600];
	for (size_t i = 0; i < BH_ARRAY_CNT(file); i++) {
		snprintf(full, sizeof(full), "%s%s", path, file[i]);
		unlink(full);
	}
	return rmdir(path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Interrupt 0 is the timer's, which cannot move: kernel/irq/proc.c says EIO. */
static int
write_file(const char *path, const char *text)
{
	const char *file = below_root(path);
	if (++machine.write_cnt == machine.refuse_at || strcmp(file, "/proc/irq/0/smp_affinity_list") == 0)
		return -EIO;
	if (machine.ignore != NULL && strstr(file, machine.ignore) != NULL)
		return 0;
	if (!bh_sys_exists(fake.root, "%s", file))
		return -ENOENT;
	if (strstr(file, "cgroup.subtree_control") != NULL)
		text = strcmp(text, "+cpuset") == 0 ? "cpuset memory" : "memory";
	fake_file(fake.root, file, "%s\n", text);
	return 0;
}

/* As grub-mkconfig: what it makes depends on which files stand there. */
static int
generate(const char *root, const char *params, char **out_cfg, struct bh_error *error)
{
	bool dropin = bh_sys_exists(root, BH_GRUB_DROPIN_PATH), entry = bh_sys_exists(root, BH_GRUB_ENTRY_PATH);
	char text[512];
	if (machine.grub_fails && machine.ignore_then != NULL)
		machine.ignore = machine.ignore_then;
	if (machine.grub_fails)
		return bh_error_set(error, "E240", -ENOENT, "grub-mkconfig is not installed");
	if (dropin != (params[0] != '\0'))
		return bh_error_set(error, "E241", -EINVAL, "not what the files say");
	snprintf(text, sizeof(text), "menuentry 'Linux' {\n\tlinux /vmlinuz quiet%s%s\n}\n%s",
	         dropin ? " bulkhead: " : "", params, entry ? "submenu 'without bulkhead' {}\n" : "");
	*out_cfg = strdup(text);
	return *out_cfg != NULL ? 0 : -ENOMEM;
}

/* systemd's file of a run-time property (systemctl(1), set-property). */
static int
write_slice(const char *root, const char *name, const char *list, struct bh_error *error)
{
	char path[160];
	(void)error;
	snprintf(path, sizeof(path), "/run/systemd/system.control/%s.d/50-AllowedCPUs.conf", name);
	if (list != NULL)
		fake_file(root, path,
		          "# This is a drop-in unit file extension, created via \"systemctl "
		          "set-property\"\n[%s]\nAllowedCPUs=%s\n",
		          strstr(name, ".slice") != NULL ? "Slice" : "Scope", list);
	else
		fake_gone(root, path);
	return 0;
}

static const struct bh_change_ops ops = {make_group, remove_group, write_file, write_slice, generate};

static void
make_machine(void)
{
	static const struct {
		const char *path, *text;
	} file[] = {
	        {"/sys/devices/system/cpu/online", "0-3"},
	        {"/sys/devices/system/cpu/possible", "0-3"},
	        {"/sys/devices/system/cpu/isolated", ""},
	        {"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory"},
	        {"/sys/fs/cgroup/cgroup.subtree_control", "memory"},
	        {"/proc/sys/kernel/random/boot_id", "11111111-aaaa-bbbb-cccc-222222222222"},
	        {"/proc/cmdline", "root=/dev/sda1 quiet"},
	        {"/proc/cpuinfo", "vendor_id : GenuineIntel"},
	        {"/proc/irq/default_smp_affinity", "f"},
	        {"/proc/irq/0/smp_affinity_list", "0-3"},
	        {"/proc/irq/24/smp_affinity_list", "2-3"},
	        {"/proc/irq/25/smp_affinity_list", "0-3"},
	        {"/proc/irq/26/smp_affinity_list", "1"},
	        {"/sys/devices/virtual/workqueue/cpumask", "f"},
	        {"/sys/devices/virtual/workqueue/writeback/cpumask", "f"},
	        {"/proc/sys/kernel/watchdog_cpumask", "0-3"},
	        {"/proc/sys/kernel/nmi_watchdog", "1"},
	        {"/proc/sys/kernel/timer_migration", "1"},
	        {"/proc/sys/vm/stat_interval", "1"},
	        {"/sys/class/net/eth0/queues/rx-0/rps_cpus", "0"},
	        {"/sys/class/net/eth0/queues/tx-0/xps_cpus", "c"},
	        {"/sys/devices/system/node/node0/cpulist", "0-3"},
	        {"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "4"},
	        {"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "2"},
	        {"/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "schedutil"},
	        {"/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance"},
	        {"/sys/devices/system/cpu/cpu2/cpuidle/state0/latency", "0"},
	        {"/sys/devices/system/cpu/cpu2/cpuidle/state0/disable", "0"},
	        {"/sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "133"},
	        {"/sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "0"},
	};
	fake_folder(fake.root, "/run");
	/* A module that was loaded stays: it changes nothing. */
	fake_folder(fake.root, "/sys/bus/pci/drivers/vfio_iommu_type1");
	for (size_t i = 0; i < BH_ARRAY_CNT(file); i++)
		fake_file(fake.root, file[i].path, "%s\n", file[i].text);
}

int
machine_start(void **state)
{
	int err = fake_start(state);
	memset(&machine, 0, sizeof(machine));
	make_machine();
	bh_wants_none(&machine.wants);
	snprintf(machine.wants.path, sizeof(machine.wants.path), "/etc/bulkhead/x.conf");
	bh_cpus_add(&machine.wants.cpus, 2);
	bh_cpus_add(&machine.wants.cpus, 3);
	machine.wants.hugepage_cnt = 8;
	machine.wants.device_cnt = 1;
	snprintf(machine.wants.device[0], sizeof(machine.wants.device[0]), NVME);
	bh_change_ops = &ops;
	return err;
}

void
machine_add_systemd(void)
{
	static const char *const name[] = {"system.slice", "user.slice", "init.scope"};
	fake_folder(fake.root, "/run/systemd/system");
	for (size_t i = 0; i < BH_ARRAY_CNT(name); i++) {
		char path[128];
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/cgroup.procs", name[i]);
		fake_file(fake.root, path, "%s", "1\n");
		snprintf(path, sizeof(path), "/run/systemd/system.control/%s.d", name[i]);
		fake_folder(fake.root, path);
	}
}

void
machine_add_grub(void)
{
	fake_file(fake.root, "/boot/grub/grub.cfg", "menuentry 'Linux' {\n\tlinux /vmlinuz quiet\n}\n");
	fake_folder(fake.root, "/etc/default/grub.d");
	fake_folder(fake.root, "/etc/grub.d");
	machine.wants.level = BH_LEVEL_FULL;
}

int
machine_stop(void **state)
{
	bh_plan_free(&machine.plan);
	bh_change_ops = &bh_change_ops_linux;
	return fake_stop(state);
}

/* ---- what it looks like ---- */

static int
no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
shoot(FILE *out, const char *folder)
{
	struct dirent **entry;
	int cnt = scandir(folder, &entry, no_dots, alphasort);
	for (int i = 0; i < cnt; i++) {
		char path[1024], text[4096];
		struct stat info;
		snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
		free(entry[i]);
		if (strcmp(below_root(path), "/var/lib/bulkhead") == 0 ||
		    strcmp(below_root(path), "/run/bulkhead") == 0 || lstat(path, &info) != 0)
			continue;
		fprintf(out, "%s", below_root(path));
		ssize_t len = S_ISLNK(info.st_mode) ? readlink(path, text, sizeof(text) - 1) : 0;
		FILE *file = S_ISREG(info.st_mode) ? fopen(path, "re") : NULL;
		if (file != NULL) {
			len = (ssize_t)fread(text, 1, sizeof(text) - 1, file);
			fclose(file);
		}
		text[len > 0 ? len : 0] = '\0';
		fprintf(out, "=%.*s\n", (int)strcspn(text, "\n"), text);
		if (S_ISDIR(info.st_mode))
			shoot(out, path);
	}
	if (cnt >= 0)
		free(entry);
}

char *
machine_shot(void)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	if (out == NULL)
		abort();
	fake_folder(fake.root, "/var/lib");
	shoot(out, fake.root);
	fclose(out);
	return text;
}

bool
machine_is(const char *shot)
{
	char *now = machine_shot();
	size_t at = 0;
	while (now[at] != '\0' && now[at] == shot[at])
		at++;
	bool same = now[at] == shot[at];
	while (!same && at > 0 && now[at - 1] != '\n')
		at--;
	if (!same)
		printf("was: %.*s\nis:  %.*s\n", (int)strcspn(shot + at, "\n"), shot + at, (int)strcspn(now + at, "\n"),
		       now + at);
	free(now);
	return same;
}

/* ---- what is done to it ---- */

int
machine_plan(void)
{
	bh_plan_free(&machine.plan);
	machine.error = (struct bh_error){0};
	return bh_plan_make(fake.root, &machine.wants, &machine.plan, &machine.error);
}

int
machine_apply(void)
{
	int err = machine_plan();
	return err != 0 ? err : bh_apply(&machine.plan, NULL, NULL, &machine.report, &machine.error);
}

int
machine_restore(void)
{
	machine.error = (struct bh_error){0};
	return bh_restore(fake.root, NULL, NULL, &machine.report, &machine.error);
}

bool
machine_killed(int (*fn)(void), unsigned n)
{
	char text[16];
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		snprintf(text, sizeof(text), "%u", n);
		setenv("BULKHEAD_KILL_AT", text, 1);
		_exit(fn() == 0 ? 0 : 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status) != 0))
		abort();
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}
