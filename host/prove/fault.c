/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel logged about the device meanwhile. Lines that count:
 *   DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0xffff0000 [fault reason 0x05] ...   (drivers/iommu/intel/dmar.c)
 *   DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x0 [fault reason 0x25] ...
 *   common_interrupt: 0.224 No irq handler for vector                                        (arch/x86/kernel/irq.c)
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
		out->remap = strstr(line, "[INTR-REMAP") != NULL;
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

static void
keep(struct faults *faults, const struct fault *fault)
{
	if (faults->seen_cnt < BH_ARRAY_CNT(faults->seen))
		faults->seen[faults->seen_cnt++] = *fault;
}

static void
take_line(struct faults *faults, const char *line, uint32_t step)
{
	struct fault fault;
	if (strstr(line, "No irq handler for vector") != NULL) {
		fault = (struct fault){.addr = UINT64_MAX, .stray = true, .step = step};
		keep(faults, &fault);
		faults->stray_cnt++;
		return;
	}
	if (!fault_parse(line, faults->device, &fault))
		return;
	fault.step = step;
	keep(faults, &fault);
	faults->line_cnt++;
	snprintf(faults->last, sizeof(faults->last), "%s", line);
}

void
faults_read(struct faults *faults, uint32_t step)
{
	char record[2048];
	for (int turn = 0; faults->fd >= 0 && turn < 1000; turn++) {
		ssize_t got = read(faults->fd, record, sizeof(record) - 1);
		if (got < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile: the next one is there */
		if (got <= 0)
			return;
		record[got] = '\0';
		const char *text = strchr(record, ';');
		record[strcspn(record, "\n")] = '\0';
		if (text != NULL)
			take_line(faults, text + 1, step);
	}
}

static bool
belongs(const struct fault *fault, uint32_t step_idx)
{
	return fault->step - step_idx <= 1;
}

uint32_t
faults_at(const struct faults *faults, uint32_t step_idx, uint64_t iova, uint64_t bytes, bool read)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < faults->seen_cnt; i++)
		cnt += faults->seen[i].addr - iova < bytes && faults->seen[i].read == read &&
		       belongs(&faults->seen[i], step_idx);
	return cnt;
}

uint32_t
faults_of_interrupts(const struct faults *faults, uint32_t step_idx, uint32_t *out_stray_cnt)
{
	uint32_t cnt = 0;
	*out_stray_cnt = 0;
	for (uint32_t i = 0; i < faults->seen_cnt; i++) {
		cnt += faults->seen[i].remap && belongs(&faults->seen[i], step_idx);
		*out_stray_cnt += faults->seen[i].stray && belongs(&faults->seen[i], step_idx);
	}
	return cnt;
}
