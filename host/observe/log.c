/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/observe/log.h"

#define ELF_SECTIONS_MAX 4096

/* Reads exactly size bytes at offset; a short file is -EINVAL. */
static int
read_at(FILE *file, uint64_t offset, void *out, size_t size)
{
	if (offset > INT64_MAX || fseeko(file, (off_t)offset, SEEK_SET) != 0)
		return -EINVAL;
	return fread(out, 1, size, file) == size ? 0 : -EINVAL;
}

static int
read_section_name(FILE *file, const Elf64_Shdr *names, uint32_t name_offset, char *out, size_t size)
{
	if (name_offset >= names->sh_size)
		return -EINVAL;
	memset(out, 0, size);
	size_t have = BH_MIN((uint64_t)size - 1, names->sh_size - name_offset);
	return read_at(file, names->sh_offset + name_offset, out, have);
}

static int
find_sites(FILE *file, Elf64_Shdr *out_section)
{
	Elf64_Ehdr head;
	Elf64_Shdr names;
	char name[32];

	if (read_at(file, 0, &head, sizeof(head)) != 0 || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_shentsize != sizeof(Elf64_Shdr) || head.e_shnum > ELF_SECTIONS_MAX)
		return -EINVAL;
	if (head.e_shstrndx >= head.e_shnum ||
	    read_at(file, head.e_shoff + (uint64_t)head.e_shstrndx * sizeof(names), &names, sizeof(names)) != 0)
		return -EINVAL;
	for (uint64_t i = 0; i < head.e_shnum; i++) {
		if (read_at(file, head.e_shoff + i * sizeof(*out_section), out_section, sizeof(*out_section)) != 0 ||
		    read_section_name(file, &names, out_section->sh_name, name, sizeof(name)) != 0)
			return -EINVAL;
		if (strcmp(name, BH_LOG_SECTION) == 0)
			return 0;
	}
	return -ENOENT;
}

static int
load_sites(FILE *file, struct bh_log_reader *reader)
{
	Elf64_Shdr section;
	int err = find_sites(file, &section);
	if (err == -ENOENT)
		return 0;
	if (err != 0)
		return err;
	uint64_t cnt = section.sh_size / sizeof(struct bh_log_site);
	if (cnt > 65536)
		return -EINVAL;
	reader->site = calloc(cnt ? cnt : 1, sizeof(struct bh_log_site));
	if (reader->site == NULL)
		return -ENOMEM;
	err = read_at(file, section.sh_offset, reader->site, cnt * sizeof(struct bh_log_site));
	for (uint64_t i = 0; err == 0 && i < cnt; i++) {
		reader->site[i].file[sizeof(reader->site[i].file) - 1] = '\0';
		reader->site[i].format[sizeof(reader->site[i].format) - 1] = '\0';
	}
	reader->site_cnt = (uint32_t)cnt;
	return err;
}

int
bh_log_reader_open(const char *elf_path, uint64_t tsc_start, struct bh_log_reader *out_reader)
{
	memset(out_reader, 0, sizeof(*out_reader));
	out_reader->tsc_start = tsc_start;
	FILE *file = fopen(elf_path, "rbe");
	if (file == NULL)
		return -errno;
	int err = load_sites(file, out_reader);
	fclose(file);
	if (err != 0)
		bh_log_reader_close(out_reader);
	return err;
}

void
bh_log_reader_close(struct bh_log_reader *reader)
{
	free(reader->site);
	reader->site = NULL;
	reader->site_cnt = 0;
}

struct text {
	char *at;
	size_t left; /* with the terminating NUL */
};

static void
put_char(struct text *text, char c)
{
	if (text->left <= 1)
		return;
	*text->at++ = (c >= ' ' && c <= '~') ? c : '?';
	*text->at = '\0';
	text->left--;
}

static void
put_text(struct text *text, const char *s)
{
	while (*s != '\0')
		put_char(text, *s++);
}

/* One conversion: its flags and width, the letter, the argument as 64 bits. Width is capped, `l` has no effect. */
static void
put_number(struct text *text, bool zero, unsigned width, char letter, uint64_t value)
{
	char number[96];
	int w = (int)BH_MIN(width, 64u);
	switch (letter) {
	case 'd':
		snprintf(number, sizeof(number), zero ? "%0*ld" : "%*ld", w, (int64_t)value);
		break;
	case 'x':
		snprintf(number, sizeof(number), zero ? "%0*lx" : "%*lx", w, value);
		break;
	case 'p':
		snprintf(number, sizeof(number), "0x%lx", value);
		break;
	case 'c':
		snprintf(number, sizeof(number), "%c", (char)value);
		break;
	default:
		snprintf(number, sizeof(number), zero ? "%0*lu" : "%*lu", w, value);
		break;
	}
	put_text(text, number);
}

