/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two readings of one configuration. */
#include <stdio.h>
#include <string.h>

#include "host/run/config_file.h"

/* What a configuration says of a key, or its preset; NULL: nothing. */
static const char *
text_of(const struct bh_run_config *config, const struct bh_config_entry *at, const struct bh_config_key *key)
{
	const struct bh_config_entry *entry = bh_ini_find(config->file, at->section, at->key);
	return entry != NULL ? entry->value : key->preset;
}

/* As the schema reads it: 60s is 60000ms. */
static bool
same_value(const struct bh_config_key *key, const char *a, const char *b)
{
	uint64_t value_a, value_b;
	if (a == NULL || b == NULL)
		return a == b;
	if (key->type == BH_VALUE_STRING || key->type == BH_VALUE_CPUS || a[0] == '\0' || b[0] == '\0')
		return strcmp(a, b) == 0;
	return bh_schema_value(key, a, &value_a) == 0 && bh_schema_value(key, b, &value_b) == 0 && value_a == value_b;
}

/* The first entry of `of` that `other` says otherwise. */
static const struct bh_config_entry *
first_change(const struct bh_run_config *of, const struct bh_run_config *other, bh_config_may_change_fn *may)
{
	for (uint32_t i = 0; i < of->file->entry_cnt; i++) {
		const struct bh_config_entry *entry = &of->file->entry[i];
		const struct bh_config_key *key = bh_schema_find(of->app, entry->section, entry->key);
		bool same = key != NULL && same_value(key, entry->value, text_of(other, entry, key));
		if (!same && (may == NULL || !may(entry->section, entry->key)))
			return entry;
	}
	return NULL;
}

bool
bh_config_changed(const struct bh_run_config *a, const struct bh_run_config *b, bh_config_may_change_fn *may, char *out,
                  size_t out_bytes)
{
	const struct bh_config_entry *entry = first_change(a, b, may);
	if (entry == NULL)
		entry = first_change(b, a, may);
	if (entry != NULL)
		snprintf(out, out_bytes, "[%s] %s", entry->section, entry->key);
	return entry != NULL;
}
