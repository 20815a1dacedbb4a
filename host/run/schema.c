/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/errors/errors.h"
#include "host/run/config_file.h"
#include "host/run/units.h"

static const char *const backend_words[] = {"softdev", "vfio-user", "vfio", NULL};
static const char *const pages_words[] = {"auto", "huge", "normal", NULL};
static const char *const no_yes_words[] = {"no", "yes", NULL};
static const char *const timing_words[] = {"fast", "capture", NULL};
static const char *const xdp_words[] = {"auto", "zero-copy", "native", "generic", NULL};
static const char *const full_words[] = {"wait", "drop", NULL};
static const char *const ring_words[] = {"packed", "split", NULL};
static const char *const level_words[] = {"live", "full", NULL};
static const char *const governor_words[] = {"performance", "keep", NULL};
static const char *const after_boot_words[] = {"restore", "reapply", NULL};
static const char *const block_size_words[] = {"512", "4096", NULL};

/* The application is the first: bh_schema_check looks for it before anything else. */
static const struct bh_config_key common[] = {
        {"cell", "app", BH_VALUE_STRING, NULL,
         .help = "an application, such as nvme-bench, or the path of a cell's file"},
        {"cell", "name", BH_VALUE_STRING, "",
         .help = "at most 31 letters, shown in messages; the application's name if missing"},
        {"cell", "cpus", BH_VALUE_CPUS, "auto", .help = "a list such as 2,3 or 2-5, or auto, or auto:2"},
        {"cell", "arena", BH_VALUE_SIZE, "64M", .min = 2u << 20, .max = BH_ADDR_ARENA_END - BH_ADDR_ARENA - BH_GIB,
         .help = "a size from 2M on, such as 64M or 1G"},
        {"cell", "pages", BH_VALUE_ENUM, "auto", .words = pages_words},
        {"device *", "backend", BH_VALUE_ENUM, NULL, .words = backend_words},
        {"device *", "model", BH_VALUE_STRING, "nvme", .help = "what the device is: nvme"},
        {"device *", "size", BH_VALUE_SIZE, "1G", .help = "a size such as 1G"},
        {"device *", "backing", BH_VALUE_STRING, "memory", .help = "memory, null or a file's path"},
        {"device *", "block_size", BH_VALUE_ENUM, "4096", .words = block_size_words},
        {"device *", "service_ns", BH_VALUE_STRING, "", .help = "a distribution of service times in nanoseconds"},
        {"device *", "seed", BH_VALUE_UINT, "", .help = "a number"},
        {"device *", "fault", BH_VALUE_STRING, "", .help = "the path of a fault script"},
        {"device *", "socket", BH_VALUE_STRING, "", .help = "the path of a vfio-user server's socket"},
        {"device *", "address", BH_VALUE_STRING, "", .help = "a PCI address such as 0000:01:00.0"},
        {"port *", "backend", BH_VALUE_ENUM, NULL, .words = bh_port_backend_words},
        {"port *", "socket", BH_VALUE_STRING, "", .help = "the path of a server's socket"},
        {"port *", "address", BH_VALUE_STRING, "", .help = "a PCI address such as 0000:01:00.0"},
        {"port *", "queues", BH_VALUE_UINT, "", .min = 1, .max = 16, .help = "a number from 1 to 16"},
        {"port *", "mtu", BH_VALUE_UINT, "", .min = 68, .max = 9216, .help = "bytes, from 68 to 9216"},
        {"port *", "offload", BH_VALUE_ENUM, "yes", .words = no_yes_words},
        {"port *", "server", BH_VALUE_ENUM, "no", .words = no_yes_words},
        {"port *", "mac", BH_VALUE_STRING, "", .help = "vhost-user: an address such as 02:00:00:00:00:01"},
        {"port *", "file", BH_VALUE_STRING, "", .help = "pcap: a capture file to receive from"},
        {"port *", "write", BH_VALUE_STRING, "", .help = "pcap: a file to send to"},
        {"port *", "timing", BH_VALUE_ENUM, "capture", .words = timing_words},
        {"port *", "loop", BH_VALUE_UINT, "1", .max = UINT32_MAX, .help = "pcap: how often; 0: without end"},
        {"port *", "interface", BH_VALUE_STRING, "", .help = "af_xdp: the name of a network interface"},
        {"port *", "xdp", BH_VALUE_ENUM, "auto", .words = xdp_words},
        {"port *", "model", BH_VALUE_ENUM, "virtio-net", .words = bh_soft_port_words},
        {"port *", "wire", BH_VALUE_STRING, "", .help = "softdev: a name; two ports with the same are joined"},
        {"port *", "rate", BH_VALUE_STRING, "", .help = "softdev: bits a second such as 10G"},
        {"port *", "delay", BH_VALUE_DURATION, "", .help = "softdev: a time such as 10us"},
        {"port *", "loss", BH_VALUE_STRING, "", .help = "softdev: a part of one such as 0.01 or 1%"},
        {"port *", "duplicate", BH_VALUE_STRING, "", .help = "softdev: a part of one such as 0.01 or 1%"},
        {"port *", "reorder", BH_VALUE_STRING, "", .help = "softdev: a part of one such as 0.01 or 1%"},
        {"port *", "corrupt", BH_VALUE_STRING, "", .help = "softdev: a part of one such as 0.01 or 1%"},
        {"port *", "fault", BH_VALUE_STRING, "", .help = "softdev: a kind and how often, such as bad-id@1000"},
        {"port *", "seed", BH_VALUE_UINT, "", .help = "softdev: a number"},
        {"port *", "full", BH_VALUE_ENUM, "wait", .words = full_words},
        {"port *", "ring", BH_VALUE_ENUM, "packed", .words = ring_words},
        {"port *", "queue_size", BH_VALUE_UINT, "", .min = 2, .max = 4096, .help = "softdev: a power of two to 4096"},
        /* For bulkhead doctor, plan and apply: host/machine/wants.h. */
        {"partition", "cpus", BH_VALUE_STRING, "", .help = "a list of CPUs such as 2-3; those of [cell] if missing"},
        {"partition", "hugepages", BH_VALUE_UINT, "", .max = 1u << 20, .help = "how many of 2 MiB"},
        {"partition", "hugepages_1g", BH_VALUE_UINT, "", .max = 1u << 12, .help = "how many of 1 GiB"},
        {"partition", "devices", BH_VALUE_STRING, "",
         .help = "PCI addresses such as 0000:01:00.0, with commas between"},
        {"partition", "level", BH_VALUE_ENUM, "live", .words = level_words},
        {"partition", "governor", BH_VALUE_ENUM, "performance", .words = governor_words},
        {"partition", "idle_latency", BH_VALUE_DURATION, "",
         .help = "a time such as 2us; longer idle states are switched off"},
        {"partition", "after_boot", BH_VALUE_ENUM, "restore", .words = after_boot_words},
};

