/* SPDX-License-Identifier: Apache-2.0 */
/* apply and restore: killed at each point, refused at each write, on a full disk, and with others at work; then that they do it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/machine/machine.h"

#define HUGEPAGES "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
#define DROPIN    "/etc/default/grub.d/90-bulkhead.cfg"

static bool
has_journal(void)
{
	return bh_sys_exists(fake.root, BH_JOURNAL_PATH);
}

static void
is(const char *path, const char *value)
{
	char text[256] = "";
	assert_int_equal(bh_sys_read(text, sizeof(text), fake.root, "%s", path), 0);
	assert_string_equal(text, value);
}

static void
killed_at_each_point_of_apply_it_is_restored(void **state)
{
	char *shot = machine_shot();
	unsigned n = 1;
	(void)state;
	for (; machine_killed(machine_apply, n); n++) {
		assert_int_equal(machine_restore(), 0);
		assert_true(machine_is(shot));
		assert_false(has_journal());
	}
	print_message("%u points\n", n - 1);
	assert_in_range(n, 50, 1000); /* three for each of some 20 writes */
	assert_false(machine_is(shot));
	assert_int_equal(machine_restore(), 0);
	assert_true(machine_is(shot));
	free(shot);
}

static void
killed_at_each_point_of_restore_it_goes_on(void **state)
{
	char *shot = machine_shot();
	unsigned n = 1;
	(void)state;
	do {
		assert_int_equal(machine_apply(), 0);
		if (!machine_killed(machine_restore, n))
			break;
		assert_int_equal(machine_restore(), 0);
		assert_true(machine_is(shot));
	} while (++n < 1000);
	assert_in_range(n, 30, 999);
	assert_true(machine_is(shot));
	free(shot);
}

static void
killed_and_applied_again_it_is_restored_to_the_first_state(void **state)
{
	char *shot = machine_shot();
	(void)state;
	for (unsigned n = 5; machine_killed(machine_apply, n); n += 7) {
		assert_int_equal(machine_apply(), 0);
		is("/proc/irq/24/smp_affinity_list", "0-1");
		assert_int_equal(machine_restore(), 0);
		assert_true(machine_is(shot));
	}
	free(shot);
}

static void
the_full_level_too(void **state)
{
	machine_add_grub();
	killed_at_each_point_of_apply_it_is_restored(state);
	killed_at_each_point_of_restore_it_goes_on(state);
	killed_and_applied_again_it_is_restored_to_the_first_state(state);
}

static void
systemd_is_told_and_told_again(void **state)
{
	machine_add_systemd();
	char *shot = machine_shot();
	assert_int_equal(machine_apply(), 0);
	assert_string_equal(machine.plan.change[0].path, "init.scope");
	assert_non_null(strstr(fake_text(fake.root, "/run/systemd/system.control/user.slice.d/50-AllowedCPUs.conf"),
	                       "AllowedCPUs=0-1\n"));
	assert_int_equal(machine_restore(), 0);
	assert_true(machine_is(shot));
	free(shot);
	killed_at_each_point_of_apply_it_is_restored(state);
}

static void
without_grub_s_tools_all_is_put_back(void **state)
{
	(void)state;
	machine_add_grub();
	char *shot = machine_shot();
	machine.grub_fails = true;
	assert_int_equal(machine_apply(), -ENOENT);
	assert_string_equal(machine.error.id, "E240");
	assert_true(machine.report.rolled_back);
	assert_true(machine_is(shot));
	assert_false(has_journal());
	free(shot);
}

/* Killed inside of the replacement: what lies beside the file is no script for update-grub, and goes with restore. */
static void
what_a_killed_write_left_is_taken_away(void **state)
{
	(void)state;
	machine_add_grub();
	assert_int_equal(machine_apply(), 0);
	fake_file(fake.root, "/etc/grub.d/.45_bulkhead.bulkhead-new", "half of it");
	assert_int_equal(machine_restore(), 0);
	assert_false(bh_sys_exists(fake.root, "/etc/grub.d/.45_bulkhead.bulkhead-new"));
}

