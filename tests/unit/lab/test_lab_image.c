/* SPDX-License-Identifier: Apache-2.0 */
/* Which images are unpacked, and which results are taken. Images are made here, packed by the host's xz. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/internal.h"

#define SETUP_BYTES 1024u /* one sector of set-up code behind the first */
#define PAYLOAD_AT  16u   /* behind them */

static char folder[64];

/* The smallest ELF image that has an entry for QEMU, and in a way a kernel's: 4 KiB, so that xz has something to pack. */
struct elf_image {
	Elf64_Ehdr header;
	Elf64_Phdr part;
	Elf64_Nhdr other;
	char other_name[4];
	uint32_t other_text;
	Elf64_Nhdr note;
	char name[4];
	uint64_t entry;
	char rest[4096];
};

static struct elf_image
good_image(void)
{
	struct elf_image image = {.part = {.p_type = PT_NOTE}};
	memcpy(image.header.e_ident, ELFMAG, SELFMAG);
	image.header.e_ident[EI_CLASS] = ELFCLASS64;
	image.header.e_machine = EM_X86_64;
	image.header.e_phoff = offsetof(struct elf_image, part);
	image.header.e_phentsize = sizeof(Elf64_Phdr);
	image.header.e_phnum = 1;
	image.part.p_offset = offsetof(struct elf_image, other);
	image.part.p_filesz = offsetof(struct elf_image, rest) - offsetof(struct elf_image, other);
	image.other = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 3, .n_type = 5};
	image.note = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 8, .n_type = 18};
	memcpy(image.other_name, "GNU", 4);
	memcpy(image.name, "Xen", 4);
	return image;
}

static void
write_at(const char *name, const void *bytes, size_t cnt)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, cnt, file), cnt);
	fclose(file);
}

static size_t
read_at(const char *name, void *bytes, size_t room)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return 0;
	size_t got = fread(bytes, 1, room, file);
	fclose(file);
	return got;
}

static void
put_word(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* Writes folder/vmlinuz around an image. Return: its bytes, in a static buffer, for those who spoil some of them. */
static uint8_t *
pack(const struct elf_image *image, size_t *out_cnt)
{
	static uint8_t packed[16384];
	char line[256];
	write_at("plain", image, sizeof(*image));
	snprintf(line, sizeof(line), "xz -k -f --check=crc32 %s/plain", folder);
	assert_int_equal(system(line), 0);
	memset(packed, 0, sizeof(packed));
	size_t bytes = read_at("plain.xz", packed + SETUP_BYTES + PAYLOAD_AT, 8192);
	assert_true(bytes > 0);
	packed[0x1f1] = 1;
	memcpy(packed + 0x202, "HdrS", 4);
	packed[0x206] = 0x0f;
	packed[0x207] = 0x02;
	put_word(packed + 0x248, PAYLOAD_AT);
	put_word(packed + 0x24c, (uint32_t)bytes + 4);
	put_word(packed + SETUP_BYTES + PAYLOAD_AT + bytes, sizeof(*image));
	*out_cnt = SETUP_BYTES + PAYLOAD_AT + bytes + 4;
	write_at("vmlinuz", packed, *out_cnt);
	return packed;
}

static void
take(struct bh_lab_kernel *kernel)
{
	struct bh_lab_signals signals;
	struct bh_error error;
	memset(kernel, 0, sizeof(*kernel));
	snprintf(kernel->image, sizeof(kernel->image), "%s/vmlinuz", folder);
	assert_int_equal(bh_lab_signals_open(&signals, &error), 0);
	assert_int_equal(bh_lab_image_unpack(&signals, kernel, &error), 0);
	bh_lab_signals_close(&signals);
}

static void
stays_packed(void)
{
	struct bh_lab_kernel kernel;
	char byte;
	take(&kernel);
	assert_non_null(strstr(kernel.image, "/vmlinuz"));
	assert_string_not_equal(kernel.packed, "");
	assert_int_equal(read_at("vmlinux", &byte, 1), 0);
	assert_int_equal(read_at("new", &byte, 1), 0);
	assert_int_equal(read_at("new.xz", &byte, 1), 0);
}

/* What is not an image with a payload in it is left alone. */
static void
test_headers_that_lie(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} lie[] = {
	        {0x202, 0},          {0x206, 0x0207},   {0x248, 0xffffffff},
	        {0x248, 15},         {0x24c, 0},        {0x24c, 63},
	        {0x24c, 0xffffffff}, {0x24c, 8u << 20}, {SETUP_BYTES + PAYLOAD_AT, 0},
	        {0x1f1, 0x7f},
	};
	struct elf_image image = good_image();
	size_t cnt;
	for (size_t i = 0; i < BH_ARRAY_CNT(lie); i++) {
		uint8_t *bytes = pack(&image, &cnt);
		put_word(bytes + lie[i].at, lie[i].value);
		write_at("vmlinuz", bytes, cnt);
		stays_packed();
	}
	uint8_t *bytes = pack(&image, &cnt);
	for (size_t short_cnt = 0; short_cnt < cnt; short_cnt += 97) {
		write_at("vmlinuz", bytes, short_cnt);
		stays_packed();
	}
}

