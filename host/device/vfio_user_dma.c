/* SPDX-License-Identifier: Apache-2.0 */
/* The client's memory: mapping it for the device, and answering the device's own DMA_READ and DMA_WRITE. */
#define _GNU_SOURCE
#include <host/device/vfio_user_private.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct bh_vfu_map *
find_map(struct bh_vfu_client *client, uint64_t iova, uint64_t size_bytes)
{
	for (uint32_t i = 0; i < client->map_cnt; i++) {
		struct bh_vfu_map *map = &client->map[i];
		uint64_t offset = iova - map->iova;
		if (offset < map->size_bytes && size_bytes <= map->size_bytes - offset)
			return map;
	}
	return NULL;
}

static int
reserve_map(struct bh_vfu_client *client, struct bh_error *error)
{
	const char *name = client->backend.name;
	if (client->map_cnt >= client->server.max_dma_maps)
		return bh_error_set(
		        error, "E052", -ENOSPC,
		        "device %s: the server at %s takes %llu DMA maps at most. Use larger pages, so that the "
		        "arena is fewer pieces",
		        name, client->peer, (unsigned long long)client->server.max_dma_maps);
	if (client->map_cnt < client->map_room)
		return 0;
	uint32_t room = client->map_room ? 2 * client->map_room : 8;
	struct bh_vfu_map *map = realloc(client->map, room * sizeof(*map));
	if (map == NULL)
		return bh_error_set(error, "E052", -ENOMEM, "device %s: out of memory", name);
	client->map = map;
	client->map_room = room;
	return 0;
}

static int
send_map(struct bh_vfu_client *client, const struct bh_vfu_map *map, const int *fd, uint64_t fd_offset,
         struct bh_error *error)
{
	const struct vfio_user_dma_map request = {
	        .argsz = sizeof(request),
	        .flags = VFIO_USER_DMA_MAP_READ | VFIO_USER_DMA_MAP_WRITE,
	        .offset = fd_offset,
	        .address = map->iova,
	        .size = map->size_bytes,
	};
	const struct bh_vfu_call call = {.command = VFIO_USER_DMA_MAP,
	                                 .head = &request,
	                                 .head_bytes = sizeof(request),
	                                 .fds = fd,
	                                 .fd_cnt = fd ? 1 : 0};
	int err = reserve_map(client, error);
	if (err == 0)
		err = bh_vfu_call(client, &call, NULL, error);
	if (err == 0)
		client->map[client->map_cnt++] = *map;
	return err;
}

static int
check_range(struct bh_vfu_client *client, uint64_t iova, uint64_t size_bytes, uint64_t fd_offset,
            struct bh_error *error)
{
	uint64_t bits = iova | size_bytes | fd_offset;
	if (size_bytes > 0 && bits % BH_PAGE_BYTES == 0 && iova + (size_bytes - 1) >= iova)
		return 0;
	return bh_error_set(error, "E052", -EINVAL,
	                    "device %s: cannot map %#llx bytes at IOVA %#llx from offset %#llx: not whole pages",
	                    client->backend.name, (unsigned long long)size_bytes, (unsigned long long)iova,
	                    (unsigned long long)fd_offset);
}

int
bh_vfu_dma_map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset,
               struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	int err = check_range(client, iova, size_bytes, fd_offset, error);
	if (err)
		return err;
	if (client->server.max_msg_fds == 0)
		return bh_error_set(error, "E052", -ENOTSUP,
		                    "device %s: the server at %s takes no descriptors, so it cannot reach the arena",
		                    backend->name, client->peer);
	/* Ours too: the server may ask for it by message all the same ("all of these operations must be supported"). */
	void *addr = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)fd_offset);
	if (addr == MAP_FAILED)
		return bh_error_set(error, "E052", -errno, "device %s: cannot map memory for DMA: %s", backend->name,
		                    strerror(errno));
	const struct bh_vfu_map map = {iova, size_bytes, addr, size_bytes};
	err = send_map(client, &map, &fd, fd_offset, error);
	if (err)
		munmap(addr, size_bytes);
	return err;
}