/* A kernel's upgrade ran update-grub meanwhile. */
static void
a_menu_made_anew_is_made_without_ours(void **state)
{
	struct stat info;
	char path[512];
	(void)state;
	machine_add_grub();
	char *shot = machine_shot();
	assert_int_equal(machine_apply(), 0);
	assert_true(machine.plan.reboot);
	snprintf(path, sizeof(path), "%s%s", fake.root, BH_GRUB_ENTRY_PATH);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0755);
	fake_file(fake.root, "/boot/grub/grub.cfg",
	          "# another kernel\nmenuentry 'Linux' {\n\tlinux /vmlinuz quiet bulkhead: x\n}\n");
	assert_int_equal(machine_restore(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_LEFT], 1);
	assert_true(machine_is(shot)); /* this generator makes what stood there */
	assert_int_equal(machine_apply(), 0);
	char *applied = machine_shot();
	assert_int_equal(machine_apply(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_DONE], 0);
	assert_true(machine_is(applied));
	free(applied);
	free(shot);
}

static void
refused_at_each_write_it_is_put_back_or_told(void **state)
{
	char *shot = machine_shot();
	unsigned failed_cnt = 0, n = 1;
	(void)state;
	for (;; n++) {
		machine.write_cnt = 0;
		machine.refuse_at = n;
		int err = machine_apply();
		if (err != 0) {
			assert_string_equal(machine.error.id, "E230");
			assert_non_null(strstr(machine.error.text, "everything was put back"));
			assert_true(machine.report.rolled_back);
			failed_cnt++;
		} else {
			assert_in_range(machine.report.cnt[BH_STEP_REFUSED], 1, 2); /* the timer's always is */
			machine.refuse_at = 0;
			assert_int_equal(machine_restore(), 0);
		}
		assert_true(machine_is(shot));
		assert_false(has_journal());
		if (err == 0 && machine.write_cnt < n)
			break;
	}
	assert_int_equal(failed_cnt, 4); /* controller, cpuset.cpus, the partition, hugepages */
	free(shot);
}

static void
what_does_not_read_back_is_put_back(void **state)
{
	char *shot = machine_shot();
	(void)state;
	machine.ignore = "cpuset.cpus.partition";
	assert_int_equal(machine_apply(), -EIO);
	assert_string_equal(machine.error.id, "E230");
	assert_non_null(strstr(machine.error.text, "'member' reads back"));
	assert_true(machine_is(shot));
	free(shot);
}

/* The last step fails, and one of the way back as well: one message has both, and the journal stays. */
static void
what_cannot_be_rolled_back_is_told(void **state)
{
	(void)state;
	machine_add_grub();
	char *shot = machine_shot();
	machine.grub_fails = true;
	machine.ignore_then = "watchdog_cpumask";
	assert_true(machine_apply() < 0);
	assert_string_equal(machine.error.id, "E231");
	assert_non_null(strstr(machine.error.text, "grub-mkconfig is not installed"));
	assert_non_null(strstr(machine.error.text, "not all could be put back: /proc/sys/kernel/watchdog_cpumask"));
	assert_null(strstr(machine.error.text, "everything was put back"));
	assert_false(machine.report.rolled_back);
	assert_true(has_journal());
	machine.ignore = NULL;
	assert_int_equal(machine_restore(), 0);
	assert_true(machine_is(shot));
	free(shot);
}

static void
what_cannot_be_put_back_stays_in_the_journal(void **state)
{
	char *shot = machine_shot();
	(void)state;
	assert_int_equal(machine_apply(), 0);
	machine.ignore = "nr_hugepages";
	assert_int_equal(machine_restore(), -EIO);
	assert_string_equal(machine.error.id, "E231");
	assert_non_null(strstr(machine.error.text, HUGEPAGES));
	assert_true(has_journal());
	is("/proc/irq/24/smp_affinity_list", "2-3"); /* the rest is back all the same */
	machine.ignore = NULL;
	assert_int_equal(machine_restore(), 0);
	assert_true(machine_is(shot));
	free(shot);
}

