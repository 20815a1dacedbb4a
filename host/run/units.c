/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/run/config.h"
#include "host/run/units.h"

#define CPU_MAX 4095u

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits first: strtoull would take signs and blanks. */
static int
parse_number(const char *text, uint64_t *out_value, const char **out_rest)
{
	char *end;
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	errno = 0;
	*out_value = strtoull(text, &end, base);
	*out_rest = end;
	return errno == ERANGE ? -ERANGE : 0;
}

static int
parse_with_unit(const char *text, const struct unit *unit, size_t unit_cnt, uint64_t *out_value)
{
	uint64_t number;
	const char *rest;
	int err = parse_number(text, &number, &rest);
	if (err != 0)
		return err;
	while (*rest == ' ')
		rest++;
	for (size_t i = 0; i < unit_cnt; i++) {
		if (strcmp(rest, unit[i].name) == 0)
			return __builtin_mul_overflow(number, unit[i].factor, out_value) ? -ERANGE : 0;
	}
	*out_value = 0;
	return number == 0 && *rest == '\0' ? 0 : -EINVAL;
}

int
bh_parse_uint(const char *text, uint64_t *out_value)
{
	const char *rest;
	int err = parse_number(text, out_value, &rest);
	return err == 0 && *rest != '\0' ? -EINVAL : err;
}

int
bh_parse_percent(const char *text, uint64_t *out_value)
{
	static const struct unit unit[] = {{"", 1}, {"%", 1}};
	return parse_with_unit(text, unit, BH_ARRAY_CNT(unit), out_value);
}

int
bh_parse_size(const char *text, uint64_t *out_bytes)
{
	static const struct unit unit[] = {
	        {"", 1},
	        {"B", 1},
	        {"K", 1 << 10},
	        {"KiB", 1 << 10},
	        {"M", 1 << 20},
	        {"MiB", 1 << 20},
	        {"G", 1 << 30},
	        {"GiB", 1 << 30},
	        {"T", UINT64_C(1) << 40},
	        {"TiB", UINT64_C(1) << 40},
	};
	return parse_with_unit(text, unit, BH_ARRAY_CNT(unit), out_bytes);
}

int
bh_parse_duration_ns(const char *text, uint64_t *out_ns)
{
	static const struct unit unit[] = {
	        {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", UINT64_C(60000000000)},
	};
	return parse_with_unit(text, unit, BH_ARRAY_CNT(unit), out_ns);
}

static int
add_cpu(uint64_t cpu, uint16_t *out_cpu, uint32_t *out_cnt)
{
	if (cpu > CPU_MAX || *out_cnt == BH_CORES_MAX)
		return -ERANGE;
	for (uint32_t i = 0; i < *out_cnt; i++) {
		if (out_cpu[i] == cpu)
			return -EEXIST;
	}
	out_cpu[(*out_cnt)++] = (uint16_t)cpu;
	return 0;
}

/* One "2" or "2-5"; *text is left at what follows. */
static int
parse_cpu_range(const char **text, uint16_t *out_cpu, uint32_t *out_cnt)
{
	uint64_t first, last;
	int err = parse_number(*text, &first, text);
	if (err != 0)
		return err;
	last = first;
	if (**text == '-')
		err = parse_number(*text + 1, &last, text);
	if (err == 0 && last < first)
		err = -EINVAL;
	for (uint64_t cpu = first; cpu <= last && err == 0; cpu++)
		err = add_cpu(cpu, out_cpu, out_cnt);
	return err;
}

int
bh_parse_cpus(const char *text, bool *out_auto, uint16_t *out_cpu, uint32_t *out_cnt)
{
	uint64_t cnt = 1;
	int err = 0;
	*out_cnt = 0;
	*out_auto = strncmp(text, "auto", 4) == 0;
	if (*out_auto) {
		if (text[4] != '\0' && (text[4] != ':' || bh_parse_uint(text + 5, &cnt) != 0))
			return -EINVAL;
		*out_cnt = (uint32_t)cnt;
		return cnt >= 1 && cnt <= BH_CORES_MAX ? 0 : -ERANGE;
	}
	for (;;) {
		err = parse_cpu_range(&text, out_cpu, out_cnt);
		if (err != 0 || *text == '\0')
			return err;
		if (*text != ',')
			return -EINVAL;
		text++;
		while (*text == ' ')
			text++;
	}
}

unsigned
bh_text_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t a_len = strlen(a), b_len = strlen(b);
	if (a_len >= BH_ARRAY_CNT(row) || b_len >= BH_ARRAY_CNT(row))
		return (unsigned)BH_ARRAY_CNT(row);
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			unsigned shifted = BH_MIN(row[j], row[j - 1]) + 1;
			row[j] = BH_MIN(shifted, replaced);
		}
	}
	return row[b_len];
}
