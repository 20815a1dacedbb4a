/* SPDX-License-Identifier: Apache-2.0 */
/* On the host: what ends the lab before a machine is there, each with its message; and where the kernel comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/lab_host.h"

static void
test_usage(void **state)
{
	static const char *const bad[] = {"",
	                                  "fly",
	                                  "run",
	                                  "run --",
	                                  "run --fly -- true",
	                                  "run --nvme 1X -- true",
	                                  "run --nvme 64M --nvme 64M,serial=bulkhead0 -- true",
	                                  "run --iommu arm -- true",
	                                  "run --accel fast -- true",
	                                  "run --cpus 65 -- true",
	                                  "run --cpus 2 --isolate 2 -- true",
	                                  "run --isolate 0-3 -- true",
	                                  "run --memory 12 -- true",
	                                  "run --hugepages 4000 -- true",
	                                  "run --copy x -- true",
	                                  "run --get x -- true",
	                                  "run --timeout soon -- true",
	                                  "run --kernel /boot/bzImage -- true",
	                                  "shell true",
	                                  "shell </dev/null"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (lab_sh("$LAB %s", bad[i]) != 2)
			fail_msg("'%s' ended with %d", bad[i], lab.exit_code);
		assert_string_equal(lab.out, "");
		assert_string_not_equal(lab.err, "");
	}
	assert_int_equal(lab_sh("$LAB --help"), 0);
	assert_non_null(strstr(lab.out, "--nvme"));
	assert_int_equal(lab_sh("$LAB run --help"), 0);
	lab_nothing_left();
}

static void
test_missing_tools(void **state)
{
	assert_int_equal(lab_sh("env PATH=/nowhere $LAB run -- true"), 1);
	lab_wants("apt-get install --no-install-recommends qemu-system-x86 (BH-E202)");
	/* QEMU is there, busybox is not. */
	assert_int_equal(
	        lab_sh("mkdir bin; for p in qemu-system-x86_64 ldd tar; do ln -s $(command -v $p) bin/$p; done; "
	               "env PATH=$D/bin $LAB run -- true"),
	        1);
	lab_wants("apt-get install busybox-static (BH-E202)");
	/* One that is not static. */
	assert_int_equal(lab_sh("ln -s /bin/sh bin/busybox; env PATH=$D/bin $LAB run -- true"), 1);
	lab_wants("is not static");
	assert_int_equal(lab_sh("env TMPDIR=/nowhere $LAB run -- true"), 1);
	lab_wants("set TMPDIR to one that can be written (BH-E204)");
	lab_nothing_left();
}

static void
test_machines_that_cannot_be(void **state)
{
	assert_int_equal(lab_sh("$LAB run --nvme 900000G -- true"), 1);
	lab_wants("do not fit");
	lab_wants("(BH-E204)");
	assert_int_equal(lab_sh("$LAB run --nic e1000f -- true"), 1);
	lab_wants("has no such network card");
	lab_wants("(BH-E216)");
	if (lab_sh("qemu-system-x86_64 -device igb,help") != 0 || strstr(lab.out, "igb") == NULL) {
		assert_int_equal(lab_sh("$LAB run --nic igb -- true"), 1);
		lab_wants("it came with QEMU 8.0");
	}
	assert_int_equal(lab_sh("$LAB run --qemu -nonsense -- true"), 1);
	lab_wants("invalid option"); /* QEMU's own words */
	lab_wants("(BH-E209)");
	assert_int_equal(lab_sh("$LAB run --copy /nowhere/file:/x -- true"), 1);
	lab_wants("(BH-E207)");
	if (access("/sys/module/kvm_intel", F_OK) != 0 && access("/sys/module/kvm_amd", F_OK) != 0) {
		assert_int_equal(lab_sh("$LAB run --accel kvm -- true"), 1);
		lab_wants("(BH-E208)");
	}
	lab_nothing_left();
}

