/* SPDX-License-Identifier: Apache-2.0 */
/* On the host: machines as their user sees them. A boot takes seconds, so each machine is asked many things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lab/lab_host.h"

/* Said inside of the machine; each line of what is wrong goes to standard error. */
static const char inside[] =
        "want() { [ \"$2\" = \"$3\" ] || echo \"$1: '$2', not '$3'\" >&2; }\n"
        "want stdin \"$(readlink /proc/self/fd/0)\" /dev/null\n"
        "want isolated \"$(cat /sys/devices/system/cpu/isolated)\" 2-3\n"
        "want hugepages \"$(cat /proc/sys/vm/nr_hugepages)\" 64\n"
        "want cpus \"$(nproc --all)\" 4\n"
        "want loopback \"$(cat /sys/class/net/lo/flags)\" 0x9\n"
        "want serials \"$(cat /sys/class/nvme/nvme?/serial | tr -d ' ' | sort | tr '\\n' ' ')\" 'bulkhead0 mine '\n"
        "want block \"$(cat /sys/block/nvme0n2/queue/logical_block_size)\" 4096\n"
        "want addresses \"$(ls -d /sys/bus/pci/devices/0000:0[123]:00.0 | wc -l)\" 3\n"
        "want groups \"$(ls -d /sys/kernel/iommu_groups/*/devices/0000:0[123]:00.0 | cut -d/ -f5 | sort -u | wc -l)\" "
        "3\n"
        "want copied \"$(cat /some/where/file /tree/a/b)\" 'one\ntwo'\n"
        "want fio \"$(command -v fio)\" /usr/bin/fio\n"
        "want program \"$(/some/env A=1 | grep ^A)\" A=1\n"
        "lab-ctl unplug nvme1 || echo unplug >&2\n"
        "i=0; while [ -e /sys/bus/pci/devices/0000:02:00.0 ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done\n"
        "want unplugged \"$(ls /sys/bus/pci/devices | grep -c 02:00.0)\" 0\n"
        "lab-ctl plug nvme1 || echo plug >&2\n"
        "i=0; while [ ! -e /dev/nvme1n1 ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done\n"
        "want plugged \"$(cat /sys/class/nvme/nvme1/serial | tr -d ' ')\" mine\n"
        "want plug-twice \"$(lab-ctl plug nvme1 2>&1)\" \"lab-ctl: error Duplicate device ID 'nvme1'\"\n"
        "want plug-none \"$(lab-ctl unplug virtio 2>&1)\" 'lab-ctl: error the lab made no such device'\n"
        "bulkhead run /lab/examples/nvme-bench.conf --duration 1s --json >/tmp/run.json || echo bulkhead run: $? >&2\n"
        "grep -q iops /tmp/run.json || echo no figures >&2\n"
        "mkdir -p /out/sub; head -c 10000000 /dev/urandom >/out/sub/bytes; echo three >/out/three\n"
        "cat /out/sub/bytes; echo end >&2; kill -9 $$\n";

static void
test_everything(void **state)
{
	FILE *file;
	char path[128];
	snprintf(path, sizeof(path), "%s/inside", lab_folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(inside, file);
	fclose(file);
	int code = lab_sh("mkdir -p tree/a; echo one >file; echo two >tree/a/b\n"
	                  "$LAB run --nvme 64M,lba=4096,ns=2 --nvme 64M,serial=mine --nic e1000e --hugepages 64 --copy "
	                  "file:/some/where/file "
	                  "--copy tree:/tree --copy $(command -v env):/some/env --copy inside:/inside "
	                  "--get /out:$D/got --get /tmp/run.json:$D/got -- sh /inside >bytes");
	assert_string_equal(lab.err, "end\n");
	assert_int_equal(code, 128 + 9);
	/* Ten megabytes of anything, through the stream and through tar. */
	assert_int_equal(lab_sh("cmp bytes got/sub/bytes && stat -c %%s bytes && cat got/three && ls got"), 0);
	assert_string_equal(lab.out, "10000000\nthree\nrun.json\nsub\nthree\n");
	lab_nothing_left();
}

/* One machine panics while another runs on. */
static void
test_two_at_once(void **state)
{
	assert_int_equal(
	        lab_sh("$LAB run --no-fio -- sh -c 'echo c >/proc/sysrq-trigger; sleep 100' 2>panic & panic=$!\n"
	               "$LAB run --no-fio --iommu none --cpus 2 --get /nowhere:$D/got -- sh -c 'command -v fio; echo "
	               "out; exit 7'; code=$?\n"
	               "wait $panic; echo $?; exit $code"),
	        1);
	assert_string_equal(lab.out, "out\n1\n"); /* --get brought nothing, which outweighs a 7 */
	lab_wants("(BH-E215)");
	assert_int_equal(lab_sh("cat panic >&2"), 0);
	lab_wants("sysrq triggered crash");
	lab_wants("(BH-E211)");
	lab_nothing_left();
}

static const char until_up[] = "i=0; while ! grep -qs up out && [ $i -lt 1200 ]; do sleep 0.1; i=$((i+1)); done\n";

static void
test_signals(void **state)
{
	/* A signal, as Ctrl-C sends it (a shell's background job ignores SIGINT, so it is SIGHUP); then one that cannot be caught. */
	assert_int_equal(lab_sh("$LAB run --no-fio --nvme 64M -- sh -c 'echo up; sleep 1000' >out & pid=$!\n%s"
	                        "kill -HUP $pid; wait $pid",
	                        until_up),
	                 1);
	lab_wants("ended by Hangup (BH-E212)");
	lab_nothing_left();
	assert_int_equal(
	        lab_sh("rm out; $LAB run --no-fio -- sh -c 'echo up; sleep 1000' >out & pid=$!\n%s"
	               "kill -9 $pid; wait $pid; ls tmp | wc -l\n"
	               "i=0; while pgrep -f $D/tmp/bulkhead-lab && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done\n"
	               "$LAB run --no-fio --timeout 1s -- true; code=$?; ls tmp | wc -l; exit $code",
	               until_up),
	        1);
	assert_non_null(strstr(lab.out, "1\n"));
	lab_wants("did not come up within 1 s (BH-E210)"); /* the time is over */
	lab_nothing_left();                                /* what the killed one left, the next one removed */
}

/* Nobody reads any more: the command gets SIGPIPE. --keep keeps, and says where. */
static void
test_closed_pipe(void **state)
{
	assert_int_equal(
	        lab_sh("{ $LAB run --no-fio --keep --nvme 64M -- yes; echo $? >code; } | head -1; cat code; ls tmp/*; "
	               "rm -r tmp/*"),
	        0);
	assert_string_equal(lab.out, "y\n141\ncommand\ninitramfs\nnvme0.1\nqemu.log\n");
	lab_wants("lab: kept ");
	assert_int_equal(lab_sh("$LAB run --no-fio --timeout 10s -- sh -c 'echo up; sleep 1000'"), 1);
	lab_wants("within 10 s"); /* the command did not end (E214), or on a slow machine it was not up (E210) */
	lab_nothing_left();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_everything, lab_setup, lab_teardown),
	        cmocka_unit_test_setup_teardown(test_two_at_once, lab_setup, lab_teardown),
	        cmocka_unit_test_setup_teardown(test_signals, lab_setup, lab_teardown),
	        cmocka_unit_test_setup_teardown(test_closed_pipe, lab_setup, lab_teardown),
	};
	lab_program = argc > 1 ? argv[1] : "bulkhead";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
