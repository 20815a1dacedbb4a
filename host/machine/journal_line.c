/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/journal_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/file.h"

#define SUM_BYTES 18 /* " #" and 16 digits */

static bool
is_plain(char c)
{
	return c > ' ' && c <= '~' && c != '%' && c != '#';
}

static char *
encode(char *out, const char *text)
{
	static const char digit[] = "0123456789abcdef";
	if (text == NULL) {
		*out++ = '-';
		return out;
	}
	if (text[0] == '\0' || strcmp(text, "-") == 0) { /* an empty value, and one that looks like none */
		*out++ = '%';
		*out++ = text[0] == '\0' ? '0' : '2';
		*out++ = text[0] == '\0' ? '0' : 'd';
		return out;
	}
	for (; *text != '\0'; text++) {
		if (is_plain(*text)) {
			*out++ = *text;
			continue;
		}
		*out++ = '%';
		*out++ = digit[(uint8_t)*text >> 4];
		*out++ = digit[(uint8_t)*text & 15];
	}
	return out;
}

char *
bh_journal_line(const char *const *field, size_t cnt)
{
	size_t bytes = SUM_BYTES + 2;
	for (size_t i = 0; i < cnt; i++)
		bytes += 4 + (field[i] != NULL ? strlen(field[i]) * 3 : 0);
	char *line = malloc(bytes), *at = line;
	if (line == NULL)
		return NULL;
	for (size_t i = 0; i < cnt; i++) {
		if (i > 0)
			*at++ = ' ';
		at = encode(at, field[i]);
	}
	snprintf(at, SUM_BYTES + 2, " #%016llx\n", (unsigned long long)bh_text_sum(line, (size_t)(at - line)));
	return line;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%00" alone is the empty text. */
static int
decode(char *text)
{
	char *out = text;
	if (strcmp(text, "%00") == 0) {
		*text = '\0';
		return 0;
	}
	for (const char *at = text; *at != '\0'; at++) {
		if (*at != '%') {
			if (!is_plain(*at))
				return -EBADMSG;
			*out++ = *at;
			continue;
		}
		int high = hex_digit(at[1]), low = high >= 0 ? hex_digit(at[2]) : -1;
		if (low < 0 || (high == 0 && low == 0))
			return -EBADMSG;
		*out++ = (char)(high << 4 | low);
		at += 2;
	}
	*out = '\0';
	return 0;
}

static bool
sum_fits(char *line)
{
	char want[SUM_BYTES + 1];
	size_t len = strlen(line);
	if (len < SUM_BYTES)
		return false;
	snprintf(want, sizeof(want), " #%016llx", (unsigned long long)bh_text_sum(line, len - SUM_BYTES));
	if (strcmp(line + len - SUM_BYTES, want) != 0)
		return false;
	line[len - SUM_BYTES] = '\0';
	return true;
}

int
bh_journal_fields(char *line, char *out[BH_JOURNAL_FIELDS_MAX])
{
	int cnt = 0;
	char *at = line;
	if (!sum_fits(line))
		return -EBADMSG;
	while (at != NULL) {
		char *blank = strchr(at, ' ');
		if (blank != NULL)
			*blank = '\0';
		if (cnt == BH_JOURNAL_FIELDS_MAX)
			return -EBADMSG;
		out[cnt] = strcmp(at, "-") == 0 ? NULL : at;
		if (out[cnt] != NULL && (*at == '\0' || decode(at) != 0))
			return -EBADMSG;
		cnt++;
		at = blank != NULL ? blank + 1 : NULL;
	}
	return cnt;
}
