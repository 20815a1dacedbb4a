/* SPDX-License-Identifier: Apache-2.0 */
/* Regions as the client sees them: sizes, windows that can be mapped, single register accesses. */
#include <host/device/vfio_user_private.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define REGION_INFO_BYTES     4096u
#define REGION_INFO_BYTES_MAX 65536u
#define CAPS_MAX              64u

/* Room that the reply may need is asked for once more, if the first was too little ("Message sizes"). */
static int
get_region_info(struct bh_vfu_client *client, uint32_t index, struct vfu_message *reply, struct bh_error *error)
{
	struct vfio_user_region_info info;
	uint32_t room = REGION_INFO_BYTES;
	for (int attempt = 0; attempt < 2; attempt++) {
		const struct vfio_user_region_info request = {.argsz = room, .index = index};
		const struct bh_vfu_call call = {.command = VFIO_USER_DEVICE_GET_REGION_INFO,
		                                 .head = &request,
		                                 .head_bytes = sizeof(request),
		                                 .reply_bytes_min = sizeof(request)};
		int err = bh_vfu_call(client, &call, reply, error);
		if (err)
			return err;
		memcpy(&info, reply->payload, sizeof(info));
		if (info.argsz <= room && info.index == index)
			return 0;
		vfu_message_release(reply);
		if (info.index != index || info.argsz > REGION_INFO_BYTES_MAX)
			break;
		room = info.argsz;
	}
	return bh_vfu_broken(client, "region info is of another region, or has no end", error);
}

/*
 * A window is whole pages: areas are cut to page boundaries, since a page is what can be mapped. A regular file must
 * reach to its end, or the cell's first access would be a bus error.
 */
static const char *
add_window(struct bh_backend_bar *bar, const struct vfio_user_region_info *info, int fd, uint64_t offset,
           uint64_t size_bytes)
{
	struct stat st;
	if (offset > bar->size_bytes || size_bytes > bar->size_bytes - offset)
		return "a mappable area is outside its region";
	uint64_t start = BH_ALIGN_UP(offset, BH_PAGE_BYTES);
	uint64_t end = BH_ALIGN_DOWN(offset + size_bytes, BH_PAGE_BYTES);
	if (start >= end || bar->window_cnt == BH_BAR_WINDOWS_MAX)
		return NULL; /* reached by messages like everything that is in no window */
	uint64_t file_end = info->offset + end;
	if (file_end < end || (info->offset & (BH_PAGE_BYTES - 1)) != 0)
		return "a mappable area's file offset is not possible";
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_size < 0 || file_end > (uint64_t)st.st_size))
		return "a mappable area is beyond the end of its file";
	bar->window[bar->window_cnt++] = (struct bh_backend_window){
	        .offset = start, .size_bytes = end - start, .fd = fd, .fd_offset = info->offset + start};
	return NULL;
}

