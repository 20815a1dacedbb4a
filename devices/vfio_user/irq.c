/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts: VFIO_USER_DEVICE_GET_IRQ_INFO, VFIO_USER_DEVICE_SET_IRQS, and raising them. */
#include <devices/vfio_user/server_private.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
vfu_irqs_create(struct vfu_server *server)
{
	const uint32_t cnt[3] = {server->device.intx_cnt, server->device.msi_cnt, server->device.msix_cnt};
	uint64_t total = (uint64_t)cnt[0] + cnt[1] + cnt[2];
	if (cnt[0] > 1 || total > VFU_IRQ_VECTORS_MAX)
		return -EINVAL;
	server->vector = calloc(total + 1, sizeof(server->vector[0]));
	if (server->vector == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < total; i++)
		server->vector[i] = (struct vfu_vector){.trigger_fd = -1, .mask_fd = -1, .unmask_fd = -1};
	uint32_t first = 0;
	for (uint32_t type = 0; type < 3; type++) {
		server->vector_first[type] = first;
		server->vector_cnt[type] = cnt[type];
		first += cnt[type];
	}
	return 0;
}

static void
drop_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
set_trigger(struct vfu_server *server, uint32_t type, struct vfu_vector *vector, int fd)
{
	server->eventfd_cnt[type] -= vector->trigger_fd >= 0;
	drop_fd(&vector->trigger_fd);
	vector->trigger_fd = fd;
	server->eventfd_cnt[type] += fd >= 0;
}

static void
disable_type(struct vfu_server *server, uint32_t type)
{
	for (uint32_t i = 0; i < server->vector_cnt[type]; i++) {
		struct vfu_vector *vector = &server->vector[server->vector_first[type] + i];
		set_trigger(server, type, vector, -1);
		drop_fd(&vector->mask_fd);
		drop_fd(&vector->unmask_fd);
		vector->masked = vector->pending = false;
	}
}

void
vfu_irqs_drop_all(struct vfu_server *server)
{
	for (uint32_t type = 0; type < 3; type++)
		disable_type(server, type);
}

/* A full eventfd counter would block the write: the event that it stands for is there already. */
static void
signal_fd(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	const uint64_t one = 1;
	if (fd >= 0 && poll(&p, 1, 0) == 1 && p.revents & POLLOUT) {
		ssize_t written = write(fd, &one, sizeof(one));
		(void)written; /* only a closed or full counter refuses, and neither concerns the device */
	}
}

static void
mask(struct vfu_vector *vector)
{
	if (!vector->masked)
		signal_fd(vector->mask_fd);
	vector->masked = true;
}

/* INTx masks itself when raised ("VFIO_IRQ_INFO_AUTOMASKED"). */
static void
raise_vector(struct vfu_vector *vector, uint32_t type)
{
	if (vector->masked) {
		vector->pending = true;
		return;
	}
	signal_fd(vector->trigger_fd);
	if (type == VFIO_USER_IRQ_INTX)
		mask(vector);
}

static void
unmask(struct vfu_vector *vector, uint32_t type)
{
	if (vector->masked)
		signal_fd(vector->unmask_fd);
	vector->masked = false;
	if (vector->pending) {
		vector->pending = false;
		raise_vector(vector, type);
	}
}

int
vfu_server_irq(struct vfu_server *server, uint32_t vector_idx)
{
	if (server->state != VFU_STATE_CONNECTED)
		return -ENOTCONN;
	uint32_t type = VFIO_USER_IRQ_INTX;
	if (server->eventfd_cnt[VFIO_USER_IRQ_MSIX] > 0)
		type = VFIO_USER_IRQ_MSIX;
	else if (server->eventfd_cnt[VFIO_USER_IRQ_MSI] > 0)
		type = VFIO_USER_IRQ_MSI;
	else
		vector_idx = 0;
	if (vector_idx >= server->vector_cnt[type])
		return type == VFIO_USER_IRQ_INTX ? -ENOENT : -EINVAL;
	struct vfu_vector *vector = &server->vector[server->vector_first[type] + vector_idx];
	if (vector->trigger_fd < 0)
		return -ENOENT;
	raise_vector(vector, type);
	return 0;
}

static uint32_t
type_flags(uint32_t type)
{
	uint32_t flags = VFIO_USER_IRQ_INFO_EVENTFD;
	if (type <= VFIO_USER_IRQ_MSIX)
		flags |= VFIO_USER_IRQ_INFO_MASKABLE;
	if (type == VFIO_USER_IRQ_INTX)
		flags |= VFIO_USER_IRQ_INFO_AUTOMASKED;
	return flags;
}