static bool
section_matches(const char *pattern, const char *section)
{
	size_t len = strlen(pattern);
	if (len > 0 && pattern[len - 1] == '*')
		return strncmp(pattern, section, len - 1) == 0 && section[len - 1] != '\0';
	return strcmp(pattern, section) == 0;
}

/* The idx-th line of both schemas, or NULL. */
static const struct bh_config_key *
schema_at(const struct bh_app *app, size_t idx)
{
	if (idx < BH_ARRAY_CNT(common))
		return &common[idx];
	idx -= BH_ARRAY_CNT(common);
	return app != NULL && idx < app->key_cnt ? &app->key[idx] : NULL;
}

const struct bh_config_key *
bh_schema_find(const struct bh_app *app, const char *section, const char *key)
{
	const struct bh_config_key *line;
	for (size_t i = 0; (line = schema_at(app, i)) != NULL; i++) {
		if (section_matches(line->section, section) && strcmp(line->key, key) == 0)
			return line;
	}
	return NULL;
}

static bool
section_is_known(const struct bh_app *app, const char *section)
{
	const struct bh_config_key *line;
	for (size_t i = 0; (line = schema_at(app, i)) != NULL; i++) {
		if (section_matches(line->section, section))
			return true;
	}
	return false;
}

struct list {
	char text[256];
	const char *nearest;
	unsigned distance;
};

static void
list_add(struct list *list, const char *name, const char *given)
{
	unsigned distance = bh_text_distance(name, given);
	size_t used = strlen(list->text);
	snprintf(list->text + used, sizeof(list->text) - used, "%s%s", used > 0 ? ", " : "", name);
	if (list->nearest == NULL || distance < list->distance) {
		list->nearest = name;
		list->distance = distance;
	}
}

