/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bad input gets: a message that says what to do, the documented exit code, and nothing left behind.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "boot/note.h"
#include "tests/component/cell_run.h"

/* None of these starts: the id, the exit code and a part of the message. */
static void
check_refused(const char *config, const char *cell_file, const char *id, int exit_code, const char *text)
{
	char file[512];
	struct cell_run run = {.config = config, .cell_file = cell_file != NULL ? cell_file : file};
	snprintf(file, sizeof(file), "%s/misbehave.cell", args_cell_dir);
	cell_run(&run);
	print_message("BH-%s %s\n", run.error.id, run.error.text);
	assert_int_not_equal(run.start_err, 0);
	assert_string_equal(run.error.id, id);
	assert_int_equal(bh_error_exit_code(&run.error), exit_code);
	assert_non_null(strstr(run.error.text, text));
	/* Neither a cell nor a software device. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#define MISBEHAVE "[cell]\napp = misbehave\npages = normal\n[misbehave]\nwhat = nothing\n"

static void
test_cpus(void **state)
{
	(void)state;
	check_refused("[cell]\napp = misbehave\ncpus = 4000\n[misbehave]\nwhat = nothing\n", NULL, "E020", 2,
	              "CPU 4000 is not online");
	check_refused("[cell]\napp = misbehave\ncpus = auto:64\n[misbehave]\nwhat = nothing\n", NULL, "E020", 2,
	              "CPUs");
	check_refused("[cell]\napp = misbehave\ncpus = 1,1\n[misbehave]\nwhat = nothing\n", NULL, "E016", 2, "twice");
}

static void
test_memory(void **state)
{
	(void)state;
	check_refused("[cell]\napp = misbehave\narena = 300G\npages = normal\n[misbehave]\nwhat = nothing\n", NULL,
	              "E030", 1, "make [cell] arena smaller");
	check_refused("[cell]\napp = misbehave\narena = 4T\npages = normal\n[misbehave]\nwhat = nothing\n", NULL,
	              "E016", 2, "out of range");
	check_refused("[cell]\napp = misbehave\narena = 300G\npages = huge\n[misbehave]\nwhat = nothing\n", NULL,
	              "E031", 2, "hugepages");
}

static void
test_devices(void **state)
{
	(void)state;
	check_refused(MISBEHAVE "[device nvme0]\nbackend = vfio-user\nsocket = /nowhere/at/all\n", NULL, "E040", 1,
	              "/nowhere/at/all");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = vfio-user\n", NULL, "E015", 2, "socket");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = vfio\naddress = 0000:ff:1f.7\n", NULL, "E100", 2,
	              "0000:ff:1f.7");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = softdev\nsize = 0\n", NULL, "E016", 2, "size zero");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = softdev\nblock_size = 520\n", NULL, "E016", 2, "512");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = softdev\nfault = /nowhere\n", NULL, "E016", 2,
	              "fault script");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = softdev\nmodel = e1000e\n", NULL, "E016", 2, "nvme");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = softdev\nbacking = /nowhere/at/all\n", NULL, "E034", 1,
	              "software device ended with exit code");
	check_refused(MISBEHAVE "[device nvme0]\nbackend = softdev\nservice_ns = soon\n", NULL, "E036", 2,
	              "refuses its options");
}

/* A socket that is there, with somebody behind it who says nothing, or hangs up. */
static void
test_wrong_sockets(void **state)
{
	char folder[] = "/tmp/bh-test-XXXXXX", config[512];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", folder);
	snprintf(config, sizeof(config), MISBEHAVE "[device nvme0]\nbackend = vfio-user\nsocket = %s\n", addr.sun_path);
	/* A plain file. */
	int file = open(addr.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	close(file);
	check_refused(config, NULL, "E040", 1, "not a socket");
	unlink(addr.sun_path);
	/* Listening, but silent. */
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	check_refused(config, NULL, "E045", 1, "nvme0");
	close(listener);
	/* Nobody behind it any more. */
	check_refused(config, NULL, "E040", 1, addr.sun_path);
	unlink(addr.sun_path);
	rmdir(folder);
}

/* The test cell's file, changed; `size_bytes` of it. */
static void
check_file(void (*change)(uint8_t *bytes, size_t *size_bytes), const char *id, const char *text)
{
	static uint8_t bytes[1 << 20];
	char path[512];
	snprintf(path, sizeof(path), "%s/misbehave.cell", args_cell_dir);
	int in = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(in >= 0);
	ssize_t got = read(in, bytes, sizeof(bytes));
	assert_true(got > 4096);
	close(in);
	size_t size_bytes = (size_t)got;
	change(bytes, &size_bytes);
	int out = memfd_create("changed", MFD_CLOEXEC);
	assert_int_equal(write(out, bytes, size_bytes), size_bytes);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
	check_refused(MISBEHAVE, path, id, 2, text);
	close(out);
}

static void
cut_in_header(uint8_t *bytes, size_t *size_bytes)
{
	(void)bytes;
	*size_bytes = 40;
}

static void
cut_in_code(uint8_t *bytes, size_t *size_bytes)
{
	(void)bytes;
	*size_bytes = 4096;
}

static void
cut_last_byte(uint8_t *bytes, size_t *size_bytes)
{
	(void)bytes;
	*size_bytes -= 1;
}

static void
make_empty(uint8_t *bytes, size_t *size_bytes)
{
	(void)bytes;
	*size_bytes = 0;
}

static void
make_script(uint8_t *bytes, size_t *size_bytes)
{
	(void)size_bytes;
	memcpy(bytes, "#!/bin/sh\n", 10);
}

static void
make_arm(uint8_t *bytes, size_t *size_bytes)
{
	(void)size_bytes;
	((Elf64_Ehdr *)(void *)bytes)->e_machine = EM_AARCH64;
}

static void
make_fixed(uint8_t *bytes, size_t *size_bytes)
{
	(void)size_bytes;
	((Elf64_Ehdr *)(void *)bytes)->e_type = ET_EXEC;
}

static void
move_entry(uint8_t *bytes, size_t *size_bytes)
{
	(void)size_bytes;
	((Elf64_Ehdr *)(void *)bytes)->e_entry = 0x7fffffff;
}

static void
far_segments(uint8_t *bytes, size_t *size_bytes)
{
	(void)size_bytes;
	((Elf64_Ehdr *)(void *)bytes)->e_phoff = UINT64_MAX - 7;
}

/* The version in the note: 4 bytes behind the owner's name. */
static void
other_note_version(uint8_t *bytes, size_t *size_bytes)
{
	uint8_t *name = memmem(bytes, *size_bytes, BH_BOOT_NOTE_NAME, BH_BOOT_NOTE_NAME_BYTES);
	assert_non_null(name);
	name[12] = 99;
}

static void
no_note(uint8_t *bytes, size_t *size_bytes)
{
	uint8_t *name = memmem(bytes, *size_bytes, BH_BOOT_NOTE_NAME, BH_BOOT_NOTE_NAME_BYTES);
	assert_non_null(name);
	name[0] = 'B';
}

static void
test_files(void **state)
{
	(void)state;
	check_file(cut_in_header, "E062", "cut off");
	check_file(cut_in_code, "E062", "cut off");
	check_file(cut_last_byte, "E062", "cut off");
	check_file(make_empty, "E061", "empty");
	check_file(make_script, "E061", "no ELF file");
	check_file(make_arm, "E061", "another machine");
	check_file(make_fixed, "E061", "position independent");
	check_file(move_entry, "E061", "entry point");
	check_file(far_segments, "E062", "cut off");
	check_file(other_note_version, "E063", "version 99");
	check_file(no_note, "E061", "no note");
	check_refused(MISBEHAVE, "/bin/true", "E061", 2, "dynamic linker");
	check_refused(MISBEHAVE, "/nowhere/x.cell", "E060", 2, "/nowhere/x.cell");
	check_refused(MISBEHAVE, "/dev/null", "E061", 2, "regular file");
	check_refused("[cell]\napp = no-such-app\n", "", "E060", 2, "");
}

static void
test_app_that_is_not_there(void **state)
{
	struct bh_error error = {0};
	char path[512];
	(void)state;
	assert_int_equal(bh_cell_find_file("no-such-app", path, sizeof(path), &error), -ENOENT);
	assert_string_equal(error.id, "E060");
	assert_non_null(strstr(error.text, "no-such-app.cell"));
	assert_int_equal(bh_cell_find_file("./a/path", path, sizeof(path), &error), 0);
	assert_string_equal(path, "./a/path");
	assert_int_equal(bh_cell_find_file("./a/long/path", path, 4, &error), -ENAMETOOLONG);
}

/* The cell trusts its supervisor no more than it must: boot/ refuses what is not a good page. */
static void
edit_version(struct bh_boot_page *page)
{
	page->version++;
}

static void
edit_magic(struct bh_boot_page *page)
{
	page->magic++;
}

static void
edit_checksum(struct bh_boot_page *page)
{
	page->checksum++;
}

static void
edit_content(struct bh_boot_page *page)
{
	page->region[0].addr += BH_PAGE_BYTES;
	page->checksum = bh_boot_page_checksum(page);
}

static void
edit_descriptor(struct bh_boot_page *page)
{
	page->region[0].fd = 77;
	page->checksum = bh_boot_page_checksum(page);
}

static void
edit_cpu(struct bh_boot_page *page)
{
	page->cpu[0] = 4000;
	page->checksum = bh_boot_page_checksum(page);
}

static void
test_boot_pages(void **state)
{
	static const struct {
		void (*edit)(struct bh_boot_page *page);
		const char *text;
	} bad[] = {
	        {edit_version, "another version"},
	        {edit_magic, "no boot page"},
	        {edit_checksum, "damaged"},
	        {edit_content, "out of range"},
	        {edit_descriptor, "mapping its memory failed"},
	        {edit_cpu, "taking its CPU failed"},
	};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		struct cell_run run = {.edit_page = bad[i].edit, .duration_ns = 1000000000};
		cell_run_misbehave(&run, MISBEHAVE_nothing, 1, 0);
		print_message("%s%s\n", run.error.text, run.result.error.text);
		assert_int_equal(run.start_err, 0);
		assert_string_equal(bh_outcome_name(run.result.outcome), "boot-failed");
		assert_string_equal(run.result.error.id, "E086");
		assert_int_equal(run.result.exit_code, 1);
		assert_non_null(strstr(run.result.error.text, bad[i].text));
	}
}

/* Exit code 6, said before anything is touched. */
static void
test_not_root(void **state)
{
	int status;
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct cell_run run = {.config = MISBEHAVE, .cell_file = "x"};
		if (setresuid(65534, 65534, 65534) != 0)
			_exit(100);
		cell_run(&run);
		_exit(run.start_err == -EPERM && strstr(run.error.text, "sudo") != NULL ? bh_error_exit_code(&run.error)
		                                                                        : 101);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 6);
}

int
main(int argc, char **argv)
{
	args_take(argc, argv);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_not_root),
	        cmocka_unit_test(test_cpus),
	        cmocka_unit_test(test_memory),
	        cmocka_unit_test(test_devices),
	        cmocka_unit_test(test_wrong_sockets),
	        cmocka_unit_test(test_files),
	        cmocka_unit_test(test_app_that_is_not_there),
	        cmocka_unit_test(test_boot_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
