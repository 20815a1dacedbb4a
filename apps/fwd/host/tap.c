/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "apps/fwd/host/tap.h"
#include "host/errors/errors.h"

static int
attach(struct fwd_tap *tap)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	memcpy(request.ifr_name, tap->name, sizeof(request.ifr_name));
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0)
		return -errno;
	tap->ctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (tap->ctl_fd < 0 || ioctl(tap->fd, TUNSETIFF, &request) != 0)
		return -errno;
	return 0;
}

/* One request about the interface by its name. */
static int
control(const struct fwd_tap *tap, unsigned long what, struct ifreq *request)
{
	memcpy(request->ifr_name, tap->name, sizeof(request->ifr_name));
	return ioctl(tap->ctl_fd, what, request) == 0 ? 0 : -errno;
}

static int
set_mac(const struct fwd_tap *tap, const uint8_t mac[6])
{
	struct ifreq request = {.ifr_hwaddr = {.sa_family = ARPHRD_ETHER}};
	memcpy(request.ifr_hwaddr.sa_data, mac, 6);
	return control(tap, SIOCSIFHWADDR, &request);
}

static int
set_mtu(const struct fwd_tap *tap, uint32_t mtu_bytes)
{
	struct ifreq request = {.ifr_mtu = (int)mtu_bytes};
	return control(tap, SIOCSIFMTU, &request);
}

int
fwd_tap_set(struct fwd_tap *tap, const uint8_t mac[6], uint32_t mtu_bytes)
{
	int err = set_mac(tap, mac);
	return err != 0 ? err : set_mtu(tap, mtu_bytes);
}

static int
set_up(const struct fwd_tap *tap)
{
	struct ifreq request = {0};
	int err = control(tap, SIOCGIFFLAGS, &request);
	if (err != 0)
		return err;
	request.ifr_flags |= IFF_UP;
	return control(tap, SIOCSIFFLAGS, &request);
}

int
fwd_tap_carrier(struct fwd_tap *tap, bool carrier)
{
	int value = carrier;
	if (ioctl(tap->fd, TUNSETCARRIER, &value) != 0)
		return -errno;
	tap->carrier = carrier;
	return 0;
}

static int
set_all(struct fwd_tap *tap, const uint8_t *mac, uint32_t mtu_bytes, const char **out_what)
{
	*out_what = "its MAC address";
	int err = mac != NULL ? set_mac(tap, mac) : 0;
	if (err == 0) {
		*out_what = "its MTU";
		err = set_mtu(tap, mtu_bytes);
	}
	if (err == 0) {
		*out_what = "its carrier";
		err = fwd_tap_carrier(tap, false);
	}
	if (err == 0) {
		*out_what = "setting it up";
		err = set_up(tap);
	}
	return err;
}

int
fwd_tap_open(struct fwd_tap *tap, const char *name, const uint8_t mac[6], uint32_t mtu_bytes, struct bh_error *error)
{
	const char *what = "";
	*tap = (struct fwd_tap){.fd = -1, .ctl_fd = -1};
	if (name[0] == '\0' || strlen(name) >= sizeof(tap->name))
		return bh_error_set(error, "E358", -EINVAL, "TAP '%s': a name has 1 to %zu letters", name,
		                    sizeof(tap->name) - 1);
	snprintf(tap->name, sizeof(tap->name), "%s", name);
	int err = attach(tap);
	if (err != 0) {
		fwd_tap_close(tap);
		return bh_error_set(error, err == -EPERM ? "E359" : "E358", err, "TAP %s cannot be opened: %s%s", name,
		                    strerror(-err),
		                    err == -EBUSY    ? "; another program has it"
		                    : err == -EINVAL ? "; an interface of that name is there and is no TAP"
		                    : err == -EPERM  ? "; run it as root"
		                    : err == -ENOENT ? "; modprobe tun"
		                                     : "");
	}
	err = set_all(tap, mac, mtu_bytes, &what);
	if (err != 0) {
		fwd_tap_close(tap);
		return bh_error_set(error, "E360", err, "TAP %s: %s: %s", name, what, strerror(-err));
	}
	return 0;
}

void
fwd_tap_close(struct fwd_tap *tap)
{
	if (tap->fd >= 0)
		close(tap->fd);
	if (tap->ctl_fd >= 0)
		close(tap->ctl_fd);
	tap->fd = tap->ctl_fd = -1;
}

int
fwd_tap_read(struct fwd_tap *tap, void *frame, uint32_t bytes_max)
{
	uint8_t over; /* read(2) of a TAP cuts without a word: room for one more byte shows it */
	struct iovec part[2] = {{.iov_base = frame, .iov_len = bytes_max}, {.iov_base = &over, .iov_len = 1}};
	ssize_t got = readv(tap->fd, part, 2);
	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (size_t)got > bytes_max ? -EMSGSIZE : (int)got;
}

int
fwd_tap_write(struct fwd_tap *tap, const void *frame, uint32_t bytes)
{
	ssize_t put = write(tap->fd, frame, bytes);
	return put == (ssize_t)bytes ? 0 : put < 0 ? (errno == EINTR ? -EAGAIN : -errno) : -EIO;
}
