/* SPDX-License-Identifier: Apache-2.0 */
/* The client's memory: VFIO_USER_DMA_MAP, DMA_UNMAP, and the server's own DMA_READ and DMA_WRITE. */
#define _GNU_SOURCE
#include <devices/vfio_user/server_private.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Index of the first mapping that ends above iova: the one that holds it, if any does. */
static uint32_t
find_mapping(const struct vfu_server *server, uint64_t iova)
{
	uint32_t low = 0, high = server->mapping_cnt;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct vfu_dma_map *map = &server->mapping[mid].map;
		if (map->iova + (map->size_bytes - 1) < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The mapping that holds all of the range with that permission, or NULL. */
static const struct vfu_dma_map *
find_range(const struct vfu_server *server, uint64_t iova, uint64_t size_bytes, uint32_t prot)
{
	uint32_t idx = find_mapping(server, iova);
	if (idx == server->mapping_cnt)
		return NULL;
	const struct vfu_dma_map *map = &server->mapping[idx].map;
	uint64_t offset = iova - map->iova;
	bool inside = iova >= map->iova && offset < map->size_bytes && size_bytes <= map->size_bytes - offset;
	return inside && !(prot & ~map->prot) ? map : NULL;
}

void *
vfu_server_dma_translate_slow(struct vfu_server *server, uint64_t iova, uint64_t size_bytes, uint32_t prot)
{
	const struct vfu_dma_map *map = find_range(server, iova, size_bytes, prot);
	if (map == NULL || map->addr == NULL)
		return NULL;
	server->hot.last = *map;
	return map->addr + (iova - map->iova);
}

/*
 * The file's pages may be larger than 4 KiB (hugetlbfs), and mmap takes only whole ones: map from the page boundary
 * below. A regular file must reach to the end of the range, or touching it would be SIGBUS.
 */
static int
map_file(struct vfu_mapping *mapping, int fd, uint64_t offset)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	uint64_t size_bytes = mapping->map.size_bytes;
	uint64_t file_bytes = (uint64_t)st.st_size;
	if (S_ISREG(st.st_mode) && (offset > file_bytes || size_bytes > file_bytes - offset))
		return -EINVAL;
	uint64_t page = BH_PAGE_BYTES;
	if (S_ISREG(st.st_mode) && st.st_blksize > 0 && BH_IS_POW2((uint64_t)st.st_blksize))
		page = BH_MAX(page, (uint64_t)st.st_blksize);
	uint64_t start = BH_ALIGN_DOWN(offset, page);
	uint64_t span = offset - start + size_bytes;
	if (span > UINT64_MAX / 2 || start > INT64_MAX)
		return -EINVAL;
	mapping->mmap_bytes = BH_ALIGN_UP(span, page);
	int prot = (mapping->map.prot & VFU_DMA_READ ? PROT_READ : 0) |
	           (mapping->map.prot & VFU_DMA_WRITE ? PROT_WRITE : 0);
	mapping->mmap_base = mmap(NULL, mapping->mmap_bytes, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)start);
	if (mapping->mmap_base == MAP_FAILED)
		return -errno;
	mapping->map.addr = (uint8_t *)mapping->mmap_base + (offset - start);
	return 0;
}

static int
check_map(const struct vfu_server *server, const struct vfio_user_dma_map *request, const struct vfu_message *message)
{
	const uint32_t known = VFIO_USER_DMA_MAP_READ | VFIO_USER_DMA_MAP_WRITE | VFIO_USER_DMA_MAP_MMAP;
	if (request->flags & VFIO_USER_DMA_MAP_FILE_IO)
		return -ENOTSUP;
	if (request->argsz < sizeof(*request) || request->flags & ~known || message->fd_cnt > 1)
		return -EINVAL;
	if (request->flags & VFIO_USER_DMA_MAP_MMAP && message->fd_cnt == 0)
		return -EINVAL;
	if (request->size == 0 || request->address + (request->size - 1) < request->address)
		return -EINVAL;
	uint32_t idx = find_mapping(server, request->address);
	if (idx < server->mapping_cnt && server->mapping[idx].map.iova <= request->address + (request->size - 1))
		return -EEXIST;
	return server->mapping_cnt < VFU_DMA_MAPS_MAX ? 0 : -ENOSPC;
}

int
vfu_handle_dma_map(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_dma_map request;
	memcpy(&request, message->payload, sizeof(request));
	int err = check_map(server, &request, message);
	if (err)
		return err;
	struct vfu_mapping mapping = {.map = {.iova = request.address, .size_bytes = request.size}};
	mapping.map.prot = request.flags & (VFU_DMA_READ | VFU_DMA_WRITE); /* the same bits */
	if (message->fd_cnt == 1)
		err = map_file(&mapping, message->fd[0], request.offset);
	if (err)
		return err;
	uint32_t idx = find_mapping(server, request.address);
	memmove(&server->mapping[idx + 1], &server->mapping[idx],
	        (server->mapping_cnt - idx) * sizeof(server->mapping[0]));
	server->mapping[idx] = mapping;
	server->mapping_cnt++;
	if (server->device.ops->dma_mapped)
		server->device.ops->dma_mapped(server->device.context, request.address, request.size, mapping.map.addr);
	return 0;
}

