/* SPDX-License-Identifier: Apache-2.0 */
/* Taking and giving back on a kernel that refuses, lies or ends at any write; and the journal. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/host/fake_kernel.h"

static struct bh_error error;

static void
is(const char *address, const char *driver, const char *override)
{
	struct bh_pci_device device;
	assert_int_equal(bh_pci_read(fake.root, address, &device, NULL), 0);
	assert_string_equal(device.driver, driver);
	assert_string_equal(device.driver_override, override);
}

static bool
has_journal(const char *address)
{
	return bh_sys_exists(fake.root, BH_BIND_FOLDER "/%s", address);
}

static int
bind(const char *address)
{
	return bh_bind(fake.root, address, NULL, &error);
}

static int
unbind(const char *address)
{
	return bh_unbind(fake.root, address, &error);
}

static void
test_refused_changes_nothing(void **state)
{
	fake_file(fake.root, "/proc/swaps", "/dev/nvme0n1 x\n");
	assert_int_equal(bind(NVME), -EPERM);
	assert_string_equal(error.id, "E140");
	assert_int_equal(bh_error_exit_code(&error), 4);
	assert_non_null(strstr(error.text, "/proc/swaps"));
	assert_non_null(strstr(error.text, "--override swap"));
	is(NVME, "nvme", "");
	assert_false(has_journal(NVME));
}

static void
test_no_iommu(void **state)
{
	const char *const all[] = {"swap", NULL};
	fake_gone(fake.root, "/sys/bus/pci/devices/" NVME "/iommu_group");
	assert_int_equal(bh_bind(fake.root, NVME, all, &error), -EPERM);
	assert_string_equal(error.id, "E144");
	assert_int_equal(bh_error_exit_code(&error), 4);
	is(NVME, "nvme", "");
}

static void
test_override(void **state)
{
	const char *const wrong[] = {"swop", NULL}, *const half[] = {"swap", NULL},
	                  *const whole[] = {"swap", "mounted", NULL};
	const char *const two[] = {NVME, NIC};
	struct bh_bind_outcome out[2];
	struct bh_bind_request request = {fake.root, two, 2, whole, false};
	fake_file(fake.root, "/proc/swaps", "/dev/nvme0n1 x\n");
	fake_file(fake.root, "/proc/self/mountinfo", "36 35 259:1 / /data rw - ext4 /dev/x rw\n");
	assert_int_equal(bh_bind(fake.root, NVME, wrong, &error), -EINVAL);
	assert_string_equal(error.id, "E141");
	assert_int_equal(bh_bind(fake.root, NVME, half, &error), -EPERM);
	assert_non_null(strstr(error.text, "mounted on /data"));
	assert_null(strstr(error.text, "--override swap"));
	assert_int_equal(bh_bind_all(&request, out, &error), -EINVAL);
	is(NVME, "nvme", "");
	request.cnt = 1;
	assert_int_equal(bh_bind_all(&request, out, &error), 0);
	assert_int_equal(out[0].overridden_cnt, 2);
	is(NVME, "vfio-pci", "vfio-pci");
}

static void
test_no_module(void **state)
{
	fake_gone(fake.root, "/sys/bus/pci/drivers/vfio-pci");
	fake.has_module = false;
	assert_int_equal(bind(NVME), -ENOENT);
	assert_string_equal(error.id, "E145");
	is(NVME, "nvme", "");
	assert_false(has_journal(NVME));
	fake.has_module = true;
	assert_int_equal(bind(NVME), 0);
	is(NVME, "vfio-pci", "vfio-pci");
}

/* Each of the three writes of a take refused or lied about: all is as before, and no journal is left. */
static void
test_roll_back(void **state)
{
	static const enum fake_fault faults[] = {FAKE_REFUSE, FAKE_IGNORE};
	fake_file(fake.root, "/sys/bus/pci/devices/" NVME "/driver_override", "nvme\n");
	for (size_t i = 0; i < BH_ARRAY_CNT(faults); i++) {
		for (unsigned at = 1; at <= 3; at++) {
			fake.fault = faults[i];
			fake.fault_at = at;
			fake.write_cnt = 0;
			assert_int_equal(bind(NVME), -EIO);
			print_message("  %s\n", error.text);
			assert_string_equal(error.id, "E142");
			assert_non_null(strstr(error.text, "as it was before"));
			is(NVME, "nvme", "nvme");
			assert_false(has_journal(NVME));
		}
	}
}

