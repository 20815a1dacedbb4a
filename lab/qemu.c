/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine: q35, an IOMMU, each device behind a PCIe root port of its own, so that each has its own IOMMU group, its own
 * address (the first drive 01:00.0, ...) and can be unplugged. All streams are socket pairs that QEMU inherits: nothing has a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/init/protocol.h"
#include "lab/internal.h"

#define ARGUMENTS_MAX 512u
#define FIRST_SLOT    4u /* below: what the machine has of its own, and the streams */

static bool
kvm_works(const char **out_why)
{
	*out_why = "there is no /dev/kvm";
	if (access("/dev/kvm", F_OK) != 0)
		return false;
	*out_why = "/dev/kvm cannot be opened";
	if (access("/dev/kvm", R_OK | W_OK) != 0)
		return false;
	*out_why = "neither kvm_intel nor kvm_amd is loaded: a nested /dev/kvm, which hangs stock kernels";
	return access("/sys/module/kvm_intel", F_OK) == 0 || access("/sys/module/kvm_amd", F_OK) == 0;
}

int
bh_lab_accel_choose(struct bh_lab_machine *machine, struct bh_error *error)
{
	const char *why;
	bool kvm = kvm_works(&why);
	if (machine->options.accel == BH_LAB_ACCEL_KVM && !kvm)
		return bh_error_set(error, "E208", -ENODEV, "--accel kvm: %s; use --accel tcg (emulation, slower)",
		                    why);
	kvm = kvm && machine->options.accel != BH_LAB_ACCEL_TCG;
	snprintf(machine->accel, sizeof(machine->accel), "%s", kvm ? "kvm" : "tcg");
	snprintf(machine->accel_why, sizeof(machine->accel_why), "%s",
	         kvm                                          ? "/dev/kvm works"
	         : machine->options.accel == BH_LAB_ACCEL_TCG ? "asked for"
	                                                      : why);
	return 0;
}

/* Room is for ARGUMENTS_MAX; what does not fit ends the machine before it starts, in bh_lab_qemu_arguments. */
void
bh_lab_add(struct bh_lab_machine *machine, const char *format, ...)
{
	va_list args;
	char *text = NULL;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (machine->argv_cnt < ARGUMENTS_MAX)
		machine->argv[machine->argv_cnt++] = text;
	else
		free(text);
}

static void
add_machine(struct bh_lab_machine *machine)
{
	const struct bh_lab_options *options = &machine->options;
	bool kvm = strcmp(machine->accel, "kvm") == 0;
	bh_lab_add(machine, "%s", machine->qemu);
	bh_lab_add(machine, "-nodefaults");
	bh_lab_add(machine, "-no-user-config");
	bh_lab_add(machine, "-no-reboot");
	bh_lab_add(machine, "-display");
	bh_lab_add(machine, "none");
	bh_lab_add(machine, "-name");
	bh_lab_add(machine, "bulkhead-lab");
	bh_lab_add(machine, "-M");
	bh_lab_add(machine, "q35,kernel-irqchip=split");
	bh_lab_add(machine, "-accel");
	bh_lab_add(machine, "%s", kvm ? "kvm" : "tcg,thread=multi");
	bh_lab_add(machine, "-cpu");
	bh_lab_add(machine, "%s", kvm ? "host" : "max");
	bh_lab_add(machine, "-smp");
	bh_lab_add(machine, "%u", options->cpu_cnt);
	bh_lab_add(machine, "-m");
	bh_lab_add(machine, "%luM", options->memory_bytes >> 20);
	if (options->iommu != BH_LAB_IOMMU_NONE) {
		bh_lab_add(machine, "-device");
		bh_lab_add(machine, "%s",
		           options->iommu == BH_LAB_IOMMU_INTEL ? "intel-iommu,intremap=on" : "amd-iommu,intremap=on");
	}
}

static void
add_chardev(struct bh_lab_machine *machine, enum bh_lab_stream stream, const char *id)
{
	bh_lab_add(machine, "-chardev");
	bh_lab_add(machine, "socket,id=%s,fd=%d", id, machine->qemu_fd[stream]);
}

