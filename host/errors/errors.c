/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/errors/catalogue.h"

static const struct bh_error_entry *const part[] = {
        bh_errors_cell,     bh_errors_vfio,    bh_errors_bind,   bh_errors_prove, bh_errors_compare,
        bh_errors_lab,      bh_errors_machine, bh_errors_net,    bh_errors_ndr,   bh_errors_noise,
        bh_errors_softcard, bh_errors_units,   bh_errors_doctor, bh_errors_fwd,   bh_errors_mirror,
};

int
bh_error_set(struct bh_error *error, const char *id, int errno_value, const char *format, ...)
{
	va_list args;
	if (error == NULL)
		return errno_value;
	snprintf(error->id, sizeof(error->id), "%s", id);
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return errno_value;
}

const struct bh_error_entry *
bh_error_at(size_t idx)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(part); i++) {
		for (const struct bh_error_entry *entry = part[i]; entry->id != NULL; entry++) {
			if (idx-- == 0)
				return entry;
		}
	}
	return NULL;
}

const struct bh_error_entry *
bh_error_find(const char *id)
{
	const struct bh_error_entry *entry;
	if (strncmp(id, "BH-", 3) == 0)
		id += 3;
	for (size_t i = 0; (entry = bh_error_at(i)) != NULL; i++) {
		if (strcmp(entry->id, id) == 0)
			return entry;
	}
	return NULL;
}

int
bh_error_exit_code(const struct bh_error *error)
{
	const struct bh_error_entry *entry = bh_error_find(error->id);
	return entry != NULL ? entry->exit_code : FAILED;
}
