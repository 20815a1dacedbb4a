/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a configuration says, entry by entry, before and after it is checked. Private to host/run.
 */
#ifndef HOST_RUN_CONFIG_FILE_H
#define HOST_RUN_CONFIG_FILE_H

#include <limits.h>

#include "host/run/config.h"

#define BH_CONFIG_ENTRIES_MAX  512u
#define BH_CONFIG_SECTIONS_MAX 64u

/* Lines hold at most 198 bytes (inih), overrides BH_CONFIG_VALUE_BYTES, so nothing is cut. */
#define BH_CONFIG_NAME_BYTES  52u
#define BH_CONFIG_VALUE_BYTES 256u

struct bh_config_entry {
	char section[BH_CONFIG_NAME_BYTES], key[BH_CONFIG_NAME_BYTES], value[BH_CONFIG_VALUE_BYTES];
	int line; /* 0: an override */
};

struct bh_config_section {
	char name[BH_CONFIG_NAME_BYTES];
	int line;
};

struct bh_config_file {
	char path[PATH_MAX];
	struct bh_config_entry entry[BH_CONFIG_ENTRIES_MAX];
	uint32_t entry_cnt;
	struct bh_config_section section[BH_CONFIG_SECTIONS_MAX];
	uint32_t section_cnt;
	/* Presets that are given out, and the application's schema. */
	const struct bh_app *app;
	bool partition_only; /* there is [partition] and no [cell], and that is enough */
};

/* bh_ini_read - all sections and entries, with their lines. Duplicates are errors. */
BH_MUST_CHECK int bh_ini_read(const char *path, struct bh_config_file *file, struct bh_error *error);

/* bh_ini_override - one `section.key=value`: replaces an entry or adds one. */
BH_MUST_CHECK int bh_ini_override(struct bh_config_file *file, const char *set, struct bh_error *error);

struct bh_config_entry *bh_ini_find(struct bh_config_file *file, const char *section, const char *key);
const struct bh_config_section *bh_ini_section(const struct bh_config_file *file, const char *name);

/* bh_schema_find - the line of the schema (common and the application's) for a section and key, or NULL. */
const struct bh_config_key *bh_schema_find(const struct bh_app *app, const char *section, const char *key);

/* bh_schema_check - every section and entry known, every value of its type and range, nothing missing. */
BH_MUST_CHECK int bh_schema_check(struct bh_config_file *file, struct bh_error *error);

/* bh_schema_value - a value as a number: UINT, SIZE, DURATION, PERCENT, or the index of an ENUM's word. */
BH_MUST_CHECK int bh_schema_value(const struct bh_config_key *key, const char *text, uint64_t *out_value);

/* bh_config_error_id - bh_config_error with another id than E018. */
BH_PRINTF(6, 7)
int bh_config_error_id(const struct bh_run_config *config, const char *section, const char *key, const char *id,
                       struct bh_error *error, const char *format, ...);

/* config_port.c: the words of [port NAME] backend, and the rest of a port's section. */
extern const char *const bh_port_backend_words[];
extern const char *const bh_soft_port_words[]; /* models of backend = softdev */
BH_MUST_CHECK int bh_config_port_fill(const struct bh_run_config *config, const char *section,
                                      struct bh_device_config *out, struct bh_error *error);

#endif