static void
test_roll_back_fails(void **state)
{
	for (unsigned at = 2; at <= 3; at++) {
		fake.fault = FAKE_REFUSE_ALL;
		fake.fault_at = at;
		fake.write_cnt = 0;
		assert_int_equal(bind(NVME), -EIO);
		assert_string_equal(error.id, "E143");
		assert_non_null(strstr(error.text, "bulkhead unbind " NVME));
		assert_true(has_journal(NVME));
		fake.fault_at = 0;
		assert_int_equal(unbind(NVME), 0);
		is(NVME, "nvme", "");
		assert_false(has_journal(NVME));
	}
}

/* As after kill -9 behind each write: a later unbind restores, a later bind finishes and keeps the first journal. */
static void
test_killed_half_way(void **state)
{
	for (unsigned at = 1; at <= 4; at++) {
		for (int again = 0; again <= 1; again++) {
			struct bh_bind_journal journal = {.vendor = 0x1b36, .device = 0x10};
			strcpy(journal.address, NVME);
			strcpy(journal.driver, "nvme");
			assert_int_equal(bh_bind_journal_write(fake.root, &journal), 0);
			fake.fault = FAKE_DIE;
			fake.fault_at = at;
			fake.write_cnt = 0;
			(void)!bh_bind_take(fake.root, &journal, &error);
			fake.fault_at = 0;
			if (again) {
				assert_int_equal(bind(NVME), 0);
				is(NVME, "vfio-pci", "vfio-pci");
			}
			assert_int_equal(unbind(NVME), 0);
			is(NVME, "nvme", "");
			assert_false(has_journal(NVME));
		}
	}
}

/* Between the journal and the first write: what is there counts, not an old journal. */
static void
test_stale_journal(void **state)
{
	struct bh_bind_journal journal = {.vendor = 0x1b36, .device = 0x10};
	strcpy(journal.address, NVME);
	strcpy(journal.driver, "e1000e");
	assert_int_equal(bh_bind_journal_write(fake.root, &journal), 0);
	assert_int_equal(bind(NVME), 0);
	assert_int_equal(unbind(NVME), 0);
	is(NVME, "nvme", "");
}

static void
test_all_or_nothing(void **state)
{
	const char *const both[] = {NVME, NIC};
	struct bh_bind_outcome out[2];
	const struct bh_bind_request request = {fake.root, both, 2, NULL, false};
	for (unsigned at = 1; at <= 6; at++) {
		fake.fault = FAKE_REFUSE;
		fake.fault_at = at;
		fake.write_cnt = 0;
		assert_int_equal(bh_bind_all(&request, out, &error), -EIO);
		is(NVME, "nvme", "");
		is(NIC, "e1000e", "");
		assert_false(has_journal(NVME) || has_journal(NIC));
	}
	fake.fault_at = 0;
	fake.default_cnt = 1;
	strcpy(fake.default_route[0], "eth0"); /* the second is refused: the first is not touched */
	assert_int_equal(bh_bind_all(&request, out, &error), -EPERM);
	is(NVME, "nvme", "");
	fake.default_cnt = 0;
	assert_int_equal(bh_bind_all(&request, out, &error), 0);
	is(NVME, "vfio-pci", "vfio-pci");
	is(NIC, "vfio-pci", "vfio-pci");
}

static void
test_named_twice(void **state)
{
	const char *const both[] = {NVME, "01:00.0"};
	struct bh_bind_outcome out[2];
	const struct bh_bind_request request = {fake.root, both, 2, NULL, false};
	assert_int_equal(bh_bind_all(&request, out, &error), -EINVAL);
	is(NVME, "nvme", "");
}

