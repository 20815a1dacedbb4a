/* SPDX-License-Identifier: Apache-2.0 */
/* Regions: VFIO_USER_DEVICE_GET_REGION_INFO, GET_REGION_IO_FDS, REGION_READ, REGION_WRITE, REGION_WRITE_MULTI. */
#define _GNU_SOURCE
#include <devices/vfio_user/server_private.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* No access of a message crosses one of these, so that a piece is wholly memory or wholly the model's. */
struct piece {
	uint64_t offset;
	uint32_t bytes;
	uint8_t *memory; /* NULL: the model's */
};

static int
check_areas(const struct vfu_region *region)
{
	uint64_t end = 0;
	if (region->area_cnt > VFU_REGION_AREAS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < region->area_cnt; i++) {
		const struct vfu_area *area = &region->area[i];
		bool aligned = (area->offset | area->size_bytes) % BH_PAGE_BYTES == 0;
		if (!aligned || area->size_bytes == 0 || area->offset < end || area->offset > region->size_bytes ||
		    area->size_bytes > region->size_bytes - area->offset)
			return -EINVAL;
		end = area->offset + area->size_bytes;
	}
	return 0;
}

/* Sealed against shrinking: a client must not be able to take pages away from under the model. */
static int
create_memory(const struct vfu_region *region, struct vfu_region_memory *memory)
{
	memory->fd = memfd_create("vfio-user-region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory->fd < 0)
		return -errno;
	if (ftruncate(memory->fd, (off_t)region->size_bytes) < 0 ||
	    fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	void *base = mmap(NULL, region->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	memory->base = base;
	return 0;
}

int
vfu_regions_create(struct vfu_server *server)
{
	for (uint32_t i = 0; i < VFU_REGION_CNT; i++)
		server->memory[i].fd = -1;
	server->device.region[VFIO_USER_REGION_CONFIG] =
	        (struct vfu_region){.size_bytes = server->device.config.size_bytes, .flags = VFU_REGION_RW};
	for (uint32_t i = 0; i < VFU_REGION_CNT; i++) {
		const struct vfu_region *region = &server->device.region[i];
		int err = check_areas(region);
		if (err == 0 && region->area_cnt > 0)
			err = create_memory(region, &server->memory[i]);
		if (err)
			return err;
	}
	return 0;
}

void
vfu_regions_destroy(struct vfu_server *server)
{
	for (uint32_t i = 0; i < VFU_REGION_CNT; i++) {
		struct vfu_region_memory *memory = &server->memory[i];
		if (memory->base)
			munmap(memory->base, server->device.region[i].size_bytes);
		if (memory->fd >= 0)
			close(memory->fd);
	}
}

void
vfu_regions_zero(struct vfu_server *server)
{
	for (uint32_t i = 0; i < VFU_REGION_CNT; i++) {
		const struct vfu_region *region = &server->device.region[i];
		for (uint32_t a = 0; a < region->area_cnt; a++)
			memset(server->memory[i].base + region->area[a].offset, 0, region->area[a].size_bytes);
	}
}

volatile void *
vfu_server_region_memory(struct vfu_server *server, uint32_t region_idx, uint64_t offset, uint64_t size_bytes)
{
	if (region_idx >= VFU_REGION_CNT)
		return NULL;
	const struct vfu_region *region = &server->device.region[region_idx];
	for (uint32_t i = 0; i < region->area_cnt; i++) {
		uint64_t in_area = offset - region->area[i].offset;
		if (in_area < region->area[i].size_bytes && size_bytes <= region->area[i].size_bytes - in_area)
			return server->memory[region_idx].base + offset;
	}
	return NULL;
}

uint8_t *
vfu_server_config(struct vfu_server *server)
{
	return server->config;
}

/* The sparse capability is for a region of which a part can be mapped; all of it needs none ("Sparse Regions"). */
static bool
is_sparse(const struct vfu_region *region)
{
	return region->area_cnt > 0 && region->area[0].size_bytes != region->size_bytes;
}

static uint32_t
put_sparse(const struct vfu_region *region, uint8_t *bytes)
{
	struct vfio_user_cap_sparse_mmap cap = {.header = {.id = VFIO_USER_CAP_SPARSE_MMAP, .version = 1},
	                                        .area_cnt = region->area_cnt};
	memcpy(bytes, &cap, sizeof(cap));
	bytes += sizeof(cap);
	for (uint32_t i = 0; i < region->area_cnt; i++, bytes += sizeof(struct vfio_user_sparse_area)) {
		struct vfio_user_sparse_area area = {region->area[i].offset, region->area[i].size_bytes};
		memcpy(bytes, &area, sizeof(area));
	}
	return (uint32_t)(sizeof(cap) + region->area_cnt * sizeof(struct vfio_user_sparse_area));
}

/*
 * A client whose argsz leaves no room for the capability learns the size that it needs, and gets neither the MMAP
 * flag nor the descriptor: without the capability it would map what must not be mapped.
 */
int
vfu_handle_region_info(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_region_info info;
	memcpy(&info, message->payload, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFU_REGION_CNT)
		return -EINVAL;
	const struct vfu_region *region = &server->device.region[info.index];
	uint32_t room = info.argsz;
	uint8_t *reply = vfu_reply_payload(server);
	uint32_t bytes = sizeof(info);
	if (is_sparse(region))
		bytes += put_sparse(region, reply + sizeof(info));
	bool whole = bytes <= room;
	bool mappable = whole && region->area_cnt > 0 && server->client.max_msg_fds > 0;
	info = (struct vfio_user_region_info){.argsz = bytes, .index = info.index, .size = region->size_bytes};
	info.flags = region->size_bytes > 0 ? region->flags : 0; /* READ and WRITE have the same bits */
	if (mappable)
		info.flags |= VFIO_USER_REGION_INFO_MMAP;
	if (is_sparse(region))
		info.flags |= VFIO_USER_REGION_INFO_CAPS;
	if (is_sparse(region) && whole)
		info.cap_offset = sizeof(info);
	memcpy(reply, &info, sizeof(info));
	server->reply.payload_bytes = whole ? bytes : (uint32_t)sizeof(info);
	server->reply.fd_cnt = mappable;
	server->reply.fd[0] = server->memory[info.index].fd;
	return 0;
}

/* There are none: a count of 0, as libvfio-user answers for a region without them. */
int
vfu_handle_region_io_fds(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_region_io_fds request;
	memcpy(&request, message->payload, sizeof(request));
	if (request.argsz < sizeof(request) || request.flags != 0 || request.index >= VFU_REGION_CNT ||
	    server->device.region[request.index].size_bytes == 0)
		return -EINVAL;
	request.argsz = sizeof(request);
	request.count = 0;
	memcpy(vfu_reply_payload(server), &request, sizeof(request));
	server->reply.payload_bytes = sizeof(request);
	return 0;
}

/* The next piece of [offset, +left): up to the next area boundary; what is the model's in naturally aligned parts. */
static struct piece
next_piece(struct vfu_server *server, uint32_t region_idx, uint64_t offset, uint32_t left)
{
	const struct vfu_region *region = &server->device.region[region_idx];
	uint64_t boundary = region->size_bytes;
	for (uint32_t i = 0; i < region->area_cnt; i++) {
		uint64_t start = region->area[i].offset, end = start + region->area[i].size_bytes;
		if (offset >= start && offset < end) {
			uint32_t bytes = (uint32_t)BH_MIN((uint64_t)left, end - offset);
			return (struct piece){offset, bytes, server->memory[region_idx].base + offset};
		}
		if (offset < start)
			boundary = BH_MIN(boundary, start);
	}
	left = (uint32_t)BH_MIN((uint64_t)left, boundary - offset);
	if (left == 1 || left == 2 || left == 4 || left == 8)
		return (struct piece){offset, left, NULL};
	uint32_t width = 8;
	while (width > left || offset % width != 0)
		width /= 2;
	return (struct piece){offset, width, NULL};
}

/* Registers in shared memory are polled by the model: aligned ones are read and written in one access, as by a CPU. */
static void
load_shared(uint8_t *out, const uint8_t *shared, uint32_t bytes)
{
	if (bytes == 4 && (uintptr_t)shared % 4 == 0) {
		uint32_t value = *(const volatile uint32_t *)(const void *)shared;
		memcpy(out, &value, sizeof(value));
	} else if (bytes == 8 && (uintptr_t)shared % 8 == 0) {
		uint64_t value = *(const volatile uint64_t *)(const void *)shared;
		memcpy(out, &value, sizeof(value));
	} else {
		memcpy(out, shared, bytes);
	}
}

static void
store_shared(uint8_t *shared, const uint8_t *data, uint32_t bytes)
{
	if (bytes == 4 && (uintptr_t)shared % 4 == 0) {
		uint32_t value;
		memcpy(&value, data, sizeof(value));
		*(volatile uint32_t *)(void *)shared = value;
	} else if (bytes == 8 && (uintptr_t)shared % 8 == 0) {
		uint64_t value;
		memcpy(&value, data, sizeof(value));
		*(volatile uint64_t *)(void *)shared = value;
	} else {
		memcpy(shared, data, bytes);
	}
}

static int
read_piece(struct vfu_server *server, uint32_t region, const struct piece *piece, uint8_t *out)
{
	const struct vfu_device_ops *ops = server->device.ops;
	if (piece->memory) {
		load_shared(out, piece->memory, piece->bytes);
		return 0;
	}
	if (region == VFIO_USER_REGION_CONFIG) {
		memcpy(out, server->config + piece->offset, piece->bytes);
		return 0;
	}
	uint64_t data = 0; /* not the reply itself: the model may be careless about what it fills */
	int err = ops->region_read
	                  ? ops->region_read(server->device.context, region, piece->offset, piece->bytes, &data)
	                  : 0;
	memcpy(out, &data, piece->bytes);
	return err;
}

static int
write_piece(struct vfu_server *server, uint32_t region, const struct piece *piece, const uint8_t *bytes)
{
	const struct vfu_device_ops *ops = server->device.ops;
	if (piece->memory) {
		store_shared(piece->memory, bytes, piece->bytes);
		return 0;
	}
	uint64_t data = 0; /* aligned, and out of the client's reach */
	memcpy(&data, bytes, piece->bytes);
	if (region == VFIO_USER_REGION_CONFIG) {
		vfu_config_write(server, (uint32_t)piece->offset, piece->bytes, (const uint8_t *)&data);
		return 0;
	}
	return ops->region_write ? ops->region_write(server->device.context, region, piece->offset, piece->bytes, &data)
	                         : 0;
}

static int
check_access(struct vfu_server *server, const struct vfio_user_region_access *access, uint32_t permission)
{
	if (access->region >= VFU_REGION_CNT || access->count > VFU_DATA_XFER_BYTES_MAX)
		return -EINVAL;
	const struct vfu_region *region = &server->device.region[access->region];
	if (access->offset > region->size_bytes || access->count > region->size_bytes - access->offset)
		return -EINVAL;
	return region->flags & permission ? 0 : -EPERM;
}

int
vfu_handle_region_read(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_region_access access;
	memcpy(&access, message->payload, sizeof(access));
	int err = check_access(server, &access, VFU_REGION_READ);
	uint8_t *reply = vfu_reply_payload(server);
	uint8_t *data = reply + sizeof(access);
	for (uint32_t done = 0; err == 0 && done < access.count;) {
		struct piece piece = next_piece(server, access.region, access.offset + done, access.count - done);
		err = read_piece(server, access.region, &piece, data + done);
		done += piece.bytes;
	}
	memcpy(reply, &access, sizeof(access));
	server->reply.payload_bytes = (uint32_t)sizeof(access) + access.count;
	return err;
}

static int
write_all(struct vfu_server *server, const struct vfio_user_region_access *access, const uint8_t *data)
{
	int err = check_access(server, access, VFU_REGION_WRITE);
	for (uint32_t done = 0; err == 0 && done < access->count;) {
		struct piece piece = next_piece(server, access->region, access->offset + done, access->count - done);
		err = write_piece(server, access->region, &piece, data + done);
		done += piece.bytes;
	}
	return err;
}

int
vfu_handle_region_write(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_region_access access;
	memcpy(&access, message->payload, sizeof(access));
	if (message->payload_bytes - sizeof(access) != access.count)
		return -EINVAL;
	int err = write_all(server, &access, message->payload + sizeof(access));
	memcpy(vfu_reply_payload(server), &access, sizeof(access));
	server->reply.payload_bytes = sizeof(access);
	return err;
}

int
vfu_handle_region_write_multi(struct vfu_server *server, struct vfu_message *message)
{
	uint64_t cnt, done = 0;
	if (!server->client.write_multiple)
		return -ENOTSUP;
	memcpy(&cnt, message->payload, sizeof(cnt));
	uint64_t room = (message->payload_bytes - sizeof(cnt)) / sizeof(struct vfio_user_multi_write);
	if (cnt > room || message->payload_bytes != sizeof(cnt) + cnt * sizeof(struct vfio_user_multi_write))
		return -EINVAL;
	int err = 0;
	for (; err == 0 && done < cnt; done++) {
		struct vfio_user_multi_write write;
		memcpy(&write, message->payload + sizeof(cnt) + done * sizeof(write), sizeof(write));
		struct vfio_user_region_access access = {write.offset, write.region, write.count};
		err = write.count > sizeof(write.data) ? -EINVAL : write_all(server, &access, write.data);
	}
	memcpy(vfu_reply_payload(server), &done, sizeof(done));
	server->reply.payload_bytes = sizeof(done);
	return err;
}