/* The error and request types exist with a count of 0: this device never raises them. */
int
vfu_handle_irq_info(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_irq_info info;
	memcpy(&info, message->payload, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFIO_USER_IRQ_CNT)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = type_flags(info.index);
	info.count = info.index <= VFIO_USER_IRQ_MSIX ? server->vector_cnt[info.index] : 0;
	memcpy(vfu_reply_payload(server), &info, sizeof(info));
	server->reply.payload_bytes = sizeof(info);
	return 0;
}

/*
 * Writing to something else (a pipe, a file) could block or harm; an eventfd is an anonymous inode, which has no type.
 * The number of descriptors is the number of vectors, or none (to de-assign).
 */
static int
check_fds(const struct vfio_user_irq_set *set, const struct vfu_message *message, uint32_t data)
{
	if (message->fd_cnt == 0)
		return 0;
	if (data != VFIO_USER_IRQ_SET_DATA_EVENTFD || message->fd_cnt != set->count)
		return -EINVAL;
	for (uint32_t i = 0; i < message->fd_cnt; i++) {
		struct stat st;
		if (fstat(message->fd[i], &st) < 0 || (st.st_mode & S_IFMT) != 0)
			return -EINVAL;
	}
	return 0;
}

static int
check_set(const struct vfu_server *server, const struct vfio_user_irq_set *set, const struct vfu_message *message)
{
	const uint32_t known = VFIO_USER_IRQ_SET_DATA_MASK | VFIO_USER_IRQ_SET_ACTION_BITS;
	uint32_t data = set->flags & VFIO_USER_IRQ_SET_DATA_MASK, action = set->flags & VFIO_USER_IRQ_SET_ACTION_BITS;
	if (set->argsz < sizeof(*set) || set->flags & ~known || !BH_IS_POW2(data) || !BH_IS_POW2(action))
		return -EINVAL;
	if (set->index >= VFIO_USER_IRQ_CNT)
		return -EINVAL;
	uint32_t cnt = set->index <= VFIO_USER_IRQ_MSIX ? server->vector_cnt[set->index] : 0;
	if (set->start > cnt || set->count > cnt - set->start)
		return -EINVAL;
	bool disable = data == VFIO_USER_IRQ_SET_DATA_NONE && action == VFIO_USER_IRQ_SET_ACTION_TRIGGER;
	if (set->count == 0 && (!disable || set->start != 0))
		return -EINVAL;
	uint64_t bools = data == VFIO_USER_IRQ_SET_DATA_BOOL ? set->count : 0;
	if (message->payload_bytes - sizeof(*set) < bools)
		return -EINVAL;
	return check_fds(set, message, data);
}

static void
assign(struct vfu_server *server, const struct vfio_user_irq_set *set, struct vfu_vector *vector, int fd)
{
	switch (set->flags & VFIO_USER_IRQ_SET_ACTION_BITS) {
	case VFIO_USER_IRQ_SET_ACTION_TRIGGER:
		set_trigger(server, set->index, vector, fd);
		break;
	case VFIO_USER_IRQ_SET_ACTION_MASK:
		drop_fd(&vector->mask_fd);
		vector->mask_fd = fd;
		break;
	default:
		drop_fd(&vector->unmask_fd);
		vector->unmask_fd = fd;
	}
}

static void
act(const struct vfio_user_irq_set *set, struct vfu_vector *vector)
{
	switch (set->flags & VFIO_USER_IRQ_SET_ACTION_BITS) {
	case VFIO_USER_IRQ_SET_ACTION_TRIGGER:
		raise_vector(vector, set->index);
		break;
	case VFIO_USER_IRQ_SET_ACTION_MASK:
		mask(vector);
		break;
	default:
		unmask(vector, set->index);
	}
}

int
vfu_handle_set_irqs(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_irq_set set;
	memcpy(&set, message->payload, sizeof(set));
	int err = check_set(server, &set, message);
	if (err)
		return err;
	if (set.count == 0) {
		if (set.index <= VFIO_USER_IRQ_MSIX)
			disable_type(server, set.index);
		return 0;
	}
	uint32_t data = set.flags & VFIO_USER_IRQ_SET_DATA_MASK;
	const uint8_t *bools = message->payload + sizeof(set);
	for (uint32_t i = 0; i < set.count; i++) {
		struct vfu_vector *vector = &server->vector[server->vector_first[set.index] + set.start + i];
		if (data == VFIO_USER_IRQ_SET_DATA_EVENTFD)
			assign(server, &set, vector, vfu_message_take_fd(message, i));
		else if (data == VFIO_USER_IRQ_SET_DATA_NONE || bools[i])
			act(&set, vector);
	}
	return 0;
}
