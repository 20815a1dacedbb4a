/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/init/init.h"
#include "lab/init/protocol.h"

#define SETTLE_MS 10000

int
lab_tool(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

char **
lab_list(const char *path)
{
	struct stat facts;
	size_t cnt = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &facts) != 0)
		return calloc(1, sizeof(char *));
	char *text = calloc(1, (size_t)facts.st_size + 1);
	char **list = calloc((size_t)facts.st_size + 1, sizeof(char *));
	if (text == NULL || list == NULL || read(fd, text, (size_t)facts.st_size) != facts.st_size)
		lab_give_up("cannot read %s", path);
	close(fd);
	for (char *at = text; at < text + facts.st_size; at += strlen(at) + 1)
		list[cnt++] = at;
	return list;
}

static void
mount_all(void)
{
	static const struct {
		const char *type, *where, *data;
	} entry[] = {
	        {"proc", "/proc", NULL},
	        {"sysfs", "/sys", NULL},
	        {"devtmpfs", "/dev", NULL},
	        {"devpts", "/dev/pts", "mode=620"},
	        {"tmpfs", "/dev/shm", NULL},
	        {"tmpfs", "/run", "mode=755"},
	        {"tmpfs", "/tmp", NULL},
	        {"cgroup2", "/sys/fs/cgroup", NULL},
	        {"debugfs", "/sys/kernel/debug", NULL},
	        {"tracefs", "/sys/kernel/tracing", NULL},
	};
	for (size_t i = 0; i < sizeof(entry) / sizeof(entry[0]); i++) {
		mkdir(entry[i].where, 0755);
		if (mount(entry[i].type, entry[i].where, entry[i].type, 0, entry[i].data) != 0)
			fprintf(stderr, "lab-init: mount %s: %s\n", entry[i].where, strerror(errno));
	}
}

static void
use_console(void)
{
	int fd = open("/dev/console", O_RDWR);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "lab-init: cannot write %s\n", path);
	if (fd >= 0)
		close(fd);
}

static void
raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		fprintf(stderr, "lab-init: no loopback\n");
	if (fd >= 0)
		close(fd);
}

/* Whether every NVMe controller is up and has its disks. */
static int
nvme_settled(void)
{
	char path[300], state[32] = "";
	int settled = 1;
	DIR *dir = opendir("/sys/class/nvme");
	if (dir == NULL)
		return 1;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/nvme/%s/state", entry->d_name);
		FILE *file = fopen(path, "r");
		if (file == NULL || fgets(state, sizeof(state), file) == NULL || strcmp(state, "live\n") != 0)
			settled = 0;
		if (file != NULL)
			fclose(file);
		snprintf(path, sizeof(path), "/dev/%sn1", entry->d_name);
		if (access(path, F_OK) != 0)
			settled = 0;
	}
	closedir(dir);
	return settled;
}

/* A root that is a mount of its own: the initramfs itself cannot be left, and cells leave theirs (pivot_root(2)). */
static void
leave_initramfs(void)
{
	mkdir("/newroot", 0755);
	if (mount("/", "/newroot", NULL, MS_BIND, NULL) != 0 || chdir("/newroot") != 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0)
		lab_give_up("no root file system: %s", strerror(errno));
}

void
lab_ground(void)
{
	leave_initramfs();
	mount_all();
	use_console();
	setenv("PATH", "/lab:/lab/tests/lab:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("BULKHEAD_LAB", "1", 1);
	if (lab_tool((const char *const[]){"/bin/busybox", "--install", "-s", "/bin", NULL}) != 0)
		lab_give_up("busybox does not work");
	write_text("/proc/sys/kernel/modprobe", "/bin/modprobe");
	sethostname("lab", 3);
	raise_loopback();
	lab_tool((const char *const[]){"modprobe", "virtio_pci", NULL});
	lab_tool((const char *const[]){"modprobe", "virtio_console", NULL});
	for (char **name = lab_list(LAB_FILE_MODULES); *name != NULL; name++)
		lab_tool((const char *const[]){"modprobe", *name, NULL});
	for (int waited_ms = 0; !nvme_settled() && waited_ms < SETTLE_MS; waited_ms += 20)
		usleep(20000);
}