static void
add_port(struct bh_lab_machine *machine, enum bh_lab_stream stream, const char *id, const char *name)
{
	add_chardev(machine, stream, id);
	bh_lab_add(machine, "-device");
	bh_lab_add(machine, "virtserialport,chardev=%s,name=%s", id, name);
}

static void
add_streams(struct bh_lab_machine *machine)
{
	char id[16], name[32];
	add_chardev(machine, BH_LAB_CONSOLE, "console");
	bh_lab_add(machine, "-serial");
	bh_lab_add(machine, "chardev:console");
	add_chardev(machine, BH_LAB_QMP, "qmp");
	bh_lab_add(machine, "-mon");
	bh_lab_add(machine, "chardev=qmp,mode=control");
	/* Few queues and no eventfds: QEMU's main loop polls each at every turn, and the drives are served by that loop. */
	bh_lab_add(machine, "-device");
	bh_lab_add(machine, "virtio-serial-pci,max_ports=%u,ioeventfd=off,vectors=2,addr=0x3",
	           6 + machine->options.get_cnt);
	add_chardev(machine, BH_LAB_TTY, "tty");
	bh_lab_add(machine, "-device");
	bh_lab_add(machine, "virtconsole,chardev=tty");
	add_port(machine, BH_LAB_OUT, "out", LAB_PORT_OUT);
	add_port(machine, BH_LAB_ERR, "err", LAB_PORT_ERR);
	add_port(machine, BH_LAB_CTL, "ctl", LAB_PORT_CTL);
	for (uint32_t i = 0; i < machine->options.get_cnt; i++) {
		snprintf(id, sizeof(id), "get%u", i);
		snprintf(name, sizeof(name), LAB_PORT_GET "%u", i);
		add_port(machine, BH_LAB_GET + i, id, name);
	}
}

/*
 * A root port for each. QEMU's AMD IOMMU (up to 10.1) takes each device for one of bus 0 (amdvi_host_dma_iommu asks for the bus
 * number before the guest has given any), so that no DMA behind a port arrives: there, devices sit on the root bus.
 */
const char *
bh_lab_slot(struct bh_lab_machine *machine, unsigned idx)
{
	static char text[32];
	if (machine->options.iommu == BH_LAB_IOMMU_AMD) {
		snprintf(text, sizeof(text), "bus=pcie.0,addr=0x%x", FIRST_SLOT + idx);
		return text;
	}
	bh_lab_add(machine, "-device");
	bh_lab_add(machine, "pcie-root-port,id=port%u,chassis=%u,slot=%u,addr=0x%x", idx, idx + 1, idx + 1,
	           FIRST_SLOT + idx);
	snprintf(text, sizeof(text), "bus=port%u", idx);
	return text;
}

const char *
bh_lab_device(const struct bh_lab_machine *machine, const char *id)
{
	char wanted[32];
	if ((strncmp(id, "nvme", 4) != 0 && strncmp(id, "nic", 3) != 0) || strchr(id, ',') != NULL ||
	    (size_t)snprintf(wanted, sizeof(wanted), ",id=%s,", id) >= sizeof(wanted))
		return NULL;
	for (size_t i = 0; i < machine->own_cnt; i++) {
		if (strstr(machine->argv[i], wanted) != NULL)
			return machine->argv[i];
	}
	return NULL;
}

