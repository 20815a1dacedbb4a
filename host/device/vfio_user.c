/* SPDX-License-Identifier: Apache-2.0 */
/* The vfio-user back end: opening, the table of functions, configuration space, closing. */
#include <host/device/vfio_user_private.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PCI_VENDOR = 0x00,
	PCI_COMMAND = 0x04,
	PCI_CLASS = 0x08,
	PCI_COMMAND_MEMORY = 1u << 1,
	PCI_COMMAND_MASTER = 1u << 2,
	PCI_COMMAND_NO_INTX = 1u << 10,
	PCI_HEADER_BYTES = 64,
};

static int
read_device_info(struct bh_vfu_client *client, struct bh_error *error)
{
	struct vfio_user_device_info info = {.argsz = sizeof(info)};
	struct vfu_message reply = {0};
	const struct bh_vfu_call call = {.command = VFIO_USER_DEVICE_GET_INFO,
	                                 .head = &info,
	                                 .head_bytes = sizeof(info),
	                                 .reply_bytes_min = sizeof(info)};
	int err = bh_vfu_call(client, &call, &reply, error);
	if (err)
		return err;
	memcpy(&info, reply.payload, sizeof(info));
	vfu_message_release(&reply);
	if (!(info.flags & VFIO_USER_DEVICE_PCI) || info.num_regions <= VFIO_USER_REGION_CONFIG)
		return bh_error_set(
		        error, "E044", -ENOTSUP,
		        "device %s: the server at %s serves no PCI device (flags %#x, %u regions). bulkhead "
		        "drives PCI devices only",
		        client->backend.name, client->peer, info.flags, info.num_regions);
	client->device_flags = info.flags;
	client->irq_cnt = info.num_irqs;
	return 0;
}

/* A type that the server refuses to describe has no vectors. */
static int
read_irqs(struct bh_vfu_client *client, struct bh_error *error)
{
	for (uint32_t i = 0; i < BH_MIN(client->irq_cnt, (uint32_t)VFIO_USER_IRQ_CNT); i++) {
		struct vfio_user_irq_info info = {.argsz = sizeof(info), .index = i};
		struct vfu_message reply = {0};
		const struct bh_vfu_call call = {.command = VFIO_USER_DEVICE_GET_IRQ_INFO,
		                                 .head = &info,
		                                 .head_bytes = sizeof(info),
		                                 .reply_bytes_min = sizeof(info)};
		int err = bh_vfu_call(client, &call, &reply, error);
		if (err && client->lost)
			return err;
		if (err)
			continue;
		memcpy(&info, reply.payload, sizeof(info));
		vfu_message_release(&reply);
		client->vector_cnt[i] = info.flags & VFIO_USER_IRQ_INFO_EVENTFD ? info.count : 0;
	}
	return 0;
}

/* Polling drivers want memory accesses, DMA, and no pin interrupts. */
static int
enable_device(struct bh_vfu_client *client, struct bh_error *error)
{
	const uint32_t wanted = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX;
	uint64_t command;
	int err = bh_vfu_region_read(client, VFIO_USER_REGION_CONFIG, PCI_COMMAND, 2, &command, error);
	if (err || (command & wanted) == wanted)
		return err;
	return bh_vfu_region_write(client, VFIO_USER_REGION_CONFIG, PCI_COMMAND, 2, command | wanted, error);
}

static int
read_identity(struct bh_vfu_client *client, struct bh_error *error)
{
	uint64_t id, class_code;
	if (client->config_bytes < PCI_HEADER_BYTES)
		return bh_error_set(error, "E044", -ENOTSUP,
		                    "device %s: the server at %s has no PCI configuration space (%llu bytes)",
		                    client->backend.name, client->peer, (unsigned long long)client->config_bytes);
	int err = bh_vfu_region_read(client, VFIO_USER_REGION_CONFIG, PCI_VENDOR, 4, &id, error);
	if (err == 0)
		err = bh_vfu_region_read(client, VFIO_USER_REGION_CONFIG, PCI_CLASS, 4, &class_code, error);
	if (err)
		return err;
	client->backend.pci_vendor = (uint16_t)id;
	client->backend.pci_device = (uint16_t)(id >> 16);
	client->backend.pci_class = (uint32_t)class_code >> 8;
	if (client->backend.pci_vendor == 0xffff)
		return bh_error_set(error, "E047", -ENODEV,
		                    "device %s: the server at %s answers, but its device is not there (all ones)",
		                    client->backend.name, client->peer);
	return 0;
}

static int
check_bar(const struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, struct bh_error *error)
{
	bool width_ok = width_bytes <= 8 && BH_IS_POW2(width_bytes);
	uint64_t size_bytes = bar < BH_DEVICE_BARS_MAX ? backend->bar[bar].size_bytes : 0;
	if (width_ok && offset % width_bytes == 0 && offset < size_bytes && width_bytes <= size_bytes - offset)
		return 0;
	return bh_error_set(error, "E046", -EINVAL,
	                    "device %s: no register of %u bytes at offset %#llx of BAR %u (which has %#llx bytes)",
	                    backend->name, width_bytes, (unsigned long long)offset, bar,
	                    (unsigned long long)size_bytes);
}

static int
reg_read(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value,
         struct bh_error *error)
{
	int err = check_bar(backend, bar, offset, width_bytes, error);
	return err ? err : bh_vfu_region_read(bh_vfu_client_of(backend), bar, offset, width_bytes, out_value, error);
}

static int
reg_write(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value,
          struct bh_error *error)
{
	int err = check_bar(backend, bar, offset, width_bytes, error);
	return err ? err : bh_vfu_region_write(bh_vfu_client_of(backend), bar, offset, width_bytes, value, error);
}

