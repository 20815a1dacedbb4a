/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules.dep (modules.dep(5)): "path/x.ko: path/y.ko path/z.ko", the dependencies of each module in full, so that one line per
 * module is enough.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lab/internal.h"

/* A module's name and its file's differ in - and _. */
static bool
is_module(const char *file, size_t file_len, const char *name)
{
	const char *base = memrchr(file, '/', file_len);
	base = base != NULL ? base + 1 : file;
	size_t len = (size_t)(file + file_len - base), name_len = strlen(name);
	if (len <= name_len || base[name_len] != '.')
		return false;
	for (size_t i = 0; i < name_len; i++) {
		char a = base[i] == '-' ? '_' : base[i], b = name[i] == '-' ? '_' : name[i];
		if (a != b)
			return false;
	}
	return true;
}

static int
emit_line(const char *line, size_t line_len, int (*emit)(void *, const char *), void *context)
{
	char file[PATH_MAX];
	int err = 0;
	for (size_t at = 0; at < line_len && err == 0;) {
		size_t len = strcspn(line + at, ": \n");
		len = BH_MIN(len, line_len - at);
		if (len > 0 && len < sizeof(file)) {
			memcpy(file, line + at, len);
			file[len] = '\0';
			err = emit(context, file);
		}
		at += len + 1;
	}
	return err;
}

int
bh_lab_modules(const char *dep_text, const char *const *names, int (*emit)(void *context, const char *file),
               void *context)
{
	int err = 0;
	for (const char *line = dep_text; *line != '\0' && err == 0;) {
		size_t line_len = strcspn(line, "\n"), file_len = strcspn(line, ":\n");
		bool wanted = false;
		for (const char *const *name = names; *name != NULL && !wanted; name++)
			wanted = is_module(line, file_len, *name);
		if (wanted)
			err = emit_line(line, line_len, emit, context);
		line += line_len + (line[line_len] == '\n');
	}
	return err;
}
