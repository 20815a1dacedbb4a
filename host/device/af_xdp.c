/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* memfd_create */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/device/af_xdp_private.h"
#include "host/device/sysfs.h"
#include "host/errors/errors.h"

#define SPIN_TURNS     50u /* turns of the thread without work before it sleeps */
#define SLEEP_NS       20000
#define PROMISC_SOCKET (SOCK_RAW | SOCK_CLOEXEC)

static struct bh_af_xdp *
xdp_of(struct bh_backend *backend)
{
	return (struct bh_af_xdp *)(void *)backend;
}

static void *
wake_main(void *arg)
{
	struct bh_af_xdp *xdp = arg;
	const struct timespec pause = {.tv_nsec = SLEEP_NS};
	uint32_t idle = 0;
	while (!__atomic_load_n(&xdp->stop, __ATOMIC_ACQUIRE)) {
		bool any = false;
		for (uint32_t i = 0; i < xdp->queue_cnt; i++)
			any |= bh_xdp_wake(&xdp->socket[i]);
		idle = any ? 0 : idle + 1;
		/* Not sched_yield: since Linux 6.18 a thread pays for each with a slice of its time. */
		if (idle > SPIN_TURNS)
			nanosleep(&pause, NULL);
	}
	return NULL;
}

static const char *
mode_name(const struct bh_af_xdp *xdp)
{
	return xdp->info->zero_copy != 0 ? "zero copy"
	       : xdp->info->native != 0  ? "copy, native XDP"
	                                 : "copy, generic XDP";
}

static void
sockets_close(struct bh_af_xdp *xdp)
{
	for (uint32_t i = 0; i < BH_XDP_QUEUES_MAX; i++)
		bh_xdp_socket_close(&xdp->socket[i]);
	if (xdp->link_fd >= 0)
		close(xdp->link_fd); /* the program is off the interface */
	xdp->link_fd = -1;
}

/* One way to attach: all queues or none. */
static int
try_mode(struct bh_af_xdp *xdp, bool native, bool zero_copy, const char **out_what)
{
	int err = bh_xdp_program_attach(xdp, native, out_what);
	for (uint32_t i = 0; i < xdp->queue_cnt && err == 0; i++) {
		err = bh_xdp_socket_make(xdp, i, out_what);
		if (err == 0) {
			*out_what = zero_copy ? "zero copy" : "the queue";
			err = bh_xdp_socket_bind(xdp, i, zero_copy);
		}
	}
	if (err != 0) {
		sockets_close(xdp);
		return err;
	}
	xdp->info->native = native;
	xdp->info->zero_copy = zero_copy;
	return 0;
}

static int
attach(struct bh_af_xdp *xdp, const char **out_what)
{
	int err = -EOPNOTSUPP;
	if (xdp->mode == BH_AF_XDP_AUTO || xdp->mode == BH_AF_XDP_ZERO_COPY)
		err = try_mode(xdp, true, true, out_what);
	if (err != 0 && (xdp->mode == BH_AF_XDP_AUTO || xdp->mode == BH_AF_XDP_NATIVE))
		err = try_mode(xdp, true, false, out_what);
	if (err != 0 && (xdp->mode == BH_AF_XDP_AUTO || xdp->mode == BH_AF_XDP_GENERIC))
		err = try_mode(xdp, false, false, out_what);
	return err;
}

/* Frames for other stations, too: a membership that ends with its socket. */
static int
promiscuous(struct bh_af_xdp *xdp)
{
	const struct packet_mreq membership = {.mr_ifindex = (int)xdp->ifindex, .mr_type = PACKET_MR_PROMISC};
	xdp->promisc_fd = socket(AF_PACKET, PROMISC_SOCKET, 0);
	if (xdp->promisc_fd < 0 ||
	    setsockopt(xdp->promisc_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof(membership)) != 0)
		return -errno;
	return 0;
}

