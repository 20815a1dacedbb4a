/* SPDX-License-Identifier: Apache-2.0 */
/* The language of fault scripts: see vnet_fault_parse(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio_net/vnet_model.h"

#define BLANKS " \t\r\n"

/* `sign` and a number behind it, if it is there. Return: false: something else is. */
static bool
number_take(const char **at, char sign, uint64_t max, uint64_t *out)
{
	char *end;
	if (**at != sign)
		return true;
	if ((*at)[1] < '0' || (*at)[1] > '9')
		return false;
	*out = strtoull(*at + 1, &end, 10);
	*at = end;
	return *out >= 1 && *out <= max;
}

static bool
rule_parse(const char *word, size_t word_bytes, const char *const *names, uint32_t name_cnt,
           struct vnet_fault_rule *out)
{
	char text[96], name[32];
	const char *at = text;
	uint64_t every = out->every;
	if (word_bytes >= sizeof(text))
		return false;
	memcpy(text, word, word_bytes);
	text[word_bytes] = '\0';
	size_t name_bytes = strcspn(text, "@+");
	if (name_bytes == 0 || name_bytes >= sizeof(name))
		return false;
	memcpy(name, text, name_bytes);
	name[name_bytes] = '\0';
	at += name_bytes;
	for (out->fault = 0; out->fault < name_cnt && strcmp(names[out->fault], name) != 0;)
		out->fault++;
	bool ok = out->fault != name_cnt && number_take(&at, '@', UINT32_MAX, &every) &&
	          number_take(&at, '+', UINT64_MAX, &out->after) && number_take(&at, 'x', UINT64_MAX, &out->times);
	out->every = (uint32_t)every;
	return ok && *at == '\0';
}

int
vnet_fault_parse_kinds(const char *text, uint32_t default_every, const char *const *names, uint32_t name_cnt,
                       struct vnet_fault_rule *out, char *out_error, size_t error_bytes)
{
	uint32_t cnt = 0;
	for (;;) {
		text += strspn(text, BLANKS);
		if (*text == '\0')
			return (int)cnt;
		if (*text == '#') {
			text += strcspn(text, "\n");
			continue;
		}
		size_t word_bytes = strcspn(text, BLANKS "#");
		if (cnt == VNET_FAULT_RULES_MAX) {
			snprintf(out_error, error_bytes, "a fault script has at most %u rules", VNET_FAULT_RULES_MAX);
			return -BH_EINVAL;
		}
		out[cnt] = (struct vnet_fault_rule){.every = default_every};
		if (!rule_parse(text, word_bytes, names, name_cnt, &out[cnt])) {
			snprintf(out_error, error_bytes,
			         "'%.*s': KIND[@EVERY][+AFTER][xTIMES] was meant, numbers from 1",
			         (int)BH_MIN(word_bytes, (size_t)64), text);
			return -BH_EINVAL;
		}
		text += word_bytes;
		cnt++;
	}
}