/* The stream is damaged, or has another size than the image says. */
static void
test_streams_that_lie(void **state)
{
	struct elf_image image = good_image();
	size_t cnt;
	uint8_t *bytes = pack(&image, &cnt);
	bytes[SETUP_BYTES + PAYLOAD_AT + 40] ^= 1;
	write_at("vmlinuz", bytes, cnt);
	stays_packed();
	bytes = pack(&image, &cnt);
	put_word(bytes + cnt - 4, sizeof(image) + 1);
	write_at("vmlinuz", bytes, cnt);
	stays_packed();
}

/* QEMU would refuse these, and the machine would not boot where the packed image does. */
static void
test_images_that_cannot_start(void **state)
{
	size_t cnt;
	struct elf_image bad[8];
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		bad[i] = good_image();
	bad[0].header.e_ident[0] = 'x';
	bad[1].header.e_ident[EI_CLASS] = ELFCLASS32;
	bad[2].header.e_machine = EM_386;
	bad[3].note.n_type = 17;
	bad[4].name[0] = 'x';
	bad[5].other.n_descsz = UINT32_MAX;
	bad[6].part.p_filesz = UINT64_MAX;
	bad[7].part.p_offset = UINT64_MAX;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		pack(&bad[i], &cnt);
		stays_packed();
	}
}

static void
test_no_xz(void **state)
{
	struct elf_image image = good_image();
	char *path = strdup(getenv("PATH"));
	size_t cnt;
	pack(&image, &cnt);
	assert_int_equal(setenv("PATH", "/nowhere", 1), 0);
	stays_packed();
	assert_int_equal(setenv("PATH", path, 1), 0);
	free(path);
}

static void
test_unpacked_once(void **state)
{
	struct elf_image image = good_image(), got;
	struct bh_lab_kernel kernel;
	size_t cnt;
	pack(&image, &cnt);
	take(&kernel);
	assert_string_equal(kernel.packed, "");
	assert_non_null(strstr(kernel.image, "/vmlinux"));
	assert_int_equal(read_at("vmlinux", &got, sizeof(got)), sizeof(got));
	assert_memory_equal(&got, &image, sizeof(got));
	/* It is taken as it lies, without xz; and made anew when it was cut. */
	snprintf(kernel.image, sizeof(kernel.image), "%s/vmlinuz", folder);
	assert_true(bh_lab_image_ready(&kernel));
	assert_non_null(strstr(kernel.image, "/vmlinux"));
	write_at("vmlinux", &image, sizeof(image) - 1);
	snprintf(kernel.image, sizeof(kernel.image), "%s/vmlinuz", folder);
	assert_false(bh_lab_image_ready(&kernel));
	take(&kernel);
	assert_non_null(strstr(kernel.image, "/vmlinux"));
	assert_int_equal(read_at("vmlinux", &got, sizeof(got)), sizeof(got));
}

static int
setup(void **state)
{
	strcpy(folder, "/tmp/bulkhead-test-image.XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	bh_lab_remove_tree(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_headers_that_lie, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_streams_that_lie, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_images_that_cannot_start, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_no_xz, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_unpacked_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