static int
dma_map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset,
        struct bh_error *error)
{
	struct bh_af_xdp *xdp = xdp_of(backend);
	const char *what = "the arena";
	void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)fd_offset);
	int err = memory == MAP_FAILED ? -errno : 0;
	if (err == 0) {
		xdp->arena = memory;
		xdp->arena_bytes = size_bytes;
		xdp->info->arena_addr = iova;
		err = attach(xdp, &what);
	}
	if (err == 0) {
		what = "promiscuous mode";
		err = promiscuous(xdp);
	}
	if (err == 0) {
		what = "a thread";
		err = -pthread_create(&xdp->thread, NULL, wake_main, xdp);
		xdp->thread_runs = err == 0;
	}
	if (err != 0)
		return bh_error_set(error, err == -EPERM ? "E316" : "E317", err, "port %s: AF_XDP on %s: %s: %s%s",
		                    backend->name, xdp->interface, what, strerror(-err),
		                    err == -EBUSY   ? "; another XDP program or socket is there (ip link show)"
		                    : err == -EPERM ? "; run it as root"
		                                    : "");
	fprintf(stderr, "bulkhead: port %s: %s, %u queue%s, AF_XDP, %s\n", backend->name, xdp->interface,
	        xdp->queue_cnt, xdp->queue_cnt == 1 ? "" : "s", mode_name(xdp));
	return 0;
}

static void
detach(struct bh_af_xdp *xdp)
{
	if (xdp->thread_runs) {
		__atomic_store_n(&xdp->stop, true, __ATOMIC_RELEASE);
		pthread_join(xdp->thread, NULL);
	}
	xdp->thread_runs = false;
	sockets_close(xdp);
	if (xdp->promisc_fd >= 0)
		close(xdp->promisc_fd);
	xdp->promisc_fd = -1;
	if (xdp->arena != NULL)
		munmap(xdp->arena, xdp->arena_bytes);
	xdp->arena = NULL;
}

static int
dma_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, struct bh_error *error)
{
	detach(xdp_of(backend));
	return 0;
}

static int
no_read(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value,
        struct bh_error *error)
{
	return -EINVAL;
}

static int
no_write(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value,
         struct bh_error *error)
{
	return -EINVAL;
}

static void
statistics(struct bh_af_xdp *xdp)
{
	uint64_t dropped = 0, invalid = 0;
	for (uint32_t i = 0; i < xdp->queue_cnt; i++) {
		struct xdp_statistics stats = {0};
		socklen_t size = sizeof(stats);
		if (getsockopt(xdp->socket[i].fd, SOL_XDP, XDP_STATISTICS, &stats, &size) != 0)
			continue;
		/* rx_fill_ring_empty_descs counts the frames of rx_dropped once more: it says why. */
		dropped += stats.rx_dropped + stats.rx_ring_full;
		invalid += stats.tx_invalid_descs;
	}
	xdp->info->rx_dropped_cnt = dropped;
	xdp->info->tx_invalid_cnt = invalid;
}

/* Return: false: there is no such interface any more. */
static bool
link_look(struct bh_af_xdp *xdp)
{
	char text[32];
	int err = bh_sys_read(text, sizeof(text), "", "/sys/class/net/%s/carrier", xdp->interface);
	/* A downed interface has no carrier to read (EINVAL). */
	xdp->info->link_up = err == 0 && text[0] == '1';
	return err != -ENOENT;
}

static int
service(struct bh_backend *backend, struct bh_error *error)
{
	struct bh_af_xdp *xdp = xdp_of(backend);
	statistics(xdp);
	if (link_look(xdp))
		return 0;
	return bh_error_set(error, "E318", -ENODEV, "port %s: the interface %s has gone", backend->name,
	                    xdp->interface);
}

static int
reset(struct bh_backend *backend, struct bh_error *error)
{
	return 0; /* dma_unmap closes the sockets: after that the kernel touches nothing */
}