int
bh_vfio_user_dma_map_private(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, void *addr,
                             struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	const struct bh_vfu_map map = {iova, size_bytes, addr, 0};
	int err = check_range(client, iova, size_bytes, 0, error);
	return err ? err : send_map(client, &map, NULL, 0, error);
}

static void
drop_map(struct bh_vfu_client *client, struct bh_vfu_map *map)
{
	if (map->mmap_bytes)
		munmap(map->addr, map->mmap_bytes);
	*map = client->map[--client->map_cnt];
}

int
bh_vfu_dma_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	const struct vfio_user_dma_unmap request = {.argsz = sizeof(request), .address = iova, .size = size_bytes};
	/* The reply repeats the request, which nobody needs: it may be missing. */
	const struct bh_vfu_call call = {
	        .command = VFIO_USER_DMA_UNMAP, .head = &request, .head_bytes = sizeof(request)};
	struct bh_vfu_map *map = find_map(client, iova, size_bytes);
	if (map == NULL || map->iova != iova || map->size_bytes != size_bytes)
		return bh_error_set(error, "E052", -ENOENT,
		                    "device %s: %#llx bytes at IOVA %#llx are not mapped as one piece", backend->name,
		                    (unsigned long long)size_bytes, (unsigned long long)iova);
	int err = bh_vfu_call(client, &call, NULL, error);
	if (err)
		return err;
	drop_map(client, map);
	return 0;
}

void
bh_vfu_dma_close(struct bh_vfu_client *client)
{
	while (client->map_cnt > 0)
		drop_map(client, &client->map[client->map_cnt - 1]);
	free(client->map);
	client->map = NULL;
}

/* The memory that a DMA_READ or DMA_WRITE of the server names. Return: 0, or the negative errno for its reply. */
static int
check_access(struct bh_vfu_client *client, const struct vfu_message *message, struct vfio_user_dma_access *out_access,
             uint8_t **out_addr)
{
	bool is_write = message->header.command == VFIO_USER_DMA_WRITE;
	if (!is_write && message->header.command != VFIO_USER_DMA_READ)
		return -ENOTSUP;
	if (message->payload_bytes < sizeof(*out_access) || message->fd_cnt > 0 || message->fds_lost)
		return -EINVAL;
	memcpy(out_access, message->payload, sizeof(*out_access));
	if (out_access->count > VFIO_USER_DEFAULT_MAX_DATA_XFER_BYTES)
		return -EINVAL;
	if (is_write && message->payload_bytes - sizeof(*out_access) != out_access->count)
		return -EINVAL;
	struct bh_vfu_map *map = find_map(client, out_access->address, out_access->count);
	if (map == NULL)
		return -EFAULT;
	*out_addr = map->addr + (out_access->address - map->iova);
	return 0;
}

int
bh_vfu_serve(struct bh_vfu_client *client, struct vfu_channel *channel, const struct vfu_message *message,
             uint64_t deadline_ns)
{
	struct vfio_user_dma_access access = {0};
	uint8_t *addr = NULL;
	int result = check_access(client, message, &access, &addr);
	bool is_read = message->header.command == VFIO_USER_DMA_READ;
	if (result == 0 && !is_read)
		memcpy(addr, message->payload + sizeof(access), access.count);
	if (message->header.flags & VFIO_USER_FLAG_NO_REPLY)
		return 0;
	struct vfio_user_header header = {.message_id = message->header.message_id,
	                                  .command = message->header.command,
	                                  .flags = VFIO_USER_TYPE_REPLY};
	struct iovec iov[2] = {{.iov_base = &access, .iov_len = sizeof(access)},
	                       {.iov_base = addr, .iov_len = is_read ? access.count : 0}};
	if (result) {
		header.flags |= VFIO_USER_FLAG_ERROR;
		header.error = (uint32_t)-result;
		iov[0].iov_len = iov[1].iov_len = 0;
	}
	header.message_bytes = (uint32_t)(sizeof(header) + iov[0].iov_len + iov[1].iov_len);
	return vfu_channel_send(channel, &header, iov, 2, NULL, 0, deadline_ns);
}
