/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Sets of CPUs, and the two ways in which the kernel writes them: lists ("0-3,8") and masks ("00000001,0000000f").
 *
 * Texts come from files of the kernel and of people: what is not a set is -EINVAL, a CPU from BH_CPUS_MAX on is -ERANGE.
 */
#ifndef HOST_MACHINE_CPUS_H
#define HOST_MACHINE_CPUS_H

#include <bulkhead/types.h>

#define BH_CPUS_MAX        1024u
#define BH_CPUS_TEXT_BYTES 4096 /* holds any set as a list or a mask */

struct bh_cpus {
	uint64_t word[BH_CPUS_MAX / 64];
};

void bh_cpus_add(struct bh_cpus *set, unsigned cpu);
void bh_cpus_remove(struct bh_cpus *set, unsigned cpu);
bool bh_cpus_has(const struct bh_cpus *set, unsigned cpu);
unsigned bh_cpus_cnt(const struct bh_cpus *set);
bool bh_cpus_empty(const struct bh_cpus *set);
bool bh_cpus_equal(const struct bh_cpus *a, const struct bh_cpus *b);
/* bh_cpus_inside - whether every CPU of `part` is in `whole`. */
bool bh_cpus_inside(const struct bh_cpus *part, const struct bh_cpus *whole);
/* bh_cpus_meet - whether they have a CPU in common. */
bool bh_cpus_meet(const struct bh_cpus *a, const struct bh_cpus *b);
struct bh_cpus bh_cpus_and(const struct bh_cpus *a, const struct bh_cpus *b);
struct bh_cpus bh_cpus_or(const struct bh_cpus *a, const struct bh_cpus *b);
struct bh_cpus bh_cpus_minus(const struct bh_cpus *a, const struct bh_cpus *b);
/* bh_cpus_next - the first CPU of the set from `from` on; BH_CPUS_MAX: none. */
unsigned bh_cpus_next(const struct bh_cpus *set, unsigned from);

#define bh_cpus_each(cpu, set)                                                                                         \
	for (unsigned cpu = bh_cpus_next(set, 0); cpu < BH_CPUS_MAX; cpu = bh_cpus_next(set, cpu + 1))

/* bh_cpus_parse_list - "0-3,8", "0-7:2/4" (cpulist of the kernel), "" and "(null)" are the empty set. */
BH_MUST_CHECK int bh_cpus_parse_list(const char *text, struct bh_cpus *out);
/* bh_cpus_parse_mask - hexadecimal words of 32 bits, the highest first, with commas between. */
BH_MUST_CHECK int bh_cpus_parse_mask(const char *text, struct bh_cpus *out);

/* bh_cpus_list - as the kernel prints it; "" for none. Return: out. */
const char *bh_cpus_list(const struct bh_cpus *set, char out[BH_CPUS_TEXT_BYTES]);
/* bh_cpus_mask - as the kernel prints it on a machine of cpu_cnt possible CPUs. Return: out. */
const char *bh_cpus_mask(const struct bh_cpus *set, unsigned cpu_cnt, char out[BH_CPUS_TEXT_BYTES]);

/**
 * bh_cpus_read - a file of the kernel that holds a list
 * Return: 0; -ENOENT and other errors of reading it; -EINVAL, -ERANGE.
 */
BH_PRINTF(3, 4) int bh_cpus_read(struct bh_cpus *out, const char *root, const char *format, ...);

/* bh_cpus_online, bh_cpus_possible - of the machine below root. Return: as bh_cpus_read. */
BH_MUST_CHECK int bh_cpus_online(const char *root, struct bh_cpus *out);
BH_MUST_CHECK int bh_cpus_possible(const char *root, struct bh_cpus *out);

#endif