/* A file size limit stands for the full disk: what is beyond it is not written. */
static rlim_t journal_limit;

static int
apply_on_a_full_disk(void)
{
	const struct rlimit limit = {journal_limit, journal_limit};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	int err = machine_apply();
	return err < 0 && strcmp(machine.error.id, "E221") == 0 ? 0 : 1;
}

static void
on_a_full_disk_nothing_is_changed(void **state)
{
	char *shot = machine_shot(), *journal;
	(void)state;
	assert_int_equal(machine_apply(), 0);
	const int64_t whole_bytes = bh_sys_load(&journal, fake.root, BH_JOURNAL_PATH);
	free(journal);
	assert_int_equal(machine_restore(), 0);
	for (journal_limit = 0; (int64_t)journal_limit < whole_bytes; journal_limit += 131) {
		assert_false(machine_killed(apply_on_a_full_disk, 0));
		assert_true(machine_is(shot));
		assert_false(has_journal());
	}
	free(shot);
}

static void
without_a_place_for_the_journal_nothing_is_changed(void **state)
{
	(void)state;
	fake_file(fake.root, "/var/lib/bulkhead", "a file is in the way");
	char *shot = machine_shot();
	assert_int_equal(machine_apply(), -ENOTDIR);
	assert_string_equal(machine.error.id, "E221");
	assert_true(machine_is(shot));
	free(shot);
}

static void
a_device_in_use_is_refused_before_anything_changes(void **state)
{
	(void)state;
	fake_file(fake.root, "/proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1 partition 1 0 -2\n");
	char *shot = machine_shot();
	assert_int_equal(machine_apply(), -EPERM);
	assert_string_equal(machine.error.id, "E140");
	assert_true(machine_is(shot));
	assert_false(has_journal());
	free(shot);
}

static void
another_configuration_and_another_version_are_refused(void **state)
{
	(void)state;
	assert_int_equal(machine_apply(), 0);
	char *shot = machine_shot();
	snprintf(machine.wants.path, sizeof(machine.wants.path), "/etc/bulkhead/y.conf");
	assert_int_equal(machine_apply(), -EEXIST);
	assert_string_equal(machine.error.id, "E229");
	assert_non_null(strstr(machine.error.text, "x.conf"));
	fake_file(fake.root, BH_JOURNAL_PATH, "bulkhead-journal 2 #%016x\n", 0);
	assert_int_equal(machine_restore(), -EBADMSG); /* not even its first line is whole */
	assert_int_equal(machine_apply(), -EBADMSG);
	assert_true(machine_is(shot));
	free(shot);
}

static void
somebody_elses_change_is_left_and_told(void **state)
{
	(void)state;
	assert_int_equal(machine_apply(), 0);
	fake_file(fake.root, "/proc/sys/vm/stat_interval", "5\n");
	fake_file(fake.root, "/proc/irq/25/smp_affinity_list", "0\n");
	fake_gone(fake.root, "/proc/irq/24/smp_affinity_list");
	assert_int_equal(machine_restore(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_LEFT], 2);
	assert_int_equal(machine.report.cnt[BH_STEP_GONE], 1);
	is("/proc/sys/vm/stat_interval", "5");
	is("/proc/irq/25/smp_affinity_list", "0");
	is("/proc/sys/kernel/watchdog_cpumask", "0-3");
	assert_false(has_journal());
	assert_int_equal(machine_restore(), 0); /* nothing to do */
	assert_int_equal(machine.report.cnt[BH_STEP_BACK], 0);
}

static void
with_processes_in_the_partition_it_is_not_restored(void **state)
{
	(void)state;
	assert_int_equal(machine_apply(), 0);
	char *shot = machine_shot();
	fake_file(fake.root, BH_PARTITION_GROUP "/cgroup.procs", "4711\n");
	assert_int_equal(machine_restore(), -EBUSY);
	assert_string_equal(machine.error.id, "E233");
	assert_non_null(strstr(machine.error.text, "4711"));
	fake_file(fake.root, BH_PARTITION_GROUP "/cgroup.procs", "%s", "");
	assert_true(machine_is(shot));
	free(shot);
}