/*
 * Interprets the conversion that starts after '%'. Returns where the format goes on; prints as it stands what it does
 * not know.
 */
static const char *
put_conversion(struct text *text, const char *format, const uint64_t *arg, uint32_t arg_cnt, uint32_t *next)
{
	const char *at = format;
	bool zero = *at == '0';
	unsigned width = 0;
	if (*at == '%') {
		put_char(text, '%');
		return at + 1;
	}
	while (*at == '0' || *at == '#')
		at++;
	while (*at >= '0' && *at <= '9' && width < 1000)
		width = width * 10 + (unsigned)(*at++ - '0');
	while (*at == 'l')
		at++;
	if (*at == '\0' || strchr("udxpc", *at) == NULL || *next >= arg_cnt) {
		put_char(text, '%');
		return format;
	}
	put_number(text, zero, width, *at, arg[(*next)++]);
	return at + 1;
}

static void
put_message(struct text *text, const struct bh_log_site *site, const struct bh_log_record *record)
{
	uint32_t arg_cnt = BH_MIN(record->arg_cnt, BH_LOG_ARGS_MAX);
	uint32_t next = 0;
	for (const char *at = site->format; *at != '\0';) {
		if (*at == '%')
			at = put_conversion(text, at + 1, record->arg, arg_cnt, &next);
		else
			put_char(text, *at++);
	}
}

int
bh_log_format(const struct bh_log_reader *reader, const struct bh_log_record *record, uint64_t tsc_hz, char *text,
              size_t text_bytes)
{
	static const char *const level_name[] = {"error", "warn", "info", "debug"};
	struct text out = {text, text_bytes};
	char head[96];
	double seconds = (double)(int64_t)(record->tsc - reader->tsc_start) / (double)tsc_hz;

	text[0] = '\0';
	if (record->site_idx >= reader->site_cnt || record->arg_cnt > BH_LOG_ARGS_MAX) {
		snprintf(text, text_bytes, "%.6f invalid log record (site %u of %u)", seconds, record->site_idx,
		         reader->site_cnt);
		return -EINVAL;
	}
	const struct bh_log_site *site = &reader->site[record->site_idx];
	unsigned level = BH_MIN((unsigned)site->level, (unsigned)BH_LOG_DEBUG);
	snprintf(head, sizeof(head), "%.6f %s ", seconds, level_name[level]);
	put_text(&out, head);
	put_text(&out, site->file);
	snprintf(head, sizeof(head), ":%u: ", site->line);
	put_text(&out, head);
	put_message(&out, site, record);
	return (int)level;
}

static struct bh_log_ring *
ring_of(const struct bh_view *view, uint32_t core_idx)
{
	const uint8_t *at = view->shared + view->layout.log_offset + (size_t)core_idx * view->layout.log_stride_bytes;
	return (struct bh_log_ring *)(uintptr_t)at;
}

uint32_t
bh_log_drain(struct bh_log_reader *reader, const struct bh_view *view, uint32_t core_idx,
             void (*fn)(void *context, uint32_t core_idx, int level, const char *text), void *context)
{
	struct bh_log_ring *ring = ring_of(view, core_idx);
	uint64_t capacity = view->layout.log_record_cnt;
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
	char text[BH_LOG_TEXT_BYTES];
	uint32_t taken = 0;

	if (head - tail > capacity) { /* a lying head: nothing of it is believed */
		reader->bad_cnt++;
		tail = head;
	}
	for (; tail != head; tail++, taken++) {
		struct bh_log_record record;
		memcpy(&record, &ring->record[tail & (capacity - 1)], sizeof(record));
		int level = bh_log_format(reader, &record, view->tsc_hz, text, sizeof(text));
		reader->bad_cnt += level < 0;
		fn(context, core_idx, level, text);
	}
	__atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
	return taken;
}

uint64_t
bh_log_dropped(const struct bh_view *view)
{
	uint64_t dropped = 0;
	for (uint32_t core = 0; core < view->core_cnt; core++)
		dropped += __atomic_load_n(&ring_of(view, core)->dropped_cnt, __ATOMIC_RELAXED);
	return dropped;
}
