/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead devices, bind and unbind on a real kernel: each reason to refuse with the real thing, read back that nothing was
 * changed, then overridden, then given back. The machine has three NVMe drives of 256 MiB and two e1000e cards on one wire, a slot
 * with a drive and a card in one IOMMU group, a drive with two controllers, a virtio card, and a port with nothing
 * behind it.
 *
 * test_bind [NAME]                all of it, or one test
 * test_bind --no-iommu            on a machine without an IOMMU
 * test_bind --as-nobody COMMAND   runs the command as another user than root
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/bind.h"

#define DEVICES    "/sys/bus/pci/devices"
#define SPARE_PORT "0000:00:1d.0"

static void
test_devices_listed(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result, "bulkhead devices");
	assert_int_equal(result.exit_code, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(strstr(result.out, bind_drive[i]));
	assert_non_null(strstr(result.out, "serial bulkhead0"));
	assert_non_null(strstr(result.out, "next: bulkhead bind"));
	for (char *line = result.out; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
		assert_true(strcspn(line, "\n") <= 100);
	command_result_free(&result);
	inside_run(&result, "bulkhead devices --all");
	assert_non_null(strstr(result.out, "pcieport"));
	assert_non_null(strstr(result.out, "stays with Linux"));
	command_result_free(&result);
}

static void
test_usage_and_root(void **state)
{
	struct command_result result;
	(void)state;
	static const struct {
		const char *command;
		int exit_code;
	} cases[] = {
	        {"bulkhead bind", 2},
	        {"bulkhead bind nonsense", 2},
	        {"bulkhead bind --override", 2},
	        {"bulkhead bind 7f:1f.7", 2},
	        {"bulkhead unbind ../../x", 2},
	        {"bulkhead unbind --override mounted 1:0.0", 2},
	        {"bulkhead devices extra", 2},
	        {"bulkhead bind --help", 0},
	        {"bulkhead unbind --help", 0},
	        {"bulkhead devices --help", 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		inside_run(&result, "%s", cases[i].command);
		assert_int_equal(result.exit_code, cases[i].exit_code);
		command_result_free(&result);
	}
	inside_run(&result, "/proc/%d/exe --as-nobody bulkhead bind %s", (int)getpid(), bind_drive[0]);
	assert_int_equal(result.exit_code, 6);
	command_result_free(&result);
	inside_run(&result, "/proc/%d/exe --as-nobody bulkhead devices", (int)getpid());
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.out, "sudo bulkhead devices"));
	command_result_free(&result);
	inside_run(&result, "bulkhead bind --override mounted %s %s", bind_drive[0], bind_drive[1]);
	assert_int_equal(result.exit_code, 2);
	command_result_free(&result);
	bind_state_is(bind_drive[0], "nvme (null) no journal");
}

static void
test_drive_and_back(void **state)
{
	struct command_result before, after;
	(void)state;
	const char *look = "cat /sys/block/%s/device/serial; head -c 16M /dev/%s | sha256sum";
	inside_ok("dd if=/dev/urandom of=/dev/%s bs=1M count=4 conv=fsync 2>&1", bind_disk_of(bind_drive[0]));
	inside_run(&before, look, bind_disk_of(bind_drive[0]), bind_disk_of(bind_drive[0]));
	inside_ok("bulkhead bind --dry-run %s", bind_drive[0]);
	bind_state_is(bind_drive[0], "nvme (null) no journal");
	inside_ok("bulkhead bind %s", bind_drive[0]);
	bind_state_is(bind_drive[0], "vfio-pci vfio-pci journal");
	inside_ok("bulkhead bind %s", bind_drive[0]); /* again: nothing */
	inside_run(&after, "bulkhead devices");
	assert_non_null(strstr(after.out, "taken by bulkhead from nvme"));
	command_result_free(&after);
	inside_run(&after, "bulkhead unbind %s", bind_drive[0]);
	assert_int_equal(after.exit_code, 0);
	assert_non_null(strstr(after.out, "is there again"));
	command_result_free(&after);
	bind_state_is(bind_drive[0], "nvme (null) no journal");
	bind_given_back(bind_drive[0], "nvme"); /* again: nothing */
	inside_run(&after, look, bind_disk_of(bind_drive[0]), bind_disk_of(bind_drive[0]));
	assert_string_equal(before.out, after.out);
	command_result_free(&before);
	command_result_free(&after);
	bind_wipe(bind_drive[0]);
}

