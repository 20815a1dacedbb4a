/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/compare/text.h"

/* Blanks at both ends go; what is not ASCII text (a device's name may be anything) becomes a question mark. */
static void
trim(char *text)
{
	for (char *c = text; *c != '\0'; c++) {
		if (!isprint((unsigned char)*c) && !isspace((unsigned char)*c))
			*c = '?';
	}
	size_t start = strspn(text, " \t\r\n");
	size_t len = strlen(text + start);
	memmove(text, text + start, len + 1);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
}

int
bh_text_file(char *text, size_t text_bytes, const char *path)
{
	text[0] = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t got = read(fd, text, text_bytes - 1);
	int err = got < 0 ? -errno : 0;
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	trim(text);
	return err;
}

int
bh_text_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t put = write(fd, value, strlen(value));
	int err = put < 0 ? -errno : (size_t)put != strlen(value) ? -EIO : 0;
	if (close(fd) != 0 && err == 0)
		err = -errno;
	return err;
}

int
bh_text_read_all(const char *path, size_t max_bytes, char **out, size_t *out_bytes)
{
	int err = 0;
	*out = NULL;
	FILE *stream = fopen(path, "re");
	if (stream == NULL)
		return -errno;
	size_t room = 1 << 16, len = 0, got;
	char *text = malloc(room + 1);
	while (text != NULL && (got = fread(text + len, 1, room - len, stream)) > 0) {
		len += got;
		if (len > max_bytes) {
			err = -EFBIG;
			break;
		}
		if (len == room) {
			char *more = realloc(text, (room *= 2) + 1);
			if (more == NULL)
				free(text);
			text = more;
		}
	}
	if (text == NULL)
		err = -ENOMEM;
	else if (ferror(stream))
		err = -EIO;
	fclose(stream);
	if (err != 0) {
		free(text);
		return err;
	}
	text[len] = '\0';
	*out = text;
	*out_bytes = len;
	return 0;
}

static bool
plain(const char *word)
{
	static const char others[] = "%+,-./:=@_";
	for (const char *c = word; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && strchr(others, *c) == NULL)
			return false;
	}
	return word[0] != '\0';
}

static void
put_word(FILE *stream, const char *word)
{
	if (plain(word)) {
		fputs(word, stream);
		return;
	}
	fputc('\'', stream);
	for (const char *c = word; *c != '\0'; c++) {
		if (*c == '\'')
			fputs("'\\''", stream);
		else
			fputc(*c, stream);
	}
	fputc('\'', stream);
}

char *
bh_text_command(const char *const *argv)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);
	if (stream == NULL)
		return NULL;
	for (size_t i = 0; argv[i] != NULL; i++) {
		if (i > 0)
			fputc(' ', stream);
		put_word(stream, argv[i]);
	}
	return fclose(stream) == 0 ? text : NULL;
}

void
bh_text_path(char *path, size_t path_bytes, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int need = vsnprintf(path, path_bytes, format, args);
	va_end(args);
	if (need < 0 || (size_t)need >= path_bytes)
		path[0] = '\0';
}

int
bh_text_add(char *text, size_t text_bytes, const char *format, ...)
{
	va_list args;
	size_t len = strnlen(text, text_bytes - 1);
	va_start(args, format);
	int need = vsnprintf(text + len, text_bytes - len, format, args);
	va_end(args);
	return need < 0 || (size_t)need >= text_bytes - len ? -ENOSPC : 0;
}

void
bh_text_last_words(const char *err_path, char *out, size_t out_bytes)
{
	char *text, *line, *save = NULL;
	size_t bytes;
	if (bh_text_read_all(err_path, 1 << 20, &text, &bytes) != 0)
		return;
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "warning:", 8) != 0)
			snprintf(out, out_bytes, "%s", line);
	}
	free(text);
	for (char *c = out; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}
