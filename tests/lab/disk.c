/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/observe/log.h"
#include "tests/lab/inside.h"

#define CELL_FILE   "/lab/tests/cells/disk.cell"
#define CHUNK_BYTES (1u << 20)
#define SETTLE_MS   20000

#define WORD(word) #word,
static const char *const what_words[] = {DISK_LIST(WORD) NULL};
static const char *const trouble_words[] = {DISK_TROUBLE_LIST(WORD) NULL};
#undef WORD

static const struct bh_config_key keys[] = {
        {"disk", "what", BH_VALUE_ENUM, NULL, .words = what_words},
        {"disk", "trouble", BH_VALUE_ENUM, "none", .words = trouble_words},
        {"disk", "trouble_cnt", BH_VALUE_UINT, "1", .max = 0},
        {"disk", "namespace", BH_VALUE_UINT, "1", .max = 0},
        {"disk", "seed", BH_VALUE_UINT, NULL, .max = 0},
        {"disk", "first", BH_VALUE_SIZE, "0", .max = 0},
        {"disk", "size", BH_VALUE_SIZE, "0", .max = 0},
        {"disk", "io", BH_VALUE_SIZE, "128K", .max = 0},
        {"disk", "depth", BH_VALUE_UINT, "16", .max = 0},
        {"disk", "no_shadow_doorbells", BH_VALUE_UINT, "0", .max = 0},
        {"disk", "write_cache", BH_VALUE_UINT, "0", .max = 0},
        {"disk", "admin_timeout", BH_VALUE_DURATION, "0", .max = 0},
};

static int
compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes, struct bh_error *error)
{
	struct disk_config *to = out;
	snprintf(to->device, sizeof(to->device), "nvme0");
	to->what = bh_config_enum(config, "disk", "what");
	to->trouble = bh_config_enum(config, "disk", "trouble");
	to->trouble_cnt = (uint32_t)bh_config_uint(config, "disk", "trouble_cnt");
	to->namespace_id = (uint32_t)bh_config_uint(config, "disk", "namespace");
	to->seed = bh_config_uint(config, "disk", "seed");
	to->first_bytes = bh_config_uint(config, "disk", "first");
	to->size_bytes = bh_config_uint(config, "disk", "size");
	to->io_bytes = (uint32_t)bh_config_uint(config, "disk", "io");
	to->depth = (uint32_t)bh_config_uint(config, "disk", "depth");
	to->no_shadow_doorbells = (uint32_t)bh_config_uint(config, "disk", "no_shadow_doorbells");
	to->write_cache = (uint32_t)bh_config_uint(config, "disk", "write_cache");
	to->admin_timeout_ns = bh_config_uint(config, "disk", "admin_timeout");
	*out_bytes = sizeof(*to);
	return 0;
}

static const struct bh_app disk_app = {.name = "disk", .key = keys, .key_cnt = BH_ARRAY_CNT(keys), .compile = compile};

struct disk
disk_find(unsigned idx, uint32_t nsid)
{
	struct disk disk = {.nsid = nsid};
	inside_find("0x0108", idx, disk.address);
	return disk;
}

static void
print_record(void *context, uint32_t core_idx, int level, const char *text)
{
	(void)context, (void)core_idx, (void)level;
	print_message("  %s\n", text);
}

static void
print_log(struct bh_cell *cell)
{
	struct bh_log_reader reader;
	if (bh_log_reader_open(CELL_FILE, 0, &reader) != 0)
		return;
	bh_log_drain(&reader, bh_cell_view(cell), 0, print_record, NULL);
	bh_log_reader_close(&reader);
}