static const char *
add_sparse(struct bh_backend_bar *bar, const struct vfio_user_region_info *info, int fd, const uint8_t *cap,
           uint64_t cap_bytes)
{
	struct vfio_user_cap_sparse_mmap sparse;
	if (cap_bytes < sizeof(sparse))
		return "a sparse mmap capability is cut off";
	memcpy(&sparse, cap, sizeof(sparse));
	if (sparse.area_cnt > (cap_bytes - sizeof(sparse)) / sizeof(struct vfio_user_sparse_area))
		return "a sparse mmap capability is cut off";
	for (uint32_t i = 0; i < sparse.area_cnt; i++) {
		struct vfio_user_sparse_area area;
		memcpy(&area, cap + sizeof(sparse) + i * sizeof(area), sizeof(area));
		const char *wrong = add_window(bar, info, fd, area.offset, area.size);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* Walk the capabilities. *out_found: there was one that lists the mappable areas. */
static const char *
add_caps(struct bh_backend_bar *bar, const struct vfio_user_region_info *info, int fd, const struct vfu_message *reply,
         bool *out_found)
{
	uint64_t offset = info->flags & VFIO_USER_REGION_INFO_CAPS ? info->cap_offset : 0;
	for (uint32_t i = 0; offset != 0; i++) {
		struct vfio_user_cap_header cap;
		if (i == CAPS_MAX || offset < sizeof(*info) || offset + sizeof(cap) > reply->payload_bytes)
			return "the region capabilities lead nowhere";
		memcpy(&cap, reply->payload + offset, sizeof(cap));
		if (cap.id == VFIO_USER_CAP_SPARSE_MMAP) {
			*out_found = true;
			const char *wrong =
			        add_sparse(bar, info, fd, reply->payload + offset, reply->payload_bytes - offset);
			if (wrong)
				return wrong;
		}
		offset = cap.next;
	}
	return NULL;
}

/* Without a sparse capability all of a mappable region can be mapped. No descriptor: nothing can. */
static int
add_windows(struct bh_vfu_client *client, uint32_t index, struct vfu_message *reply, struct bh_error *error)
{
	struct vfio_user_region_info info;
	struct bh_backend_bar *bar = &client->backend.bar[index];
	memcpy(&info, reply->payload, sizeof(info));
	bar->size_bytes = info.size;
	if (info.size == 0 || !(info.flags & VFIO_USER_REGION_INFO_MMAP) || reply->fd_cnt == 0)
		return 0;
	int fd = client->bar_fd[index] = vfu_message_take_fd(reply, 0);
	bool sparse = false;
	const char *wrong = add_caps(bar, &info, fd, reply, &sparse);
	if (wrong == NULL && !sparse)
		wrong = add_window(bar, &info, fd, 0, info.size);
	return wrong ? bh_vfu_broken(client, wrong, error) : 0;
}

int
bh_vfu_read_regions(struct bh_vfu_client *client, struct bh_error *error)
{
	for (uint32_t i = 0; i <= VFIO_USER_REGION_CONFIG; i++) {
		struct vfu_message reply = {0};
		struct vfio_user_region_info info;
		int err = get_region_info(client, i, &reply, error);
		if (err)
			return err;
		memcpy(&info, reply.payload, sizeof(info));
		if (i < BH_DEVICE_BARS_MAX)
			err = add_windows(client, i, &reply, error);
		if (i == VFIO_USER_REGION_CONFIG)
			client->config_bytes = info.size;
		vfu_message_release(&reply);
		if (err)
			return err;
	}
	return 0;
}

static bool
is_same_access(const struct vfio_user_region_access *sent, const struct vfu_message *reply, uint32_t data_bytes)
{
	struct vfio_user_region_access got;
	memcpy(&got, reply->payload, sizeof(got));
	return got.offset == sent->offset && got.region == sent->region && got.count == sent->count &&
	       reply->payload_bytes == sizeof(got) + data_bytes;
}

int
bh_vfu_region_read(struct bh_vfu_client *client, uint32_t region, uint64_t offset, uint32_t width_bytes,
                   uint64_t *out_value, struct bh_error *error)
{
	const struct vfio_user_region_access access = {offset, region, width_bytes};
	const struct bh_vfu_call call = {.command = VFIO_USER_REGION_READ,
	                                 .head = &access,
	                                 .head_bytes = sizeof(access),
	                                 .reply_bytes_min = (uint32_t)sizeof(access) + width_bytes};
	struct vfu_message reply = {0};
	int err = bh_vfu_call(client, &call, &reply, error);
	if (err)
		return err;
	if (!is_same_access(&access, &reply, width_bytes)) {
		vfu_message_release(&reply);
		return bh_vfu_broken(client, "the reply to a region read is of another access", error);
	}
	*out_value = 0;
	memcpy(out_value, reply.payload + sizeof(access), width_bytes);
	vfu_message_release(&reply);
	return 0;
}

int
bh_vfu_region_write(struct bh_vfu_client *client, uint32_t region, uint64_t offset, uint32_t width_bytes,
                    uint64_t value, struct bh_error *error)
{
	const struct vfio_user_region_access access = {offset, region, width_bytes};
	const struct bh_vfu_call call = {.command = VFIO_USER_REGION_WRITE,
	                                 .head = &access,
	                                 .head_bytes = sizeof(access),
	                                 .data = &value,
	                                 .data_bytes = width_bytes,
	                                 .reply_bytes_min = sizeof(access)};
	struct vfu_message reply = {0};
	int err = bh_vfu_call(client, &call, &reply, error);
	if (err)
		return err;
	if (!is_same_access(&access, &reply, 0))
		err = bh_vfu_broken(client, "the reply to a region write is of another access", error);
	vfu_message_release(&reply);
	return err;
}
