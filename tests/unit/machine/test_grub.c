/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GRUB in a made-up root, with made-up tools; then with Debian's own grub-mkconfig, 10_linux and grub-script-check, whose
 * folders are changed to those of the root.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/errors/errors.h"
#include "host/machine/grub.h"

#define PARAMS "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3"
#define KERNEL "/boot/vmlinuz-6.1.0-9-amd64"
#define NORMAL(args)                                                                                                   \
	"### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Debian' --id 'gnulinux-simple-x' {\n\tlinux\t" KERNEL          \
	" root=/dev/vda1 ro  " args "\n}\nmenuentry 'old' --id 'gnulinux-6.1-recovery-x' {\n\tlinux\t" KERNEL          \
	" root=/dev/vda1 ro single\n}\n### END /etc/grub.d/10_linux ###\n"
#define WITHOUT(args)                                                                                                  \
	"### BEGIN /etc/grub.d/45_bulkhead ###\nsubmenu 'x' {\nmenuentry 'y' {\n  linux " KERNEL                       \
	" root=/dev/vda1 ro " args "\n}\n}\n### END /etc/grub.d/45_bulkhead ###\n"

static char root[64], tools[96];
static struct bh_error error;
static char *cfg;

static void
run(const char *format, ...)
{
	char command[2048];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_true(len > 0 && len < (int)sizeof(command));
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void
make_file(const char *name, const char *text, mode_t mode)
{
	char path[512];
	snprintf(path, sizeof(path), "%s%s", root, name);
	run("mkdir -p \"$(dirname '%s')\"", path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/bulkhead-grub-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(tools, sizeof(tools), "%s/tools:/usr/bin:/bin", root);
	error = (struct bh_error){0};
	cfg = NULL;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(cfg);
	run("rm -rf '%s'", root);
	return 0;
}

/* Tools that print a text, and check nothing. */
static void
make_tools(const char *text)
{
	make_file("/cfg", text, 0644);
	make_file("/tools/grub-mkconfig", "#!/bin/sh\necho Generating >&2\ncat cfg\n", 0755);
	make_file("/tools/grub-script-check", "#!/bin/sh\ncmp - cfg\n", 0755);
}

static int
generate(const char *params)
{
	free(cfg);
	error = (struct bh_error){0};
	return bh_grub_generate(root, tools, params, &cfg, &error);
}

static void
hostile_parameters_are_refused(void **state)
{
	static const char *const bad[] = {
	        "",       " ",       " a=1", "a=1 ",  "a  b",  "a=\"1\"", "a='1'", "a=$x",    "a=`id`",
	        "a=1;id", "a=1\nid", "a\\b", "a=1\t", "a=(1)", "a=1#x",   "a&b",   "a|b",     "a>b",
	        "{a}",    "a=*",     "a=?",  "a=~",   "a=!1",  "a=%s",    "a[1]",  "a=\x80u",
	};
	char text[BH_GRUB_TEXT_BYTES], much[BH_GRUB_PARAMS_BYTES + 1];
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		if (bh_grub_dropin_text(bad[i], text, sizeof(text), &error) != -EINVAL)
			fail_msg("'%s' is let through", bad[i]);
		assert_string_equal(error.id, "E269");
	}
	memset(much, 'a', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	assert_int_equal(bh_grub_params_check(much, &error), -E2BIG);
	much[BH_GRUB_PARAMS_BYTES - 1] = '\0';
	assert_int_equal(bh_grub_params_check(much, &error), 0);
	assert_int_equal(bh_grub_dropin_text(much, text, sizeof(text), &error), 0);
	assert_int_equal(bh_grub_dropin_text("a", text, 20, &error), -E2BIG);
}

/* What a shell makes of the drop-in, whatever stood there before. */
static void
the_drop_in_appends(void **state)
{
	static const struct {
		const char *before, *after;
	} good[] = {
	        {"GRUB_CMDLINE_LINUX_DEFAULT=quiet", "quiet " PARAMS},
	        {"unset GRUB_CMDLINE_LINUX_DEFAULT", " " PARAMS},
	        {"GRUB_CMDLINE_LINUX_DEFAULT='a=\"b c\" $x `id`'", "a=\"b c\" $x `id` " PARAMS},
	};
	char text[BH_GRUB_TEXT_BYTES];
	(void)state;
	assert_int_equal(bh_grub_dropin_text(PARAMS, text, sizeof(text), &error), 0);
	make_file(BH_GRUB_DROPIN_PATH, text, 0644);
	for (size_t i = 0; i < BH_ARRAY_CNT(good); i++) {
		make_file("/before", good[i].before, 0644);
		make_file("/wanted", good[i].after, 0644);
		run("cd '%s' && sh -euc '. ./before; set +u; . .%s; printf %%s \"$GRUB_CMDLINE_LINUX_DEFAULT\"' >have "
		    "&& "
		    "cmp have wanted",
		    root, BH_GRUB_DROPIN_PATH);
	}
}

static void
tools_that_are_missing_are_named(void **state)
{
	(void)state;
	snprintf(tools, sizeof(tools), "%s/tools", root);
	assert_int_equal(generate(PARAMS), -ENOENT);
	assert_string_equal(error.id, "E266");
	assert_non_null(strstr(error.text, "apt-get install grub-common"));
	make_tools("");
	run("rm %s/tools/grub-script-check", root);
	assert_int_equal(generate(PARAMS), -ENOENT);
	assert_non_null(strstr(error.text, "grub-script-check"));
	assert_null(cfg);
}

static void
tools_that_fail_are_quoted(void **state)
{
	(void)state;
	make_tools(NORMAL(PARAMS) WITHOUT("quiet"));
	make_file("/tools/grub-script-check", "#!/bin/sh\necho 'Syntax error at line 5' >&2\nexit 1\n", 0755);
	assert_int_equal(generate(PARAMS), -EINVAL);
	assert_non_null(strstr(error.text, "Syntax error at line 5"));
	make_file("/tools/grub-mkconfig", "#!/bin/sh\necho 'cannot find a device for /' >&2\nexit 1\n", 0755);
	assert_int_equal(generate(PARAMS), -EIO);
	assert_non_null(strstr(error.text, "cannot find a device for /"));
	assert_null(cfg);
}

static void
configurations_that_do_not_pass(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	        {"", "no Linux entry"},
	        {NORMAL("quiet") WITHOUT("quiet"), "an entry boots without"},
	        {NORMAL(PARAMS "x") WITHOUT("quiet"), "an entry boots without"},
	        {NORMAL("x" PARAMS) WITHOUT("quiet"), "an entry boots without"},
	        {NORMAL(PARAMS) NORMAL("quiet") WITHOUT("quiet"), "line 11 "},
	        {NORMAL(PARAMS), "no entry without"},
	        {NORMAL(PARAMS) WITHOUT(PARAMS), "that should boot without"},
	        {"### BEGIN /etc/grub.d/30_os ###\nlinux x " PARAMS "\n### END ###\n" WITHOUT("q"), "no Linux entry"},
	};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		make_tools(bad[i].text);
		assert_int_equal(generate(PARAMS), -EINVAL);
		if (strstr(error.text, bad[i].says) == NULL)
			fail_msg("'%s' does not say '%s'", error.text, bad[i].says);
		assert_false(bh_grub_has(PARAMS, bad[i].text));
	}
	make_tools(NORMAL("quiet") WITHOUT("quiet"));
	assert_int_equal(generate(""), -EINVAL);
	assert_non_null(strstr(error.text, "submenu"));
}