/* The cell is gone; its counters can still be read. */
static void
finished(struct cell_run *run, struct bh_cell *cell)
{
	struct disk_run *disk_run = disk_run_of(run);
	const struct {
		const char *name;
		uint64_t *value;
	} wanted[] = {
	        {DISK_COUNTER_WRITTEN, &disk_run->written},
	        {DISK_COUNTER_CHECKED, &disk_run->checked},
	        {DISK_COUNTER_MISMATCHED, &disk_run->mismatched},
	        {DISK_COUNTER_AGAIN, &disk_run->again},
	        {DISK_COUNTER_TROUBLES, &disk_run->troubles},
	        {DISK_COUNTER_FATAL, &disk_run->fatal},
	        {DISK_GAUGE_LBA_BYTES, &disk_run->lba_bytes},
	        {DISK_GAUGE_LBA_CNT, &disk_run->lba_cnt},
	        {DISK_GAUGE_NS_CNT, &disk_run->ns_cnt},
	        {DISK_GAUGE_TRANSFER_MAX, &disk_run->transfer_bytes_max},
	        {DISK_GAUGE_SHADOW, &disk_run->shadow_doorbells},
	        {DISK_GAUGE_VWC, &disk_run->vwc},
	        {DISK_GAUGE_CACHE_ON, &disk_run->cache_on},
	        {DISK_GAUGE_READS_ZERO, &disk_run->reads_zero},
	        {DISK_GAUGE_COMMANDS, &disk_run->commands},
	        {"nvme0.reset", &disk_run->reset},
	        {"nvme0.device_reset", &disk_run->device_reset},
	        {"nvme0.removed", &disk_run->removed},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(wanted); i++)
		bh_view_counter(bh_cell_view(cell), wanted[i].name, wanted[i].value);
	static const char *const bad[] = {"nvme0.completion_unknown_id", "nvme0.completion_duplicate",
	                                  "nvme0.completion_wrong_sq", "nvme0.completion_bad_sq_head"};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		uint64_t cnt;
		bh_view_counter(bh_cell_view(cell), bad[i], &cnt);
		disk_run->bad_cnt += cnt;
	}
	print_log(cell);
}

static void
print_run(const struct disk *disk, const struct disk_run *run)
{
	print_message("%s namespace %u: %s%s%s: %s; %lu written, %lu checked, %lu mismatched, %lu sent again; commands "
	              "%lu, resets %lu and %lu of the function, shadow doorbells %lu\n",
	              disk->address, disk->nsid, what_words[run->what], run->trouble ? " with " : "",
	              run->trouble ? trouble_words[run->trouble] : "",
	              run->run.start_err != 0 ? run->run.error.text : bh_outcome_name(run->run.result.outcome),
	              run->written, run->checked, run->mismatched, run->again, run->commands, run->reset,
	              run->device_reset, run->shadow_doorbells);
	if (run->run.start_err == 0 && run->run.result.outcome != BH_OUTCOME_DONE)
		print_message("%s: %s\n", run->run.result.error.id, run->run.result.error.text);
	print_message("%s", run->run.warnings);
}

void
disk_run(const struct disk *disk, struct disk_run *run)
{
	char config[1024];
	inside_ok("modprobe vfio_iommu_type1 && modprobe vfio-pci");
	inside_bind(disk->address, "vfio-pci");
	snprintf(config, sizeof(config),
	         "[cell]\napp = disk\ncpus = 2\narena = %lu\npages = normal\n"
	         "[device nvme0]\nbackend = vfio\naddress = %s\n"
	         "[disk]\nwhat = %s\ntrouble = %s\ntrouble_cnt = %u\nnamespace = %u\nseed = %lu\nfirst = %lu\nsize = "
	         "%lu\nio = %u\ndepth = %u\nno_shadow_doorbells = %u\nwrite_cache = %u\nadmin_timeout = %luns\n",
	         DISK_ARENA_BYTES, disk->address, what_words[run->what], trouble_words[run->trouble], run->trouble_cnt,
	         disk->nsid, run->seed, run->first_bytes, run->size_bytes,
	         run->io_bytes != 0 ? run->io_bytes : 128u << 10, run->depth != 0 ? run->depth : 16,
	         run->no_shadow_doorbells, run->write_cache, run->admin_timeout_ns);
	run->bad_cnt = 0;
	run->run = (struct cell_run){
	        .config = config,
	        .app = &disk_app,
	        .cell_file = CELL_FILE,
	        .program = "/lab/bulkhead",
	        .duration_ns = run->duration_ns,
	        .tick = run->tick,
	        .finished = finished,
	        .context = run->context,
	};
	cell_run(&run->run);
	print_run(disk, run);
}

void
disk_run_ok(const struct disk *disk, struct disk_run *run)
{
	disk_run(disk, run);
	assert_int_equal(run->run.start_err, 0);
	assert_int_equal(run->run.result.outcome, BH_OUTCOME_DONE);
	assert_int_equal(run->mismatched, 0);
	assert_int_equal(run->bad_cnt, 0);
	assert_int_equal(run->removed, 0);
}