static void
test_class(void **state)
{
	char disk_controller[16];
	(void)state;
	bind_refused(inside_find("0x0106", 0, disk_controller), "class", "no NVMe drive and no network card");
	bind_refused(inside_find("0x0604", 0, disk_controller), "class", "(bridge)");
}

static void
test_unbind_in_use(void **state)
{
	struct command_result result;
	char path[64], want[64];
	(void)state;
	inside_ok("modprobe vfio_iommu_type1; bulkhead bind %s", bind_drive[0]);
	snprintf(path, sizeof(path), "/dev/vfio/%d", inside_group(bind_drive[0]));
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	inside_run(&result, "bulkhead unbind %s", bind_drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E150)"));
	snprintf(want, sizeof(want), "%d (test_bind)", (int)getpid());
	assert_non_null(strstr(result.err, want));
	command_result_free(&result);
	bind_state_is(bind_drive[0], "vfio-pci vfio-pci journal");
	close(fd);
	bind_given_back(bind_drive[0], "nvme");
	/* somebody else's vfio-pci is left alone */
	inside_bind(bind_drive[0], "vfio-pci");
	inside_run(&result, "bulkhead unbind %s", bind_drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E149)"));
	command_result_free(&result);
	inside_bind(bind_drive[0], "nvme");
	inside_ok("echo > " DEVICES "/%s/driver_override", bind_drive[0]);
}

/* Killed at any point, the next call finishes or restores; two at once do no harm. */
static void
test_killed(void **state)
{
	struct command_result result;
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		inside_run(&result, "bulkhead bind %s & usleep %u; kill -9 $! 2>/dev/null; wait", bind_drive[1],
		           2000 + i * 12000);
		command_result_free(&result);
		if (i % 2 == 0)
			inside_ok("bulkhead bind %s", bind_drive[1]);
		bind_given_back(bind_drive[1], "nvme");
		(void)bind_disk_of(bind_drive[1]);
	}
	inside_ok("bulkhead bind %s & one=$!; bulkhead bind %s & two=$!; wait $one && wait $two", bind_drive[1],
	          bind_drive[1]);
	bind_state_is(bind_drive[1], "vfio-pci vfio-pci journal");
	bind_given_back(bind_drive[1], "nvme");
	inside_ok("bulkhead bind %s %s %s", bind_drive[0], bind_drive[1], bind_drive[2]);
	inside_ok("bulkhead unbind %s %s %s", bind_drive[2], bind_drive[1], bind_drive[0]);
	for (unsigned i = 0; i < 3; i++)
		bind_state_is(bind_drive[i], "nvme (null) no journal");
}

/* The kernel has no vfio-pci, and no journal can be written: nothing is changed. */
static void
test_missing_layers(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result,
	           "mv /lib/modules /lib/gone; bulkhead bind %s; code=$?; mv /lib/gone /lib/modules; exit $code",
	           bind_drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E145)"));
	command_result_free(&result);
	bind_state_is(bind_drive[0], "nvme (null) no journal");
	inside_run(&result,
	           "mv /run/bulkhead /run/kept; touch /run/bulkhead; bulkhead bind %s; code=$?; rm /run/bulkhead; mv "
	           "/run/kept /run/bulkhead; exit $code",
	           bind_drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E152)"));
	command_result_free(&result);
	bind_state_is(bind_drive[0], "nvme (null) no journal");
}

/* vfio-pci refuses a bridge: a real step fails, and the port has its driver again. */
static void
test_rolled_back(void **state)
{
	struct command_result result;
	char before[160];
	(void)state;
	bind_read_state(SPARE_PORT, before);
	assert_string_equal(before, "pcieport (null) no journal");
	inside_run(&result, "bulkhead bind " SPARE_PORT " --override class");
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E142)"));
	assert_non_null(strstr(result.err, SPARE_PORT " is as it was before"));
	command_result_free(&result);
	bind_state_is(SPARE_PORT, before);
}

/* A drive and a card that no IOMMU can tell apart: each says what else has to be taken. */
static void
test_group(void **state)
{
	struct command_result result;
	char near[16], far[16], want[64];
	(void)state;
	inside_find("0x0108", 3, near);
	inside_find("0x0200", 2, far);
	assert_int_equal(inside_group(near), inside_group(far));
	inside_run(&result, "bulkhead bind %s", near);
	assert_int_equal(result.exit_code, 0);
	snprintf(want, sizeof(want), "also holds %s (network, driver e1000e)", far);
	assert_non_null(strstr(result.out, want));
	command_result_free(&result);
	inside_run(&result, "bulkhead bind %s", far);
	assert_int_equal(result.exit_code, 0);
	assert_null(strstr(result.out, "also holds"));
	command_result_free(&result);
	inside_ok("bulkhead unbind %s %s", near, far);
	bind_state_is(near, "nvme (null) no journal");
	bind_state_is(far, "e1000e (null) no journal");
}

