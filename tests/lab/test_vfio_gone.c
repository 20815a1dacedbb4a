/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that goes while a cell works with it: unbound from vfio-pci, switched off by its slot, pulled. The cell is ended with an
 * outcome that says so, and the kernel can go on with what it was about to do.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/inside.h"

static char nvme[16];

/* Runs `what` in the background after a second under load, and the bench until it ends; at most 30 s. */
static void
run_and(const char *what, struct command_result *out)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Once the device works: it is a bus master. */
		for (int i = 0; i < 200 && (inside_command_register(nvme) & 4) == 0; i++)
			usleep(50000);
		sleep(1);
		execl("/bin/sh", "sh", "-c", what, NULL);
		_exit(127);
	}
	inside_run(out,
	           "bulkhead run /lab/examples/nvme-bench.conf --set device.nvme0.backend=vfio --set cell.arena=16M "
	           "--set cell.pages=normal --json --duration 30s --set device.nvme0.address=%s",
	           nvme);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
check_gone(struct command_result *result, const char *text)
{
	assert_int_equal(result->exit_code, 1);
	assert_non_null(strstr(result->out, "\"outcome\": \"device-gone\""));
	assert_non_null(strstr(result->err, "(BH-E085)"));
	assert_non_null(strstr(result->err, nvme));
	assert_non_null(strstr(result->err, text));
	command_result_free(result);
}

static void
check_runs(void)
{
	inside_ok("bulkhead run /lab/examples/nvme-bench.conf --set device.nvme0.backend=vfio --set cell.arena=16M "
	          "--quiet "
	          "--set cell.pages=normal --duration 200ms --set device.nvme0.address=%s",
	          nvme);
}

static void
test_unbound(void **state)
{
	struct command_result result;
	char what[128];
	(void)state;
	check_runs();
	snprintf(what, sizeof(what), "echo %s > /sys/bus/pci/drivers/vfio-pci/unbind", nvme);
	run_and(what, &result);
	check_gone(&result, "the host asked for it back");
	inside_ok("test ! -e /sys/bus/pci/devices/%s/driver", nvme);
	inside_bind(nvme, "nvme"); /* and Linux's own driver can use it */
	inside_ok("for i in $(seq 100); do test -b /dev/nvme0n1 && break; sleep 0.1; done; "
	          "dd if=/dev/nvme0n1 of=/dev/null bs=1M count=4");
	inside_bind(nvme, "vfio-pci");
	check_runs();
}

static void
test_unplugged(void **state)
{
	struct command_result result;
	(void)state;
	run_and("lab-ctl unplug nvme0", &result);
	check_gone(&result, "it is being unplugged");
	assert_true(inside_wait_gone(nvme, 20000));
	inside_run(&result,
	           "bulkhead run /lab/examples/nvme-bench.conf --set device.nvme0.backend=vfio --duration 200ms "
	           "--set device.nvme0.address=%s",
	           nvme);
	assert_int_equal(result.exit_code, 2);
	assert_non_null(strstr(result.err, "(BH-E100)"));
	command_result_free(&result);
}

static int
find_nvme(void **state)
{
	(void)state;
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1");
	inside_bind(inside_find("0x010802", 0, nvme), "vfio-pci");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_unbound),
	        cmocka_unit_test(test_unplugged),
	};
	return cmocka_run_group_tests(tests, find_nvme, NULL);
}
