/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts: /proc/irq/N, with names and chips from /proc/interrupts.
 *
 * Which of them the kernel moves itself, and lets nobody else, it tells in one of three places: the file's mode (read-only
 * from Linux 6.9 on), debugfs (IRQD_AFFINITY_MANAGED, where it is built in), or by refusing apply's write.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/doctor/private.h"

#define TIMER_IRQ   0 /* of the PC: IRQF_NOBALANCING, arch/x86/kernel/time.c */
#define CASCADE_IRQ 2 /* between its two interrupt controllers */

/* The line "  24:  counts...  CHIP  HWIRQ  NAME" of an interrupt. */
static const char *
line_of(const char *text, unsigned number)
{
	for (const char *line = text; line != NULL && *line != '\0';) {
		char *end;
		unsigned long found = strtoul(line, &end, 10);
		if (end != line && *end == ':' && found == number)
			return end + 1;
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return NULL;
}

static void
copy(char *out, size_t out_bytes, const char *from, size_t len)
{
	while (len > 0 && from[len - 1] == ' ')
		len--;
	snprintf(out, out_bytes, "%.*s", (int)len, from);
	bh_sys_clean(out);
}

/* Behind the counts: words with one blank between are the chip and its number; the last word or words name who asked. */
static void
read_names(struct doctor_irq *irq, const char *line)
{
	size_t end = line != NULL ? strcspn(line, "\n") : 0, at = 0;
	while (at < end && (isdigit((unsigned char)line[at]) || line[at] == ' '))
		at++;
	if (at == end)
		return;
	const char *gap = line + at, *last = NULL;
	while ((gap = strstr(gap, "  ")) != NULL && gap < line + end) {
		while (*gap == ' ')
			gap++;
		last = gap;
	}
	size_t chip_len = (last != NULL && last < line + end ? (size_t)(last - line) : end) - at;
	copy(irq->chip, sizeof(irq->chip), line + at, chip_len);
	if (last != NULL && last < line + end)
		copy(irq->name, sizeof(irq->name), last, end - (size_t)(last - line));
}

static bool
is_read_only(const char *root, unsigned number)
{
	char path[BH_SYS_PATH_BYTES];
	struct stat info;
	return bh_sys_path(path, root, "/proc/irq/%u/smp_affinity_list", number) == 0 && stat(path, &info) == 0 &&
	       (info.st_mode & 0222) == 0;
}

static bool
debugfs_says_managed(const char *root, unsigned number)
{
	char *text;
	if (bh_sys_load(&text, root, "/sys/kernel/debug/irq/irqs/%u", number) < 0)
		return false;
	bool managed = strstr(text, "IRQD_AFFINITY_MANAGED") != NULL;
	free(text);
	return managed;
}

/* nvme0q1 and on: a queue per CPU, whose interrupts the driver leaves to the kernel (drivers/nvme/host/pci.c). */
static bool
is_queue_of_cpus(const char *name)
{
	unsigned disk, queue;
	char rest;
	return sscanf(name, "nvme%uq%u%c", &disk, &queue, &rest) == 2 && queue > 0;
}

static void
read_irq(const struct bh_doctor *doctor, unsigned number, struct doctor_irq *out)
{
	char path[64];
	*out = (struct doctor_irq){.number = number};
	snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", number);
	out->allowed_err = bh_cpus_read(&out->allowed, doctor->root, "%s", path);
	out->effective_err =
	        bh_cpus_read(&out->effective, doctor->root, "/proc/irq/%u/effective_affinity_list", number);
	read_names(out, line_of(doctor->interrupts, number));
	const bool refused = doctor_refused(doctor, path);
	const bool read_only = is_read_only(doctor->root, number);
	out->managed = debugfs_says_managed(doctor->root, number) || is_queue_of_cpus(out->name) ||
	               (read_only && strstr(out->chip, "MSI") != NULL);
	out->fixed = out->managed || refused || read_only || number == TIMER_IRQ || number == CASCADE_IRQ;
}

void
doctor_facts_irqs(struct bh_doctor *doctor)
{
	struct bh_sys_names names;
	doctor->irq_err = bh_sys_list(&names, doctor->root, "/proc/irq");
	if (doctor->irq_err != 0)
		return;
	doctor->irq = calloc(names.cnt + 1, sizeof(*doctor->irq));
	for (size_t i = 0; i < names.cnt && doctor->irq != NULL; i++) {
		unsigned number;
		char rest;
		if (sscanf(names.name[i], "%7u%c", &number, &rest) == 1)
			read_irq(doctor, number, &doctor->irq[doctor->irq_cnt++]);
	}
	doctor->irq_err = doctor->irq == NULL ? -ENOMEM : 0;
	bh_sys_names_free(&names);
}