/* One namespace behind two controllers: the disk is the subsystem's, and either path counts. */
static void
test_multipath(void **state)
{
	struct command_result result;
	char path[2][16], head[64];
	(void)state;
	inside_find("0x0108", 4, path[0]);
	inside_find("0x0108", 5, path[1]);
	inside_run(&result, "for d in /sys/class/nvme-subsystem/*/nvme*n1; do echo $(basename $d) $(cat $d/serial "
	                    "2>/dev/null) $(cat $(dirname $d)/serial); done | "
	                    "grep twopath | cut -d' ' -f1");
	snprintf(head, sizeof(head), "/dev/%.50s", result.out);
	head[strcspn(head, "\n")] = '\0';
	command_result_free(&result);
	int fd = open(head, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0);
	bind_refused(path[0], "in-use", head);
	bind_refused(path[1], "in-use", head);
	close(fd);
	inside_ok("bulkhead bind %s", path[0]);
	bind_given_back(path[0], "nvme");
}

static void
test_journal_and_lock(void **state)
{
	struct command_result result;
	(void)state;
	inside_ok("bulkhead bind %s; cp /run/bulkhead/bind/%s /tmp/good; head -c 60 /tmp/good > /run/bulkhead/bind/%s",
	          bind_drive[0], bind_drive[0], bind_drive[0]);
	inside_run(&result, "bulkhead unbind %s", bind_drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E148)"));
	command_result_free(&result);
	bind_state_is(bind_drive[0], "vfio-pci vfio-pci journal");
	inside_ok("cp /tmp/good /run/bulkhead/bind/%s", bind_drive[0]);
	bind_given_back(bind_drive[0], "nvme");
	int fd = open("/run/bulkhead/bind/.lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	inside_run(&result, "bulkhead bind %s", bind_drive[0]); /* waits ten seconds for it */
	close(fd);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E147)"));
	command_result_free(&result);
	bind_state_is(bind_drive[0], "nvme (null) no journal");
}

/* A machine without an IOMMU: there is no override for that. */
static void
test_no_iommu(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result, "bulkhead bind %s --override mounted --override in-use", bind_drive[0]);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "(BH-E144)"));
	command_result_free(&result);
	bind_state_is(bind_drive[0], "nvme (null) no journal");
	inside_run(&result, "bulkhead devices");
	assert_non_null(strstr(result.out, "no IOMMU: not for cells"));
	assert_non_null(strstr(result.out, "no IOMMU is active"));
	command_result_free(&result);
}

static int
as_nobody(char **argv)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 99;
	execvp(argv[0], argv);
	return 98;
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "--as-nobody") == 0)
		return as_nobody(argv + 2);
	if (argc == 2 && strcmp(argv[1], "--no-iommu") == 0) {
		const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_iommu)};
		inside_find("0x0108", 0, bind_drive[0]);
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	if (argc == 2)
		cmocka_set_test_filter(argv[1]);
	for (unsigned i = 0; i < 3; i++)
		inside_find("0x0108", i, bind_drive[i]);
	for (unsigned i = 0; i < 2; i++)
		inside_find("0x0200", i, bind_card[i]);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_missing_layers),
	        cmocka_unit_test(test_devices_listed),
	        cmocka_unit_test(test_usage_and_root),
	        cmocka_unit_test(test_drive_and_back),
	        cmocka_unit_test(test_card_and_back),
	        cmocka_unit_test(test_mounted),
	        cmocka_unit_test(test_mounted_elsewhere),
	        cmocka_unit_test(test_swap),
	        cmocka_unit_test(test_device_mapper),
	        cmocka_unit_test(test_md),
	        cmocka_unit_test(test_lvm),
	        cmocka_unit_test(test_btrfs),
	        cmocka_unit_test(test_open),
	        cmocka_unit_test(test_class),
	        cmocka_unit_test(test_default_route),
	        cmocka_unit_test(test_bond_bridge_vlan),
	        cmocka_unit_test(test_ssh_session),
	        cmocka_unit_test(test_virtio_card),
	        cmocka_unit_test(test_rolled_back),
	        cmocka_unit_test(test_group),
	        cmocka_unit_test(test_multipath),
	        cmocka_unit_test(test_journal_and_lock),
	        cmocka_unit_test(test_unbind_in_use),
	        cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
