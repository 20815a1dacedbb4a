/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/pci.h"
#include "host/errors/errors.h"
#include "host/run/config_file.h"
#include "host/run/units.h"

static const char *
value_text(const struct bh_run_config *config, const char *section, const char *name,
           const struct bh_config_key **out_key)
{
	const struct bh_config_key *key = bh_schema_find(config->app, section, name);
	if (key == NULL) {
		fprintf(stderr, "bulkhead: no schema has [%s] %s\n", section, name);
		abort();
	}
	const struct bh_config_entry *entry = bh_ini_find(config->file, section, name);
	*out_key = key;
	return entry != NULL ? entry->value : key->preset;
}

const char *
bh_config_string(const struct bh_run_config *config, const char *section, const char *key)
{
	const struct bh_config_key *line;
	return value_text(config, section, key, &line);
}

uint64_t
bh_config_uint(const struct bh_run_config *config, const char *section, const char *key)
{
	const struct bh_config_key *line;
	uint64_t value = 0;
	const char *text = value_text(config, section, key, &line);
	if (text[0] != '\0' && bh_schema_value(line, text, &value) != 0) {
		fprintf(stderr, "bulkhead: the preset of [%s] %s is not valid: %s\n", section, key, text);
		abort();
	}
	return value;
}

unsigned
bh_config_enum(const struct bh_run_config *config, const char *section, const char *key)
{
	return (unsigned)bh_config_uint(config, section, key);
}

bool
bh_config_is_set(const struct bh_run_config *config, const char *section, const char *key)
{
	return bh_ini_find(config->file, section, key) != NULL;
}

const char *
bh_config_section(const struct bh_run_config *config, size_t idx)
{
	return idx < config->file->section_cnt ? config->file->section[idx].name : NULL;
}

const struct bh_device_config *
bh_config_device(const struct bh_run_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->device_cnt; i++) {
		if (strcmp(config->device[i].name, name) == 0)
			return &config->device[i];
	}
	return NULL;
}

static int
error_at(const struct bh_run_config *config, const char *section, const char *key, const char *id,
         struct bh_error *error, const char *text)
{
	const struct bh_config_entry *entry = bh_ini_find(config->file, section, key);
	const struct bh_config_section *header = bh_ini_section(config->file, section);
	char where[256];
	int line = entry != NULL ? entry->line : header != NULL ? header->line : 0;
	if (entry != NULL && line == 0)
		snprintf(where, sizeof(where), "--set");
	else if (line == 0)
		snprintf(where, sizeof(where), "%.200s", config->path);
	else
		snprintf(where, sizeof(where), "%.200s:%d", config->path, line);
	if (entry != NULL)
		return bh_error_set(error, id, -EINVAL, "%s: [%s] %s = %s: %s", where, section, key, entry->value,
		                    text);
	return bh_error_set(error, id, -EINVAL, "%s: [%s] %s: %s", where, section, key, text);
}

