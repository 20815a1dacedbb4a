/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One machine over three boots: as it came; partitioned live, then full; with the new kernel command line; and given back. Runs on the
 * host and starts a lab for each boot; /var/lib/bulkhead, /etc and /boot are carried from one to the next. GRUB's own
 * grub-mkconfig, 10_linux and grub-script-check make the menu; only the probe of disks is made up, and the kernel's command
 * line is taken from the menu that they made.
 *
 * test_partition_boots BULKHEAD         on the host
 * test_partition_boots inside STAGE     in the machine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/inside.h"
#include "tests/lab/lab_host.h"
#include "tests/lab/snapshot.h"

#define CONFIG "/etc/bulkhead/x.conf"
#define CFG    "/boot/grub/grub.cfg"
#define BEFORE "/boot/before" /* the snapshot, carried along; not in it */

/* ---- in the machine ---- */

static const char *stage;

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int
run(const char *command)
{
	struct command_result result;
	inside_run_for(&result, 90000, "%s", command);
	int code = result.exit_code;
	command_result_free(&result);
	return code;
}

/* What grub-mkconfig asks of grub-probe: the lab has no disk that its root lies on. */
static void
make_grub(void)
{
	inside_ok("mkdir -p /etc/default/grub.d /etc/bulkhead /boot/grub; touch /boot/vmlinuz-$(uname -r)");
	write_file("/usr/sbin/grub-probe", "#!/bin/sh\ncase \"$*\" in\n*target=fs*) echo ext2 ;;\n*uuid*) exit 1 ;;\n"
	                                   "*device*) echo /dev/vda1 ;;\n*) exit 1 ;;\nesac\n");
	write_file("/usr/bin/grub-mkrelpath", "#!/bin/sh\necho \"$1\"\n");
	inside_ok("chmod 755 /usr/sbin/grub-probe /usr/bin/grub-mkrelpath");
	write_file("/etc/default/grub",
	           "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\nGRUB_DISABLE_OS_PROBER=true\n");
	write_file(CONFIG, "[partition]\ncpus = 2-3\nhugepages = 8\nafter_boot = reapply\n");
	inside_ok("grub-mkconfig -o " CFG);
}

/* Work for Linux's CPUs while noise measures: a busy loop, disk and network traffic, timers. */
static void
make_load_script(void)
{
	write_file("/run/load.sh",
	           "#!/bin/sh\n(while :; do :; done) &\n"
	           "(while :; do dd if=/dev/nvme0n1 of=/dev/null bs=64k iflag=direct 2> /dev/null; done) &\n"
	           "(while :; do ping -q -c 200 -i 0.01 127.0.0.1 > /dev/null; done) &\n"
	           "while :; do usleep 2000; done\n");
	inside_ok("modprobe nvme; ifconfig lo up");
}

/* A core of Linux and one of the cells, in the same run. */
static void
noise_under_load(void)
{
	assert_int_equal(
	        run("setsid sh /run/load.sh & pid=$!; bulkhead noise --cpus 1,3 --duration 3s --compare; code=$?; "
	            "kill -- -$pid; exit $code"),
	        0);
}

static void
test_first_boot(void **state)
{
	(void)state;
	make_grub();
	char *before = snapshot_take();
	write_file(BEFORE, before);
	free(before);
	make_load_script();
	assert_int_equal(run("bulkhead doctor " CONFIG), 3);
	noise_under_load();
	assert_int_equal(run("bulkhead apply " CONFIG " --yes"), 0);
	assert_int_equal(run("bulkhead status"), 0);
	assert_int_equal(run("bulkhead doctor " CONFIG), 0);
	noise_under_load();
	assert_int_equal(run("bulkhead plan " CONFIG " --level full"), 0);
	assert_int_equal(run("bulkhead apply " CONFIG " --level full --yes"), 5);
	assert_int_equal(run("bulkhead apply " CONFIG " --level full --yes"), 5); /* twice changes nothing */
	assert_int_equal(run("grub-script-check " CFG " && grep -c isolcpus=managed_irq,domain,2-3 " CFG), 0);
	assert_int_equal(run("grep -A30 bulkhead-without " CFG " | grep -c 'linux.*quiet'"), 0);
}

