/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a back end makes of what its device says: a file stands for the device's descriptor, so that it can read all ones, refuse, or
 * be too short. Losing a device, for each reason; registers and configuration space; the command register that does not obey.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/device/vfio_private.h"

#define CONFIG_OFFSET 0x10000u
#define BAR_OFFSET    0x4000u

static struct bh_vfio vfio;

static void
config_put(uint32_t offset, uint32_t width_bytes, uint32_t value)
{
	assert_int_equal(pwrite(vfio.fd, &value, width_bytes, (off_t)(CONFIG_OFFSET + offset)), width_bytes);
}

static int
make_device(void **state)
{
	(void)state;
	vfio = (struct bh_vfio){.address = "0000:01:00.0",
	                        .backend = {.name = "nvme0", .bar = {{.size_bytes = 0x2000}}},
	                        .fd = memfd_create("device", MFD_CLOEXEC),
	                        .request_fd = eventfd(0, EFD_NONBLOCK),
	                        .fault_fd = eventfd(0, EFD_NONBLOCK),
	                        .config_offset = CONFIG_OFFSET,
	                        .config_bytes = 256,
	                        .bar_offset = {BAR_OFFSET}};
	assert_true(vfio.fd >= 0 && vfio.request_fd >= 0 && vfio.fault_fd >= 0);
	assert_int_equal(ftruncate(vfio.fd, CONFIG_OFFSET + 256), 0);
	config_put(0x00, 4, 0x00101b36);
	config_put(0x08, 4, 0x01080202);
	return 0;
}

static int
drop_device(void **state)
{
	(void)state;
	close(vfio.fd);
	close(vfio.request_fd);
	close(vfio.fault_fd);
	return 0;
}

/* Every later call says the same, whatever the device does then. */
static void
check_lost(const char *id, const char *text)
{
	struct bh_error error = {0};
	uint64_t value;
	uint32_t config;
	assert_string_equal(vfio.lost_error.id, id);
	assert_non_null(strstr(vfio.lost_error.text, text));
	assert_non_null(strstr(vfio.lost_error.text, "0000:01:00.0"));
	config_put(0, 2, 0x1b36);
	assert_int_equal(bh_vfio_service(&vfio.backend, &error), -ENODEV);
	assert_string_equal(error.id, id);
	assert_int_equal(bh_vfio_reg_read(&vfio.backend, 0, 0, 4, &value, &error), -ENODEV);
	assert_int_equal(bh_vfio_reg_write(&vfio.backend, 0, 0, 4, 0, &error), -ENODEV);
	assert_int_equal(bh_vfio_config_read(&vfio.backend, 0, 4, &config, &error), -ENODEV);
	assert_int_equal(bh_vfio_dma_map(&vfio.backend, 0, 4096, -1, 0, &error), -ENODEV);
	assert_int_equal(bh_vfio_reset(&vfio.backend, &error), -ENODEV);
	assert_string_equal(error.id, id);
}

static void
test_asked_back(void **state)
{
	struct bh_error error = {0};
	(void)state;
	assert_int_equal(bh_vfio_service(&vfio.backend, &error), 0);
	assert_int_equal(eventfd_write(vfio.request_fd, 1), 0);
	assert_int_equal(bh_vfio_service(&vfio.backend, &error), -ENODEV);
	check_lost("E127", "asked for it back");
}

static void
test_reported_an_error(void **state)
{
	struct bh_error error = {0};
	(void)state;
	assert_int_equal(eventfd_write(vfio.fault_fd, 1), 0);
	assert_int_equal(eventfd_write(vfio.request_fd, 1), 0); /* the error is the reason; the kernel then asks, too */
	assert_int_equal(bh_vfio_service(&vfio.backend, &error), -ENODEV);
	check_lost("E128", "AER");
}

static void
test_all_ones(void **state)
{
	struct bh_error error = {0};
	(void)state;
	config_put(0, 2, 0xffff);
	assert_int_equal(bh_vfio_service(&vfio.backend, &error), -ENODEV);
	check_lost("E126", "all ones");
}

static void
test_gone_at_open(void **state)
{
	struct bh_error error = {0};
	(void)state;
	config_put(0, 2, 0xffff);
	assert_int_equal(bh_vfio_identify(&vfio, &error), -ENODEV);
	check_lost("E126", "all ones");
}