bool
vfu_server_dma_patch(struct vfu_server *server, const void *addr)
{
	for (uint32_t i = 0; i < server->mapping_cnt; i++) {
		const struct vfu_mapping *mapping = &server->mapping[i];
		uint64_t offset = (uintptr_t)addr - (uintptr_t)mapping->mmap_base;
		if (mapping->mmap_base == NULL || offset >= mapping->mmap_bytes)
			continue;
		vfu_lose(server);
		return mmap(mapping->mmap_base, mapping->mmap_bytes, PROT_READ | PROT_WRITE,
		            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
	}
	return false;
}

static void
drop_mapping(struct vfu_server *server, uint32_t idx)
{
	struct vfu_mapping mapping = server->mapping[idx];
	if (server->device.ops->dma_unmapping)
		server->device.ops->dma_unmapping(server->device.context, mapping.map.iova, mapping.map.size_bytes);
	memset(&server->hot.last, 0, sizeof(server->hot.last));
	if (mapping.mmap_base)
		munmap(mapping.mmap_base, mapping.mmap_bytes);
	server->mapping_cnt--;
	memmove(&server->mapping[idx], &server->mapping[idx + 1],
	        (server->mapping_cnt - idx) * sizeof(server->mapping[0]));
}

void
vfu_dma_drop_all(struct vfu_server *server)
{
	while (server->mapping_cnt > 0)
		drop_mapping(server, server->mapping_cnt - 1);
}

/* Descriptors beside it are not in the specification, but SPDK's client sends one: the message's release closes it. */
int
vfu_handle_dma_unmap(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_dma_unmap request;
	memcpy(&request, message->payload, sizeof(request));
	if (request.flags & VFIO_USER_DMA_UNMAP_DIRTY_BITMAP)
		return -ENOTSUP;
	if (request.argsz < sizeof(request) || request.flags & ~(uint32_t)VFIO_USER_DMA_UNMAP_ALL)
		return -EINVAL;
	if (request.flags & VFIO_USER_DMA_UNMAP_ALL) {
		if (request.address != 0 || request.size != 0)
			return -EINVAL;
		vfu_dma_drop_all(server);
	} else {
		uint32_t idx = find_mapping(server, request.address);
		if (idx == server->mapping_cnt || server->mapping[idx].map.iova != request.address ||
		    server->mapping[idx].map.size_bytes != request.size)
			return -ENOENT;
		drop_mapping(server, idx);
	}
	request.argsz = sizeof(request);
	memcpy(vfu_reply_payload(server), &request, sizeof(request));
	server->reply.payload_bytes = sizeof(request);
	return 0;
}

/* A command of the client's that comes while the server waits for a reply: kept for vfu_server_step(). */
static int
stash(struct vfu_server *server, struct vfu_message *message)
{
	if (server->stash_cnt == VFU_STASH_MAX)
		return -EPROTO;
	server->stash[server->stash_cnt++] = *message;
	*message = (struct vfu_message){0};
	vfu_kick(server, true);
	return 0;
}

/* Return: 1 it is the reply; 0 something else, dealt with; -EPROTO. */
static int
sort_message(struct vfu_server *server, bool twin, const struct vfio_user_header *sent, struct vfu_message *message)
{
	uint32_t type = message->header.flags & VFIO_USER_FLAG_TYPE_MASK;
	bool same = message->header.message_id == sent->message_id && message->header.command == sent->command;
	if (type == VFIO_USER_TYPE_REPLY)
		return same ? 1 : -EPROTO; /* only one request is ever under way */
	if (type == VFIO_USER_TYPE_COMMAND && !twin)
		return stash(server, message);
	return -EPROTO;
}

static int
await_reply(struct vfu_server *server, struct vfu_channel *channel, const struct vfio_user_header *sent,
            struct vfu_message *out, uint64_t deadline_ns)
{
	for (;;) {
		int got = vfu_channel_receive(channel, out);
		if (got < 0)
			return got;
		if (got == 0) {
			int err = vfu_channel_wait(channel, POLLIN, deadline_ns);
			if (err)
				return err;
			continue;
		}
		int mine = sort_message(server, channel == &server->twin, sent, out);
		if (mine == 1)
			return 0;
		vfu_message_release(out);
		if (mine < 0)
			return mine;
	}
}

/* What a reply says: 0, the client's errno, or -EPROTO if it is not a reply to this request. */
static int
check_reply(const struct vfu_message *message, const struct vfio_user_dma_access *request, bool is_read)
{
	struct vfio_user_dma_access reply;
	if (message->header.flags & VFIO_USER_FLAG_ERROR) {
		uint32_t error = message->header.error;
		return error > 0 && error < 4096 ? -(int)error : -EIO;
	}
	uint64_t expected = sizeof(reply) + (is_read ? request->count : 0);
	/* A write's reply may have the 4-byte count that the specification draws (SPEC-CONTRADICTION in the header). */
	if (message->payload_bytes != expected && (is_read || message->payload_bytes != 12))
		return -EPROTO;
	memcpy(&reply, message->payload, sizeof(reply.address));
	return reply.address == request->address ? 0 : -EPROTO;
}

/* One DMA_READ or DMA_WRITE and its reply. A lost stream loses the client; an error reply does not. */
static int
exchange(struct vfu_server *server, const struct vfio_user_dma_access *request, void *out, const void *data)
{
	struct vfu_channel *channel = server->twin.fd >= 0 ? &server->twin : &server->conn;
	uint64_t deadline_ns = vfu_clock_ns() + VFU_DMA_TIMEOUT_NS;
	struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)request, .iov_len = sizeof(*request)},
	                       {.iov_base = (void *)(uintptr_t)data, .iov_len = request->count}};
	size_t bytes = sizeof(struct vfio_user_header) + sizeof(*request) + (data ? request->count : 0);
	struct vfio_user_header header = {.message_id = server->next_message_id++,
	                                  .command = data ? VFIO_USER_DMA_WRITE : VFIO_USER_DMA_READ,
	                                  .message_bytes = (uint32_t)bytes};
	struct vfu_message reply = {0};
	int err = vfu_channel_send(channel, &header, iov, data ? 2 : 1, NULL, 0, deadline_ns);
	if (err == 0)
		err = await_reply(server, channel, &header, &reply, deadline_ns);
	if (err) {
		vfu_lose(server);
		return err == -ETIMEDOUT ? err : -ENOTCONN;
	}
	err = check_reply(&reply, request, out != NULL);
	if (err == 0 && out)
		memcpy(out, reply.payload + sizeof(*request), request->count);
	if (err == -EPROTO)
		vfu_lose(server);
	vfu_message_release(&reply);
	return err == -EPROTO ? -EIO : err;
}

