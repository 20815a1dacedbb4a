/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFIO back end itself on a real kernel and IOMMU: mappings and what is refused of them, the command register at each step, windows,
 * devices that share a group, and the higher rungs of the ladder on devices that need them.
 *
 * The machine: an NVMe drive alone (function level reset); a slot with two NVMe drives (one group); two virtio devices without
 * function level reset, the second one also stuck in D0.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/device/vfio.h"
#include "tests/lab/inside.h"

#define ARENA_BYTES (UINT64_C(4) << 20)
#define MASTER      4

static char nvme[16], twin[2][16], no_flr[16], bus_only[16];

static int
memory(uint64_t size_bytes)
{
	int fd = memfd_create("arena", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
	return fd;
}

static struct bh_backend *
opened(const char *name, const char *address)
{
	struct bh_backend *backend = NULL;
	struct bh_error error = {0};
	int err = bh_vfio_open(name, address, &backend, &error);
	print_message("open %s: %d %s\n", address, err, error.text);
	assert_int_equal(err, 0);
	return backend;
}

static void
map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset, int want,
    const char *id)
{
	struct bh_error error = {0};
	int err = backend->ops->dma_map(backend, iova, size_bytes, fd, fd_offset, &error);
	print_message("map %#lx: %d %s %s\n", (unsigned long)iova, err, error.id, error.text);
	assert_int_equal(err, want);
	assert_string_equal(error.id, id);
}

static void
unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int want)
{
	struct bh_error error = {0};
	int err = backend->ops->dma_unmap(backend, iova, size_bytes, &error);
	print_message("unmap %#lx: %d %s\n", (unsigned long)iova, err, error.text);
	assert_int_equal(err, want);
	assert_string_equal(error.id, want == 0 ? "" : "E125");
}

/* A bus master exactly as long as something is mapped. */
static void
test_command_register(void **state)
{
	struct bh_error error = {0};
	int fd = memory(2 * ARENA_BYTES);
	(void)state;
	struct bh_backend *backend = opened("nvme0", nvme);
	assert_int_equal(inside_command_register(nvme) & MASTER, 0);
	map(backend, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, 0, "");
	assert_int_equal(inside_command_register(nvme) & MASTER, MASTER);
	map(backend, BH_ADDR_ARENA + ARENA_BYTES, ARENA_BYTES, fd, ARENA_BYTES, 0, "");
	assert_int_equal(backend->ops->reset(backend, &error), 0);
	assert_int_equal(inside_command_register(nvme) & MASTER, MASTER); /* as the driver needs it */
	unmap(backend, BH_ADDR_ARENA, ARENA_BYTES, 0);
	assert_int_equal(inside_command_register(nvme) & MASTER, MASTER);
	unmap(backend, BH_ADDR_ARENA + ARENA_BYTES, ARENA_BYTES, 0);
	assert_int_equal(inside_command_register(nvme) & MASTER, 0);
	assert_int_equal(backend->ops->reset(backend, &error), 0);
	assert_int_equal(inside_command_register(nvme) & MASTER, 0);
	map(backend, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, 0, "");
	backend->ops->close(backend); /* with a mapping left: it goes, too */
	assert_int_equal(inside_command_register(nvme) & MASTER, 0);
	backend = opened("nvme0", nvme);
	map(backend, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, 0, "");
	backend->ops->close(backend);
	close(fd);
}

static void
test_mappings_that_are_refused(void **state)
{
	int fd = memory(ARENA_BYTES);
	(void)state;
	struct bh_backend *backend = opened("nvme0", nvme);
	map(backend, BH_ADDR_ARENA, 0, fd, 0, -EINVAL, "E121");
	map(backend, BH_ADDR_ARENA + 512, ARENA_BYTES, fd, 0, -EINVAL, "E121");
	map(backend, BH_ADDR_ARENA, ARENA_BYTES - 1, fd, 0, -EINVAL, "E121");
	map(backend, UINT64_MAX - 4095, 8192, fd, 0, -EINVAL, "E121");
	map(backend, 0xfee00000, 4096, fd, 0, -ERANGE, "E120");        /* the interrupt window */
	map(backend, UINT64_C(1) << 39, 4096, fd, 0, -ERANGE, "E120"); /* one past what 39 bits reach */
	map(backend, BH_ADDR_ARENA, ARENA_BYTES, -1, 0, -EBADF, "E124");
	map(backend, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, 0, "");
	map(backend, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, -EEXIST, "E124");
	map(backend, BH_ADDR_ARENA + 4096, 4096, fd, 0, -EEXIST, "E124");
	unmap(backend, BH_ADDR_ARENA, 4096, -EINVAL); /* a part of it */
	unmap(backend, 0, ARENA_BYTES, -EINVAL);
	unmap(backend, BH_ADDR_ARENA, ARENA_BYTES, 0);
	unmap(backend, BH_ADDR_ARENA, ARENA_BYTES, -EINVAL);
	backend->ops->close(backend);
	close(fd);
}

