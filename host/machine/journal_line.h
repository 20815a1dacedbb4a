/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the journal: fields with blanks between, percent-encoded, and a sum. Private to the journal and its test. */
#ifndef HOST_MACHINE_JOURNAL_LINE_H
#define HOST_MACHINE_JOURNAL_LINE_H

#include <bulkhead/types.h>

#define BH_JOURNAL_FIELDS_MAX 8

/* bh_journal_line - from malloc, with its newline; a NULL field is "-". NULL: no memory. */
char *bh_journal_line(const char *const *field, size_t cnt);

/* bh_journal_fields - split and decode a line (without its newline) in place. Return: how many; -EBADMSG. */
BH_MUST_CHECK int bh_journal_fields(char *line, char *out[BH_JOURNAL_FIELDS_MAX]);

#endif