/* "did you mean 'arena'?" for a near miss, else all that there is. */
static const char *
list_advice(struct list *list, const char *given, const char *what, char *out, size_t out_bytes)
{
	if (list->nearest != NULL && list->distance <= BH_MAX((unsigned)strlen(given) / 3, 1u))
		snprintf(out, out_bytes, "did you mean '%s'?", list->nearest);
	else
		snprintf(out, out_bytes, "%s: %s", what, list->text);
	return out;
}

static const char *
app_name(const struct bh_config_file *file)
{
	for (uint32_t i = 0; i < file->entry_cnt; i++) {
		if (strcmp(file->entry[i].section, "cell") == 0 && strcmp(file->entry[i].key, "app") == 0)
			return file->entry[i].value;
	}
	return "";
}

static int
unknown_section(const struct bh_config_file *file, const char *section, const char *where, struct bh_error *error)
{
	struct list list = {0};
	char advice[384];
	const struct bh_config_key *line;
	const char *last = "";
	for (size_t i = 0; (line = schema_at(file->app, i)) != NULL; i++) {
		const char *shown = line->section;
		shown = strcmp(shown, "device *") == 0 ? "device NAME"
		        : strcmp(shown, "port *") == 0 ? "port NAME"
		                                       : shown;
		if (strcmp(line->section, last) != 0)
			list_add(&list, shown, section);
		last = line->section;
	}
	list_advice(&list, section, "there are", advice, sizeof(advice));
	if (file->app == NULL)
		return bh_error_set(error, "E012", -EINVAL,
		                    "%s: unknown section [%s]; %s; the application '%s' has none of its own", where,
		                    section, advice, app_name(file));
	return bh_error_set(error, "E012", -EINVAL, "%s: unknown section [%s]; %s", where, section, advice);
}

static int
unknown_key(const struct bh_config_file *file, const struct bh_config_entry *entry, const char *where,
            struct bh_error *error)
{
	struct list list = {0};
	char advice[384];
	const struct bh_config_key *line;
	for (size_t i = 0; (line = schema_at(file->app, i)) != NULL; i++) {
		if (section_matches(line->section, entry->section))
			list_add(&list, line->key, entry->key);
	}
	return bh_error_set(error, "E013", -EINVAL, "%s: unknown key '%s' in [%s]; %s", where, entry->key,
	                    entry->section, list_advice(&list, entry->key, "its keys are", advice, sizeof(advice)));
}

