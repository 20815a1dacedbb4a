/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/wants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/run/run.h"

#define HUGEPAGE_BYTES (UINT64_C(2) << 20)

void
bh_wants_none(struct bh_wants *out)
{
	memset(out, 0, sizeof(*out));
	out->performance = true;
}

static int
read_cpus(const struct bh_run_config *config, struct bh_wants *out, struct bh_error *error)
{
	const char *text = bh_config_string(config, "partition", "cpus");
	int err = bh_cpus_parse_list(text, &out->cpus);
	if (err != 0)
		return bh_config_error(config, "partition", "cpus", error, "%s; expected a list of CPUs such as 2-3",
		                       err == -ERANGE ? "there is no such CPU" : "that is no list");
	if (text[0] != '\0' || !config->has_cell || config->cpus_auto)
		return 0;
	for (uint32_t i = 0; i < config->cpu_cnt; i++)
		bh_cpus_add(&out->cpus, config->cpu[i]);
	return 0;
}

static int
add_device(const struct bh_run_config *config, const char *text, struct bh_wants *out, struct bh_error *error)
{
	char address[BH_PCI_ADDRESS_BYTES];
	if (bh_pci_address_parse(text, address) != 0)
		return bh_config_error(config, "partition", "devices", error,
		                       "'%s' is no PCI address; write one like 0000:01:00.0", text);
	for (uint32_t i = 0; i < out->device_cnt; i++) {
		if (strcmp(out->device[i], address) == 0)
			return 0;
	}
	if (out->device_cnt == BH_WANTS_DEVICES_MAX)
		return bh_config_error(config, "partition", "devices", error, "at most %u devices",
		                       BH_WANTS_DEVICES_MAX);
	memcpy(out->device[out->device_cnt++], address, sizeof(address));
	return 0;
}

static int
read_devices(const struct bh_run_config *config, struct bh_wants *out, struct bh_error *error)
{
	char list[BH_ERROR_TEXT_BYTES], *at = list;
	int err = 0;
	snprintf(list, sizeof(list), "%s", bh_config_string(config, "partition", "devices"));
	for (char *word = strtok_r(list, ", \t", &at); word != NULL && err == 0; word = strtok_r(NULL, ", \t", &at))
		err = add_device(config, word, out, error);
	if (bh_config_is_set(config, "partition", "devices"))
		return err;
	for (uint32_t i = 0; i < config->device_cnt && err == 0; i++) {
		if (config->device[i].backend == BH_BACKEND_VFIO)
			err = add_device(config, config->device[i].address, out, error);
	}
	return err;
}

static void
read_memory(const struct bh_run_config *config, struct bh_wants *out)
{
	if (config->has_cell) {
		uint64_t heap_bytes = config->app != NULL ? config->app->heap_bytes : 0;
		heap_bytes = BH_ALIGN_UP(heap_bytes != 0 ? heap_bytes : BH_HEAP_BYTES_DEFAULT, HUGEPAGE_BYTES);
		out->memory_bytes = config->arena_bytes + heap_bytes;
	}
	if (bh_config_is_set(config, "partition", "hugepages"))
		out->hugepage_cnt = bh_config_uint(config, "partition", "hugepages");
	else if (config->pages != BH_PAGES_NORMAL)
		out->hugepage_cnt = out->memory_bytes / HUGEPAGE_BYTES;
	out->hugepage_1g_cnt = bh_config_uint(config, "partition", "hugepages_1g");
}

static int
fill(const struct bh_run_config *config, struct bh_wants *out, struct bh_error *error)
{
	out->has_cell = config->has_cell;
	read_memory(config, out);
	out->level = bh_config_enum(config, "partition", "level");
	out->performance = bh_config_enum(config, "partition", "governor") == 0;
	out->idle_limited = bh_config_is_set(config, "partition", "idle_latency");
	out->idle_latency_ns = bh_config_uint(config, "partition", "idle_latency");
	out->reapply = bh_config_enum(config, "partition", "after_boot") == 1;
	int err = read_cpus(config, out, error);
	return err != 0 ? err : read_devices(config, out, error);
}

int
bh_wants_load(const char *path, const struct bh_app *app, size_t app_cnt, struct bh_wants *out, struct bh_error *error)
{
	struct bh_run_config *config;
	bh_wants_none(out);
	int err = bh_config_load_partition(path, app, app_cnt, &config, error);
	if (err != 0)
		return err;
	if (realpath(path, out->path) == NULL)
		err = bh_error_set(error, "E010", -errno, "%s: %s", path, strerror(errno));
	if (err == 0)
		err = fill(config, out, error);
	bh_config_free(config);
	return err;
}
