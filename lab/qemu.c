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
#include <sys/statvfs.h>
#include <unistd.h>

#include "lab/init/protocol.h"
#include "lab/internal.h"

#define ARGUMENTS_MAX 512u

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
	if (machine->options->accel == BH_LAB_ACCEL_KVM && !kvm)
		return bh_error_set(error, "E208", -ENODEV, "--accel kvm: %s; use --accel tcg (emulation, slower)",
		                    why);
	kvm = kvm && machine->options->accel != BH_LAB_ACCEL_TCG;
	snprintf(machine->accel, sizeof(machine->accel), "%s", kvm ? "kvm" : "tcg");
	snprintf(machine->accel_why, sizeof(machine->accel_why), "%s",
	         kvm                                           ? "/dev/kvm works"
	         : machine->options->accel == BH_LAB_ACCEL_TCG ? "asked for"
	                                                       : why);
	return 0;
}

/* Room is for ARGUMENTS_MAX; what does not fit ends the machine before it starts, in bh_lab_qemu_arguments. */
BH_PRINTF(2, 3)
static void
add(struct bh_lab_machine *machine, const char *format, ...)
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
	const struct bh_lab_options *options = machine->options;
	bool kvm = strcmp(machine->accel, "kvm") == 0;
	add(machine, "%s", machine->qemu);
	add(machine, "-nodefaults");
	add(machine, "-no-user-config");
	add(machine, "-no-reboot");
	add(machine, "-display");
	add(machine, "none");
	add(machine, "-name");
	add(machine, "bulkhead-lab");
	add(machine, "-M");
	add(machine, "q35,kernel-irqchip=split");
	add(machine, "-accel");
	add(machine, "%s", kvm ? "kvm" : "tcg,thread=multi");
	add(machine, "-cpu");
	add(machine, "%s", kvm ? "host" : "max");
	add(machine, "-smp");
	add(machine, "%u", options->cpu_cnt);
	add(machine, "-m");
	add(machine, "%luM", options->memory_bytes >> 20);
	if (options->iommu != BH_LAB_IOMMU_NONE) {
		add(machine, "-device");
		add(machine, "%s",
		    options->iommu == BH_LAB_IOMMU_INTEL ? "intel-iommu,intremap=on" : "amd-iommu,intremap=on");
	}
}

static void
add_chardev(struct bh_lab_machine *machine, enum bh_lab_stream stream, const char *id)
{
	add(machine, "-chardev");
	add(machine, "socket,id=%s,fd=%d", id, machine->qemu_fd[stream]);
}

static void
add_port(struct bh_lab_machine *machine, enum bh_lab_stream stream, const char *id, const char *name)
{
	add_chardev(machine, stream, id);
	add(machine, "-device");
	add(machine, "virtserialport,chardev=%s,name=%s", id, name);
}

static void
add_streams(struct bh_lab_machine *machine)
{
	char id[16], name[32];
	add_chardev(machine, BH_LAB_CONSOLE, "console");
	add(machine, "-serial");
	add(machine, "chardev:console");
	add_chardev(machine, BH_LAB_QMP, "qmp");
	add(machine, "-mon");
	add(machine, "chardev=qmp,mode=control");
	/* Few queues and no eventfds: QEMU's main loop polls each at every turn, and the drives are served by that loop. */
	add(machine, "-device");
	add(machine, "virtio-serial-pci,max_ports=%u,ioeventfd=off,vectors=2,addr=0x3", 6 + machine->options->get_cnt);
	add_chardev(machine, BH_LAB_TTY, "tty");
	add(machine, "-device");
	add(machine, "virtconsole,chardev=tty");
	add_port(machine, BH_LAB_OUT, "out", LAB_PORT_OUT);
	add_port(machine, BH_LAB_ERR, "err", LAB_PORT_ERR);
	add_port(machine, BH_LAB_CTL, "ctl", LAB_PORT_CTL);
	for (uint32_t i = 0; i < machine->options->get_cnt; i++) {
		snprintf(id, sizeof(id), "get%u", i);
		snprintf(name, sizeof(name), LAB_PORT_GET "%u", i);
		add_port(machine, BH_LAB_GET + i, id, name);
	}
}

/*
 * Where a device goes: behind a root port of its own, so that it can be pulled. QEMU 7.2's amd-iommu takes a device's bus number
 * before the machine has numbered its buses, so behind a port every device is one that it does not know; there, bus 0.
 */
static const char *
add_place(struct bh_lab_machine *machine, unsigned idx, char place[32])
{
	if (machine->options->iommu == BH_LAB_IOMMU_AMD) {
		snprintf(place, 32, "bus=pcie.0,addr=0x%x", 4 + idx);
		return place;
	}
	add(machine, "-device");
	add(machine, "pcie-root-port,id=port%u,chassis=%u,slot=%u,addr=0x%x", idx, idx + 1, idx + 1, 4 + idx);
	snprintf(place, 32, "bus=port%u", idx);
	return place;
}

