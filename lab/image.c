/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's image, unpacked once beside the packed one: an emulated machine takes three of its seven seconds to unpack it. QEMU
 * starts an ELF image that has a PVH entry (Xen's boot protocol, which needs no Xen).
 *
 * Source: Linux, Documentation/arch/x86/boot.rst (the header, the payload); Documentation/arch/x86/.../pvh.rst of Xen for the note.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/internal.h"

#define HEADER_BYTES  0x260u
#define IMAGE_MAX     (256u << 20)
#define NOTES_MAX     65536u
#define NOTE_PVH      18u /* XEN_ELFNOTE_PHYS32_ENTRY */
#define VERSION_FIRST 0x0208u

struct payload {
	uint64_t offset; /* in the file */
	uint32_t bytes;
	uint32_t unpacked_bytes;
};

static uint32_t
word(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Return: whether an xz payload is in the image; the last word of the payload, which is no part of the stream, is its size. */
static bool
find_payload(int fd, struct payload *out)
{
	static const uint8_t xz[6] = {0xfd, '7', 'z', 'X', 'Z', 0};
	uint8_t header[HEADER_BYTES], magic[6], size[4];
	struct stat facts;
	if (fstat(fd, &facts) != 0 || pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header + 0x202, "HdrS", 4) != 0 || (header[0x206] | header[0x207] << 8) < (int)VERSION_FIRST)
		return false;
	const uint32_t sectors = header[0x1f1] != 0 ? header[0x1f1] : 4;
	out->offset = (uint64_t)(sectors + 1) * 512 + word(header + 0x248);
	out->bytes = word(header + 0x24c);
	if (out->bytes < 64 || out->bytes > IMAGE_MAX || out->offset + out->bytes > (uint64_t)facts.st_size)
		return false;
	const off_t at = (off_t)out->offset;
	if (pread(fd, magic, sizeof(magic), at) != (ssize_t)sizeof(magic) || memcmp(magic, xz, sizeof(xz)) != 0 ||
	    pread(fd, size, sizeof(size), at + out->bytes - 4) != (ssize_t)sizeof(size))
		return false;
	out->bytes -= 4;
	out->unpacked_bytes = word(size);
	return out->unpacked_bytes > 0 && out->unpacked_bytes <= IMAGE_MAX;
}

/* One segment of notes. Return: whether Xen's entry is among them. */
static bool
has_entry(const uint8_t *notes, size_t bytes)
{
	for (size_t at = 0; bytes - at >= sizeof(Elf64_Nhdr);) {
		Elf64_Nhdr note;
		memcpy(&note, notes + at, sizeof(note));
		const uint64_t name = at + sizeof(note), text = name + BH_ALIGN_UP((uint64_t)note.n_namesz, 4),
		               end = text + BH_ALIGN_UP((uint64_t)note.n_descsz, 4);
		if (end > bytes)
			return false;
		if (note.n_type == NOTE_PVH && note.n_namesz == 4 && memcmp(notes + name, "Xen", 4) == 0)
			return true;
		at = end;
	}
	return false;
}

/* An ELF image for this machine that QEMU can start. */
static bool
can_start(int fd)
{
	Elf64_Ehdr header;
	Elf64_Phdr part;
	bool found = false;
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(part) || header.e_phnum > 64)
		return false;
	uint8_t *notes = malloc(NOTES_MAX);
	for (unsigned i = 0; i < header.e_phnum && notes != NULL && !found; i++) {
		const off_t at = (off_t)(header.e_phoff + i * sizeof(part));
		found = pread(fd, &part, sizeof(part), at) == (ssize_t)sizeof(part) && part.p_type == PT_NOTE &&
		        part.p_filesz <= NOTES_MAX &&
		        pread(fd, notes, part.p_filesz, (off_t)part.p_offset) == (ssize_t)part.p_filesz &&
		        has_entry(notes, part.p_filesz);
	}
	free(notes);
	return found;
}