/* The CPUs went away meanwhile: the kernel says so behind our word (cgroup-v2.rst, "isolated invalid"). */
static void
an_invalid_partition_is_still_ours(void **state)
{
	(void)state;
	char *shot = machine_shot();
	assert_int_equal(machine_apply(), 0);
	fake_file(fake.root, BH_PARTITION_GROUP "/cpuset.cpus.partition",
	          "isolated invalid (Parent unable to distribute)\n");
	assert_int_equal(machine_restore(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_LEFT], 0);
	assert_true(machine_is(shot));
	free(shot);
}

static void
applied_twice_nothing_changes(void **state)
{
	char *journal;
	(void)state;
	assert_int_equal(machine_apply(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_SAME], 2); /* CPU 3's governor, timer_migration */
	is(BH_PARTITION_GROUP "/cpuset.cpus.partition", "isolated");
	is(BH_PARTITION_GROUP "/cpuset.cpus", "2-3");
	is("/proc/irq/24/smp_affinity_list", "0-1");
	is("/proc/irq/25/smp_affinity_list", "0-1");
	is("/proc/irq/26/smp_affinity_list", "1");
	is("/proc/irq/default_smp_affinity", "3");
	is("/sys/devices/virtual/workqueue/cpumask", "3");
	is("/proc/sys/kernel/watchdog_cpumask", "0-1");
	is("/sys/class/net/eth0/queues/rx-0/rps_cpus", "0");
	is("/sys/class/net/eth0/queues/tx-0/xps_cpus", "3");
	is(HUGEPAGES, "10");
	is("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance");
	is("/sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "0"); /* idle_latency was not asked for */
	char *shot = machine_shot();
	assert_true(bh_sys_load(&journal, fake.root, BH_JOURNAL_PATH) > 0);
	fake_file(fake.root, "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "2\n");
	assert_int_equal(machine_apply(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_DONE], 0);
	assert_string_equal(fake_text(fake.root, BH_JOURNAL_PATH), journal);
	assert_true(machine_is(shot));
	free(journal);
	free(shot);
}

static void
what_drifted_is_applied_again(void **state)
{
	char *shot = machine_shot();
	(void)state;
	assert_int_equal(machine_apply(), 0);
	fake_file(fake.root, "/proc/irq/25/smp_affinity_list", "3\n");
	assert_int_equal(machine_apply(), 0);
	is("/proc/irq/25/smp_affinity_list", "0-1");
	assert_int_equal(machine_restore(), 0);
	assert_true(machine_is(shot)); /* 0-3, and not 3 */
	free(shot);
}

static void
reboot(void)
{
	fake_file(fake.root, "/proc/sys/kernel/random/boot_id", "33333333-aaaa-bbbb-cccc-444444444444\n");
}

static void
a_reboot_takes_the_live_level_away(void **state)
{
	bool reapply;
	static char config[PATH_MAX];
	(void)state;
	machine.wants.reapply = true;
	assert_int_equal(machine_apply(), 0);
	reboot();
	fake_file(fake.root, "/proc/irq/24/smp_affinity_list", "2-3\n");
	assert_int_equal(bh_after_boot(fake.root, &reapply, config, &machine.error), 0);
	assert_true(reapply);
	assert_string_equal(config, "/etc/bulkhead/x.conf");
	assert_false(has_journal());
	assert_int_equal(machine_restore(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_BACK], 0);
}

/* A file of the full level, by hand: it outlives the boot, and is put back after it. */
static void
what_is_on_the_disk_is_restored_after_a_reboot(void **state)
{
	struct bh_journal journal;
	bool reapply;
	static char config[PATH_MAX];
	(void)state;
	assert_int_equal(machine_apply(), 0);
	fake_folder(fake.root, "/etc/default/grub.d");
	char *text = NULL;
	assert_int_equal(bh_journal_open(fake.root, &journal, &machine.error), 0);
	assert_true(bh_journal_intend(&journal, BH_CHANGE_FILE, DROPIN, NULL, "A=1\nB=2\n", &machine.error) > 0);
	assert_int_equal(bh_change_write(fake.root, BH_CHANGE_FILE, DROPIN, "A=1\nB=2\n", &machine.error), 0);
	bh_journal_close(&journal);
	assert_int_equal(bh_change_read(fake.root, BH_CHANGE_FILE, DROPIN, &text), 0);
	assert_string_equal(text, "A=1\nB=2\n");
	free(text);
	reboot();
	assert_int_equal(bh_after_boot(fake.root, &reapply, config, &machine.error), 0);
	assert_false(reapply);
	assert_true(has_journal());
	assert_int_equal(machine_restore(), 0);
	assert_int_equal(machine.report.cnt[BH_STEP_BACK], 1);
	assert_false(bh_sys_exists(fake.root, DROPIN));
	assert_false(has_journal());
}

static const struct bh_status_row *
row(const struct bh_status *status, const char *name)
{
	for (uint32_t i = 0; i < status->row_cnt; i++) {
		if (strcmp(status->row[i].name, name) == 0)
			return &status->row[i];
	}
	fail_msg("no row %s", name);
	return NULL;
}

static void
status_says_what_holds(void **state)
{
	struct bh_status status;
	(void)state;
	assert_int_equal(bh_status_read(fake.root, &status, &machine.error), 0);
	assert_false(status.applied);
	assert_int_equal(row(&status, "isolated CPUs")->state, BH_ROW_FREE);
	bh_status_free(&status);
	assert_int_equal(machine_apply(), 0);
	fake_file(fake.root, BH_PARTITION_GROUP "/cpuset.cpus.effective", "2-3\n");
	fake_file(fake.root, "/proc/sys/vm/stat_interval", "5\n");
	assert_int_equal(bh_status_read(fake.root, &status, &machine.error), 0);
	assert_true(status.applied);
	const struct bh_status_row *cpus = row(&status, "isolated CPUs");
	assert_string_equal(cpus->wanted, "2-3");
	assert_string_equal(cpus->booted, "");
	assert_string_equal(cpus->effective, "2-3");
	assert_int_equal(cpus->state, BH_ROW_HOLDS);
	assert_int_equal(row(&status, "/proc/sys/vm/stat_interval")->state, BH_ROW_DRIFTED);
	assert_int_equal(row(&status, "/proc/irq/0/smp_affinity_list")->state, BH_ROW_REFUSED);
	assert_int_equal(status.cnt[BH_ROW_DRIFTED], 1);
	bh_status_free(&status);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, machine_start, machine_stop)
	const struct CMUnitTest tests[] = {
	        T(killed_at_each_point_of_apply_it_is_restored),
	        T(killed_at_each_point_of_restore_it_goes_on),
	        T(killed_and_applied_again_it_is_restored_to_the_first_state),
	        T(the_full_level_too),
	        T(systemd_is_told_and_told_again),
	        T(without_grub_s_tools_all_is_put_back),
	        T(what_a_killed_write_left_is_taken_away),
	        T(a_menu_made_anew_is_made_without_ours),
	        T(refused_at_each_write_it_is_put_back_or_told),
	        T(what_does_not_read_back_is_put_back),
	        T(what_cannot_be_rolled_back_is_told),
	        T(what_cannot_be_put_back_stays_in_the_journal),
	        T(on_a_full_disk_nothing_is_changed),
	        T(without_a_place_for_the_journal_nothing_is_changed),
	        T(a_device_in_use_is_refused_before_anything_changes),
	        T(another_configuration_and_another_version_are_refused),
	        T(somebody_elses_change_is_left_and_told),
	        T(with_processes_in_the_partition_it_is_not_restored),
	        T(an_invalid_partition_is_still_ours),
	        T(applied_twice_nothing_changes),
	        T(what_drifted_is_applied_again),
	        T(a_reboot_takes_the_live_level_away),
	        T(what_is_on_the_disk_is_restored_after_a_reboot),
	        T(status_says_what_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
