/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU Machine Protocol: one JSON object per line; our requests carry an id, and so do their answers. */
#include <jansson.h>
#include <string.h>

#include "lab/internal.h"

#define REQUEST_ID "lab"

/* "nvme,id=nvme0,mdts=7" as {"driver": "nvme", "id": "nvme0", "mdts": "7"}; ",," in a value is one comma. */
static json_t *
device_object(const char *device)
{
	json_t *object = json_object();
	const char *at = device;
	while (object != NULL && *at != '\0') {
		char pair[512];
		size_t len = 0;
		for (; *at != '\0' && (*at != ',' || at[1] == ',') && len + 1 < sizeof(pair); at++) {
			at += *at == ',';
			pair[len++] = *at;
		}
		at += *at == ',';
		pair[len] = '\0';
		char *value = strchr(pair, '=');
		if (value != NULL)
			*value++ = '\0';
		else if (json_object_size(object) > 0)
			value = pair + len; /* "multifunction" alone: no device of ours has such */
		json_object_set_new(object, value != NULL ? pair : "driver", json_string(value != NULL ? value : pair));
	}
	return object;
}

char *
bh_lab_qmp_request(const char *line, const char *device)
{
	json_t *arguments = NULL;
	const char *what = NULL;
	if (device != NULL && strncmp(line, "unplug ", 7) == 0) {
		what = "device_del";
		arguments = json_pack("{s:s}", "id", line + 7);
	} else if (device != NULL && strncmp(line, "plug ", 5) == 0) {
		what = "device_add";
		arguments = device_object(device);
	} else if (device != NULL && strncmp(line, "link-up ", 8) == 0) {
		what = "set_link";
		arguments = json_pack("{s:s, s:b}", "name", line + 8, "up", 1);
	} else if (device != NULL && strncmp(line, "link-down ", 10) == 0) {
		what = "set_link";
		arguments = json_pack("{s:s, s:b}", "name", line + 10, "up", 0);
	}
	if (arguments == NULL)
		return NULL;
	json_t *request = json_pack("{s:s, s:o, s:s}", "execute", what, "arguments", arguments, "id", REQUEST_ID);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	return text;
}

bool
bh_lab_qmp_is_leaving(const struct bh_lab_qmp *qmp, const char *id)
{
	bool leaving = false;
	for (size_t i = 0; i < BH_LAB_LEAVING_MAX && id[0] != '\0'; i++)
		leaving |= strcmp(qmp->leaving[i], id) == 0;
	return leaving;
}

/* Replaces one name by another; "" is a free place. */
static void
rename_leaving(struct bh_lab_qmp *qmp, const char *from, const char *to)
{
	for (size_t i = 0; i < BH_LAB_LEAVING_MAX; i++) {
		if (strcmp(qmp->leaving[i], from) == 0) {
			snprintf(qmp->leaving[i], sizeof(qmp->leaving[i]), "%s", to);
			return;
		}
	}
}

void
bh_lab_qmp_sent(struct bh_lab_qmp *qmp, const char *line)
{
	qmp->waiting = true;
	snprintf(qmp->asked, sizeof(qmp->asked), "%.15s", strncmp(line, "unplug ", 7) == 0 ? line + 7 : "");
	if (bh_lab_qmp_is_leaving(qmp, qmp->asked))
		qmp->asked[0] = '\0'; /* whatever the second answer is, it still leaves */
	if (qmp->asked[0] != '\0')
		rename_leaving(qmp, "", qmp->asked); /* already now: the event may come before the answer */
}

/* {"event": "DEVICE_DELETED", "data": {"device": "nvme0", ...}} */
static void
take_event(struct bh_lab_qmp *qmp, const json_t *object)
{
	const char *event = json_string_value(json_object_get(object, "event"));
	const char *device = json_string_value(json_object_get(json_object_get(object, "data"), "device"));
	if (event != NULL && device != NULL && device[0] != '\0' && strcmp(event, "DEVICE_DELETED") == 0)
		rename_leaving(qmp, device, "");
}

static bool
take_line(struct bh_lab_qmp *qmp, char *out_answer, size_t answer_bytes)
{
	json_t *object = json_loads(qmp->line, JSON_REJECT_DUPLICATES, NULL);
	const char *id = json_string_value(json_object_get(object, "id"));
	bool ours = id != NULL && strcmp(id, REQUEST_ID) == 0 && qmp->waiting;
	const json_t *error = json_object_get(object, "error");
	const char *why = json_string_value(json_object_get(error, "desc"));
	take_event(qmp, object);
	if (ours && json_object_get(object, "return") != NULL)
		snprintf(out_answer, answer_bytes, "ok");
	else if (ours)
		snprintf(out_answer, answer_bytes, "error %.100s", why != NULL ? why : "QEMU did not say why");
	if (ours && error != NULL && qmp->asked[0] != '\0')
		rename_leaving(qmp, qmp->asked, "");
	json_decref(object);
	return ours;
}

bool
bh_lab_qmp_take(struct bh_lab_qmp *qmp, const char *bytes, size_t byte_cnt, char *out_answer, size_t answer_bytes)
{
	bool answered = false;
	for (size_t i = 0; i < byte_cnt; i++) {
		if (bytes[i] != '\n') {
			qmp->skipping |= qmp->used + 1 == sizeof(qmp->line);
			if (!qmp->skipping)
				qmp->line[qmp->used++] = bytes[i];
			continue;
		}
		qmp->line[qmp->used] = '\0';
		if (!qmp->skipping && take_line(qmp, out_answer, answer_bytes)) {
			qmp->waiting = false;
			answered = true;
		}
		qmp->used = 0;
		qmp->skipping = false;
	}
	return answered;
}
