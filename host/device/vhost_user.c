/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/vfio_user/server.h"
#include "devices/virtio_net/capabilities.h"
#include "host/device/vhost_user_private.h"
#include "host/errors/errors.h"

#define PCI_CLASS 0x020000u

static struct bh_vhost_user *
vhu_of(struct bh_backend *backend)
{
	return (struct bh_vhost_user *)(void *)backend;
}

static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	struct bh_vhost_user *vhu = context;
	uint64_t offset = iova - vhu->arena_iova;
	if (vhu->arena == NULL || offset >= vhu->arena_bytes || size_bytes > vhu->arena_bytes - offset)
		return false;
	*out = (struct vnet_window){vhu->arena_iova, vhu->arena_bytes, vhu->arena, VNET_DMA_READ | VNET_DMA_WRITE};
	return true;
}

static int
dma_map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset,
        struct bh_error *error)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	if (vhu->arena != NULL)
		return bh_error_set(error, "E307", -EBUSY, "port %s: one piece of memory at a time", backend->name);
	void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)fd_offset);
	if (memory == MAP_FAILED)
		return bh_error_set(error, "E307", -errno, "port %s: the arena cannot be mapped: %s", backend->name,
		                    strerror(errno));
	vhu->arena = memory;
	vhu->arena_fd = fd;
	vhu->arena_iova = iova;
	vhu->arena_bytes = size_bytes;
	vhu->arena_offset = fd_offset;
	return 0;
}

static int
dma_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, struct bh_error *error)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	vnet_model_dma_unmap(vhu->model, iova, size_bytes);
	if (vhu->arena != NULL)
		munmap(vhu->arena, vhu->arena_bytes);
	vhu->arena = NULL;
	bh_vhu_disconnect(vhu); /* the other side closes its mapping of the arena with the connection */
	return 0;
}

static void
lost(struct bh_vhost_user *vhu)
{
	bh_vhu_disconnect(vhu);
	vhu->was_lost = true;
	vnet_model_link_set(vhu->model, false);
}

/* What the driver's write meant for the other side: DRIVER_OK starts the rings, a reset stops them. */
static int
follow(struct bh_vhost_user *vhu, bool was_running)
{
	bool running = vnet_model_running(vhu->model);
	int err = 0;
	if (running == was_running)
		return 0;
	if (running && vhu->fd >= 0)
		err = bh_vhu_start(vhu);
	else if (!running && vhu->started)
		err = bh_vhu_stop(vhu);
	if (err == 0)
		return 0;
	if (running)
		vnet_model_fail(vhu->model);
	lost(vhu);
	return 0;
}

static int
kick(struct bh_vhost_user *vhu, uint64_t offset)
{
	const uint64_t one = 1;
	uint64_t queue_idx = (offset - VNET_BAR_NOTIFY) / 4;
	(void)vnet_model_control(vhu->model);
	if (queue_idx >= BH_VHOST_USER_RINGS_MAX || vhu->kick_fd[queue_idx] < 0)
		return 0;
	ssize_t written = write(vhu->kick_fd[queue_idx], &one, sizeof(one));
	return written == (ssize_t)sizeof(one) || errno == EAGAIN ? 0 : -errno;
}

static int
reg_read(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value,
         struct bh_error *error)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	if (bar != 0)
		return -EINVAL;
	(void)vnet_model_control(vhu->model);
	*out_value = vnet_model_reg_read(vhu->model, offset, width_bytes);
	return 0;
}

static int
reg_write(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value,
          struct bh_error *error)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	if (bar != 0)
		return -EINVAL;
	if (offset >= VNET_BAR_NOTIFY)
		return kick(vhu, offset);
	bool was_running = vnet_model_running(vhu->model);
	vnet_model_reg_write(vhu->model, offset, width_bytes, value);
	return follow(vhu, was_running);
}

static int
config_read(struct bh_backend *backend, uint32_t offset, uint32_t width_bytes, uint32_t *out_value,
            struct bh_error *error)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	*out_value = 0;
	if (offset + width_bytes <= sizeof(vhu->config))
		memcpy(out_value, vhu->config + offset, width_bytes);
	return 0;
}

/* Server mode: the other side may come again. The driver is asked for a reset then, which sets everything up. */
static int
come_back(struct bh_vhost_user *vhu)
{
	int err = vhu->listen_fd >= 0 ? bh_vhu_accept(vhu, 0) : -EAGAIN;
	if (err == 0)
		err = bh_vhu_greet(vhu);
	if (err != 0) {
		bh_vhu_disconnect(vhu);
		return err;
	}
	vnet_model_link_set(vhu->model, true);
	if (vhu->was_lost && vnet_model_running(vhu->model))
		vnet_model_fail(vhu->model);
	vhu->was_lost = false;
	return 0;
}

static int
service(struct bh_backend *backend, struct bh_error *error)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	(void)vnet_model_control(vhu->model);
	if (vhu->fd >= 0 && bh_vhu_is_gone(vhu))
		lost(vhu);
	if (vhu->fd >= 0)
		return 0;
	if (vhu->listen_fd >= 0) {
		int err = come_back(vhu);
		(void)err; /* nobody is there yet: the link stays down */
		return 0;
	}
	return bh_error_set(
	        error, "E308", -ENODEV,
	        "port %s: the other side of the vhost-user socket %s has gone (with server = yes it could come "
	        "again)",
	        backend->name, vhu->path);
}

