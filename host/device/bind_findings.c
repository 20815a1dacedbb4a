/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/bind_private.h"

static const char *const reasons[] = {
        "mounted",   "swap",       "holder",        "member",      "in-use",       "open", "loop",  "exported",
        "boot-disk", "unreadable", "default-route", "ssh-session", "no-interface", "vfs",  "class", "boot-display",
};

const char *
bh_bind_reason(size_t idx)
{
	return idx < BH_ARRAY_CNT(reasons) ? reasons[idx] : NULL;
}

bool
bh_bind_has(const struct bh_bind_list *list, const char *reason)
{
	for (int i = 0; i < list->cnt; i++) {
		if (strcmp(list->entry[i].reason, reason) == 0)
			return true;
	}
	return false;
}

static int
count_of(const struct bh_bind_list *list, const char *reason)
{
	int cnt = 0;
	for (int i = 0; i < list->cnt; i++)
		cnt += strcmp(list->entry[i].reason, reason) == 0;
	return cnt;
}

/* A full list gives up the last entry whose reason has another: no reason is ever lost. */
static struct bh_bind_finding *
place_in(struct bh_bind_list *list)
{
	if (list->cnt < BH_BIND_FINDINGS_MAX)
		return &list->entry[list->cnt++];
	for (int i = list->cnt - 1; i > 0; i--) {
		if (count_of(list, list->entry[i].reason) > 1)
			return &list->entry[i];
	}
	return &list->entry[list->cnt - 1];
}

void
bh_bind_add(struct bh_bind_list *list, const char *reason, const char *format, ...)
{
	struct bh_bind_finding finding;
	va_list args;
	memset(&finding, 0, sizeof(finding));
	snprintf(finding.reason, sizeof(finding.reason), "%s", reason);
	va_start(args, format);
	vsnprintf(finding.evidence, sizeof(finding.evidence), format, args);
	va_end(args);
	bh_sys_clean(finding.evidence);
	for (int i = 0; i < list->cnt; i++) {
		if (memcmp(&list->entry[i], &finding, sizeof(finding)) == 0)
			return;
	}
	int cnt = count_of(list, reason);
	if (cnt < BH_BIND_REASON_MAX && (cnt == 0 || list->cnt < BH_BIND_FINDINGS_MAX))
		*place_in(list) = finding;
}

const char *
bh_bind_block_text(const struct bh_bind_block *block, char out[2 * BH_SYS_NAME_BYTES + 40])
{
	if (block->own)
		snprintf(out, 2 * BH_SYS_NAME_BYTES + 40, "/dev/%s", block->name);
	else
		snprintf(out, 2 * BH_SYS_NAME_BYTES + 40, "/dev/%s, which lies on /dev/%s,", block->name, block->via);
	return out;
}

const char *
bh_bind_net_text(const struct bh_bind_net *net, char out[2 * BH_SYS_NAME_BYTES + 40])
{
	if (net->own)
		snprintf(out, 2 * BH_SYS_NAME_BYTES + 40, "%s", net->name);
	else
		snprintf(out, 2 * BH_SYS_NAME_BYTES + 40, "%s, which lies on %s,", net->name, net->via);
	return out;
}

void
bh_bind_unescape(char *text)
{
	char *to = text;
	for (; *text != '\0'; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
		    text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

char *
bh_bind_field(char **line)
{
	char *at = *line + strspn(*line, " \t");
	size_t len = strcspn(at, " \t");
	if (len == 0)
		return NULL;
	*line = at + len + (at[len] != '\0');
	at[len] = '\0';
	return at;
}

int
bh_bind_pids(const char *root, struct bh_sys_names *out)
{
	size_t cnt = 0;
	int err = bh_sys_list(out, root, "/proc");
	if (err != 0)
		return err;
	for (size_t i = 0; i < out->cnt; i++) {
		size_t len = strspn(out->name[i], "0123456789");
		if (len > 0 && out->name[i][len] == '\0')
			memmove(out->name[cnt++], out->name[i], BH_SYS_NAME_BYTES);
	}
	out->cnt = cnt;
	return 0;
}