static void
close_xdp(struct bh_backend *backend)
{
	struct bh_af_xdp *xdp = xdp_of(backend);
	detach(xdp);
	if (xdp->prog_fd >= 0)
		close(xdp->prog_fd);
	if (xdp->map_fd >= 0)
		close(xdp->map_fd);
	if (xdp->info != NULL)
		munmap(xdp->info, BH_PAGE_BYTES);
	if (xdp->info_fd >= 0)
		close(xdp->info_fd);
	free(xdp);
}

static const struct bh_backend_ops xdp_ops = {
        .name = "af_xdp",
        .dma_map = dma_map,
        .dma_unmap = dma_unmap,
        .reg_read = no_read,
        .reg_write = no_write,
        .service = service,
        .reset = reset,
        .close = close_xdp,
};

static int
info_make(struct bh_af_xdp *xdp)
{
	xdp->info_fd = memfd_create("bulkhead-xdp", MFD_CLOEXEC);
	if (xdp->info_fd < 0 || ftruncate(xdp->info_fd, BH_PAGE_BYTES) != 0)
		return -errno;
	void *map = mmap(NULL, BH_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, xdp->info_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	xdp->info = map;
	xdp->info->magic = BH_XDP_MAGIC;
	xdp->info->queue_cnt = xdp->queue_cnt;
	struct bh_backend_bar *bar = &xdp->backend.bar[BH_XDP_INFO_BAR];
	bar->size_bytes = BH_PAGE_BYTES;
	bar->window_cnt = 1;
	bar->window[0] = (struct bh_backend_window){.size_bytes = BH_PAGE_BYTES, .fd = xdp->info_fd};
	return 0;
}

/* Its number, address and MTU. */
static int
interface_look(struct bh_af_xdp *xdp)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = fd < 0 ? -errno : 0;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", xdp->interface);
	if (err == 0 && ioctl(fd, SIOCGIFINDEX, &request) != 0)
		err = -errno;
	xdp->ifindex = err == 0 ? (unsigned)request.ifr_ifindex : 0;
	if (err == 0 && ioctl(fd, SIOCGIFHWADDR, &request) != 0)
		err = -errno;
	if (err == 0)
		memcpy(xdp->info->mac, request.ifr_hwaddr.sa_data, sizeof(xdp->info->mac));
	if (err == 0 && ioctl(fd, SIOCGIFMTU, &request) != 0)
		err = -errno;
	if (err == 0)
		xdp->info->mtu_bytes = (uint32_t)request.ifr_mtu;
	if (fd >= 0)
		close(fd);
	(void)link_look(xdp);
	return err;
}

int
bh_af_xdp_open(const char *name, const struct bh_af_xdp_options *options, struct bh_backend **out,
               struct bh_error *error)
{
	struct bh_af_xdp *xdp = calloc(1, sizeof(*xdp));
	if (xdp == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	xdp->backend.ops = &xdp_ops;
	snprintf(xdp->backend.name, sizeof(xdp->backend.name), "%s", name);
	snprintf(xdp->interface, sizeof(xdp->interface), "%s", options->interface);
	xdp->queue_cnt = options->queue_cnt;
	xdp->mode = options->mode;
	xdp->map_fd = xdp->prog_fd = xdp->link_fd = xdp->promisc_fd = xdp->info_fd = -1;
	for (uint32_t i = 0; i < BH_XDP_QUEUES_MAX; i++)
		xdp->socket[i].fd = -1;
	int err = strlen(options->interface) >= sizeof(xdp->interface) ? -ENODEV : info_make(xdp);
	if (err == 0)
		err = interface_look(xdp);
	if (err != 0) {
		close_xdp(&xdp->backend);
		return bh_error_set(error, "E315", err,
		                    "port %s: no network interface %s: %s; ip link shows those that are", name,
		                    options->interface, strerror(-err));
	}
	*out = &xdp->backend;
	return 0;
}
