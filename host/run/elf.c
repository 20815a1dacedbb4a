/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cell's file, before it is executed and when a crash is named: hostile input, so every offset is checked against
 * the file's size before it is followed. ELF-64 object file format 1.5.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/note.h"
#include "host/errors/errors.h"
#include "host/run/internal.h"

#define FILE_BYTES_MAX (UINT64_C(1) << 30)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u /* Linux 6.3, linux/memfd.h */
#endif

struct file {
	const char *path;
	const uint8_t *bytes; /* mapped */
	uint64_t size_bytes;
	const Elf64_Ehdr *header;
};

static bool
inside(const struct file *file, uint64_t offset, uint64_t size_bytes)
{
	return offset <= file->size_bytes && size_bytes <= file->size_bytes - offset;
}

static int
refuse(const struct file *file, const char *what, struct bh_error *error)
{
	return bh_error_set(error, "E061", -ENOEXEC,
	                    "%s is not a cell: %s; a cell is an x86-64 static-pie ELF file linked with boot/",
	                    file->path, what);
}

static int
truncated(const struct file *file, struct bh_error *error)
{
	return bh_error_set(error, "E062", -ENOEXEC,
	                    "%s is cut off or damaged: its headers speak of more than its %lu bytes; build it again",
	                    file->path, file->size_bytes);
}

static int
check_header(const struct file *file, struct bh_error *error)
{
	const Elf64_Ehdr *header = file->header;
	if (file->size_bytes < SELFMAG || memcmp(file->bytes, ELFMAG, SELFMAG) != 0)
		return refuse(file, "no ELF file", error);
	if (file->size_bytes < sizeof(*header))
		return truncated(file, error);
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return refuse(file, "built for another machine", error);
	if (header->e_type != ET_DYN)
		return refuse(file, "not position independent", error);
	if (header->e_phentsize != sizeof(Elf64_Phdr) ||
	    !inside(file, header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf64_Phdr)) ||
	    header->e_phoff % 8 != 0 || header->e_phnum == 0)
		return truncated(file, error);
	if (header->e_shnum != 0 && (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shoff % 8 != 0 ||
	                             !inside(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof(Elf64_Shdr))))
		return truncated(file, error);
	return 0;
}

/* Our note in a PT_NOTE segment: the version of the boot page, or 0. */
static uint32_t
note_version(const struct file *file, const Elf64_Phdr *segment)
{
	uint64_t offset = segment->p_offset, end = segment->p_offset + segment->p_filesz;
	while (end - offset >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		memcpy(&note, file->bytes + offset, sizeof(note));
		uint64_t name = offset + sizeof(note), desc = name + BH_ALIGN_UP((uint64_t)note.n_namesz, 4);
		uint64_t next = desc + BH_ALIGN_UP((uint64_t)note.n_descsz, 4);
		uint32_t version;
		if (next > end)
			return 0;
		if (note.n_type == BH_BOOT_NOTE_TYPE && note.n_namesz == BH_BOOT_NOTE_NAME_BYTES &&
		    note.n_descsz == sizeof(version) &&
		    memcmp(file->bytes + name, BH_BOOT_NOTE_NAME, BH_BOOT_NOTE_NAME_BYTES) == 0) {
			memcpy(&version, file->bytes + desc, sizeof(version));
			return version;
		}
		offset = next;
	}
	return 0;
}

static int
check_segments(const struct file *file, struct bh_error *error)
{
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(const void *)(file->bytes + file->header->e_phoff);
	bool entry_found = false;
	uint32_t version = 0;
	for (unsigned i = 0; i < file->header->e_phnum; i++, segment++) {
		if (segment->p_type == PT_INTERP)
			return refuse(file, "it asks for a dynamic linker", error);
		if ((segment->p_type == PT_LOAD || segment->p_type == PT_NOTE) &&
		    !inside(file, segment->p_offset, segment->p_filesz))
			return truncated(file, error);
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
		    file->header->e_entry - segment->p_vaddr < segment->p_memsz)
			entry_found = true;
		if (segment->p_type == PT_NOTE && version == 0)
			version = note_version(file, segment);
	}
	if (!entry_found)
		return refuse(file, "its entry point is not in its code", error);
	if (version == 0)
		return refuse(file, "it has no note of boot/", error);
	if (version != BH_BOOT_VERSION)
		return bh_error_set(
		        error, "E063", -ENOEXEC,
		        "%s was built for version %u of the boot page, this bulkhead has version %u; build it again",
		        file->path, version, BH_BOOT_VERSION);
	return 0;
}

static int
symbol_order(const void *a, const void *b)
{
	const struct bh_symbol *left = a, *right = b;
	return left->low < right->low ? -1 : left->low > right->low;
}

