/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each layer of VFIO that can be missing, on a real kernel: what `bulkhead run` says, and how it exits. The machine has an NVMe
 * drive behind a port of its own, and a slot with an NVMe drive and a network card, which no IOMMU can tell apart.
 *
 * test_vfio_refuse            all layers, one after the other, on a machine that has what it takes
 * test_vfio_refuse ID TEXT    on a machine that lacks it from the boot on: exit code 4, BH-ID and TEXT
 * test_vfio_refuse --without WHAT COMMAND...    runs the command with less than root has: file, memlock
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
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/capability.h>

#include "tests/lab/inside.h"

#define RUN                                                                                                            \
	"bulkhead run /lab/examples/nvme-bench.conf --set device.nvme0.backend=vfio --set cell.arena=16M --duration "  \
	"200ms"
#define WITHOUT "/proc/%d/exe --without %s "

static char nvme[16], shared_nvme[16], shared_nic[16];
static const char *missing_id, *missing_text;

/* `bulkhead run` on an address, perhaps behind a wrapper: its exit code, the id and two parts of the message. */
static void
check(const char *wrapper, const char *address, int exit_code, const char *id, const char *part, const char *more)
{
	struct command_result result;
	char want[16];
	inside_run(&result, "%s" RUN " --set device.nvme0.address=%s", wrapper, address);
	assert_int_equal(result.exit_code, exit_code);
	snprintf(want, sizeof(want), "(BH-%s)", id);
	assert_non_null(strstr(result.err, want));
	assert_non_null(strstr(result.err, part));
	assert_non_null(strstr(result.err, more));
	command_result_free(&result);
}

static void
check_runs(const char *address)
{
	struct command_result result;
	inside_run(&result, RUN " --json --set device.nvme0.address=%s", address);
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.out, "\"outcome\": \"done\""));
	assert_non_null(strstr(result.out, "nvme0: quiesce    done"));
	assert_non_null(strstr(result.out, "nvme0: controller done"));
	assert_null(strstr(result.out, "give-up"));
	command_result_free(&result);
	assert_int_equal(inside_command_register(address) & 4, 0);
}

static void
test_modules(void **state)
{
	(void)state;
	check("", nvme, 1, "E106", "module vfio is not loaded", "modprobe vfio-pci");
	inside_ok("modprobe vfio");
	check("", nvme, 1, "E107", "module vfio-pci is not loaded", "modprobe vfio-pci");
	inside_ok("modprobe vfio-pci");
	if (access("/sys/module/vfio_iommu_type1", F_OK) != 0)
		check("", nvme, 1, "E108", "vfio_iommu_type1 is not loaded", "modprobe vfio_iommu_type1");
	inside_ok("modprobe vfio_iommu_type1");
}

static void
test_addresses(void **state)
{
	(void)state;
	check("", "1:0", 2, "E016", "no PCI address", "0000:01:00.0");
	check("", "0000:7f:1f.7", 2, "E100", "0000:7f:1f.7", nvme);
	check("", shared_nic, 1, "E109", "driver e1000e", "bulkhead bind");
}

static void
test_binding(void **state)
{
	char bind[64];
	(void)state;
	snprintf(bind, sizeof(bind), "bulkhead bind %s", nvme);
	check("", nvme, 1, "E109", "Linux drives it (driver nvme)", bind);
	inside_bind(nvme, "");
	check("", nvme, 1, "E109", "no driver", bind);
	inside_bind(nvme, "vfio-pci");
}

static void
test_group_is_not_viable(void **state)
{
	char member[64];
	(void)state;
	assert_int_equal(inside_group(shared_nvme), inside_group(shared_nic));
	inside_bind(shared_nvme, "vfio-pci");
	snprintf(member, sizeof(member), "%s (driver e1000e)", shared_nic);
	check("", shared_nvme, 1, "E115", member, "bulkhead bind");
	/* A member without a driver is in nobody's way; one of vfio-pci neither, but it is no NVMe drive. */
	inside_bind(shared_nic, "");
	check_runs(shared_nvme);
	inside_bind(shared_nic, "vfio-pci");
	check_runs(shared_nvme);
	check("", shared_nic, 2, "E135", "network", "model");
}

static void
test_unsafe_interrupts(void **state)
{
	const char *file = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
	(void)state;
	inside_ok("echo Y > %s", file);
	check("", nvme, 4, "E110", "refused", "echo N");
	inside_ok("test $(cat %s) = Y", file); /* not ours to change */
	inside_ok("echo N > %s", file);
	check_runs(nvme);
	inside_ok("test $(cat %s) = N", file);
}