/* Whole pages, without the vector table, and they can be mapped as boot/ maps them: populated, after which the descriptor closes. */
static void
test_windows(void **state)
{
	struct bh_error error = {0};
	uint64_t cap = 0;
	(void)state;
	struct bh_backend *backend = opened("nvme0", nvme);
	const struct bh_backend_bar *bar = &backend->bar[0];
	assert_true(bar->size_bytes >= 0x2000);
	assert_true(bar->window_cnt >= 1 && bar->window_cnt <= BH_BAR_WINDOWS_MAX);
	uint64_t mapped_bytes = 0;
	for (uint32_t i = 0; i < bar->window_cnt; i++) {
		print_message("window %#lx, %#lx bytes\n", (unsigned long)bar->window[i].offset,
		              (unsigned long)bar->window[i].size_bytes);
		mapped_bytes += bar->window[i].size_bytes;
	}
	assert_true(mapped_bytes < bar->size_bytes); /* QEMU's table is in this BAR */
	const struct bh_backend_window *window = &bar->window[0];
	assert_int_equal(window->offset, 0);
	int fd = dup(window->fd);
	volatile uint32_t *regs = mmap(NULL, window->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
	                               (off_t)window->fd_offset);
	assert_ptr_not_equal(regs, MAP_FAILED);
	close(fd);
	assert_int_equal(backend->ops->reg_read(backend, 0, 0, 8, &cap, &error), 0);
	assert_int_equal(regs[0], (uint32_t)cap);
	assert_int_equal(regs[1], (uint32_t)(cap >> 32));
	/* Memory accesses are on again after a reset, and the old mapping still reaches the registers. */
	assert_int_equal(backend->ops->reset(backend, &error), 0);
	assert_int_equal(regs[0], (uint32_t)cap);
	munmap((void *)(uintptr_t)regs, window->size_bytes);
	backend->ops->close(backend);
}

/* One group: one container, one mapping of the same memory for both, and each its own reset. */
static void
test_devices_of_one_group(void **state)
{
	struct bh_error error = {0};
	int fd = memory(ARENA_BYTES), other = memory(ARENA_BYTES);
	(void)state;
	assert_int_equal(inside_group(twin[0]), inside_group(twin[1]));
	struct bh_backend *a = opened("nvme0", twin[0]), *b = opened("nvme1", twin[1]);
	map(a, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, 0, "");
	assert_int_equal(inside_command_register(twin[0]) & MASTER, MASTER);
	assert_int_equal(inside_command_register(twin[1]) & MASTER, 0);
	map(b, BH_ADDR_ARENA, ARENA_BYTES, other, 0, -EEXIST, "E124"); /* other memory at the same address */
	map(b, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, 0, "");
	assert_int_equal(a->ops->reset(a, &error), 0);
	assert_int_equal(inside_command_register(twin[1]) & MASTER, MASTER); /* b works on */
	unmap(a, BH_ADDR_ARENA, ARENA_BYTES, 0);
	a->ops->close(a);
	assert_int_equal(inside_command_register(twin[0]) & MASTER, 0);
	unmap(b, BH_ADDR_ARENA, ARENA_BYTES, 0); /* it was still b's */
	map(b, BH_ADDR_ARENA, ARENA_BYTES, other, 0, 0, "");
	a = opened("nvme0", twin[0]);
	a->ops->close(a);
	b->ops->close(b);
	close(fd);
	close(other);
}

static void
check_ladder(const char *address, const char *part, const char *more)
{
	struct bh_error error = {0};
	int fd = memory(ARENA_BYTES);
	struct bh_backend *backend = opened("device", address);
	map(backend, BH_ADDR_ARENA, ARENA_BYTES, fd, 0, 0, "");
	int err = backend->ops->reset(backend, &error);
	print_message("reset: %d %s\n%s", err, error.text, bh_vfio_reset_log(backend));
	assert_int_equal(err, 0);
	assert_non_null(strstr(bh_vfio_reset_log(backend), part));
	assert_non_null(strstr(bh_vfio_reset_log(backend), more));
	assert_int_equal(inside_command_register(address) & MASTER, MASTER);
	unmap(backend, BH_ADDR_ARENA, ARENA_BYTES, 0);
	backend->ops->close(backend);
	assert_int_equal(inside_command_register(address) & MASTER, 0);
	close(fd);
}

static void
test_ladder(void **state)
{
	(void)state;
	check_ladder(nvme, "controller done", "function   done");
	check_ladder(no_flr, "quiesce    done", "power      done");
	check_ladder(bus_only, "power      FAILED", "bus        done");
}

static int
find_devices(void **state)
{
	(void)state;
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1");
	inside_bind(inside_find("0x010802", 0, nvme), "vfio-pci");
	inside_bind(inside_find("0x010802", 1, twin[0]), "vfio-pci");
	inside_bind(inside_find("0x010802", 2, twin[1]), "vfio-pci");
	inside_bind(inside_find("0x00ff", 0, no_flr), "vfio-pci");
	inside_bind(inside_find("0x00ff", 1, bus_only), "vfio-pci");
	return 0;
}

static int
no_faults(void **state)
{
	(void)state;
	return inside_iommu_faults() == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_command_register), cmocka_unit_test(test_mappings_that_are_refused),
	        cmocka_unit_test(test_windows),          cmocka_unit_test(test_devices_of_one_group),
	        cmocka_unit_test(test_ladder),
	};
	return cmocka_run_group_tests(tests, find_devices, no_faults);
}
