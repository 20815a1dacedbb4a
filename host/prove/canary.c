/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <bulkhead/spec/nvme.h>

#include "host/prove/internal.h"

#define PRESENT    (UINT64_C(1) << 63) /* Linux: Documentation/admin-guide/mm/pagemap.rst */
#define FRAME_MASK ((UINT64_C(1) << 55) - 1)

/* Return: 0 unknown. */
static uint64_t
physical_of(const void *addr)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	off_t at = (off_t)((uintptr_t)addr / BH_PAGE_BYTES * sizeof(entry));
	bool read = pread(fd, &entry, sizeof(entry), at) == (ssize_t)sizeof(entry);
	close(fd);
	return read && (entry & PRESENT) != 0 ? (entry & FRAME_MASK) * BH_PAGE_BYTES : 0;
}

/*
 * At its start a command for a device that takes the page for a submission queue, in its second half a list for one that takes it
 * for PRPs: a device that can read the page betrays it by writing to the leak page. The command is a Read: whatever a device that
 * should not reach it makes of this page, it changes nothing on the media. The rest is noise.
 */
static uint64_t
word_of(const struct canary *canary, size_t idx)
{
	static const struct nvme_sqe fetched = {
	        .opcode = NVME_NVM_READ, .cid = PROVE_CID, .nsid = 1, .prp1 = PROVE_LEAK};
	uint64_t word;
	if (idx < sizeof(fetched) / sizeof(word)) {
		memcpy(&word, (const uint8_t *)&fetched + idx * sizeof(word), sizeof(word));
		return word;
	}
	if (idx >= PROVE_LIST_OFFSET / sizeof(word))
		return PROVE_LEAK;
	return (canary->pattern + idx) * UINT64_C(0x9e3779b97f4a7c15);
}

int
canary_set(struct canary *canary, uint8_t *page)
{
	uint64_t *word = (uint64_t *)(void *)page;
	canary->page = page;
	if (getrandom(&canary->pattern, sizeof(canary->pattern), 0) != (ssize_t)sizeof(canary->pattern))
		return -EIO;
	for (size_t i = 0; i < BH_PAGE_BYTES / sizeof(*word); i++)
		word[i] = word_of(canary, i);
	canary->physical = physical_of(page);
	return canary->physical != 0 ? 0 : -EPERM;
}

int
canary_page(struct canary *canary)
{
	canary->fd = memfd_create("prove-canary", MFD_CLOEXEC);
	if (canary->fd < 0 || ftruncate(canary->fd, BH_PAGE_BYTES) != 0)
		return -errno;
	uint8_t *page = mmap(NULL, BH_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, canary->fd, 0);
	if (page == MAP_FAILED || mlock(page, BH_PAGE_BYTES) != 0)
		return -errno;
	canary->page = page;
	return 0;
}

int
canary_make(struct canary *canary)
{
	int err = canary_page(canary);
	return err == 0 ? canary_set(canary, canary->page) : err;
}

bool
canary_changed(const struct canary *canary)
{
	const volatile uint64_t *word = (const volatile uint64_t *)(const void *)canary->page;
	for (size_t i = 0; i < BH_PAGE_BYTES / sizeof(*word); i++) {
		if (word[i] != word_of(canary, i))
			return true;
	}
	return false;
}

bool
canary_moved(const struct canary *canary)
{
	return physical_of(canary->page) != canary->physical;
}