/* A reply of the server's that waits for room goes first, or the two would mix in the stream. */
static int
flush_before(struct vfu_server *server)
{
	uint64_t deadline_ns = vfu_clock_ns() + VFU_DMA_TIMEOUT_NS;
	while (server->tx_bytes > 0 && server->twin.fd < 0) {
		int err = vfu_flush(server);
		if (err == 0 && server->tx_bytes > 0)
			err = vfu_channel_wait(&server->conn, POLLOUT, deadline_ns);
		if (err) {
			vfu_lose(server);
			return err == -ETIMEDOUT ? err : -ENOTCONN;
		}
	}
	return 0;
}

static int
by_message(struct vfu_server *server, uint64_t iova, void *out, const void *data, uint64_t size_bytes)
{
	uint64_t chunk_max = BH_MIN((uint64_t)VFU_DATA_XFER_BYTES_MAX, server->client.max_data_xfer_bytes);
	for (uint64_t done = 0; done < size_bytes;) {
		if (server->lost)
			return -ENOTCONN;
		struct vfio_user_dma_access request = {iova + done, BH_MIN(chunk_max, size_bytes - done)};
		int err = flush_before(server);
		if (err == 0)
			err = exchange(server, &request, out ? (uint8_t *)out + done : NULL,
			               data ? (const uint8_t *)data + done : NULL);
		if (err)
			return err;
		done += request.count;
	}
	return 0;
}

static int
dma_copy(struct vfu_server *server, uint64_t iova, void *out, const void *data, uint64_t size_bytes)
{
	if (server->state != VFU_STATE_CONNECTED || server->lost)
		return -ENOTCONN;
	const struct vfu_dma_map *map = find_range(server, iova, size_bytes, out ? VFU_DMA_READ : VFU_DMA_WRITE);
	if (map == NULL)
		return -EFAULT;
	if (size_bytes == 0)
		return 0;
	if (map->addr == NULL)
		return by_message(server, iova, out, data, size_bytes);
	uint8_t *addr = map->addr + (iova - map->iova);
	if (out)
		memcpy(out, addr, size_bytes);
	else if (data)
		memcpy(addr, data, size_bytes);
	return 0;
}

int
vfu_server_dma_read(struct vfu_server *server, uint64_t iova, void *out_data, uint64_t size_bytes)
{
	return dma_copy(server, iova, out_data, NULL, size_bytes);
}

int
vfu_server_dma_write(struct vfu_server *server, uint64_t iova, const void *data, uint64_t size_bytes)
{
	return dma_copy(server, iova, NULL, data, size_bytes);
}