static void
test_dry_run(void **state)
{
	const char *const one[] = {NVME};
	struct bh_bind_outcome out[1];
	const struct bh_bind_request request = {fake.root, one, 1, NULL, true};
	assert_int_equal(bh_bind_all(&request, out, &error), 0);
	assert_string_equal(out[0].driver_before, "nvme");
	assert_false(out[0].changed);
	is(NVME, "nvme", "");
	assert_false(has_journal(NVME));
}

static void
test_round_trip(void **state)
{
	struct bh_bind_outcome out;
	fake_file(fake.root, "/sys/bus/pci/devices/" NVME "/driver_override", "nvme\n");
	assert_int_equal(bind(NVME), 0);
	is(NVME, "vfio-pci", "vfio-pci");
	assert_int_equal(bind(NVME), 0); /* again: nothing */
	assert_true(has_journal(NVME));
	assert_int_equal(bh_unbind_device(fake.root, NVME, &out, &error), 0);
	assert_true(out.changed);
	assert_string_equal(out.back, "nvme0n1");
	is(NVME, "nvme", "nvme");
	assert_int_equal(bh_unbind_device(fake.root, NVME, &out, &error), 0); /* again: nothing */
	assert_false(out.changed);
}

static void
test_no_driver_before(void **state)
{
	fake_gone(fake.root, "/sys/bus/pci/devices/" NIC "/driver");
	fake_gone(fake.root, "/sys/class/net/eth0");
	assert_int_equal(bind(NIC), 0);
	is(NIC, "vfio-pci", "vfio-pci");
	assert_int_equal(unbind(NIC), 0);
	is(NIC, "", "");
}

static void
test_unbind_in_use(void **state)
{
	assert_int_equal(bind(NVME), 0);
	fake_process(412, 1, "bulkhead");
	fake_link(fake.root, "/proc/412/fd/5", "/dev/vfio/6");
	assert_int_equal(unbind(NVME), -EBUSY);
	assert_string_equal(error.id, "E150");
	assert_non_null(strstr(error.text, "412 (bulkhead) has /dev/vfio/6 open"));
	fake_link(fake.root, "/proc/412/fd/5", "/dev/vfio/66");
	fake.group_busy = true; /* somebody whom /proc does not show */
	assert_int_equal(unbind(NVME), -EBUSY);
	is(NVME, "vfio-pci", "vfio-pci");
	fake.group_busy = false;
	assert_int_equal(unbind(NVME), 0);
	is(NVME, "nvme", "");
}

static void
test_unbind_foreign(void **state)
{
	fake_link(fake.root, "/sys/bus/pci/devices/" NVME "/driver", "../../../bus/pci/drivers/vfio-pci");
	assert_int_equal(bind(NVME), 0);
	assert_int_equal(unbind(NVME), -ENOENT);
	assert_string_equal(error.id, "E149");
	is(NVME, "vfio-pci", "");
}

static void
test_unbind_other_device(void **state)
{
	assert_int_equal(bind(NVME), 0);
	fake_file(fake.root, "/sys/bus/pci/devices/" NVME "/device", "0x0011\n");
	assert_int_equal(unbind(NVME), -ENODEV);
	assert_string_equal(error.id, "E155");
}

static void
test_unbind_driver_gone(void **state)
{
	assert_int_equal(bind(NVME), 0);
	fake_gone(fake.root, "/sys/bus/pci/drivers/nvme");
	fake.has_module = false;
	assert_int_equal(unbind(NVME), -ENOENT);
	assert_string_equal(error.id, "E146");
	assert_true(has_journal(NVME));
	fake.has_module = true; /* modprobe nvme works again */
	assert_int_equal(unbind(NVME), 0);
	is(NVME, "nvme", "");
}

static void
test_unbind_each_step_fails(void **state)
{
	for (unsigned at = 1; at <= 4; at++) {
		assert_int_equal(bind(NVME), 0);
		fake.fault = FAKE_REFUSE;
		fake.fault_at = at;
		fake.write_cnt = 0;
		assert_int_equal(unbind(NVME), -EIO);
		assert_true(has_journal(NVME));
		fake.fault_at = 0;
		assert_int_equal(unbind(NVME), 0);
		is(NVME, "nvme", "");
	}
}

