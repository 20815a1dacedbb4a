/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/run/config.h"
#include "host/run/units.h"
#include "lab/internal.h"

void
bh_lab_defaults(struct bh_lab_options *out)
{
	*out = (struct bh_lab_options){
	        .cpu_cnt = 4,
	        .isolate = "2,3",
	        .memory_bytes = UINT64_C(3) << 30,
	        .timeout_ns = UINT64_C(600000000000),
	        .append = "",
	};
}

static int
parse_number(const char *value, uint64_t low, uint64_t high, uint32_t *out)
{
	uint64_t number;
	if (bh_parse_uint(value, &number) != 0 || number < low || number > high)
		return -EINVAL;
	*out = (uint32_t)number;
	return 0;
}

static int
parse_serial(const char *value, struct bh_lab_nvme *nvme)
{
	size_t len = strlen(value);
	if (len == 0 || len >= sizeof(nvme->serial))
		return -EINVAL;
	for (const char *c = value; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return -EINVAL;
	}
	memcpy(nvme->serial, value, len + 1);
	return 0;
}

static int
parse_key(const char *key, const char *value, struct bh_lab_nvme *nvme)
{
	if (strcmp(key, "lba") == 0) {
		int err = parse_number(value, 512, 4096, &nvme->lba_bytes);
		return err == 0 && nvme->lba_bytes != 512 && nvme->lba_bytes != 4096 ? -EINVAL : err;
	}
	if (strcmp(key, "ns") == 0)
		return parse_number(value, 1, 8, &nvme->ns_cnt);
	if (strcmp(key, "mdts") == 0)
		return parse_number(value, 0, 16, &nvme->mdts);
	if (strcmp(key, "serial") == 0)
		return parse_serial(value, nvme);
	if (strcmp(key, "cache") != 0 || (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
		return -EINVAL;
	nvme->no_write_cache = strcmp(value, "off") == 0;
	return 0;
}

int
bh_lab_nvme_parse(const char *text, struct bh_lab_nvme *out, struct bh_error *error)
{
	char copy[128], *rest = copy, *part;
	*out = (struct bh_lab_nvme){.lba_bytes = 512, .ns_cnt = 1, .mdts = 7};
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return bh_error_set(error, "E201", -EINVAL, "--nvme: longer than %zu bytes", sizeof(copy) - 1);
	part = strsep(&rest, ",");
	if (bh_parse_size(part, &out->size_bytes) != 0 || out->size_bytes < (1u << 20) || out->size_bytes % 4096 != 0)
		return bh_error_set(error, "E201", -EINVAL,
		                    "--nvme %s: '%s' is not a size of a drive; write 256M or 1G (at least 1M)", text,
		                    part);
	while ((part = strsep(&rest, ",")) != NULL) {
		char *value = strchr(part, '=');
		if (value != NULL)
			*value++ = '\0';
		if (value == NULL || parse_key(part, value, out) != 0)
			return bh_error_set(error, "E201", -EINVAL,
			                    "--nvme %s: '%s' is not understood; there are lba=512|4096, ns=1..8, "
			                    "mdts=0..16, serial=TEXT, cache=on|off",
			                    text, part);
	}
	return 0;
}