/* No network: apt's programs are ours, and count. QEMU is `true`: a machine that ends at once. */
static const char fake_tools[] =
        "mkdir bin; ln -s /bin/true bin/qemu-system-x86_64\n"
        "mkdir -p p/DEBIAN p/boot p/usr/share/doc p/lib/modules/6.1.0-99-amd64/kernel\n"
        "printf 'Package: linux-image-6.1.0-99-amd64\\nVersion: 1\\nArchitecture: amd64\\nMaintainer: x\\nDescription: "
        "x\\n' "
        ">p/DEBIAN/control\n"
        "echo image >p/boot/vmlinuz-6.1.0-99-amd64; echo config >p/boot/config-6.1.0-99-amd64; echo x "
        ">p/usr/share/doc/x\n"
        "touch p/lib/modules/6.1.0-99-amd64/modules.order p/lib/modules/6.1.0-99-amd64/modules.builtin\n"
        "dpkg-deb -b p k.deb >/dev/null\n"
        "printf '#!/bin/sh\\nprintf \"Package: x\\\\nDepends: linux-image-6.1.0-99-amd64 (= 1)\\\\n\"\\n' "
        ">bin/apt-cache\n"
        "printf '#!/bin/sh\\necho \"$@\" >>$D/calls\\n[ ! -e $D/offline ] || exit 100\\n[ \"$2\" != update ] || exit "
        "0\\n"
        "sleep 1\\ncp $D/k.deb linux-image_1_amd64.deb\\n' >bin/apt-get\n"
        "chmod +x bin/*; export PATH=$D/bin:$PATH; ";

static unsigned
downloads(void)
{
	unsigned cnt = 0;
	assert_int_equal(lab_sh("cat calls"), 0);
	for (const char *at = lab.out; (at = strstr(at, "download")) != NULL; at++)
		cnt++;
	return cnt;
}

static void
test_kernel_cache(void **state)
{
	static const char again[] = "export PATH=$D/bin:$PATH; $LAB run --cache $D/cache -- true";
	/* Two at once, from nothing: one fetches, the other waits. */
	assert_int_equal(
	        lab_sh("%s $LAB run --cache $D/cache -- true 2>other & $LAB run --cache $D/cache -- true; wait; cat "
	               "other >&2; ls cache",
	               fake_tools),
	        0);
	lab_wants("fetching Debian's linux-image-6.1.0-99-amd64");
	lab_wants("ended before it was up");
	assert_string_equal(lab.out, "6.1.0-99-amd64\nlock\n");
	assert_int_equal(downloads(), 1);
	assert_int_equal(lab_sh("cd cache/6.1.0-99-amd64; find . -type f | grep -v modules/ | sort"), 0);
	assert_string_equal(lab.out, "./config\n./vmlinuz\n./whole\n");
	/* It is there: no network. */
	assert_int_equal(lab_sh("touch offline; %s", again), 1);
	lab_wants("ended before it was up");
	assert_int_equal(downloads(), 1);
	/* It is damaged: without a network that is said, with one it heals. */
	assert_int_equal(lab_sh("echo >>cache/6.1.0-99-amd64/vmlinuz; mkdir cache/new.killed; %s", again), 1);
	lab_wants("(BH-E206)");
	assert_int_equal(lab_sh("rm offline; %s", again), 1);
	lab_wants("ended before it was up");
	assert_int_equal(lab_sh("cat cache/6.1.0-99-amd64/vmlinuz; ls cache"), 0);
	assert_string_equal(lab.out, "image\n6.1.0-99-amd64\nlock\n");
	lab_nothing_left();
}

/* SIGTERM while apt-get downloads: it ends, too. */
static void
test_interrupted_download(void **state)
{
	assert_int_equal(lab_sh("%s echo 'echo >$D/began; exec sleep 1000' >>bin/apt-get; rm k.deb\n"
	                        "$LAB run --cache $D/cache -- true & pid=$!\n"
	                        "i=0; while [ ! -e began ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done\n"
	                        "kill -TERM $pid; wait $pid; code=$?; ls cache; exit $code",
	                        fake_tools),
	                 1);
	lab_wants("ended by Terminated (BH-E212)");
	assert_string_equal(lab.out, "lock\n");
	lab_nothing_left();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_usage, lab_setup, lab_teardown),
	        cmocka_unit_test_setup_teardown(test_missing_tools, lab_setup, lab_teardown),
	        cmocka_unit_test_setup_teardown(test_machines_that_cannot_be, lab_setup, lab_teardown),
	        cmocka_unit_test_setup_teardown(test_kernel_cache, lab_setup, lab_teardown),
	        cmocka_unit_test_setup_teardown(test_interrupted_download, lab_setup, lab_teardown),
	};
	lab_program = argc > 1 ? argv[1] : "bulkhead";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