/* A register that the kernel refuses is a refusal, unless the device is not there any more. */
static void
test_refused_registers(void **state)
{
	struct bh_error error = {0};
	uint64_t value;
	(void)state;
	vfio.backend.bar[0].size_bytes = 0x100000; /* more than there is: the file ends before */
	assert_int_equal(bh_vfio_reg_read(&vfio.backend, 0, 0x80000, 4, &value, &error), -EIO);
	assert_string_equal(error.id, "E046");
	assert_false(vfio.lost);
	config_put(0, 2, 0xffff);
	assert_int_equal(bh_vfio_reg_read(&vfio.backend, 0, 0x80000, 4, &value, &error), -ENODEV);
	check_lost("E126", "does not answer");
}

static void
test_bad_accesses(void **state)
{
	static const struct {
		uint32_t bar, width_bytes;
		uint64_t offset;
	} bad[] = {{6, 4, 0},         {1, 4, 0},      {0, 3, 0},
	           {0, 16, 0},        {0, 0, 0},      {0, 4, 2},
	           {0, 4, 0x2000},    {0, 8, 0x1ffc}, {0, 4, UINT64_MAX - 3},
	           {UINT32_MAX, 4, 0}};
	struct bh_error error = {0};
	uint64_t value;
	uint32_t config;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		assert_int_equal(
		        bh_vfio_reg_read(&vfio.backend, bad[i].bar, bad[i].offset, bad[i].width_bytes, &value, &error),
		        -EINVAL);
		assert_string_equal(error.id, "E046");
		assert_int_equal(
		        bh_vfio_reg_write(&vfio.backend, bad[i].bar, bad[i].offset, bad[i].width_bytes, 0, &error),
		        -EINVAL);
	}
	assert_int_equal(bh_vfio_config_read(&vfio.backend, 256, 1, &config, &error), -EINVAL);
	assert_int_equal(bh_vfio_config_read(&vfio.backend, 255, 2, &config, &error), -EINVAL);
	assert_int_equal(bh_vfio_config_read(&vfio.backend, 2, 4, &config, &error), -EINVAL);
	assert_int_equal(bh_vfio_config_read(&vfio.backend, 0, 8, &config, &error), -EINVAL);
	assert_int_equal(bh_vfio_config_read(&vfio.backend, UINT32_MAX, 1, &config, &error), -EINVAL);
}

static void
test_registers(void **state)
{
	struct bh_error error = {0};
	uint64_t value = 0;
	uint32_t config = 0;
	(void)state;
	assert_int_equal(bh_vfio_reg_write(&vfio.backend, 0, 0x1ff8, 8, UINT64_C(0x1122334455667788), &error), 0);
	assert_int_equal(bh_vfio_reg_read(&vfio.backend, 0, 0x1ffc, 4, &value, &error), 0);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(bh_vfio_reg_read(&vfio.backend, 0, 0x1ff9, 1, &value, &error), 0);
	assert_int_equal(value, 0x77);
	assert_int_equal(bh_vfio_config_read(&vfio.backend, 2, 2, &config, &error), 0);
	assert_int_equal(config, 0x0010);
	assert_int_equal(bh_vfio_identify(&vfio, &error), 0);
	assert_int_equal(vfio.backend.pci_vendor, 0x1b36);
	assert_int_equal(vfio.backend.pci_device, 0x0010);
	assert_int_equal(vfio.backend.pci_class, 0x010802);
}

static void
test_command_register(void **state)
{
	struct bh_error error = {0};
	uint32_t command = 0;
	(void)state;
	config_put(4, 2, 0x0001);
	assert_int_equal(bh_vfio_enable(&vfio, true, &error), 0);
	assert_int_equal(bh_vfio_config_get(&vfio, 4, 2, &command), 0);
	assert_int_equal(command, 0x0407); /* memory, bus master, no pin interrupts; what stood there stays */
	assert_int_equal(bh_vfio_enable(&vfio, false, &error), 0);
	assert_int_equal(bh_vfio_config_get(&vfio, 4, 2, &command), 0);
	assert_int_equal(command, 0x0403);
	/* One that takes no write. */
	int writable = vfio.fd;
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", writable);
	vfio.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(bh_vfio_enable(&vfio, true, &error), -EIO);
	assert_string_equal(error.id, "E131");
	close(vfio.fd);
	vfio.fd = writable;
	config_put(4, 2, 0xffff);
	assert_int_equal(bh_vfio_enable(&vfio, true, &error), -ENODEV);
	check_lost("E126", "command register");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_device, drop_device)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_asked_back),   TEST(test_reported_an_error), TEST(test_all_ones),
	        TEST(test_gone_at_open), TEST(test_refused_registers), TEST(test_bad_accesses),
	        TEST(test_registers),    TEST(test_command_register),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
