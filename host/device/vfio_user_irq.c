/* SPDX-License-Identifier: Apache-2.0 */
/* VFIO_USER_DEVICE_SET_IRQS, from the client. Cells poll and need none of it; monitors and tests do. */
#include <host/device/vfio_user_private.h>

#include <errno.h>
#include <string.h>

uint32_t
bh_vfio_user_irq_cnt(const struct bh_backend *backend, uint32_t irq_index)
{
	return irq_index < VFIO_USER_IRQ_CNT ? bh_vfu_client_of(backend)->vector_cnt[irq_index] : 0;
}

static bool
is_consistent(uint32_t flags, uint32_t start, uint32_t vector_cnt, const int *eventfds, const uint8_t *bools)
{
	uint32_t data = flags & VFIO_USER_IRQ_SET_DATA_MASK, action = flags & VFIO_USER_IRQ_SET_ACTION_BITS;
	if (!BH_IS_POW2(data) || !BH_IS_POW2(action) || flags != (data | action))
		return false;
	if ((data == VFIO_USER_IRQ_SET_DATA_BOOL) != (bools != NULL))
		return false;
	if (data != VFIO_USER_IRQ_SET_DATA_EVENTFD && eventfds != NULL)
		return false;
	bool disable = data == VFIO_USER_IRQ_SET_DATA_NONE && action == VFIO_USER_IRQ_SET_ACTION_TRIGGER && start == 0;
	return vector_cnt > 0 || disable;
}

static int
send_set(struct bh_vfu_client *client, const struct vfio_user_irq_set *set, const int *eventfds, const uint8_t *bools,
         struct bh_error *error)
{
	const struct bh_vfu_call call = {.command = VFIO_USER_DEVICE_SET_IRQS,
	                                 .head = set,
	                                 .head_bytes = sizeof(*set),
	                                 .data = bools,
	                                 .data_bytes = bools ? set->count : 0,
	                                 .fds = eventfds,
	                                 .fd_cnt = eventfds ? set->count : 0};
	return bh_vfu_call(client, &call, NULL, error);
}

int
bh_vfio_user_set_irqs(struct bh_backend *backend, uint32_t irq_index, uint32_t flags, uint32_t start,
                      uint32_t vector_cnt, const int *eventfds, const uint8_t *bools, struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	uint32_t total = bh_vfio_user_irq_cnt(backend, irq_index);
	bool inside = irq_index < VFIO_USER_IRQ_CNT && start <= total && vector_cnt <= total - start;
	if (!inside || !is_consistent(flags, start, vector_cnt, eventfds, bools))
		return bh_error_set(
		        error, "E052", -EINVAL,
		        "device %s: interrupt request does not fit: type %u has %u vectors, asked for %u from "
		        "%u with flags %#x",
		        backend->name, irq_index, total, vector_cnt, start, flags);
	uint32_t step = vector_cnt;
	if (eventfds) {
		step = BH_MIN(step, client->server.max_msg_fds);
		step = BH_MIN(step, VFU_CHANNEL_FDS_MAX);
	}
	if (eventfds && step == 0)
		return bh_error_set(error, "E052", -ENOTSUP, "device %s: the server takes no descriptors",
		                    backend->name);
	uint32_t done = 0;
	do {
		struct vfio_user_irq_set set = {
		        .flags = flags, .index = irq_index, .start = start + done, .count = vector_cnt - done};
		set.count = BH_MIN(set.count, step);
		set.argsz = (uint32_t)sizeof(set) + (bools ? set.count : 0);
		int err = send_set(client, &set, eventfds ? eventfds + done : NULL, bools, error);
		if (err)
			return err;
		done += set.count;
	} while (done < vector_cnt);
	return 0;
}