static int
make_image(struct bh_lab_machine *machine, unsigned nvme_idx, unsigned ns_idx, uint64_t size_bytes,
           struct bh_error *error)
{
	char path[PATH_MAX + 32];
	struct statvfs facts;
	snprintf(path, sizeof(path), "%s/nvme%u.%u", machine->folder.path, nvme_idx, ns_idx + 1);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size_bytes) != 0 || fstatvfs(fd, &facts) != 0) {
		int err = -errno;
		if (fd >= 0)
			close(fd);
		return bh_error_set(error, "E204", err, "cannot make the drive %.300s of %lu MiB: %s", path,
		                    size_bytes >> 20, strerror(-err));
	}
	close(fd);
	uint64_t free_bytes = (uint64_t)facts.f_bavail * facts.f_frsize;
	if (free_bytes < size_bytes)
		return bh_error_set(
		        error, "E204", -ENOSPC,
		        "the drive %.300s of %lu MiB does not fit: %lu MiB are free; set TMPDIR to another disk, or "
		        "make it smaller",
		        path, size_bytes >> 20, free_bytes >> 20);
	/* Reads from the page cache end where they are submitted: no second thread, which costs more than the read. */
	add(machine, "-drive");
	add(machine, "file=%s,if=none,id=drive%u.%u,format=raw,cache=unsafe,aio=io_uring,discard=unmap", path, nvme_idx,
	    ns_idx + 1);
	return 0;
}

static int
add_nvme(struct bh_lab_machine *machine, unsigned idx, struct bh_error *error)
{
	const struct bh_lab_nvme *nvme = &machine->options->nvme[idx];
	char serial[32], sizes[96], place[32];
	int err = 0;
	if (nvme->serial[0] != '\0')
		snprintf(serial, sizeof(serial), "%s", nvme->serial);
	else
		snprintf(serial, sizeof(serial), "bulkhead%u", idx);
	snprintf(sizes, sizeof(sizes), "logical_block_size=%u,physical_block_size=%u%s", nvme->lba_bytes,
	         nvme->lba_bytes, nvme->no_write_cache ? ",write-cache=off" : "");
	for (uint32_t i = 0; i < nvme->ns_cnt && err == 0; i++)
		err = make_image(machine, idx, i, nvme->size_bytes, error);
	if (err != 0)
		return err;
	add_place(machine, idx, place);
	add(machine, "-device");
	if (nvme->ns_cnt == 1) {
		add(machine, "nvme,id=nvme%u,%s,serial=%s,mdts=%u,drive=drive%u.1,%s", idx, place, serial, nvme->mdts,
		    idx, sizes);
		return 0;
	}
	add(machine, "nvme,id=nvme%u,%s,serial=%s,mdts=%u", idx, place, serial, nvme->mdts);
	for (uint32_t i = 0; i < nvme->ns_cnt; i++) {
		add(machine, "-device");
		add(machine, "nvme-ns,bus=nvme%u,nsid=%u,drive=drive%u.%u,%s", idx, i + 1, idx, i + 1, sizes);
	}
	return 0;
}

static void
add_nics(struct bh_lab_machine *machine)
{
	for (uint32_t i = 0; i < machine->options->nic_cnt; i++) {
		char place[32];
		add_place(machine, machine->options->nvme_cnt + i, place);
		/* Two cards share a wire that ends in the machine: packets go nowhere else. */
		add(machine, "-netdev");
		add(machine, "hubport,id=net%u,hubid=%u", i, i / 2);
		add(machine, "-device");
		add(machine, "%s,id=nic%u,%s,netdev=net%u,mac=52:54:00:00:00:%02x", machine->options->nic[i], i, place,
		    i, i + 1);
	}
}

static void
add_kernel(struct bh_lab_machine *machine)
{
	const struct bh_lab_options *options = machine->options;
	char isolate[512] = "", hugepages[64] = "";
	static const char *const iommu[] = {"intel_iommu=on", "amd_iommu=on", "intel_iommu=off amd_iommu=off"};
	if (options->isolate[0] != '\0')
		snprintf(isolate, sizeof(isolate),
		         " isolcpus=managed_irq,domain,%.100s nohz_full=%.100s rcu_nocbs=%.100s", options->isolate,
		         options->isolate, options->isolate);
	if (options->hugepage_cnt > 0)
		snprintf(hugepages, sizeof(hugepages), " hugepagesz=2M hugepages=%u", options->hugepage_cnt);
	add(machine, "-kernel");
	add(machine, "%s", machine->kernel.image);
	add(machine, "-initrd");
	add(machine, "%s/initramfs", machine->folder.path);
	add(machine, "-append");
	/* The emulator's counter is the host's, equal on every CPU, which the kernel cannot know: tsc=reliable tells it. */
	add(machine, "console=ttyS0 panic=-1 loglevel=5 tsc=reliable no_timer_check nokaslr %s%s%s%s%s",
	    iommu[options->iommu], isolate, hugepages, options->append[0] != '\0' ? " " : "", options->append);
	for (uint32_t i = 0; i < options->qemu_cnt; i++)
		add(machine, "%s", options->qemu[i]);
}

static int
make_streams(struct bh_lab_machine *machine, struct bh_error *error)
{
	int ends[2];
	while (machine->stream_cnt < BH_LAB_GET + machine->options->get_cnt) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			return bh_error_set(error, "E203", -errno, "no socket pair: %s", strerror(errno));
		machine->host_fd[machine->stream_cnt] = ends[0];
		machine->qemu_fd[machine->stream_cnt++] = ends[1];
	}
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
	for (uint32_t i = 0; i < machine->options->nvme_cnt && err == 0; i++)
		err = add_nvme(machine, i, error);
	add_nics(machine);
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
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0); /* Ctrl-C is ours to handle */
		if (getppid() != parent)
			_exit(127);
		for (uint32_t i = 0; i < machine->stream_cnt; i++)
			fcntl(machine->qemu_fd[i], F_SETFD, 0);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDIN_FILENO);
		/* What it says is shown where it matters: when the machine does not come up, or with --verbose. */
		if (!machine->options->verbose)
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