static void
test_nodes(void **state)
{
	int group = inside_group(nvme);
	(void)state;
	inside_ok("mv /dev/vfio/%d /dev/vfio/aside", group);
	check("", nvme, 1, "E112", "is missing", "devtmpfs");
	inside_ok("mv /dev/vfio/aside /dev/vfio/%d", group);
	inside_ok("mv /dev/vfio/vfio /dev/vfio/aside");
	check("", nvme, 1, "E111", "/dev/vfio/vfio is missing", "devtmpfs");
	inside_ok("mv /dev/vfio/aside /dev/vfio/vfio");
}

static void
test_permission(void **state)
{
	char without[64];
	int group = inside_group(nvme);
	(void)state;
	snprintf(without, sizeof(without), WITHOUT, getpid(), "file");
	inside_ok("chown 1000:1000 /dev/vfio/%d && chmod 600 /dev/vfio/%d", group, group);
	check(without, nvme, 1, "E113", "no permission on /dev/vfio/", "as root");
	inside_ok("chown 0:0 /dev/vfio/%d", group);
}

static void
test_locked_memory(void **state)
{
	char without[64];
	(void)state;
	snprintf(without, sizeof(without), WITHOUT, getpid(), "memlock");
	check(without, nvme, 1, "E123", "16384 KiB of DMA memory cannot be pinned", "8192 KiB (RLIMIT_MEMLOCK)");
	check(without, nvme, 1, "E123", "ulimit -l", "CAP_IPC_LOCK");
}

static void
test_mapping_count(void **state)
{
	const char *file = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
	(void)state;
	inside_ok("echo 0 > %s", file);
	check("", nvme, 1, "E122", "allows a container 0 mappings", "(0 when it was opened)");
	inside_ok("echo 65535 > %s", file);
}

/* Somebody else has it; it says who, and the moment he is gone it works. */
static void
test_in_use(void **state)
{
	char path[32], holder[128];
	(void)state;
	snprintf(path, sizeof(path), "/dev/vfio/%d", inside_group(nvme));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (open(path, O_RDWR) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	usleep(200000);
	snprintf(holder, sizeof(holder), "pid %d (test_vfio_refus) has %s open", child,
	         path); /* the kernel keeps 15 bytes of a name */
	check("", nvme, 1, "E114", "in use", holder);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	check_runs(nvme);
}

static void
test_refused_from_the_boot_on(void **state)
{
	(void)state;
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1");
	if (strcmp(missing_id, "E116") == 0)
		inside_bind(nvme, "vfio-pci");
	check("", nvme, 4, missing_id, "refused", missing_text);
	inside_ok("! grep -q Y /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
}

static int
find_devices(void **state)
{
	(void)state;
	inside_find("0x010802", 0, nvme);
	inside_find("0x010802", 1, shared_nvme);
	inside_find("0x0200", 0, shared_nic);
	inside_ok("modprobe e1000e");
	return 0;
}

static int
find_nvme(void **state)
{
	(void)state;
	inside_find("0x010802", 0, nvme);
	return 0;
}

static int
without(char **argv)
{
	const struct rlimit limit = {8 << 20, 8 << 20};
	if (strcmp(argv[0], "file") == 0 && (prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) != 0 ||
	                                     prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0) != 0))
		return 99;
	if (strcmp(argv[0], "memlock") == 0 &&
	    (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) != 0))
		return 99;
	execvp(argv[1], argv + 1);
	return 98;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest layers[] = {
	        cmocka_unit_test(test_modules),           cmocka_unit_test(test_addresses),
	        cmocka_unit_test(test_binding),           cmocka_unit_test(test_group_is_not_viable),
	        cmocka_unit_test(test_unsafe_interrupts), cmocka_unit_test(test_nodes),
	        cmocka_unit_test(test_permission),        cmocka_unit_test(test_locked_memory),
	        cmocka_unit_test(test_mapping_count),     cmocka_unit_test(test_in_use),
	};
	const struct CMUnitTest missing[] = {cmocka_unit_test(test_refused_from_the_boot_on)};
	if (argc > 3 && strcmp(argv[1], "--without") == 0)
		return without(argv + 2);
	if (argc != 3)
		return cmocka_run_group_tests(layers, find_devices, NULL);
	missing_id = argv[1];
	missing_text = argv[2];
	return cmocka_run_group_tests(missing, find_nvme, NULL);
}