/* The block device of a namespace: /sys/bus/pci/devices/ADDRESS/nvme/nvmeX/nvmeXnY. Return: whether it is there. */
static bool
block_name(const struct disk *disk, char *out, size_t out_bytes)
{
	char pattern[128];
	struct command_result result;
	snprintf(pattern, sizeof(pattern),
	         "grep -lx %u /sys/bus/pci/devices/%s/nvme/nvme*/nvme*n*/nsid 2>/dev/null | head -n 1", disk->nsid,
	         disk->address);
	const char *const argv[] = {"/bin/sh", "-c", pattern, NULL};
	command_run(argv, 10000, &result);
	char *end = strstr(result.out, "/nsid");
	if (end != NULL)
		*end = '\0';
	const char *slash = end != NULL ? strrchr(result.out, '/') : NULL;
	if (slash != NULL)
		snprintf(out, out_bytes, "/dev/%s", slash + 1);
	command_result_free(&result);
	return slash != NULL && access(out, F_OK) == 0;
}

static int
linux_open(const struct disk *disk)
{
	char path[300], driver[300] = "";
	uint64_t deadline_ms = inside_now_ms() + SETTLE_MS;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", disk->address);
	if (readlink(path, driver, sizeof(driver) - 1) < 0 || strstr(driver, "/nvme") == NULL)
		inside_bind(disk->address, "nvme");
	while (!block_name(disk, path, sizeof(path))) {
		assert_true(inside_now_ms() < deadline_ms);
		usleep(20000);
	}
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static uint64_t
size_of(int fd)
{
	uint64_t bytes = 0;
	assert_int_equal(ioctl(fd, BLKGETSIZE64, &bytes), 0);
	return bytes;
}

uint64_t
disk_linux_bytes(const struct disk *disk)
{
	int fd = linux_open(disk);
	uint64_t bytes = size_of(fd);
	close(fd);
	return bytes;
}

static uint64_t *
chunk_new(void)
{
	uint64_t *chunk = aligned_alloc(4096, CHUNK_BYTES);
	assert_non_null(chunk);
	return chunk;
}

void
disk_linux_fill(const struct disk *disk, uint64_t seed)
{
	int fd = linux_open(disk);
	uint64_t *chunk = chunk_new(), end = size_of(fd);
	for (uint64_t at = 0; at < end; at += CHUNK_BYTES) {
		size_t bytes = BH_MIN((uint64_t)CHUNK_BYTES, end - at);
		for (size_t i = 0; i < bytes / 8; i++)
			chunk[i] = disk_word(seed, at + i * 8);
		assert_int_equal(pwrite(fd, chunk, bytes, (off_t)at), bytes);
	}
	assert_int_equal(fsync(fd), 0);
	free(chunk);
	close(fd);
}

void
disk_linux_check(const struct disk *disk, uint64_t seed, uint64_t first_bytes, uint64_t size_bytes)
{
	int fd = linux_open(disk);
	uint64_t *chunk = chunk_new(), wrong_cnt = 0;
	uint64_t end = size_bytes != 0 ? first_bytes + size_bytes : size_of(fd);
	for (uint64_t at = first_bytes; at < end; at += CHUNK_BYTES) {
		size_t bytes = BH_MIN((uint64_t)CHUNK_BYTES, end - at);
		memset(chunk, 0xa5, bytes);
		assert_int_equal(pread(fd, chunk, bytes, (off_t)at), bytes);
		for (size_t i = 0; i < bytes / 8; i++) {
			uint64_t want = seed != 0 ? disk_word(seed, at + i * 8) : 0;
			if (chunk[i] != want && wrong_cnt++ < 4)
				print_message("byte %lu: Linux reads %016lx, want %016lx\n", at + i * 8, chunk[i],
				              want);
		}
	}
	print_message("%s namespace %u: Linux read %lu bytes from %lu, %lu words of them wrong\n", disk->address,
	              disk->nsid, end - first_bytes, first_bytes, wrong_cnt);
	free(chunk);
	close(fd);
	assert_int_equal(wrong_cnt, 0);
}
