/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine says on its control port: lab/init/protocol.h. */
#include <errno.h>
#include <string.h>

#include "host/run/units.h"
#include "lab/init/protocol.h"
#include "lab/internal.h"

#define NUMBERS_MAX 3u

/* "word N N ...": exactly `cnt` numbers after the word and its space. */
static bool
numbers(const char *line, const char *word, unsigned cnt, uint64_t *out)
{
	char copy[LAB_LINE_BYTES], *rest = copy;
	size_t len = strlen(word);
	if (strncmp(line, word, len) != 0 || line[len] != ' ')
		return false;
	snprintf(copy, sizeof(copy), "%s", line + len + 1);
	for (unsigned i = 0; i < cnt; i++) {
		const char *part = strsep(&rest, " ");
		if (part == NULL || bh_parse_uint(part, &out[i]) != 0)
			return false;
	}
	return rest == NULL;
}

static bool
is_request(const char *line)
{
	return strncmp(line, "unplug ", 7) == 0 || strncmp(line, "plug ", 5) == 0 ||
	       strncmp(line, "link-up ", 8) == 0 || strncmp(line, "link-down ", 10) == 0;
}

static int
take_line(struct bh_lab_control *control, uint32_t get_cnt)
{
	uint64_t value[NUMBERS_MAX];
	if (!control->ready) {
		control->ready = strcmp(control->line, LAB_HELLO) == 0;
		return control->ready ? 0 : -EPROTO;
	}
	if (control->ended)
		return -EPROTO; /* exit is the last line */
	if (strcmp(control->line, "beat") == 0)
		return 0;
	if (numbers(control->line, "get", 2, value) && value[0] < get_cnt) {
		control->get_cnt[value[0]] = value[1];
		return 0;
	}
	if (numbers(control->line, "exit", 3, value) && value[0] <= 255) {
		control->exit_code = (int)value[0];
		control->out_cnt = value[1];
		control->err_cnt = value[2];
		control->ended = true;
		return 0;
	}
	if (is_request(control->line) && control->ask[0] == '\0') {
		snprintf(control->ask, sizeof(control->ask), "%s", control->line);
		return 0;
	}
	return -EPROTO;
}

int
bh_lab_control_take(struct bh_lab_control *control, uint32_t get_cnt, const char *bytes, size_t byte_cnt)
{
	_Static_assert(sizeof(control->line) == LAB_LINE_BYTES, "a line");
	for (size_t i = 0; i < byte_cnt; i++) {
		if (bytes[i] != '\n') {
			if (control->used + 1 >= LAB_LINE_BYTES || bytes[i] == '\0')
				return -EPROTO;
			control->line[control->used++] = bytes[i];
			continue;
		}
		control->line[control->used] = '\0';
		control->used = 0;
		int err = take_line(control, get_cnt);
		if (err != 0)
			return err;
	}
	return 0;
}
