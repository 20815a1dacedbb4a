/* SPDX-License-Identifier: Apache-2.0 */
/* The dialogue (vhost-user.rst, "Communication" and "Starting and stopping rings"). */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/device/vhost_user_private.h"

#define WRAP_COUNTER 0x8000u /* packed: bit 15 of an index; both wrap counters begin at 1 (VIRTIO 1.2, 2.8.1) */

static int
get_u64(struct bh_vhost_user *vhu, uint32_t request, uint64_t *out)
{
	int err = bh_vhu_send(vhu, request, NULL, 0, -1);
	return err == 0 ? bh_vhu_receive(vhu, request, out, sizeof(*out)) : err;
}

static int
set_u64(struct bh_vhost_user *vhu, uint32_t request, uint64_t value)
{
	return bh_vhu_send(vhu, request, &value, sizeof(value), -1);
}

int
bh_vhu_greet(struct bh_vhost_user *vhu)
{
	uint64_t protocol = 0, queue_cnt = 1;
	int err = get_u64(vhu, VHOST_USER_GET_FEATURES, &vhu->features);
	if (err == 0)
		err = bh_vhu_send(vhu, VHOST_USER_SET_OWNER, NULL, 0, -1);
	if (err == 0 && vhu->features & VHOST_USER_F_PROTOCOL_FEATURES) {
		err = get_u64(vhu, VHOST_USER_GET_PROTOCOL_FEATURES, &protocol);
		vhu->protocol = protocol & VHOST_USER_PROTOCOL_F_MQ;
		if (err == 0)
			err = set_u64(vhu, VHOST_USER_SET_PROTOCOL_FEATURES, vhu->protocol);
	}
	if (err == 0 && vhu->protocol & VHOST_USER_PROTOCOL_F_MQ)
		err = get_u64(vhu, VHOST_USER_GET_QUEUE_NUM, &queue_cnt);
	if (err != 0)
		return err;
	if (!(vhu->features & VIRTIO_F_VERSION_1))
		return -EPROTONOSUPPORT;
	return queue_cnt < vhu->queue_cnt ? -ENOSPC : 0;
}

static int
memory_set(struct bh_vhost_user *vhu)
{
	/* The addresses in vrings are "user addresses" of this table: we make them the IOVAs. */
	const struct vhost_user_memory memory = {
	        .region_cnt = 1, .region = {{vhu->arena_iova, vhu->arena_bytes, vhu->arena_iova, vhu->arena_offset}}};
	return bh_vhu_send(vhu, VHOST_USER_SET_MEM_TABLE, &memory, 8 + sizeof(memory.region[0]), vhu->arena_fd);
}

static int
fds_make(struct bh_vhost_user *vhu, uint32_t ring_idx)
{
	if (vhu->kick_fd[ring_idx] < 0)
		vhu->kick_fd[ring_idx] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vhu->call_fd[ring_idx] < 0)
		vhu->call_fd[ring_idx] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vhu->kick_fd[ring_idx] < 0 || vhu->call_fd[ring_idx] < 0 ? -EMFILE : 0;
}

static int
state_set(struct bh_vhost_user *vhu, uint32_t request, uint32_t ring_idx, uint32_t num)
{
	const struct vhost_user_vring_state state = {ring_idx, num};
	return bh_vhu_send(vhu, request, &state, sizeof(state), -1);
}

static int
fd_set_message(struct bh_vhost_user *vhu, uint32_t request, uint32_t ring_idx, int fd)
{
	const uint64_t value = ring_idx;
	return bh_vhu_send(vhu, request, &value, sizeof(value), fd);
}

/* A ring starts when its kick descriptor has come; so that is the last. */
static int
ring_start(struct bh_vhost_user *vhu, uint32_t ring_idx, const struct vnet_queue_info *queue)
{
	bool packed = vnet_model_features(vhu->model) & VIRTIO_F_RING_PACKED;
	const struct vhost_user_vring_addr addr = {
	        .index = ring_idx, .desc = queue->iova[0], .avail = queue->iova[1], .used = queue->iova[2]};
	int err = fds_make(vhu, ring_idx);
	if (err == 0)
		err = state_set(vhu, VHOST_USER_SET_VRING_NUM, ring_idx, queue->size);
	if (err == 0)
		err = state_set(vhu, VHOST_USER_SET_VRING_BASE, ring_idx,
		                packed ? WRAP_COUNTER << 16 | WRAP_COUNTER : 0);
	if (err == 0)
		err = bh_vhu_send(vhu, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
	if (err == 0)
		err = fd_set_message(vhu, VHOST_USER_SET_VRING_CALL, ring_idx, vhu->call_fd[ring_idx]);
	if (err == 0)
		err = fd_set_message(vhu, VHOST_USER_SET_VRING_KICK, ring_idx, vhu->kick_fd[ring_idx]);
	return err;
}

/* Without protocol features rings are enabled as they start; with them they start disabled. */
static int
rings_enable(struct bh_vhost_user *vhu)
{
	int err = 0;
	if (!(vhu->features & VHOST_USER_F_PROTOCOL_FEATURES))
		return 0;
	for (uint32_t i = 0; i < vhu->started_cnt && err == 0; i++)
		err = state_set(vhu, VHOST_USER_SET_VRING_ENABLE, i, 1);
	return err;
}

/* The features of the data path, without those that are between the driver and us. */
static uint64_t
features_to_set(const struct bh_vhost_user *vhu)
{
	const uint64_t ours = VIRTIO_F_ACCESS_PLATFORM | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS |
	                      VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |
	                      VIRTIO_NET_F_CTRL_MAC_ADDR;
	uint64_t features = vnet_model_features(vhu->model) & ~ours;
	return (features & vhu->features) | (vhu->features & VHOST_USER_F_PROTOCOL_FEATURES);
}

int
bh_vhu_start(struct bh_vhost_user *vhu)
{
	struct vnet_queue_info queue;
	/* What the driver agreed on must still be there: another back end may have come in between. */
	if (vnet_model_features(vhu->model) & VNET_DATA_PATH_FEATURES & ~vhu->features)
		return -EPROTONOSUPPORT;
	int err = set_u64(vhu, VHOST_USER_SET_FEATURES, features_to_set(vhu));
	if (err == 0)
		err = memory_set(vhu);
	vhu->started_cnt = 0;
	for (uint32_t i = 0; i < 2 * vhu->queue_cnt && err == 0; i++) {
		vnet_model_queue_get(vhu->model, i, &queue);
		if (!queue.enabled)
			break;
		err = ring_start(vhu, i, &queue);
		vhu->started_cnt++;
	}
	if (err == 0)
		err = rings_enable(vhu);
	vhu->started = err == 0;
	return err;
}

/* GET_VRING_BASE stops a ring: when its answer is there, the other side does not touch the ring any more. */
int
bh_vhu_stop(struct bh_vhost_user *vhu)
{
	struct vhost_user_vring_state state;
	int err = 0;
	for (uint32_t i = 0; i < vhu->started_cnt && err == 0; i++) {
		if (vhu->features & VHOST_USER_F_PROTOCOL_FEATURES)
			err = state_set(vhu, VHOST_USER_SET_VRING_ENABLE, i, 0);
	}
	for (uint32_t i = 0; i < vhu->started_cnt && err == 0; i++) {
		err = state_set(vhu, VHOST_USER_GET_VRING_BASE, i, 0);
		if (err == 0)
			err = bh_vhu_receive(vhu, VHOST_USER_GET_VRING_BASE, &state, sizeof(state));
	}
	vhu->started = false;
	vhu->started_cnt = 0;
	return err;
}