static void
add_kernel(struct bh_lab_machine *machine)
{
	const struct bh_lab_options *options = &machine->options;
	char isolate[512] = "", hugepages[64] = "";
	/* amd_iommu=on is no option: it is on where there is one. */
	static const char *const iommu[] = {"intel_iommu=on", "amd_iommu=force_isolation",
	                                    "intel_iommu=off amd_iommu=off"};
	if (options->isolate[0] != '\0')
		snprintf(isolate, sizeof(isolate),
		         " isolcpus=managed_irq,domain,%.100s nohz_full=%.100s rcu_nocbs=%.100s", options->isolate,
		         options->isolate, options->isolate);
	if (options->hugepage_cnt > 0)
		snprintf(hugepages, sizeof(hugepages), " hugepagesz=2M hugepages=%u", options->hugepage_cnt);
	bh_lab_add(machine, "-kernel");
	bh_lab_add(machine, "%s", machine->kernel.image);
	bh_lab_add(machine, "-initrd");
	bh_lab_add(machine, "%s/initramfs", machine->folder.path);
	bh_lab_add(machine, "-append");
	/* The emulator's counter is the host's, equal on every CPU, which the kernel cannot know: tsc=reliable tells it. */
	bh_lab_add(machine, "console=ttyS0 panic=-1 loglevel=5 tsc=reliable no_timer_check nokaslr %s%s%s%s%s",
	           iommu[options->iommu], isolate, hugepages, options->append[0] != '\0' ? " " : "", options->append);
	machine->own_cnt = machine->argv_cnt;
	for (uint32_t i = 0; i < options->qemu_cnt; i++)
		bh_lab_add(machine, "%s", options->qemu[i]);
}

static int
make_streams(struct bh_lab_machine *machine, struct bh_error *error)
{
	int ends[2];
	while (machine->stream_cnt < BH_LAB_GET + machine->options.get_cnt) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			return bh_error_set(error, "E203", -errno, "no socket pair: %s", strerror(errno));
		machine->stream[machine->stream_cnt] = (struct bh_lab_relay){.from = ends[0], .to = -1};
		machine->qemu_fd[machine->stream_cnt++] = ends[1];
	}
	machine->stream[BH_LAB_OUT].to = machine->stream[BH_LAB_TTY].to = STDOUT_FILENO;
	machine->stream[BH_LAB_ERR].to = STDERR_FILENO;
	machine->stream[BH_LAB_CONSOLE].to = machine->options.verbose ? STDERR_FILENO : -1;
	return 0;
}

int
bh_lab_qemu_arguments(struct bh_lab_machine *machine, struct bh_error *error)
{
	machine->argv = calloc(ARGUMENTS_MAX + 1, sizeof(*machine->argv));
	int err = machine->argv == NULL ? bh_error_set(error, "E203", -ENOMEM, "out of memory")
	                                : make_streams(machine, error);
	if (err != 0)
		return err;
	add_machine(machine);
	add_streams(machine);
	err = bh_lab_drives(machine, error);
	bh_lab_nics(machine);
	add_kernel(machine);
	if (err != 0)
		return err;
	for (size_t i = 0; i < machine->argv_cnt; i++) {
		if (machine->argv[i] == NULL)
			return bh_error_set(error, "E203", -ENOMEM, "out of memory");
	}
	if (machine->argv_cnt == ARGUMENTS_MAX)
		return bh_error_set(error, "E201", -E2BIG, "more than %u arguments for QEMU", ARGUMENTS_MAX);
	return 0;
}

int
bh_lab_qemu_start(struct bh_lab_machine *machine, struct bh_error *error)
{
	char path[PATH_MAX + 16];
	pid_t parent = getpid();
	snprintf(path, sizeof(path), "%s/qemu.log", machine->folder.path);
	machine->log_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (machine->log_fd < 0)
		return bh_error_set(error, "E204", -errno, "cannot write %.300s: %s", path, strerror(errno));
	machine->pid = fork();
	if (machine->pid < 0)
		return bh_error_set(error, "E203", -errno, "cannot start QEMU: %s", strerror(errno));
	if (machine->pid == 0) {
		sigprocmask(SIG_SETMASK, &machine->signals.mask_before, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0); /* Ctrl-C is ours to handle */
		if (getppid() != parent)
			_exit(127);
		for (uint32_t i = 0; i < machine->stream_cnt; i++)
			fcntl(machine->qemu_fd[i], F_SETFD, 0);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDIN_FILENO);
		/* What it says is shown where it matters: when the machine does not come up, or with --verbose. */
		if (!machine->options.verbose)
			dup2(machine->log_fd, STDERR_FILENO);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execv(machine->qemu, machine->argv);
		_exit(127);
	}
	for (uint32_t i = 0; i < machine->stream_cnt; i++) {
		close(machine->qemu_fd[i]);
		machine->qemu_fd[i] = -1;
	}
	return 0;
}
