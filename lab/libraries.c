/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program needs beside itself. ldd asks the dynamic linker, the only one who knows all its rules (rpaths, caches,
 * environment); its text is read here.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lab/internal.h"

/* Segment `idx` has the type; a table outside of the file ends the look-up. */
static bool
has_segment(int fd, const Elf64_Ehdr *header, uint32_t type)
{
	Elf64_Phdr segment;
	for (unsigned i = 0; i < header->e_phnum; i++) {
		off_t at = (off_t)(header->e_phoff + i * sizeof(segment));
		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type == type)
			return true;
	}
	return false;
}

bool
bh_lab_is_dynamic(const char *path)
{
	const char *base = strrchr(path, '/');
	Elf64_Ehdr header;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	bool dynamic = pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
	               memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
	               header.e_machine == EM_X86_64 && header.e_phentsize == sizeof(Elf64_Phdr);
	/* A static-pie program has a dynamic section, too, for itself: a library shows by its name. */
	if (dynamic && !has_segment(fd, &header, PT_INTERP))
		dynamic = strstr(base != NULL ? base : path, ".so") != NULL && has_segment(fd, &header, PT_DYNAMIC);
	close(fd);
	return dynamic;
}

/*
 *	/usr/bin/fio:                                          (with more than one program)
 *		linux-vdso.so.1 (0x00007ffd...)                no file
 *		libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f...)
 *		/lib64/ld-linux-x86-64.so.2 (0x00007f...)
 *		libnone.so => not found
 */
int
bh_lab_libraries(char *ldd_text, int (*emit)(void *context, const char *path), void *context, const char **out_missing)
{
	char *rest = ldd_text, *line;
	*out_missing = NULL;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *arrow = strstr(line, " => "), *path = arrow != NULL ? arrow + 4 : line + strspn(line, "\t ");
		char *end = strstr(path, " (0x");
		if (line[0] != '\t')
			continue;
		if (arrow != NULL && strcmp(path, "not found") == 0) {
			*out_missing = line;
			return -ENOENT;
		}
		if (end == NULL || path[0] != '/')
			continue;
		*end = '\0';
		int err = emit(context, path);
		if (err < 0)
			return err;
	}
	return 0;
}
