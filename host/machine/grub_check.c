/* SPDX-License-Identifier: Apache-2.0 */
/* What a generated grub.cfg says: sections as grub-mkconfig marks them, entries, and their `linux` lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/errors/errors.h"
#include "host/machine/grub.h"

enum section { SECTION_OTHER = 0, SECTION_LINUX, SECTION_OURS };

struct reader {
	const char *params;
	enum section section;
	bool recovery;
	unsigned entry_cnt, without_cnt;
	unsigned line;
	struct bh_error *error;
};

/* A name ends at a blank. */
static bool
ends_a_name(const char *line, const char *name)
{
	const char *at = strstr(line, name);
	return at != NULL && (at[strlen(name)] == ' ' || at[strlen(name)] == '\0');
}

static enum section
section_of(const char *line)
{
	if (ends_a_name(line, "/10_linux"))
		return SECTION_LINUX;
	return ends_a_name(line, "/45_bulkhead") ? SECTION_OURS : SECTION_OTHER;
}

static bool
has_params(const char *line, const char *params)
{
	size_t len = strlen(params);
	for (const char *at = line; (at = strstr(at, params)) != NULL; at++) {
		bool begins = at > line && (at[-1] == ' ' || at[-1] == '\t');
		if (begins && (at[len] == ' ' || at[len] == '\t' || at[len] == '\0'))
			return true;
	}
	return false;
}

static bool
is_command(const char *line, const char *command)
{
	size_t len = strlen(command);
	return strncmp(line, command, len) == 0 && (line[len] == ' ' || line[len] == '\t');
}

static int
take_linux(struct reader *reader, const char *line)
{
	bool has = reader->params[0] != '\0' && has_params(line, reader->params);
	if (reader->section == SECTION_OURS) {
		reader->without_cnt++;
		if (has)
			return bh_error_set(
			        reader->error, "E267", -EINVAL,
			        "line %u of GRUB's new configuration: the entry that should boot without '%s' has it",
			        reader->line, reader->params);
		return 0;
	}
	if (reader->recovery)
		return 0;
	reader->entry_cnt++;
	if (reader->params[0] != '\0' && !has)
		return bh_error_set(
		        reader->error, "E267", -EINVAL,
		        "line %u of GRUB's new configuration: an entry boots without '%s'; look for what sets "
		        "GRUB_CMDLINE_LINUX_DEFAULT after " BH_GRUB_DROPIN_PATH
		        ", or whether this GRUB reads /etc/default/grub.d at all",
		        reader->line, reader->params);
	return 0;
}

static int
take_line(struct reader *reader, const char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, "### BEGIN ", 10) == 0)
		reader->section = section_of(line);
	else if (strncmp(line, "### END ", 8) == 0)
		reader->section = SECTION_OTHER;
	else if (is_command(line, "menuentry"))
		reader->recovery = strstr(line, "-recovery-") != NULL;
	else if (reader->section != SECTION_OTHER &&
	         (is_command(line, "linux") || is_command(line, "linux16") || is_command(line, "linuxefi")))
		return take_linux(reader, line);
	return 0;
}

static int
judge(const struct reader *reader)
{
	if (reader->params[0] == '\0' && reader->without_cnt > 0)
		return bh_error_set(reader->error, "E267", -EINVAL,
		                    "GRUB's new configuration still has the submenu of " BH_GRUB_ENTRY_PATH);
	if (reader->entry_cnt == 0)
		return bh_error_set(
		        reader->error, "E267", -EINVAL,
		        "GRUB's new configuration has no Linux entry of /etc/grub.d/10_linux: its menu is made in "
		        "another way here; add the parameters by hand");
	if (reader->params[0] != '\0' && reader->without_cnt == 0)
		return bh_error_set(reader->error, "E267", -EINVAL,
		                    "GRUB's new configuration has no entry without '%s': see that " BH_GRUB_ENTRY_PATH
		                    " is executable",
		                    reader->params);
	return 0;
}

int
bh_grub_check(const char *params, const char *cfg, struct bh_error *error)
{
	struct reader reader = {.params = params, .error = error};
	char *copy = strdup(cfg), *rest = copy, *line;
	int err = copy != NULL ? 0 : bh_error_set(error, "E030", -ENOMEM, "out of memory");
	while (err == 0 && (line = strsep(&rest, "\n")) != NULL) {
		reader.line++;
		err = take_line(&reader, line);
	}
	free(copy);
	return err != 0 ? err : judge(&reader);
}

bool
bh_grub_has(const char *params, const char *cfg)
{
	struct bh_error ignored;
	return bh_grub_check(params, cfg, &ignored) == 0;
}
