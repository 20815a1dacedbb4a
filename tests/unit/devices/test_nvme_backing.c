/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind a device: refusals first; then data stays, zeroes read as zeroes. */
#include "nvme_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/nvme/backing.h"

#define BYTES (UINT64_C(8) << 20)

static char dir[] = "/tmp/bulkhead-backing-XXXXXX", path[64], error[512];
static struct nvme_backing backing, second;

static int
set_up(void **state)
{
	snprintf(path, sizeof(path), "%s/disk", dir);
	unlink(path);
	error[0] = '\0';
	return 0;
}

static void
make_file(off_t bytes)
{
	int fd = open(path, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
}

static void
a_file_that_is_too_small(void **state)
{
	struct stat status;

	make_file(BYTES - 1);
	assert_int_equal(nvme_backing_open(path, BYTES, &backing, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "8388607 bytes, 8388608 are needed"));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, BYTES - 1); /* left as it was */
}

static void
what_is_no_regular_file(void **state)
{
	assert_int_equal(nvme_backing_open("/dev/zero", BYTES, &backing, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "not a regular file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(nvme_backing_open(path, BYTES, &backing, error, sizeof(error)), -EINVAL);
	assert_true(nvme_backing_open(dir, BYTES, &backing, error, sizeof(error)) < 0);
	assert_int_equal(nvme_backing_open("/nonexistent/disk", BYTES, &backing, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/disk"));
}

static void
a_file_that_another_device_has(void **state)
{
	assert_int_equal(nvme_backing_open(path, BYTES, &backing, error, sizeof(error)), 0);
	assert_int_equal(nvme_backing_open(path, BYTES, &second, error, sizeof(error)), -EBUSY);
	nvme_backing_close(&backing);
	assert_int_equal(nvme_backing_open(path, BYTES, &second, error, sizeof(error)), 0);
	nvme_backing_close(&second);
}

static void
memory_that_nobody_has(void **state)
{
	assert_true(nvme_backing_open("memory", UINT64_C(1) << 60, &backing, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "smaller"));
}

static void
a_file_that_breaks_fails_commands(void **state)
{
	uint8_t block[512];

	assert_int_equal(nvme_backing_open(path, BYTES, &backing, error, sizeof(error)), 0);
	assert_int_equal(truncate(path, 4096), 0); /* behind its back */
	assert_int_equal(backing.model.read(backing.model.context, 8192, block, 512), -EIO);
	nvme_backing_close(&backing);
}

static void
a_missing_file_is_created_sparse_and_keeps_data(void **state)
{
	struct stat status;
	uint8_t block[4096], got[4096];

	memset(block, 0x42, sizeof(block));
	assert_int_equal(nvme_backing_open(path, BYTES, &backing, error, sizeof(error)), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, BYTES);
	assert_true(status.st_blocks * 512 < 65536);
	assert_int_equal(backing.model.write(backing.model.context, 12288, block, sizeof(block)), 0);
	assert_int_equal(backing.model.flush(backing.model.context), 0);
	nvme_backing_close(&backing);
	assert_int_equal(nvme_backing_open(path, BYTES, &backing, error, sizeof(error)), 0);
	assert_int_equal(backing.model.read(backing.model.context, 12288, got, sizeof(got)), 0);
	assert_memory_equal(got, block, sizeof(got));
	nvme_backing_close(&backing);
}

static void
discarded_file_blocks_read_as_zeroes(void **state)
{
	uint8_t block[4096], got[1536];

	memset(block, 0x42, sizeof(block));
	assert_int_equal(nvme_backing_open(path, BYTES, &backing, error, sizeof(error)), 0);
	assert_int_equal(backing.model.write(backing.model.context, 0, block, sizeof(block)), 0);
	assert_int_equal(backing.model.discard(backing.model.context, 512, 512), 0);
	assert_int_equal(backing.model.read(backing.model.context, 0, got, sizeof(got)), 0);
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], i / 512 == 1 ? 0 : 0x42);
	nvme_backing_close(&backing);
}

/* Small and large discards take different ways; neither touches a byte outside. */
static void
discarded_memory_reads_as_zeroes(void **state)
{
	static const struct {
		uint64_t offset, bytes;
	} ranges[] = {{512, 512}, {4096 * 3 + 512, 3 << 20}, {0, 2 << 20}, {BYTES - 512, 512}, {512, BYTES - 1024}};

	for (size_t r = 0; r < BH_ARRAY_CNT(ranges); r++) {
		assert_int_equal(nvme_backing_open("memory", BYTES, &backing, error, sizeof(error)), 0);
		assert_int_equal(backing.memory[0] | backing.memory[BYTES - 1], 0);
		memset(backing.memory, 0x42, BYTES);
		assert_int_equal(backing.model.discard(backing.model.context, ranges[r].offset, ranges[r].bytes), 0);
		for (uint64_t i = 0; i < BYTES; i++) {
			bool inside = i - ranges[r].offset < ranges[r].bytes;
			if (backing.memory[i] != (inside ? 0 : 0x42))
				fail_msg("range %zu, byte %llu", r, (unsigned long long)i);
		}
		nvme_backing_close(&backing);
	}
}

static void
null_is_nothing(void **state)
{
	assert_int_equal(nvme_backing_open("null", UINT64_C(1) << 50, &backing, error, sizeof(error)), 0);
	assert_true(backing.model.null);
	nvme_backing_close(&backing);
}

/* The model over functions instead of memory: every command, and errors as the specification names them. */
static int broken;

static int
media_read(void *context, uint64_t offset, void *out_data, uint64_t cnt_bytes)
{
	memcpy(out_data, (uint8_t *)context + offset, cnt_bytes);
	return broken ? -EIO : 0;
}

static int
media_write(void *context, uint64_t offset, const void *data, uint64_t cnt_bytes)
{
	memcpy((uint8_t *)context + offset, data, cnt_bytes);
	return broken ? -EIO : 0;
}

static int
media_discard(void *context, uint64_t offset, uint64_t cnt_bytes)
{
	memset((uint8_t *)context + offset, 0, cnt_bytes);
	return broken ? -EIO : 0;
}

static int
media_flush(void *context)
{
	return broken ? -EIO : 0;
}

static void
media_errors_become_statuses(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct nvme_model_host host;
	struct nvme_model_backing media = {.context = rig->disk,
	                                   .read = media_read,
	                                   .write = media_write,
	                                   .discard = media_discard,
	                                   .flush = media_flush};

	rig_host(rig, &host);
	nvme_model_destroy(rig->model);
	assert_int_equal(nvme_model_create(&rig->config, &host, &media, &rig->model), 0);
	rig_start(rig);
	uint64_t buffer = rig_alloc(rig, 8192);
	struct nvme_sqe read = rig_rw(NVME_NVM_READ, 0, 16, buffer, buffer + 4096), write = read, compare = read;
	struct nvme_sqe zeroes = rig_rw(NVME_NVM_WRITE_ZEROES, 0, 8, 0, 0),
	                flush = {.opcode = NVME_NVM_FLUSH, .nsid = 1};
	write.opcode = NVME_NVM_WRITE;
	compare.opcode = NVME_NVM_COMPARE;
	broken = 1;
	assert_int_equal(rig_status(rig, 1, &read), NVME_SC_UNRECOVERED_READ);
	assert_int_equal(rig_status(rig, 1, &compare), NVME_SC_UNRECOVERED_READ);
	assert_int_equal(rig_status(rig, 1, &write), NVME_SC_WRITE_FAULT);
	assert_int_equal(rig_status(rig, 1, &zeroes), NVME_SC_WRITE_FAULT);
	assert_int_equal(rig_status(rig, 1, &flush), NVME_SC_WRITE_FAULT);
	broken = 0;
	memset(rig_at(rig, buffer), 0x31, 8192);
	assert_int_equal(rig_status(rig, 1, &write), 0);
	assert_int_equal(rig_status(rig, 1, &compare), 0);
	assert_int_equal(rig_status(rig, 1, &zeroes), 0);
	assert_int_equal(rig_status(rig, 1, &compare), NVME_SC_COMPARE_FAILURE);
	assert_int_equal(rig_status(rig, 1, &read), 0);
	assert_int_equal(*(uint8_t *)rig_at(rig, buffer), 0);
	assert_int_equal(*(uint8_t *)rig_at(rig, buffer + 4096), 0x31);
	assert_int_equal(rig_status(rig, 1, &flush), 0);
	rig_free(rig);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
	const struct CMUnitTest tests[] = {
	        TEST(a_file_that_is_too_small),
	        TEST(what_is_no_regular_file),
	        TEST(a_file_that_another_device_has),
	        TEST(memory_that_nobody_has),
	        TEST(a_file_that_breaks_fails_commands),
	        TEST(a_missing_file_is_created_sparse_and_keeps_data),
	        TEST(discarded_file_blocks_read_as_zeroes),
	        TEST(discarded_memory_reads_as_zeroes),
	        TEST(null_is_nothing),
	        TEST(media_errors_become_statuses),
	};
	if (!mkdtemp(dir))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return failed;
}