static void
good_ones_pass(void **state)
{
	static const char *const good[] = {
	        NORMAL("quiet " PARAMS) WITHOUT("quiet"),
	        NORMAL(PARAMS " debug") WITHOUT("debug"),
	        NORMAL("nohz_full=2-3 " PARAMS) WITHOUT("nohz_full=2-3 "),
	};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(good); i++) {
		make_tools(good[i]);
		assert_int_equal(generate(PARAMS), 0);
		assert_string_equal(cfg, good[i]);
		assert_true(bh_grub_has(PARAMS, good[i]));
	}
	make_tools(NORMAL("quiet"));
	assert_int_equal(generate(""), 0);
}

static void
boot_loaders_are_told_apart(void **state)
{
	char name[BH_GRUB_NAME_BYTES], text[512];
	(void)state;
	assert_int_equal(bh_grub_kind(root, name), BH_BOOT_NONE);
	assert_non_null(strstr(bh_grub_advice(root, PARAMS, text, sizeof(text)), PARAMS));
	make_file("/boot/loader/loader.conf", "", 0644);
	assert_int_equal(bh_grub_kind(root, name), BH_BOOT_OTHER);
	assert_string_equal(name, "systemd-boot");
	assert_non_null(strstr(bh_grub_advice(root, PARAMS, text, sizeof(text)), "/etc/kernel/cmdline"));
	make_file("/boot/grub2/grub.cfg", "", 0644);
	assert_int_equal(bh_grub_kind(root, name), BH_BOOT_GRUB);
	assert_string_equal(bh_grub_cfg_path(root), "/boot/grub2/grub.cfg");
	make_file("/boot/grub/grub.cfg", "", 0644);
	assert_string_equal(bh_grub_cfg_path(root), "/boot/grub/grub.cfg");
	/* Both are installed; the firmware's variable says which one ran. */
	run("d=%s/sys/firmware/efi/efivars; mkdir -p $d; printf "
	    "'\\006\\0\\0\\0s\\0y\\0s\\0t\\0e\\0m\\0d\\0-\\0b\\0o\\0o\\0t\\0 "
	    "\\0002\\0\\0\\0' >$d/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
	    root);
	assert_int_equal(bh_grub_kind(root, name), BH_BOOT_OTHER);
	assert_string_equal(name, "systemd-boot 2");
}