/* A file without symbols, or with a damaged table, is as good a cell: its crashes are named by address only. */
static void
read_symbols(const struct file *file, const Elf64_Shdr *table, const Elf64_Shdr *strings, struct bh_elf *elf)
{
	const Elf64_Sym *symbol = (const Elf64_Sym *)(const void *)(file->bytes + table->sh_offset);
	uint64_t symbol_cnt = table->sh_size / sizeof(*symbol);
	elf->names = malloc(strings->sh_size + 1);
	elf->symbol = calloc(symbol_cnt + 1, sizeof(*elf->symbol));
	if (elf->names == NULL || elf->symbol == NULL)
		return;
	memcpy(elf->names, file->bytes + strings->sh_offset, strings->sh_size);
	elf->names[strings->sh_size] = '\0';
	for (uint64_t i = 0; i < symbol_cnt; i++) {
		/* Code without a type (assembler labels) counts as well. */
		unsigned type = ELF64_ST_TYPE(symbol[i].st_info);
		if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol[i].st_name >= strings->sh_size)
			continue;
		elf->symbol[elf->symbol_cnt++] =
		        (struct bh_symbol){symbol[i].st_value, symbol[i].st_size, elf->names + symbol[i].st_name};
	}
	qsort(elf->symbol, elf->symbol_cnt, sizeof(*elf->symbol), symbol_order);
}

static void
find_symbols(const struct file *file, struct bh_elf *elf)
{
	const Elf64_Shdr *section = (const Elf64_Shdr *)(const void *)(file->bytes + file->header->e_shoff);
	for (unsigned i = 0; i < file->header->e_shnum; i++) {
		const Elf64_Shdr *table = &section[i];
		if (table->sh_type != SHT_SYMTAB || table->sh_link >= file->header->e_shnum)
			continue;
		const Elf64_Shdr *strings = &section[table->sh_link];
		if (inside(file, table->sh_offset, table->sh_size) && table->sh_offset % 8 == 0 &&
		    inside(file, strings->sh_offset, strings->sh_size))
			read_symbols(file, table, strings, elf);
		return;
	}
}

/* Where memory files are not executable unless asked for (sysctl vm.memfd_noexec), and on kernels that know no such word. */
static int
memory_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[64];
	snprintf(name, sizeof(name), "%s", slash != NULL ? slash + 1 : path);
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

/*
 * A private copy, sealed: what is checked below is what is executed, whoever may write to the file meanwhile. It is also what lets a
 * cell run under a uid that may not read a private build folder.
 */
static int
copy_sealed(const struct file *file, int from_fd, struct bh_elf *elf, struct bh_error *error)
{
	off_t offset = 0;
	elf->fd = memory_file(file->path);
	if (elf->fd < 0)
		return bh_error_set(error, "E035", -errno, "cannot copy %s: %s", file->path, strerror(errno));
	while ((uint64_t)offset < file->size_bytes) {
		ssize_t copied = sendfile(elf->fd, from_fd, &offset, file->size_bytes - (uint64_t)offset);
		if (copied == 0)
			return truncated(file, error); /* it shrinks while it is read */
		if (copied < 0 && errno != EINTR)
			return bh_error_set(error, "E035", -EIO, "cannot copy %s: %s", file->path, strerror(errno));
	}
	if (fcntl(elf->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
		return bh_error_set(error, "E035", -errno, "cannot seal the copy of %s: %s", file->path,
		                    strerror(errno));
	return 0;
}

static int
read_file(struct file *file, struct bh_elf *elf, struct bh_error *error)
{
	void *bytes = mmap(NULL, file->size_bytes, PROT_READ, MAP_PRIVATE, elf->fd, 0);
	if (bytes == MAP_FAILED)
		return bh_error_set(error, "E060", -errno, "cannot map the cell %s: %s", file->path, strerror(errno));
	file->bytes = bytes;
	file->header = bytes;
	int err = check_header(file, error);
	if (err == 0)
		err = check_segments(file, error);
	if (err == 0) {
		elf->entry = file->header->e_entry;
		find_symbols(file, elf);
	}
	munmap(bytes, file->size_bytes);
	return err;
}

int
bh_elf_open(const char *path, struct bh_elf *out, struct bh_error *error)
{
	struct stat info;
	struct file file = {.path = path};
	*out = (struct bh_elf){.fd = -1};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &info) != 0) {
		int err = bh_error_set(error, "E060", -errno, "cannot open the cell %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	file.size_bytes = (uint64_t)info.st_size;
	int err = 0;
	if (!S_ISREG(info.st_mode) || file.size_bytes == 0 || file.size_bytes > FILE_BYTES_MAX)
		err = refuse(&file, "not a regular file, empty, or huge", error);
	if (err == 0)
		err = copy_sealed(&file, fd, out, error);
	close(fd);
	if (err == 0)
		err = read_file(&file, out, error);
	if (err != 0)
		bh_elf_close(out);
	return err;
}

void
bh_elf_close(struct bh_elf *elf)
{
	if (elf->fd >= 0)
		close(elf->fd);
	free(elf->symbol);
	free(elf->names);
	*elf = (struct bh_elf){.fd = -1};
}

void
bh_elf_symbol(const struct bh_elf *elf, uint64_t addr, char *out, size_t out_bytes)
{
	const struct bh_symbol *best = NULL;
	out[0] = '\0';
	for (uint32_t i = 0; i < elf->symbol_cnt && elf->symbol[i].low <= addr; i++)
		best = &elf->symbol[i];
	if (best == NULL || addr - best->low >= BH_MAX(best->size_bytes, UINT64_C(1)))
		return;
	/* A name of the file's making, for a terminal and for JSON. */
	snprintf(out, out_bytes, "%s+0x%lx", best->name, addr - best->low);
	for (char *c = out; *c != '\0'; c++)
		*c = *c >= '!' && *c <= '~' ? *c : '?';
}
