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
	if (strcmp(key, "iops") == 0)
		return parse_number(value, 1, 1000000, &nvme->iops);
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
			                    "mdts=0..16, serial=TEXT, cache=on|off, iops=N",
			                    text, part);
	}
	return 0;
}

static int
check_isolate(struct bh_lab_options *options, struct bh_error *error)
{
	static const char *const isolated[] = {"", "", "1", "2", "2,3"}; /* of so many CPUs; more: as 4 */
	uint16_t cpu[BH_CORES_MAX];
	uint32_t cnt = 0;
	bool is_auto;
	if (options->isolate == NULL)
		options->isolate = isolated[BH_MIN(options->cpu_cnt, 4u)];
	if (options->isolate[0] == '\0')
		return 0;
	if (strlen(options->isolate) > 100 || strchr(options->isolate, ' ') != NULL ||
	    bh_parse_cpus(options->isolate, &is_auto, cpu, &cnt) != 0 || is_auto)
		return bh_error_set(error, "E201", -EINVAL,
		                    "--isolate %.100s: a list of CPUs such as 2,3 or 2-5 was meant", options->isolate);
	for (uint32_t i = 0; i < cnt; i++) {
		if (cpu[i] >= options->cpu_cnt)
			return bh_error_set(error, "E201", -EINVAL,
			                    "--isolate %.100s: the machine has CPUs 0 to %u; --cpus gives more",
			                    options->isolate, options->cpu_cnt - 1);
	}
	if (cnt >= options->cpu_cnt)
		return bh_error_set(error, "E201", -EINVAL, "--isolate %.100s: Linux needs a CPU, too",
		                    options->isolate);
	return 0;
}

static int
check_lists(const struct bh_lab_options *options, struct bh_error *error)
{
	for (uint32_t i = 0; i < options->get_cnt; i++) {
		const char *colon = strrchr(options->get[i], ':');
		if (options->get[i][0] != '/' || colon == NULL || colon[1] == '\0')
			return bh_error_set(error, "E201", -EINVAL,
			                    "--get %.200s: PATH:DIR was meant, PATH being absolute inside the machine",
			                    options->get[i]);
	}
	for (uint32_t i = 0; i < options->copy_cnt; i++) {
		const char *colon = strrchr(options->copy[i], ':');
		if (colon == NULL || colon == options->copy[i] || colon[1] != '/' || colon[2] == '\0' ||
		    strstr(colon, "/../") != NULL)
			return bh_error_set(
			        error, "E201", -EINVAL,
			        "--copy %.200s: FILE:PATH was meant, PATH being absolute inside the machine",
			        options->copy[i]);
	}
	return 0;
}

/* Two drives of one serial number cannot be told apart. */
static int
check_serials(const struct bh_lab_options *options, struct bh_error *error)
{
	char name[BH_LAB_NVMES_MAX][24];
	for (uint32_t i = 0; i < options->nvme_cnt; i++) {
		snprintf(name[i], sizeof(name[i]), "bulkhead%u", i);
		if (options->nvme[i].serial[0] != '\0')
			snprintf(name[i], sizeof(name[i]), "%s", options->nvme[i].serial);
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(name[i], name[j]) == 0)
				return bh_error_set(error, "E201", -EINVAL,
				                    "--nvme: two drives have the serial number %s", name[i]);
		}
	}
	return 0;
}

int
bh_lab_check(struct bh_lab_options *options, struct bh_error *error)
{
	const uint64_t huge_bytes = (uint64_t)options->hugepage_cnt << 21, kept_bytes = UINT64_C(512) << 20;
	if (options->cpu_cnt < 1 || options->cpu_cnt > 64)
		return bh_error_set(error, "E201", -EINVAL, "--cpus %u: 1 to 64", options->cpu_cnt);
	if (options->memory_bytes < kept_bytes)
		return bh_error_set(error, "E201", -EINVAL, "--memory: at least 512M");
	if (huge_bytes > options->memory_bytes - kept_bytes)
		return bh_error_set(
		        error, "E201", -EINVAL,
		        "--hugepages %u are %lu MiB, which with 512 for Linux is more than --memory, %lu MiB",
		        options->hugepage_cnt, huge_bytes >> 20, options->memory_bytes >> 20);
	if (strlen(options->append) > 1024)
		return bh_error_set(error, "E201", -EINVAL, "--append: longer than 1024 bytes");
	int err = check_isolate(options, error);
	if (err == 0)
		err = check_lists(options, error);
	return err == 0 ? check_serials(options, error) : err;
}
