/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine says on its control port (lab/init/protocol.h), and what it may ask of QEMU: to unplug a device of ours. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/run/units.h"
#include "lab/init/protocol.h"
#include "lab/internal.h"

static void
answer(struct bh_lab_machine *machine, const char *text)
{
	/* A machine that does not read its answers only hurts itself. */
	(void)!send(machine->host_fd[BH_LAB_CTL], text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* nvme0 or nic1, and only what the lab made. */
static bool
is_ours(const struct bh_lab_machine *machine, const char *id)
{
	char name[16];
	for (uint32_t i = 0; i < BH_LAB_NVMES_MAX + BH_LAB_NICS_MAX; i++) {
		bool nvme = i < BH_LAB_NVMES_MAX;
		uint32_t idx = nvme ? i : i - BH_LAB_NVMES_MAX;
		snprintf(name, sizeof(name), nvme ? "nvme%u" : "nic%u", idx);
		if (idx < (nvme ? machine->options->nvme_cnt : machine->options->nic_cnt) && strcmp(id, name) == 0)
			return true;
	}
	return false;
}

static void
unplug(struct bh_lab_machine *machine, const char *id)
{
	char request[160];
	if (!is_ours(machine, id)) {
		answer(machine, "error the lab made no such device\n");
		return;
	}
	/* QMP's negotiation can be asked for again and again; the answers are read and dropped (session.c). */
	int len = snprintf(
	        request, sizeof(request),
	        "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"device_del\",\"arguments\":{\"id\":\"%s\"}}\n", id);
	bool sent = send(machine->host_fd[BH_LAB_QMP], request, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len;
	answer(machine, sent ? "ok\n" : "error QEMU does not listen\n");
}

static int
take_line(struct bh_lab_machine *machine, struct bh_lab_control *control)
{
	uint64_t code;
	if (strcmp(control->line, LAB_HELLO) == 0 && !control->ready) {
		control->ready = true;
		return 0;
	}
	if (strncmp(control->line, "exit ", 5) == 0 && control->ready && !control->ended &&
	    bh_parse_uint(control->line + 5, &code) == 0 && code <= 255) {
		control->exit_code = (int)code;
		control->ended = true;
		return 0;
	}
	if (strncmp(control->line, "unplug ", 7) == 0 && control->ready) {
		unplug(machine, control->line + 7);
		return 0;
	}
	return -EPROTO;
}

int
bh_lab_control_take(struct bh_lab_machine *machine, struct bh_lab_control *control, const char *bytes, size_t byte_cnt)
{
	for (size_t i = 0; i < byte_cnt; i++) {
		if (bytes[i] != '\n') {
			if (control->used + 1 >= LAB_LINE_BYTES || bytes[i] == '\0')
				return -EPROTO;
			control->line[control->used++] = bytes[i];
			continue;
		}
		control->line[control->used] = '\0';
		control->used = 0;
		int err = take_line(machine, control);
		if (err != 0)
			return err;
	}
	return 0;
}