static int
enum_value(const struct bh_config_key *key, const char *text, uint64_t *out_value)
{
	for (uint64_t i = 0; key->words[i] != NULL; i++) {
		if (strcmp(key->words[i], text) == 0) {
			*out_value = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int
value_of(const struct bh_config_key *key, const char *text, uint64_t *out_value)
{
	uint16_t cpu[BH_CORES_MAX];
	uint32_t cpu_cnt;
	bool is_auto;
	*out_value = 0;
	switch (key->type) {
	case BH_VALUE_UINT:
		return bh_parse_uint(text, out_value);
	case BH_VALUE_SIZE:
		return bh_parse_size(text, out_value);
	case BH_VALUE_DURATION:
		return bh_parse_duration_ns(text, out_value);
	case BH_VALUE_PERCENT:
		return bh_parse_percent(text, out_value);
	case BH_VALUE_ENUM:
		return enum_value(key, text, out_value);
	case BH_VALUE_CPUS:
		return bh_parse_cpus(text, &is_auto, cpu, &cpu_cnt);
	case BH_VALUE_STRING:
		break;
	}
	return 0;
}

int
bh_schema_value(const struct bh_config_key *key, const char *text, uint64_t *out_value)
{
	bool is_number = key->type != BH_VALUE_STRING && key->type != BH_VALUE_ENUM && key->type != BH_VALUE_CPUS;
	int err = value_of(key, text, out_value);
	if (err != 0 || !is_number)
		return err;
	if (key->type == BH_VALUE_PERCENT && *out_value > 100)
		return -ERANGE;
	return *out_value < key->min || (key->max != 0 && *out_value > key->max) ? -ERANGE : 0;
}

/* What the key takes, in words. */
static const char *
describe(const struct bh_config_key *key, const char *given, char *out, size_t out_bytes)
{
	struct list list = {0};
	static const char *const preset[] = {
	        [BH_VALUE_STRING] = "a text",
	        [BH_VALUE_UINT] = "a number",
	        [BH_VALUE_SIZE] = "a size in bytes, or with K, M or G",
	        [BH_VALUE_DURATION] = "a time with its unit: ns, us, ms or s",
	        [BH_VALUE_PERCENT] = "a percentage from 0 to 100",
	        [BH_VALUE_CPUS] = "a list of CPUs",
	};
	if (key->type != BH_VALUE_ENUM) {
		snprintf(out, out_bytes, "expected %s", key->help != NULL ? key->help : preset[key->type]);
		return out;
	}
	for (size_t i = 0; key->words[i] != NULL; i++)
		list_add(&list, key->words[i], given);
	return list_advice(&list, given, "expected one of", out, out_bytes);
}

static const char *
where_of(const struct bh_config_file *file, int line, char *out, size_t out_bytes)
{
	if (line == 0)
		snprintf(out, out_bytes, "--set");
	else
		snprintf(out, out_bytes, "%.200s:%d", file->path, line);
	return out;
}

static int
check_entry(const struct bh_config_file *file, const struct bh_config_entry *entry, struct bh_error *error)
{
	char where[256], help[384];
	uint64_t value;
	where_of(file, entry->line, where, sizeof(where));
	if (!section_is_known(file->app, entry->section))
		return unknown_section(file, entry->section, where, error);
	const struct bh_config_key *key = bh_schema_find(file->app, entry->section, entry->key);
	if (key == NULL)
		return unknown_key(file, entry, where, error);
	int err = entry->value[0] == '\0' ? -ENODATA : bh_schema_value(key, entry->value, &value);
	if (err == 0)
		return 0;
	describe(key, entry->value, help, sizeof(help));
	const char *what = err == -ERANGE    ? "out of range"
	                   : err == -ENODATA ? "empty"
	                   : err == -EEXIST  ? "a CPU twice"
	                                     : "not valid";
	return bh_error_set(error, "E016", -EINVAL, "%s: [%s] %s = %s is %s; %s", where, entry->section, entry->key,
	                    entry->value, what, help);
}

/* Keys without a preset must be there: once for a plain section, in each section for "device *". */
static int
check_missing(struct bh_config_file *file, const struct bh_config_key *key, struct bh_error *error)
{
	char help[384];
	bool wild = strchr(key->section, '*') != NULL;
	if (key->preset != NULL || (file->partition_only && strcmp(key->section, "cell") == 0))
		return 0;
	describe(key, "", help, sizeof(help));
	for (uint32_t i = 0; i < file->section_cnt && wild; i++) {
		const struct bh_config_section *section = &file->section[i];
		if (section_matches(key->section, section->name) && bh_ini_find(file, section->name, key->key) == NULL)
			return bh_error_set(error, "E015", -EINVAL, "%s:%d: [%s] needs a key '%s'; %s", file->path,
			                    section->line, section->name, key->key, help);
	}
	if (wild || bh_ini_find(file, key->section, key->key) != NULL)
		return 0;
	const struct bh_config_section *section = bh_ini_section(file, key->section);
	if (section == NULL)
		return bh_error_set(error, "E015", -EINVAL, "%s: no section [%s]; it needs at least '%s': %s",
		                    file->path, key->section, key->key, help);
	return bh_error_set(error, "E015", -EINVAL, "%s:%d: [%s] needs a key '%s'; %s", file->path, section->line,
	                    section->name, key->key, help);
}

int
bh_schema_check(struct bh_config_file *file, struct bh_error *error)
{
	char where[256];
	const struct bh_config_key *key;
	/* The application first: it decides which sections there may be. */
	int err = check_missing(file, &common[0], error);
	for (uint32_t i = 0; i < file->section_cnt && err == 0; i++) {
		where_of(file, file->section[i].line, where, sizeof(where));
		if (!section_is_known(file->app, file->section[i].name))
			err = unknown_section(file, file->section[i].name, where, error);
	}
	for (uint32_t i = 0; i < file->entry_cnt && err == 0; i++)
		err = check_entry(file, &file->entry[i], error);
	for (size_t i = 0; (key = schema_at(file->app, i)) != NULL && err == 0; i++)
		err = check_missing(file, key, error);
	return err;
}
