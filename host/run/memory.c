/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell's memory: memfds, so that nothing has a name and the last process that goes takes them along.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/errors/errors.h"
#include "host/run/internal.h"

#define HUGE_BYTES   (UINT64_C(2) << 20)
#define MARGIN_BYTES (UINT64_C(64) << 20) /* left for everybody else */

static uint64_t
read_number(const char *path, const char *format)
{
	char line[128];
	uint64_t number = 0;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, format, &number) == 1)
			break;
	}
	fclose(file);
	return number;
}

/* Free ones may be promised to somebody already. */
static uint64_t
huge_free_bytes(void)
{
	uint64_t free_cnt = read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "%lu");
	uint64_t promised_cnt = read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "%lu");
	return free_cnt > promised_cnt ? (free_cnt - promised_cnt) * HUGE_BYTES : 0;
}

int
bh_memory_use_huge(const struct bh_run_config *config, uint64_t bytes, bool *out_huge, struct bh_error *warning,
                   struct bh_error *error)
{
	uint64_t free_bytes = huge_free_bytes();
	*out_huge = config->pages != BH_PAGES_NORMAL && free_bytes >= bytes;
	if (*out_huge || config->pages == BH_PAGES_NORMAL)
		return 0;
	if (config->pages == BH_PAGES_HUGE)
		return bh_config_error_id(config, "cell", "pages", "E031", error,
		                          "%lu hugepages of 2 MiB are needed and %lu are free; reserve some "
		                          "(sysctl vm.nr_hugepages=%lu) or use pages = auto",
		                          bytes / HUGE_BYTES, free_bytes / HUGE_BYTES, bytes / HUGE_BYTES);
	bh_error_set(warning, "E032", 0,
	             "ordinary pages: %lu hugepages of 2 MiB are needed and %lu are free "
	             "(sysctl vm.nr_hugepages=%lu reserves them; pages = normal silences this)",
	             bytes / HUGE_BYTES, free_bytes / HUGE_BYTES, bytes / HUGE_BYTES);
	return 0;
}

/* Before the first touch: afterwards the kernel would have to move what is there. */
static int
bind_to_node(struct bh_memory *memory, int node)
{
	unsigned long mask = 0;
	if (node < 0 || node >= (int)(8 * sizeof(mask)))
		return 0;
	mask = 1ul << node;
	return syscall(SYS_mbind, memory->addr, memory->size_bytes, MPOL_BIND, &mask, 8 * sizeof(mask), 0) == 0
	               ? 0
	               : -errno;
}

/* mlock fills too. Without it every page is at least touched, so that the cell never waits for one. */
static int
fill(struct bh_memory *memory)
{
	memory->locked = mlock(memory->addr, memory->size_bytes) == 0;
	if (memory->locked)
		return 0;
	return madvise(memory->addr, memory->size_bytes, MADV_POPULATE_WRITE) == 0 ? 0 : -errno;
}

static int
make(const char *name, bool huge, int node, struct bh_memory *memory)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
	memory->fd = memfd_create(name, flags);
	if (memory->fd < 0 || ftruncate(memory->fd, (off_t)memory->size_bytes) != 0)
		return -errno;
	/* The cell and the devices get this descriptor: none of them may cut the memory from under the others. */
	if (fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return -errno;
	memory->addr = mmap(NULL, memory->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (memory->addr == MAP_FAILED) {
		memory->addr = NULL;
		return -errno;
	}
	int err = bind_to_node(memory, node);
	return err == 0 ? fill(memory) : err;
}

int
bh_memory_alloc(const char *name, uint64_t size_bytes, bool huge, int node, struct bh_memory *out,
                struct bh_error *error)
{
	*out = (struct bh_memory){.fd = -1, .size_bytes = size_bytes, .page_bytes = huge ? HUGE_BYTES : BH_PAGE_BYTES};
	uint64_t available_bytes = read_number("/proc/meminfo", "MemAvailable: %lu kB") << 10;
	if (!huge && available_bytes < size_bytes + MARGIN_BYTES)
		return bh_error_set(error, "E030", -ENOMEM,
		                    "%s of %lu MiB does not fit: the machine has %lu MiB available; make [cell] arena "
		                    "smaller",
		                    name, size_bytes >> 20, available_bytes >> 20);
	int err = make(name, huge, node, out);
	if (err == 0)
		return 0;
	bh_memory_free(out);
	return bh_error_set(error, "E030", err, "no memory for the %s of %lu MiB: %s", name, size_bytes >> 20,
	                    strerror(-err));
}

void
bh_memory_free(struct bh_memory *memory)
{
	if (memory->addr != NULL)
		munmap(memory->addr, memory->size_bytes);
	if (memory->fd >= 0)
		close(memory->fd);
	*memory = (struct bh_memory){.fd = -1};
}