static int
reset(struct bh_backend *backend, struct bh_error *error)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	vnet_model_reset(vhu->model);
	if (!vhu->started)
		return 0;
	int err = bh_vhu_stop(vhu);
	if (err != 0)
		lost(vhu); /* whoever does not answer loses the socket; its mapping of the arena stays its own */
	return err == 0 || err == -ENODEV
	               ? 0
	               : bh_error_set(error, "E309", err, "port %s: the other side of %s did not stop its rings: %s",
	                              backend->name, vhu->path, strerror(-err));
}

static void
close_vhu(struct bh_backend *backend)
{
	struct bh_vhost_user *vhu = vhu_of(backend);
	bh_vhu_disconnect(vhu);
	if (vhu->listen_fd >= 0) {
		close(vhu->listen_fd);
		unlink(vhu->path);
	}
	for (uint32_t i = 0; i < BH_VHOST_USER_RINGS_MAX; i++) {
		if (vhu->kick_fd[i] >= 0)
			close(vhu->kick_fd[i]);
		if (vhu->call_fd[i] >= 0)
			close(vhu->call_fd[i]);
	}
	if (vhu->arena != NULL)
		munmap(vhu->arena, vhu->arena_bytes);
	vnet_model_destroy(vhu->model);
	free(vhu);
}

static const struct bh_backend_ops vhu_ops = {
        .name = "vhost-user",
        .dma_map = dma_map,
        .dma_unmap = dma_unmap,
        .reg_read = reg_read,
        .reg_write = reg_write,
        .config_read = config_read,
        .service = service,
        .reset = reset,
        .close = close_vhu,
};

static int
explain(const struct bh_vhost_user *vhu, int err, struct bh_error *error)
{
	const char *name = vhu->backend.name, *path = vhu->path;
	switch (err) {
	case -EAGAIN:
		return bh_error_set(error, "E310", -ETIMEDOUT,
		                    "port %s: nobody connected to %s within 30 s; start the other side (testpmd --vdev "
		                    "net_vhost0,iface=%s,client=1)",
		                    name, path, path);
	case -EPROTONOSUPPORT:
		return bh_error_set(error, "E311", err,
		                    "port %s: the other side of %s offers no VIRTIO 1.0 (features %#lx)", name, path,
		                    vhu->features);
	case -ENOSPC:
		return bh_error_set(
		        error, "E312", err,
		        "port %s: the other side of %s has fewer than the %u queue pairs that `queues` asks for", name,
		        path, vhu->queue_cnt);
	default:
		return bh_error_set(error, "E313", err, "port %s: no vhost-user back end speaks on %s: %s", name, path,
		                    strerror(-err));
	}
}

static int
model_make(struct bh_vhost_user *vhu, const struct bh_vhost_user_options *options)
{
	struct vnet_model_config config = VNET_MODEL_CONFIG_DEFAULT;
	const struct vnet_host host = {.context = vhu, .dma_window = dma_window};
	config.pair_cnt = options->queue_cnt;
	config.queue_size = options->queue_size;
	config.packed = options->packed;
	config.mtu_bytes = options->mtu_bytes;
	memcpy(config.mac, options->mac, sizeof(config.mac));
	config.passive = true;
	config.of_those = vhu->features;
	return vnet_model_create(&config, &host, &vhu->model);
}

static int
config_make(struct bh_vhost_user *vhu)
{
	struct vfu_config config = {0};
	vfu_config_type0(&config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, PCI_CLASS, 1);
	vfu_config_bar_mem64(&config, 0, VNET_BAR_BYTES);
	int err = vnet_config_capabilities(&config);
	memcpy(vhu->config, config.initial, sizeof(vhu->config));
	return err;
}

int
bh_vhost_user_open(const char *name, const struct bh_vhost_user_options *options, struct bh_backend **out,
                   struct bh_error *error)
{
	struct bh_vhost_user *vhu = calloc(1, sizeof(*vhu));
	if (vhu == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	vhu->backend = (struct bh_backend){.ops = &vhu_ops,
	                                   .pci_vendor = VIRTIO_PCI_VENDOR,
	                                   .pci_device = VIRTIO_PCI_DEVICE_NET,
	                                   .pci_class = PCI_CLASS,
	                                   .bar = {{.size_bytes = VNET_BAR_BYTES}}};
	snprintf(vhu->backend.name, sizeof(vhu->backend.name), "%s", name);
	snprintf(vhu->path, sizeof(vhu->path), "%s", options->socket);
	vhu->fd = vhu->listen_fd = -1;
	vhu->queue_cnt = options->queue_cnt;
	memset(vhu->kick_fd, -1, sizeof(vhu->kick_fd));
	memset(vhu->call_fd, -1, sizeof(vhu->call_fd));
	int err = strlen(options->socket) >= sizeof(vhu->path) ? -ENAMETOOLONG : 0;
	if (err != 0)
		bh_error_set(error, "E305", err, "port %s: the socket's path is too long", name);
	else
		err = options->server ? bh_vhu_listen(vhu, error) : bh_vhu_connect(vhu, error);
	if (err == 0) {
		if (options->server) {
			fprintf(stderr, "bulkhead: port %s waits for a vhost-user back end on %s\n", name, vhu->path);
			err = bh_vhu_accept(vhu, BH_VHOST_USER_ACCEPT_NS);
		}
		if (err == 0)
			err = bh_vhu_greet(vhu);
		if (err == 0)
			err = model_make(vhu, options);
		if (err == 0)
			err = config_make(vhu);
		if (err != 0)
			err = explain(vhu, err, error);
	}
	if (err != 0) {
		close_vhu(&vhu->backend);
		return err;
	}
	*out = &vhu->backend;
	return 0;
}
