/* SPDX-License-Identifier: Apache-2.0 */
/* Network cards and the wires between them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/run/units.h"
#include "lab/internal.h"

#define BH_LAB_HUBS_MAX 16u

static int
not_a_nic(const char *text, struct bh_error *error)
{
	return bh_error_set(error, "E201", -EINVAL,
	                    "--nic %.100s: MODEL[,hub=N][,property=value...] was meant, N from 0 to %u", text,
	                    BH_LAB_HUBS_MAX - 1);
}

/* One part between commas; "hub=N" is for us, the rest for QEMU. */
static int
take_part(const char *part, size_t len, struct bh_lab_nic *out)
{
	size_t used = strlen(out->text);
	uint64_t hub;
	char number[8];
	if (len == 0)
		return -EINVAL;
	if (used > 0 && strncmp(part, "hub=", 4) == 0) {
		snprintf(number, sizeof(number), "%.*s", (int)(len - 4), part + 4);
		if (len - 4 >= sizeof(number) || bh_parse_uint(number, &hub) != 0 || hub >= BH_LAB_HUBS_MAX)
			return -EINVAL;
		out->hub = (int)hub;
		return 0;
	}
	int put = snprintf(out->text + used, sizeof(out->text) - used, "%s%.*s", used > 0 ? "," : "", (int)len, part);
	return (size_t)put < sizeof(out->text) - used ? 0 : -EINVAL;
}

int
bh_lab_nic_parse(const char *text, struct bh_lab_nic *out, struct bh_error *error)
{
	*out = (struct bh_lab_nic){.hub = -1};
	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");
		if (take_part(at, len, out) != 0)
			return not_a_nic(text, error);
		at += len;
		if (*at == '\0')
			return 0;
	}
}

/* "e1000e,mac=..." is the model e1000e. */
static int
nic_check(struct bh_lab_machine *machine, const char *text, struct bh_error *error)
{
	char help[128], *said = NULL;
	int len = (int)strcspn(text, ",");
	snprintf(help, sizeof(help), "%.*s,help", len, text);
	const char *const argv[] = {"qemu-system-x86_64", "-device", help, NULL};
	int code = bh_lab_tool(&machine->signals, argv, NULL, "--no-install-recommends qemu-system-x86", &said, error);
	bool known = code == 0 && said != NULL && strstr(said, "options:") != NULL && strstr(said, "netdev=") != NULL;
	free(said);
	if (code < 0 || known)
		return BH_MIN(code, 0);
	return bh_error_set(error, "E216", -ENODEV,
	                    "--nic %.60s: this QEMU (%.200s) has no such network card%s; `qemu-system-x86_64 -device "
	                    "help` lists them",
	                    text, machine->qemu,
	                    strncmp(text, "igb", 3) == 0 ? " (it came with QEMU 8.0; Debian 12 has a newer QEMU in "
	                                                   "bookworm-backports)"
	                                                 : "");
}

int
bh_lab_nics_check(struct bh_lab_machine *machine, struct bh_error *error)
{
	int err = 0;
	for (uint32_t i = 0; i < machine->options.nic_cnt && err == 0; i++)
		err = nic_check(machine, machine->options.nic[i].text, error);
	return err;
}

/* Without hubs named, two cards share a wire. It ends in the machine: packets go nowhere else. */
void
bh_lab_nics(struct bh_lab_machine *machine)
{
	for (uint32_t i = 0; i < machine->options.nic_cnt; i++) {
		const struct bh_lab_nic *nic = &machine->options.nic[i];
		const char *slot = bh_lab_slot(machine, machine->options.nvme_cnt + i);
		bh_lab_add(machine, "-netdev");
		bh_lab_add(machine, "hubport,id=net%u,hubid=%u", i, nic->hub >= 0 ? (uint32_t)nic->hub : i / 2);
		bh_lab_add(machine, "-device");
		bh_lab_add(machine, "%s,id=nic%u,%s,netdev=net%u,mac=52:54:00:00:00:%02x", nic->text, i, slot, i,
		           i + 1);
	}
}