/* Every cut and every changed byte of a journal is seen. */
static void
test_journal_damage(void **state)
{
	char path[256], good[1024];
	struct bh_bind_journal journal;
	assert_int_equal(bind(NVME), 0);
	snprintf(path, sizeof(path), BH_BIND_FOLDER "/%s", NVME);
	snprintf(good, sizeof(good), "%s", fake_text(fake.root, path));
	size_t len = strlen(good);
	assert_true(len > 50);
	for (size_t i = 0; i < len; i++) {
		char bad[1024];
		fake_bytes(fake.root, path, good, i);
		assert_int_equal(bh_bind_journal_read(fake.root, NVME, &journal), -EBADMSG);
		for (int change = 0; change < 3; change++) {
			memcpy(bad, good, len);
			bad[i] = change == 0 ? '\0' : change == 1 ? (char)(bad[i] ^ 1) : '/';
			if (bad[i] == good[i])
				continue;
			fake_bytes(fake.root, path, bad, len);
			if (bh_bind_journal_read(fake.root, NVME, &journal) != -EBADMSG)
				fail_msg("byte %zu changed to %02x was not seen", i, bad[i]);
		}
	}
	fake_bytes(fake.root, path, good, len - 1);
	assert_int_equal(unbind(NVME), -EBADMSG);
	assert_string_equal(error.id, "E148");
	is(NVME, "vfio-pci", "vfio-pci");
	fake_bytes(fake.root, path, good, len);
	assert_int_equal(unbind(NVME), 0);
	is(NVME, "nvme", "");
}

static void
test_journal_hostile(void **state)
{
	static const char *const bad[] = {"", "\n", "sum 0\n", "bulkhead-bind 1\nsum 0000000000000000\n", "\nsum \n"};
	char path[256];
	struct bh_bind_journal journal;
	snprintf(path, sizeof(path), BH_BIND_FOLDER "/%s", NVME);
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		fake_bytes(fake.root, path, bad[i], strlen(bad[i]));
		assert_int_equal(bh_bind_journal_read(fake.root, NVME, &journal), -EBADMSG);
	}
	/* another device's journal under our name */
	assert_int_equal(bind(NIC), 0);
	char other[256];
	snprintf(other, sizeof(other), BH_BIND_FOLDER "/%s", NIC);
	const char *text = fake_text(fake.root, other);
	fake_bytes(fake.root, path, text, strlen(text));
	assert_int_equal(bh_bind_journal_read(fake.root, NVME, &journal), -EBADMSG);
}

static void
test_journal_cannot_be_written(void **state)
{
	fake_file(fake.root, "/run/bulkhead", "a file\n");
	assert_int_equal(bind(NVME), -ENOTDIR);
	assert_string_equal(error.id, "E152");
	is(NVME, "nvme", "");
}

static void
test_locked(void **state)
{
	int fd = bh_bind_lock(fake.root);
	assert_true(fd >= 0);
	assert_int_equal(bind(NVME), -EBUSY); /* after ten seconds */
	assert_string_equal(error.id, "E147");
	close(fd);
	assert_int_equal(bind(NVME), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_start, fake_stop)
	const struct CMUnitTest tests[] = {
	        T(test_refused_changes_nothing),
	        T(test_no_iommu),
	        T(test_override),
	        T(test_no_module),
	        T(test_roll_back),
	        T(test_roll_back_fails),
	        T(test_killed_half_way),
	        T(test_stale_journal),
	        T(test_all_or_nothing),
	        T(test_named_twice),
	        T(test_dry_run),
	        T(test_round_trip),
	        T(test_no_driver_before),
	        T(test_unbind_in_use),
	        T(test_unbind_foreign),
	        T(test_unbind_other_device),
	        T(test_unbind_driver_gone),
	        T(test_unbind_each_step_fails),
	        T(test_journal_damage),
	        T(test_journal_hostile),
	        T(test_journal_cannot_be_written),
	        T(test_locked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
