/* SPDX-License-Identifier: Apache-2.0 */
/* What bind asks of Linux itself. Writes to sysfs and modprobe run in a child: a driver that hangs in them does not hang us. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/device/bind_private.h"

#define CHILD_WAIT_NS UINT64_C(30000000000)
#define CHILD_STEP_NS 2000000

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The child's exit status as it is, or a negative errno. A child stuck in the kernel stays behind and is told to die. */
static int
wait_child(pid_t child)
{
	const struct timespec step = {0, CHILD_STEP_NS};
	int status;
	for (uint64_t deadline_ns = now_ns() + CHILD_WAIT_NS; now_ns() < deadline_ns;) {
		pid_t ended = waitpid(child, &status, WNOHANG);
		if (ended == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
		if (ended < 0 && errno != EINTR)
			return -errno;
		nanosleep(&step, NULL);
	}
	kill(child, SIGKILL);
	return -ETIMEDOUT;
}

static int
write_in_child(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	pid_t child = fork();
	if (child == 0) {
		ssize_t wrote = write(fd, text, len);
		_exit(wrote == (ssize_t)len ? 0 : wrote < 0 ? errno & 0xff : EIO);
	}
	int err = child < 0 ? -errno : wait_child(child);
	close(fd);
	return err > 0 ? -err : err;
}

/* modprobe NAME, quietly. */
static int
load_module(const char *name)
{
	if (name[0] == '-')
		return -EINVAL;
	pid_t child = fork();
	if (child == 0) {
		int null_fd = open("/dev/null", O_RDWR);
		if (null_fd < 0 || dup2(null_fd, STDOUT_FILENO) < 0 || dup2(null_fd, STDERR_FILENO) < 0)
			_exit(126);
		execlp("modprobe", "modprobe", "--", name, (char *)NULL);
		execl("/sbin/modprobe", "modprobe", "--", name, (char *)NULL);
		_exit(127);
	}
	int status = child < 0 ? -errno : wait_child(child);
	return status > 0 ? -ENOENT : status;
}

/* A node of our own for a moment, where /dev has none or another one. */
static int
open_by_number(uint32_t number_major, uint32_t number_minor, int flags)
{
	char path[64];
	snprintf(path, sizeof(path), BH_BIND_FOLDER "/.node-%d", (int)getpid());
	if (mknod(path, S_IFBLK | 0600, makedev(number_major, number_minor)) != 0)
		return -ENODEV;
	int fd = open(path, flags);
	int err = fd < 0 ? -errno : 0;
	unlink(path);
	return fd < 0 ? err : fd;
}

static int
open_disk(const char *path, uint32_t number_major, uint32_t number_minor, bool exclusive)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (exclusive ? O_EXCL : 0);
	struct stat info;
	if (stat(path, &info) != 0 || !S_ISBLK(info.st_mode) || info.st_rdev != makedev(number_major, number_minor))
		return open_by_number(number_major, number_minor, flags);
	int fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

static int
try_group(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == EBUSY ? -EBUSY : 0;
	close(fd);
	return 0;
}

static bool
ip_of(const struct sockaddr *address, struct bh_bind_ip *out)
{
	memset(out, 0, sizeof(*out));
	if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return false;
	if (address->sa_family == AF_INET6) {
		memcpy(out->byte, (const uint8_t *)address + offsetof(struct sockaddr_in6, sin6_addr), 16);
		return true;
	}
	out->byte[10] = out->byte[11] = 0xff;
	memcpy(out->byte + 12, (const uint8_t *)address + offsetof(struct sockaddr_in, sin_addr), 4);
	return true;
}

static int
addresses(struct bh_bind_if_address *out, size_t max)
{
	struct ifaddrs *list;
	size_t cnt = 0;
	if (getifaddrs(&list) != 0)
		return -errno;
	for (const struct ifaddrs *at = list; at != NULL && cnt < max; at = at->ifa_next) {
		if (!ip_of(at->ifa_addr, &out[cnt].ip))
			continue;
		snprintf(out[cnt].interface, sizeof(out[cnt].interface), "%s", at->ifa_name);
		out[cnt].interface[strcspn(out[cnt].interface, ":")] = '\0'; /* labels of aliases: eth0:1 */
		cnt++;
	}
	freeifaddrs(list);
	return (int)cnt;
}

static void
pause_for(uint64_t ns)
{
	const struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	nanosleep(&time, NULL);
}

const struct bh_bind_ops bh_bind_ops_linux = {
        .write = write_in_child,
        .load_module = load_module,
        .open_disk = open_disk,
        .try_group = try_group,
        .addresses = addresses,
        .default_routes = bh_bind_netlink_defaults,
        .route = bh_bind_netlink_route,
        .pause = pause_for,
        .now_ns = now_ns,
};

const struct bh_bind_ops *bh_bind_ops = &bh_bind_ops_linux;