/* Debian's own, in a copy whose folders are the root's. A device for / and its UUID are made up. */
static void
make_real_tools(void)
{
	run("cd '%s' && mkdir -p tools etc/grub.d boot && cp /etc/grub.d/00_header /etc/grub.d/10_linux /etc/grub.d/4* "
	    "etc/grub.d/ && cp /usr/bin/grub-script-check tools/ && "
	    "sed -e 's,^sysconfdir=.*,sysconfdir=%s/etc,' -e 's,^grub_probe=.*,grub_probe=%s/tools/grub-probe,' "
	    "    /usr/sbin/grub-mkconfig >tools/grub-mkconfig && "
	    "sed -i -e 's,/boot/vmlinuz-,%s&,g' etc/grub.d/10_linux && chmod 755 tools/* && "
	    ": >boot/vmlinuz-6.1.0-8-amd64 && : >boot/vmlinuz-6.1.0-9-amd64 && : >boot/initrd.img-6.1.0-9-amd64",
	    root, root, root, root);
	make_file("/tools/grub-probe",
	          "#!/bin/sh\ncase \"$*\" in\n*target=device*) echo /dev/vda1 ;;\n*fs_uuid*) echo 0000-1111 ;;\n"
	          "*target=fs*) echo ext2 ;;\n*partuuid*) echo 2222 ;;\n*hints_string*|*bios_hints*) ;;\n"
	          "*) echo '' ;;\nesac\n",
	          0755);
	make_file("/tools/lsb_release", "#!/bin/sh\necho Debian\n", 0755);
	make_file("/etc/default/grub",
	          "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT='quiet "
	          "splash'\nGRUB_CMDLINE_LINUX='console=ttyS0'\n",
	          0644);
}

static unsigned
count(const char *text, const char *what)
{
	unsigned cnt = 0;
	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		cnt++;
	return cnt;
}

static void
the_real_grub_keeps_the_way_back(void **state)
{
	char text[BH_GRUB_TEXT_BYTES], *before;
	(void)state;
	if (access("/usr/sbin/grub-mkconfig", X_OK) != 0 || access("/usr/bin/grub-script-check", X_OK) != 0) {
		print_message("package grub-common is not installed\n");
		skip();
	}
	setenv("EUID", "0", 1); /* it asks no more than that */
	make_real_tools();
	if (generate("") != 0)
		fail_msg("%s", error.text);
	before = strdup(cfg);
	assert_int_equal(count(cfg, "ro console=ttyS0 quiet splash\n"), 3); /* one simple, two advanced */
	assert_int_equal(bh_grub_dropin_text(PARAMS, text, sizeof(text), &error), 0);
	make_file(BH_GRUB_DROPIN_PATH, text, 0644);
	assert_int_equal(generate(PARAMS), -EINVAL); /* no way back yet */
	make_file(BH_GRUB_ENTRY_PATH, bh_grub_entry_text(), BH_GRUB_ENTRY_MODE);
	/* Somebody's later file adds something: it stays in both. */
	make_file("/etc/default/grub.d/99-late.cfg",
	          "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT panic=5\"\n", 0644);
	if (generate(PARAMS) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(count(cfg, "ro console=ttyS0 quiet splash " PARAMS " panic=5\n"), 3);
	assert_int_equal(count(cfg, "ro console=ttyS0 quiet splash panic=5\n"), 2);
	assert_int_equal(count(cfg, "-recovery-"), 2);
	assert_int_equal(count(cfg, "submenu 'Linux without the parameters of bulkhead'"), 1);
	/* Restored: first the drop-in, killed, later the rest. */
	run("rm %s%s %s/etc/default/grub.d/99-late.cfg", root, BH_GRUB_DROPIN_PATH, root);
	assert_int_equal(generate(""), 0);
	assert_int_equal(count(cfg, "bulkhead-without"), 0);
	run("rm %s%s", root, BH_GRUB_ENTRY_PATH);
	assert_int_equal(generate(""), 0);
	assert_string_equal(cfg, before);
	free(before);
	unsetenv("EUID");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(hostile_parameters_are_refused),   TEST(the_drop_in_appends),
	        TEST(tools_that_are_missing_are_named), TEST(tools_that_fail_are_quoted),
	        TEST(configurations_that_do_not_pass),  TEST(good_ones_pass),
	        TEST(boot_loaders_are_told_apart),      TEST(the_real_grub_keeps_the_way_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