/* Whether a file is that image, whole. */
static bool
is_image(const char *path, uint32_t bytes)
{
	struct stat facts;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && fstat(fd, &facts) == 0 && facts.st_size == bytes && can_start(fd);
	if (fd >= 0)
		close(fd);
	return good;
}

BH_PRINTF(2, 3)
static void
stays_packed(struct bh_lab_kernel *kernel, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(kernel->packed, sizeof(kernel->packed), format, args);
	va_end(args);
}

/* Beside the packed one. Return: false: no room for such a path. */
static bool
beside(const struct bh_lab_kernel *kernel, const char *name, char *out, size_t out_bytes)
{
	const char *slash = strrchr(kernel->image, '/');
	return slash != NULL && (size_t)snprintf(out, out_bytes, "%.*s/%s", (int)(slash - kernel->image), kernel->image,
	                                         name) < out_bytes;
}

static bool
payload_of(const struct bh_lab_kernel *kernel, struct payload *out)
{
	int fd = open(kernel->image, O_RDONLY | O_CLOEXEC);
	bool found = fd >= 0 && find_payload(fd, out);
	if (fd >= 0)
		close(fd);
	return found;
}

bool
bh_lab_image_ready(struct bh_lab_kernel *kernel)
{
	struct payload payload;
	char path[PATH_MAX];
	if (!payload_of(kernel, &payload) || !beside(kernel, "vmlinux", path, sizeof(path))) {
		stays_packed(kernel, "it is not packed by xz");
		return true;
	}
	if (is_image(path, payload.unpacked_bytes)) {
		memcpy(kernel->image, path, sizeof(path));
		return true;
	}
	if (!beside(kernel, "", path, sizeof(path)) || access(path, W_OK) == 0)
		return false;
	stays_packed(kernel, "the cache cannot be written");
	return true;
}

static int
copy_payload(const char *from, const struct payload *payload, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int err = in < 0 || out < 0 ? -errno : 0;
	for (uint32_t done = 0; err == 0 && done < payload->bytes;) {
		const size_t wanted = BH_MIN(sizeof(bytes), (size_t)(payload->bytes - done));
		ssize_t got = pread(in, bytes, wanted, (off_t)(payload->offset + done));
		if (got <= 0 || write(out, bytes, (size_t)got) != got)
			err = -EIO;
		done += (uint32_t)BH_MAX(got, 0);
	}
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) != 0 && err == 0)
		err = -EIO;
	return err;
}

int
bh_lab_image_unpack(struct bh_lab_signals *signals, struct bh_lab_kernel *kernel, struct bh_error *error)
{
	char path[PATH_MAX], made[PATH_MAX], packed[PATH_MAX];
	struct payload payload;
	struct bh_error why;
	if (bh_lab_image_ready(kernel))
		return 0;
	if (!payload_of(kernel, &payload) || !beside(kernel, "vmlinux", path, sizeof(path)) ||
	    !beside(kernel, "new", made, sizeof(made)) || !beside(kernel, "new.xz", packed, sizeof(packed)))
		return 0;
	const char *const xz[] = {"xz", "-d", "-f", packed, NULL};
	int err = copy_payload(kernel->image, &payload, packed);
	int code = err == 0 ? bh_lab_tool(signals, xz, NULL, "xz-utils", NULL, &why) : err;
	if (code == 0 && is_image(made, payload.unpacked_bytes) && rename(made, path) == 0)
		memcpy(kernel->image, path, sizeof(path));
	else if (err != 0)
		stays_packed(kernel, "no room to unpack it: %s", strerror(-err));
	else
		stays_packed(kernel, "%s", code < 0 ? why.text : "xz brought no image that QEMU starts");
	unlink(packed);
	unlink(made);
	if (code == -EINTR)
		*error = why;
	return code == -EINTR ? code : 0;
}