static void
test_second_boot(void **state)
{
	(void)state;
	make_load_script();
	assert_int_equal(run("grep -c nohz_full=2-3 /proc/cmdline"), 0);
	assert_int_equal(run("bulkhead status"), 3); /* the live part went with the boot */
	assert_int_equal(run("bulkhead restore --boot"), 0);
	assert_int_equal(run("bulkhead status"), 0);
	assert_int_equal(run("bulkhead doctor " CONFIG), 0);
	noise_under_load();
	assert_int_equal(run("bulkhead restore"), 0);
	assert_int_equal(run("bulkhead status"), 0);
	assert_int_equal(run("grep -r isolcpus /boot/grub /etc/default/grub* /etc/grub.d"), 1);
}

static void
test_third_boot(void **state)
{
	(void)state;
	FILE *file = fopen(BEFORE, "re");
	static char before[1 << 20];
	assert_non_null(file);
	before[fread(before, 1, sizeof(before) - 1, file)] = '\0';
	fclose(file);
	assert_true(snapshot_is(before));
	assert_int_not_equal(access("/var/lib/bulkhead/journal", F_OK), 0);
}

/* A folder, to be carried to the next boot, and from the one before. */
static int
inside(void)
{
	const struct CMUnitTest first[] = {cmocka_unit_test(test_first_boot)};
	const struct CMUnitTest second[] = {cmocka_unit_test(test_second_boot)};
	const struct CMUnitTest third[] = {cmocka_unit_test(test_third_boot)};
	if (access("/state.tar", F_OK) == 0 && system("tar -C / -xf /state.tar") != 0)
		return 1;
	int err = stage[0] == '1'   ? cmocka_run_group_tests(first, NULL, NULL)
	          : stage[0] == '2' ? cmocka_run_group_tests(second, NULL, NULL)
	                            : cmocka_run_group_tests(third, NULL, NULL);
	return system("mkdir -p /state /var/lib/bulkhead; tar -C / -cf /state/state.tar var/lib/bulkhead etc/default "
	              "etc/grub.d "
	              "etc/bulkhead boot usr/sbin/grub-probe usr/bin/grub-mkrelpath") == 0
	               ? err
	               : 1;
}

/* ---- on the host ---- */

#define TOOLS                                                                                                          \
	"--copy /usr/sbin/grub-mkconfig:/usr/sbin/grub-mkconfig --copy "                                               \
	"/usr/bin/grub-script-check:/usr/bin/grub-script-check "                                                       \
	"--copy /usr/share/grub/grub-mkconfig_lib:/usr/share/grub/grub-mkconfig_lib "

static void
boot(int number, const char *append)
{
	char copy[200] = "--copy /etc/grub.d/10_linux:/etc/grub.d/10_linux";
	if (number > 1)
		snprintf(copy, sizeof(copy), "--copy $D/state.tar:/state.tar");
	int code = -1;
	bool hung = true;
	/*
	 * Under this load the emulator stands still now and then (E217), or until its time is over (E214). That boot is
	 * made once more, twice at most, and told.
	 */
	for (int attempt = 0; attempt < 3 && hung; attempt++) {
		code = lab_sh("$LAB run --no-fio --isolate '' --nvme 64M " TOOLS
		              "%s --get /state:$D --append '%s' --timeout 120s -- "
		              "test_partition_boots inside %d",
		              copy, append, number);
		hung = strstr(lab.err, "BH-E217") != NULL || strstr(lab.err, "BH-E214") != NULL;
		printf("%s%s", lab.out, code != 0 ? lab.err : "");
	}
	fflush(stdout);
	assert_int_equal(code, 0);
}

/* The arguments of the menu's first entry, without its root. */
static void
menu_arguments(char *out, size_t out_bytes)
{
	assert_int_equal(
	        lab_sh("tar -C $D -xf $D/state.tar boot/grub/grub.cfg && "
	               "sed -n 's/^[[:space:]]*linux[[:space:]]*[^ ]* root=[^ ]* //p' $D/boot/grub/grub.cfg | head -1"),
	        0);
	snprintf(out, out_bytes, "%s", lab.out);
	out[strcspn(out, "\n")] = '\0';
}

static void
three_boots(void **state)
{
	char append[1024];
	(void)state;
	boot(1, "ro quiet");
	menu_arguments(append, sizeof(append));
	assert_non_null(
	        strstr(append, "quiet isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1"));
	boot(2, append);
	menu_arguments(append, sizeof(append));
	assert_null(strstr(append, "isolcpus"));
	boot(3, "ro quiet");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(three_boots, lab_setup, lab_teardown)};
	if (argc == 3 && strcmp(argv[1], "inside") == 0) {
		stage = argv[2];
		return inside();
	}
	if (argc != 2)
		return 2;
	lab_program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