static int
check_config(struct bh_vfu_client *client, uint32_t offset, uint32_t width_bytes, struct bh_error *error)
{
	bool width_ok = width_bytes <= 4 && BH_IS_POW2(width_bytes);
	if (width_ok && offset % width_bytes == 0 && (uint64_t)offset + width_bytes <= client->config_bytes)
		return 0;
	return bh_error_set(error, "E046", -EINVAL, "device %s: no %u bytes at %#x of configuration space",
	                    client->backend.name, width_bytes, offset);
}

int
bh_vfio_user_config_read(struct bh_backend *backend, uint32_t offset, uint32_t width_bytes, uint32_t *out_value,
                         struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	uint64_t value;
	int err = check_config(client, offset, width_bytes, error);
	if (err == 0)
		err = bh_vfu_region_read(client, VFIO_USER_REGION_CONFIG, offset, width_bytes, &value, error);
	if (err == 0)
		*out_value = (uint32_t)value;
	return err;
}

int
bh_vfio_user_config_write(struct bh_backend *backend, uint32_t offset, uint32_t width_bytes, uint32_t value,
                          struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	int err = check_config(client, offset, width_bytes, error);
	return err ? err : bh_vfu_region_write(client, VFIO_USER_REGION_CONFIG, offset, width_bytes, value, error);
}

/* The command register may have been reset with the rest. */
static int
reset(struct bh_backend *backend, struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	const struct bh_vfu_call call = {.command = VFIO_USER_DEVICE_RESET, .timeout_factor = BH_VFU_RESET_FACTOR};
	if (!client->lost && !(client->device_flags & VFIO_USER_DEVICE_RESETTABLE))
		return bh_error_set(error, "E049", -ENOTSUP, "device %s: the server at %s offers no device reset",
		                    backend->name, client->peer);
	int err = bh_vfu_call(client, &call, NULL, error);
	return err ? err : enable_device(client, error);
}

static void
close_client(struct bh_backend *backend)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	vfu_channel_close(&client->main);
	vfu_channel_close(&client->twin);
	bh_vfu_dma_close(client);
	if (client->epoll_fd >= 0)
		close(client->epoll_fd);
	for (uint32_t i = 0; i < BH_DEVICE_BARS_MAX; i++) {
		if (client->bar_fd[i] >= 0)
			close(client->bar_fd[i]);
	}
	free(client);
}

static const struct bh_backend_ops ops = {
        .name = "vfio-user",
        .dma_map = bh_vfu_dma_map,
        .dma_unmap = bh_vfu_dma_unmap,
        .config_read = bh_vfio_user_config_read,
        .reg_read = reg_read,
        .reg_write = reg_write,
        .service = bh_vfio_user_service,
        .reset = reset,
        .close = close_client,
};

static struct bh_vfu_client *
allocate(const char *name, int socket_fd, const char *socket_path, uint64_t timeout_ns)
{
	struct bh_vfu_client *client = calloc(1, sizeof(*client));
	if (client == NULL)
		return NULL;
	client->backend.ops = &ops;
	snprintf(client->backend.name, sizeof(client->backend.name), "%s", name);
	if (socket_path)
		snprintf(client->peer, sizeof(client->peer), "%s", socket_path);
	else
		snprintf(client->peer, sizeof(client->peer), "descriptor %d", socket_fd);
	client->timeout_ns = timeout_ns;
	client->main.fd = client->twin.fd = client->epoll_fd = -1;
	for (uint32_t i = 0; i < BH_DEVICE_BARS_MAX; i++)
		client->bar_fd[i] = -1;
	vfu_capabilities_default(&client->server);
	return client;
}

int
bh_vfio_user_open_timeout(const char *name, int socket_fd, const char *socket_path, uint64_t timeout_ns,
                          struct bh_backend **out, struct bh_error *error)
{
	if (socket_fd < 0 && socket_path == NULL)
		return bh_error_set(error, "E040", -EINVAL, "device %s: no socket given. Set `socket` in [device %s]",
		                    name, name);
	struct bh_vfu_client *client = allocate(name, socket_fd, socket_path, timeout_ns);
	if (client == NULL) {
		if (socket_fd >= 0)
			close(socket_fd);
		return bh_error_set(error, "E042", -ENOMEM, "device %s: out of memory", name);
	}
	int err = bh_vfu_connect(client, socket_fd, socket_path, error);
	if (err == 0)
		err = bh_vfu_agree_version(client, error);
	if (err == 0)
		err = read_device_info(client, error);
	if (err == 0)
		err = bh_vfu_read_regions(client, error);
	if (err == 0)
		err = read_irqs(client, error);
	if (err == 0)
		err = read_identity(client, error);
	if (err == 0)
		err = enable_device(client, error);
	if (err) {
		close_client(&client->backend);
		return err;
	}
	*out = &client->backend;
	return 0;
}

int
bh_vfio_user_open(const char *name, int socket_fd, const char *socket_path, struct bh_backend **out,
                  struct bh_error *error)
{
	return bh_vfio_user_open_timeout(name, socket_fd, socket_path, BH_VFIO_USER_TIMEOUT_NS, out, error);
}

void
bh_vfio_user_set_timeout(struct bh_backend *backend, uint64_t timeout_ns)
{
	bh_vfu_client_of(backend)->timeout_ns = timeout_ns;
}

int
bh_vfio_user_fd(const struct bh_backend *backend)
{
	const struct bh_vfu_client *client = bh_vfu_client_of(backend);
	return client->lost ? -1 : client->epoll_fd;
}
