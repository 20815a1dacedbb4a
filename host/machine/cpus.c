/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/cpus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/sysfs.h"

#define WORDS    (BH_CPUS_MAX / 64)
#define MASK_CNT (BH_CPUS_MAX / 32)

void
bh_cpus_add(struct bh_cpus *set, unsigned cpu)
{
	if (cpu < BH_CPUS_MAX)
		set->word[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

void
bh_cpus_remove(struct bh_cpus *set, unsigned cpu)
{
	if (cpu < BH_CPUS_MAX)
		set->word[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
}

bool
bh_cpus_has(const struct bh_cpus *set, unsigned cpu)
{
	return cpu < BH_CPUS_MAX && (set->word[cpu / 64] >> (cpu % 64) & 1) != 0;
}

unsigned
bh_cpus_cnt(const struct bh_cpus *set)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < WORDS; i++)
		cnt += (unsigned)__builtin_popcountll(set->word[i]);
	return cnt;
}

bool
bh_cpus_empty(const struct bh_cpus *set)
{
	return bh_cpus_cnt(set) == 0;
}

bool
bh_cpus_equal(const struct bh_cpus *a, const struct bh_cpus *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool
bh_cpus_inside(const struct bh_cpus *part, const struct bh_cpus *whole)
{
	const struct bh_cpus outside = bh_cpus_minus(part, whole);
	return bh_cpus_empty(&outside);
}

bool
bh_cpus_meet(const struct bh_cpus *a, const struct bh_cpus *b)
{
	const struct bh_cpus both = bh_cpus_and(a, b);
	return !bh_cpus_empty(&both);
}

struct bh_cpus
bh_cpus_and(const struct bh_cpus *a, const struct bh_cpus *b)
{
	struct bh_cpus out;
	for (unsigned i = 0; i < WORDS; i++)
		out.word[i] = a->word[i] & b->word[i];
	return out;
}

struct bh_cpus
bh_cpus_or(const struct bh_cpus *a, const struct bh_cpus *b)
{
	struct bh_cpus out;
	for (unsigned i = 0; i < WORDS; i++)
		out.word[i] = a->word[i] | b->word[i];
	return out;
}

struct bh_cpus
bh_cpus_minus(const struct bh_cpus *a, const struct bh_cpus *b)
{
	struct bh_cpus out;
	for (unsigned i = 0; i < WORDS; i++)
		out.word[i] = a->word[i] & ~b->word[i];
	return out;
}

unsigned
bh_cpus_next(const struct bh_cpus *set, unsigned from)
{
	while (from < BH_CPUS_MAX && !bh_cpus_has(set, from))
		from++;
	return from;
}

static int
take_number(const char **text, unsigned *out)
{
	uint64_t value = 0;
	const char *at = *text;
	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (uint64_t)(*at - '0');
		if (value >= BH_CPUS_MAX)
			return -ERANGE;
	}
	*text = at;
	*out = (unsigned)value;
	return 0;
}

/* first[-last[:used/group]], as in the kernel's bitmap_parselist. */
static int
take_range(const char **text, struct bh_cpus *set)
{
	unsigned first, last, used = 1, group = 1;
	int err = take_number(text, &first);
	last = first;
	if (err == 0 && **text == '-') {
		(*text)++;
		err = take_number(text, &last);
		if (err == 0 && **text == ':') {
			(*text)++;
			err = take_number(text, &used);
			if (err == 0)
				err = *(*text)++ == '/' ? take_number(text, &group) : -EINVAL;
		}
	}
	if (err == 0 && (last < first || used == 0 || used > group))
		err = -EINVAL;
	for (unsigned cpu = first; err == 0 && cpu <= last; cpu++) {
		if ((cpu - first) % group < used)
			bh_cpus_add(set, cpu);
	}
	return err;
}

int
bh_cpus_parse_list(const char *text, struct bh_cpus *out)
{
	*out = (struct bh_cpus){0};
	text += strspn(text, " \t\n");
	if (*text == '\0' || strcmp(text, "(null)") == 0)
		return 0;
	for (;;) {
		int err = take_range(&text, out);
		if (err != 0)
			return err;
		text += strspn(text, " \t\n");
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			return -EINVAL;
		text += strspn(text, " \t");
	}
}

/* From the end, eight digits a word: a word in front may be shorter. */
int
bh_cpus_parse_mask(const char *text, struct bh_cpus *out)
{
	size_t len = strcspn(text, "\n");
	unsigned digit_idx = 0;
	*out = (struct bh_cpus){0};
	if (len == 0 || text[0] == ',')
		return -EINVAL;
	for (size_t i = len; i-- > 0;) {
		const char c = text[i];
		if (c == ',' && digit_idx % 8 == 0)
			continue;
		unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
		                 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
		                 : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
		                                        : 16u;
		if (digit > 15)
			return -EINVAL;
		for (unsigned bit = 0; bit < 4; bit++) {
			if ((digit >> bit & 1) != 0 && digit_idx * 4 + bit >= BH_CPUS_MAX)
				return -ERANGE;
			if ((digit >> bit & 1) != 0)
				bh_cpus_add(out, digit_idx * 4 + bit);
		}
		digit_idx++;
	}
	return 0;
}

const char *
bh_cpus_list(const struct bh_cpus *set, char out[BH_CPUS_TEXT_BYTES])
{
	size_t used = 0;
	out[0] = '\0';
	bh_cpus_each(first, set)
	{
		unsigned last = first;
		while (bh_cpus_has(set, last + 1))
			last++;
		used += (size_t)snprintf(out + used, BH_CPUS_TEXT_BYTES - used, used > 0 ? ",%u" : "%u", first);
		if (last > first)
			used += (size_t)snprintf(out + used, BH_CPUS_TEXT_BYTES - used, "-%u", last);
		first = last;
	}
	return out;
}

const char *
bh_cpus_mask(const struct bh_cpus *set, unsigned cpu_cnt, char out[BH_CPUS_TEXT_BYTES])
{
	size_t used = 0;
	unsigned words = (BH_MIN(cpu_cnt, BH_CPUS_MAX) + 31) / 32;
	unsigned top_bits = cpu_cnt % 32 != 0 ? cpu_cnt % 32 : 32;
	out[0] = '\0';
	for (unsigned i = words; i-- > 0;) {
		uint32_t word = (uint32_t)(set->word[i / 2] >> (i % 2 * 32));
		int digits = i + 1 == words ? (int)(top_bits + 3) / 4 : 8;
		used += (size_t)snprintf(out + used, BH_CPUS_TEXT_BYTES - used, used > 0 ? ",%0*x" : "%0*x", digits,
		                         word);
	}
	return out;
}

int
bh_cpus_read(struct bh_cpus *out, const char *root, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES], text[BH_CPUS_TEXT_BYTES];
	va_list args;
	*out = (struct bh_cpus){0};
	va_start(args, format);
	int len = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (len < 0 || len >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int err = bh_sys_read(text, sizeof(text), root, "%s", path);
	return err != 0 ? err : bh_cpus_parse_list(text, out);
}

int
bh_cpus_online(const char *root, struct bh_cpus *out)
{
	return bh_cpus_read(out, root, "/sys/devices/system/cpu/online");
}

int
bh_cpus_possible(const char *root, struct bh_cpus *out)
{
	return bh_cpus_read(out, root, "/sys/devices/system/cpu/possible");
}