int
bh_config_error(const struct bh_run_config *config, const char *section, const char *key, struct bh_error *error,
                const char *format, ...)
{
	char text[BH_ERROR_TEXT_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_at(config, section, key, "E018", error, text);
}

int
bh_config_error_id(const struct bh_run_config *config, const char *section, const char *key, const char *id,
                   struct bh_error *error, const char *format, ...)
{
	char text[BH_ERROR_TEXT_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_at(config, section, key, id, error, text);
}

/* The application decides which sections there may be, so it is looked up before the rest is checked. */
static const struct bh_app *
find_app(struct bh_config_file *file, const struct bh_app *app, size_t app_cnt)
{
	const struct bh_config_entry *entry = bh_ini_find(file, "cell", "app");
	for (size_t i = 0; i < app_cnt && entry != NULL; i++) {
		if (strcmp(app[i].name, entry->value) == 0)
			return &app[i];
	}
	return NULL;
}

static int
fill_cell(struct bh_run_config *config, struct bh_error *error)
{
	config->app_name = bh_config_string(config, "cell", "app");
	const char *name = bh_config_string(config, "cell", "name");
	const char *slash = strrchr(config->app_name, '/');
	if (name[0] == '\0')
		name = slash != NULL ? slash + 1 : config->app_name;
	else if (strlen(name) >= sizeof(config->name))
		return bh_config_error_id(config, "cell", "name", "E016", error, "at most %zu bytes",
		                          sizeof(config->name) - 1);
	snprintf(config->name, sizeof(config->name), "%s", name);
	config->arena_bytes = BH_ALIGN_UP(bh_config_uint(config, "cell", "arena"), 2u << 20);
	config->pages = bh_config_enum(config, "cell", "pages");
	int err = bh_parse_cpus(bh_config_string(config, "cell", "cpus"), &config->cpus_auto, config->cpu,
	                        &config->cpu_cnt);
	return err;
}

static int
check_address(const struct bh_run_config *config, const char *section, const struct bh_device_config *device,
              struct bh_error *error)
{
	char address[BH_PCI_ADDRESS_BYTES];
	if (bh_pci_address_parse(device->address, address) == 0)
		return 0;
	return bh_config_error_id(config, section, "address", "E016", error,
	                          "no PCI address; write one like 0000:01:00.0 (bulkhead devices lists them)");
}

/* Keys of another back end may stand there: --set device.x.backend=... shall not need an edited file. */
static int
check_device(const struct bh_run_config *config, const char *section, const struct bh_device_config *device,
             struct bh_error *error)
{
	if (device->backend == BH_BACKEND_VFIO_USER && device->socket[0] == '\0')
		return bh_config_error_id(config, section, "backend", "E015", error,
		                          "needs a key 'socket': the path of the server's socket");
	if (device->backend == BH_BACKEND_VFIO && device->address[0] == '\0')
		return bh_config_error_id(
		        config, section, "backend", "E015", error,
		        "needs a key 'address': the device's PCI address, such as 0000:01:00.0 (bulkhead "
		        "devices lists them)");
	if (device->backend == BH_BACKEND_VFIO)
		return check_address(config, section, device, error);
	if (strcmp(device->model, "nvme") != 0)
		return bh_config_error_id(config, section, "model", "E016", error, "there is one model: nvme");
	if (device->backend == BH_BACKEND_SOFTDEV && device->size_bytes == 0)
		return bh_config_error_id(config, section, "size", "E016", error,
		                          "a namespace of size zero; expected a size such as 1G");
	if (device->backend == BH_BACKEND_SOFTDEV && device->fault[0] != '\0' && access(device->fault, R_OK) != 0)
		return bh_config_error_id(config, section, "fault", "E016", error, "cannot read the fault script: %s",
		                          strerror(errno));
	return 0;
}

static int
fill_device(struct bh_run_config *config, const char *section, struct bh_error *error)
{
	static const uint32_t block_size_bytes[] = {512, 4096};
	const char *name = strchr(section, ' ') + 1;
	if (config->device_cnt == BH_CONFIG_DEVICES_MAX)
		return bh_config_error_id(config, section, "backend", "E016", error, "at most %u devices",
		                          BH_CONFIG_DEVICES_MAX);
	if (bh_config_device(config, name) != NULL)
		return bh_config_error_id(config, section, "backend", "E016", error,
		                          "there is another device or port of that name");
	if (strlen(name) >= BH_NAME_BYTES)
		return bh_config_error_id(config, section, "backend", "E016", error, "the name has at most %u bytes",
		                          BH_NAME_BYTES - 1);
	struct bh_device_config *device = &config->device[config->device_cnt++];
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->section, sizeof(device->section), "%s", section);
	if (strncmp(section, "port ", 5) == 0)
		return bh_config_port_fill(config, section, device, error);
	device->backend = bh_config_enum(config, section, "backend");
	device->model = bh_config_string(config, section, "model");
	device->size_bytes = bh_config_uint(config, section, "size");
	device->backing = bh_config_string(config, section, "backing");
	device->block_size_bytes = block_size_bytes[bh_config_enum(config, section, "block_size")];
	device->service_ns = bh_config_string(config, section, "service_ns");
	device->seed = bh_config_uint(config, section, "seed");
	device->fault = bh_config_string(config, section, "fault");
	device->socket = bh_config_string(config, section, "socket");
	device->address = bh_config_string(config, section, "address");
	return check_device(config, section, device, error);
}

static int
fill(struct bh_run_config *config, struct bh_error *error)
{
	config->has_cell = !config->file->partition_only;
	int err = config->has_cell ? fill_cell(config, error) : 0;
	for (uint32_t i = 0; i < config->file->section_cnt && err == 0; i++) {
		const char *name = config->file->section[i].name;
		if (strncmp(name, "device ", 7) == 0 || strncmp(name, "port ", 5) == 0)
			err = fill_device(config, name, error);
	}
	return err;
}

static int
load(const char *path, const char *const *set, size_t set_cnt, const struct bh_app *app, size_t app_cnt,
     bool may_lack_cell, struct bh_run_config **out, struct bh_error *error)
{
	struct bh_run_config *config = calloc(1, sizeof(*config));
	struct bh_config_file *file = calloc(1, sizeof(*file));
	if (config == NULL || file == NULL) {
		free(config);
		free(file);
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	}
	config->file = file;
	int err = bh_ini_read(path, file, error);
	for (size_t i = 0; i < set_cnt && err == 0; i++)
		err = bh_ini_override(file, set[i], error);
	config->path = file->path;
	config->app = file->app = find_app(file, app, app_cnt);
	file->partition_only =
	        may_lack_cell && bh_ini_section(file, "cell") == NULL && bh_ini_section(file, "partition") != NULL;
	if (err == 0)
		err = bh_schema_check(file, error);
	if (err == 0)
		err = fill(config, error);
	if (err != 0) {
		bh_config_free(config);
		return err;
	}
	*out = config;
	return 0;
}

int
bh_config_load(const char *path, const char *const *set, size_t set_cnt, const struct bh_app *app, size_t app_cnt,
               struct bh_run_config **out, struct bh_error *error)
{
	return load(path, set, set_cnt, app, app_cnt, false, out, error);
}

int
bh_config_load_partition(const char *path, const struct bh_app *app, size_t app_cnt, struct bh_run_config **out,
                         struct bh_error *error)
{
	return load(path, NULL, 0, app, app_cnt, true, out, error);
}

void
bh_config_free(struct bh_run_config *config)
{
	if (config == NULL)
		return;
	free(config->file);
	free(config);
}
