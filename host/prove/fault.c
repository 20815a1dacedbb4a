/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel logged about the device meanwhile. Lines that count:
 *   DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0xffff0000 [fault reason 0x05] ...   (drivers/iommu/intel/dmar.c)
 *   DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x0 [fault reason 0x25] ...
 *   vfio-pci 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0012 address=0xffff0000 flags=0x0020]
 * Kernels log some ten a burst and few a second, so a missing line proves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/prove/internal.h"

static bool
hex_behind(const char *line, const char *word, uint64_t *out)
{
	char *end;
	const char *at = strstr(line, word);
	if (at == NULL)
		return false;
	at += strlen(word);
	*out = strtoull(at, &end, 16);
	return end != at;
}

bool
fault_parse(const char *line, const char *device, struct fault *out)
{
	uint64_t flags = 0;
	*out = (struct fault){.addr = UINT64_MAX};
	if (strstr(line, device) == NULL || device[0] == '\0')
		return false;
	if (strstr(line, "DMAR:") != NULL && strstr(line, "fault ") != NULL) {
		(void)hex_behind(line, "fault addr ", &out->addr);
		out->read = strstr(line, "[DMA Read") != NULL;
		return true;
	}
	if (strstr(line, "AMD-Vi:") != NULL && strstr(line, "Event logged") != NULL) {
		(void)hex_behind(line, "address=", &out->addr);
		out->read = hex_behind(line, "flags=", &flags) &&
		            (flags & 0x20) == 0; /* AMD IOMMU specification 2.5.3, RW */
		return true;
	}
	return false;
}

void
faults_open(struct faults *faults, const char *address)
{
	*faults = (struct faults){.fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
	if (faults->fd >= 0)
		lseek(faults->fd, 0, SEEK_END);
	/* Without the domain, as the Intel driver writes it. */
	if (address != NULL && strlen(address) == strlen("0000:01:00.0"))
		snprintf(faults->device, sizeof(faults->device), "%s", address + 5);
}

void
faults_read(struct faults *faults)
{
	char record[2048];
	struct fault fault;
	for (int turn = 0; faults->fd >= 0 && turn < 1000; turn++) {
		ssize_t got = read(faults->fd, record, sizeof(record) - 1);
		if (got < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile: the next one is there */
		if (got <= 0)
			return;
		record[got] = '\0';
		const char *text = strchr(record, ';');
		record[strcspn(record, "\n")] = '\0';
		if (text == NULL || !fault_parse(text + 1, faults->device, &fault))
			continue;
		faults->line_cnt++;
		faults->remap_cnt += strstr(text, "INTR-REMAP") != NULL;
		snprintf(faults->last, sizeof(faults->last), "%s", text + 1);
		if (fault.addr != UINT64_MAX && faults->seen_cnt < BH_ARRAY_CNT(faults->seen))
			faults->seen[faults->seen_cnt++] = fault;
	}
}

uint32_t
faults_at(const struct faults *faults, uint64_t iova, uint64_t bytes, bool read)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < faults->seen_cnt; i++)
		cnt += faults->seen[i].addr - iova < bytes && faults->seen[i].read == read;
	return cnt;
}
