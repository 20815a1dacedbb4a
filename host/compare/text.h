/* SPDX-License-Identifier: Apache-2.0 */
/* Small files as text, and commands as a person types them. */
#ifndef HOST_COMPARE_TEXT_H
#define HOST_COMPARE_TEXT_H

#include <bulkhead/types.h>

/* bh_text_file - the first line of a file, cut at text_bytes, blanks at both ends removed; "" on failure. Return: 0; -errno. */
int bh_text_file(char *text, size_t text_bytes, const char *path);

/* bh_text_write - write a value into a file of sysfs or procfs. Return: 0; -errno. */
BH_MUST_CHECK int bh_text_write(const char *path, const char *value);

/* bh_text_read_all - a file of at most max_bytes; *out is from malloc, NUL-terminated. Return: 0; -EFBIG; -errno. */
BH_MUST_CHECK int bh_text_read_all(const char *path, size_t max_bytes, char **out, size_t *out_bytes);

/* bh_text_command - argv as a line for a shell: words with other than plain characters stand in quotes. From malloc. */
char *bh_text_command(const char *const *argv);

/* bh_text_path - printf of a path; one that does not fit becomes "", which opens nothing. */
BH_PRINTF(3, 4) void bh_text_path(char *path, size_t path_bytes, const char *format, ...);

/* bh_text_add - printf into a buffer behind what is there. Return: 0; -ENOSPC (cut). */
BH_PRINTF(3, 4) int bh_text_add(char *text, size_t text_bytes, const char *format, ...);

/* bh_text_last_words - the last line of a file (a program's standard error) that is no warning; leaves `out` alone if there is none. */
void bh_text_last_words(const char *err_path, char *out, size_t out_bytes);

#endif
