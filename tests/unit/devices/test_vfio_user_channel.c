/* SPDX-License-Identifier: Apache-2.0 */
/* Messages over a stream, the JSON of the version, and the wire structures against <linux/vfio.h>. */
#include "vfio_user_peer.h"

#include <devices/vfio_user/capabilities.h>
#include <devices/vfio_user/channel.h>
#include <linux/vfio.h>

struct ends {
	struct vfu_channel channel;
	int peer;
	unsigned fds_before;
};

static int
setup(void **state)
{
	static struct ends ends;
	int pair[2];
	ends.fds_before = open_fd_cnt();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vfu_channel_init(&ends.channel, pair[0]), 0);
	ends.peer = pair[1];
	*state = &ends;
	return 0;
}

static int
teardown(void **state)
{
	struct ends *ends = *state;
	vfu_channel_close(&ends->channel);
	vfu_channel_close(&ends->channel);
	if (ends->peer >= 0)
		close(ends->peer);
	assert_int_equal(open_fd_cnt(), ends->fds_before);
	return 0;
}

static void
hang_up(struct ends *ends)
{
	close(ends->peer);
	ends->peer = -1;
}

static void
test_receive_nothing(void **state)
{
	struct ends *ends = *state;
	struct vfu_message message;
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), 0);
	assert_int_equal(vfu_channel_wait(&ends->channel, POLLIN, vfu_clock_ns()), -ETIMEDOUT);
	hang_up(ends);
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), -ENODEV);
	assert_int_equal(vfu_channel_wait(&ends->channel, POLLIN, vfu_clock_ns()), 0);
}

static void
test_receive_half(void **state)
{
	struct ends *ends = *state;
	struct vfu_message message;
	const uint8_t half[20] = {0, 0, 1, 0, 32};
	peer_send_raw(ends->peer, half, sizeof(half), NULL, 0);
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), 0);
	hang_up(ends);
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), -ECONNRESET);
}

/* The largest payload that is taken, and one byte more. */
static void
test_receive_size_limit(void **state)
{
	struct ends *ends = *state;
	struct vfu_message message = {0};
	uint32_t head[4] = {0, 16 + VFU_CHANNEL_PAYLOAD_BYTES_MAX, 0, 0};
	peer_send_raw(ends->peer, head, sizeof(head), NULL, 0);
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), 0);
	vfu_channel_close(&ends->channel);
	teardown(state);
	setup(state);
	head[1]++;
	peer_send_raw(ends->peer, head, sizeof(head), NULL, 0);
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), -EPROTO);
	assert_int_equal(message.header.message_bytes, head[1]);
}

/* Descriptors stay with their message, also when several messages are in the socket. */
static void
test_descriptors_of_several_messages(void **state)
{
	struct ends *ends = *state;
	int fd = memory_file(16);
	for (uint32_t i = 0; i < 4; i++) {
		const uint32_t head[5] = {i, 20, 0, 0, 0x11 * i};
		const int fds[3] = {fd, fd, fd};
		peer_send_raw(ends->peer, head, sizeof(head), fds, i);
	}
	close(fd);
	for (uint32_t i = 0; i < 4; i++) {
		struct vfu_message message;
		assert_int_equal(vfu_channel_receive(&ends->channel, &message), 1);
		assert_int_equal(message.header.message_id, i);
		assert_int_equal(message.payload[0], 0x11 * i);
		assert_int_equal(message.fd_cnt, i);
		assert_false(message.fds_lost);
		assert_int_equal(vfu_message_take_fd(&message, 3), -1);
		int taken = vfu_message_take_fd(&message, 0);
		assert_int_equal(vfu_message_take_fd(&message, 0), -1);
		vfu_message_release(&message);
		if (i > 0)
			assert_int_equal(close(taken), 0);
	}
}

/* A sender may attach some to the header and some to the payload. */
static void
test_descriptors_in_two_parts(void **state)
{
	struct ends *ends = *state;
	struct vfu_message message;
	const uint32_t head[4] = {0, 20, 0, 0}, payload = 7;
	int fd = memory_file(16), many[20];
	for (int i = 0; i < 20; i++)
		many[i] = fd;
	peer_send_raw(ends->peer, head, sizeof(head), many, 5);
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), 0);
	peer_send_raw(ends->peer, &payload, sizeof(payload), many, 12);
	assert_int_equal(vfu_channel_receive(&ends->channel, &message), 1);
	assert_int_equal(message.fd_cnt, VFU_CHANNEL_FDS_MAX);
	assert_true(message.fds_lost);
	vfu_message_release(&message);
	close(fd);
}

static void
test_send_refuses(void **state)
{
	struct ends *ends = *state;
	struct iovec iov[5] = {0};
	int fds[17] = {0};
	struct vfio_user_header header = {0};
	assert_int_equal(vfu_channel_send_some(&ends->channel, iov, 5, NULL, 0), -EINVAL);
	assert_int_equal(vfu_channel_send_some(&ends->channel, iov, 1, fds, 17), -EINVAL);
	assert_int_equal(vfu_channel_send(&ends->channel, &header, iov, 4, NULL, 0, 0), -EINVAL);
	hang_up(ends);
	assert_int_equal(vfu_channel_send(&ends->channel, &header, NULL, 0, NULL, 0, 0), -ENODEV);
}

/* A peer that reads nothing: the deadline ends the wait. */
static void
test_send_to_a_full_socket(void **state)
{
	struct ends *ends = *state;
	static uint8_t data[1 << 20];
	struct vfio_user_header header = {.message_bytes = 16 + sizeof(data)};
	struct iovec iov = {data, sizeof(data)};
	uint64_t deadline_ns = vfu_clock_ns() + 2000000;
	assert_int_equal(vfu_channel_send(&ends->channel, &header, &iov, 1, NULL, 0, deadline_ns), -ETIMEDOUT);
	assert_true(vfu_clock_ns() >= deadline_ns);
	assert_int_equal(vfu_channel_send_some(&ends->channel, &iov, 1, NULL, 0), 0);
}

static void
test_timeout_rounds_up(void **state)
{
	assert_int_equal(vfu_poll_timeout_ms(0), 0);
	assert_true(vfu_poll_timeout_ms(vfu_clock_ns() + 100000000) <= 100);
	assert_int_equal(vfu_poll_timeout_ms(UINT64_MAX), 1000000);
}

/* --- capabilities --- */

static int
parse(const char *text, struct vfu_capabilities *out)
{
	const char *why = NULL;
	int err = vfu_capabilities_parse(text, (uint32_t)strlen(text) + 1, out, &why);
	assert_non_null(why);
	assert_true(err == 0 || why[0] != '\0');
	return err;
}

static void
test_capabilities_refused(void **state)
{
	static const char *const texts[] = {
	        "",
	        "null",
	        "[]",
	        "{",
	        "{\"capabilities\":1}",
	        "{\"capabilities\":{\"max_msg_fds\":-1}}",
	        "{\"capabilities\":{\"max_msg_fds\":65536}}",
	        "{\"capabilities\":{\"max_msg_fds\":1.5}}",
	        "{\"capabilities\":{\"max_msg_fds\":99999999999999999999999}}",
	        "{\"capabilities\":{\"max_data_xfer_size\":0}}",
	        "{\"capabilities\":{\"max_data_xfer_size\":true}}",
	        "{\"capabilities\":{\"max_dma_maps\":0}}",
	        "{\"capabilities\":{\"pgsizes\":\"4096\"}}",
	        "{\"capabilities\":{\"twin_socket\":true}}",
	        "{\"capabilities\":{\"twin_socket\":{\"supported\":1}}}",
	        "{\"capabilities\":{\"twin_socket\":{\"fd_index\":-1}}}",
	        "{\"capabilities\":{\"write_multiple\":1}}",
	        "{\"capabilities\":{\"max_msg_fds\":1,\"max_msg_fds\":2}}",
	};
	struct vfu_capabilities caps;
	for (size_t i = 0; i < BH_ARRAY_CNT(texts); i++)
		assert_int_equal(parse(texts[i], &caps), -EINVAL);
	static char big[VFU_VERSION_DATA_BYTES_MAX + 1], deep[8000];
	const char *why;
	assert_int_equal(vfu_capabilities_parse(big, sizeof(big), &caps, &why), -E2BIG);
	assert_int_equal(vfu_capabilities_parse("{}", 2, &caps, &why), -EINVAL);
	memset(deep, '[', sizeof(deep) - 1);
	assert_int_equal(parse(deep, &caps), -EINVAL);
}

/* The defaults of the specification's table. */
static void
test_capabilities_default(void **state)
{
	struct vfu_capabilities caps;
	const char *why;
	static const char *const texts[] = {"{}", "{\"capabilities\":{}}",
	                                    "{\"capabilities\":{\"other\":[1]},\"x\":2}"};
	for (int i = -1; i < 3; i++) {
		memset(&caps, 0xff, sizeof(caps));
		if (i < 0)
			assert_int_equal(vfu_capabilities_parse("", 0, &caps, &why), 0);
		else
			assert_int_equal(parse(texts[i], &caps), 0);
		assert_int_equal(caps.named, 0);
		assert_int_equal(caps.max_msg_fds, 1);
		assert_int_equal(caps.max_data_xfer_bytes, 1048576);
		assert_int_equal(caps.max_dma_maps, 65535);
		assert_int_equal(caps.pgsizes, 4096);
		assert_false(caps.twin_supported);
		assert_int_equal(caps.twin_fd_idx, -1);
		assert_false(caps.write_multiple);
	}
}

static void
test_capabilities_there_and_back(void **state)
{
	const struct vfu_capabilities caps = {.named = 63,
	                                      .max_msg_fds = 16,
	                                      .max_data_xfer_bytes = 4096,
	                                      .max_dma_maps = 7,
	                                      .pgsizes = 0x201000,
	                                      .twin_supported = true,
	                                      .twin_fd_idx = 2,
	                                      .write_multiple = true};
	struct vfu_capabilities back;
	char *text = vfu_capabilities_format(&caps);
	assert_non_null(text);
	assert_int_equal(parse(text, &back), 0);
	free(text);
	assert_int_equal(back.named, caps.named);
	assert_int_equal(back.max_msg_fds, caps.max_msg_fds);
	assert_int_equal(back.max_data_xfer_bytes, caps.max_data_xfer_bytes);
	assert_int_equal(back.max_dma_maps, caps.max_dma_maps);
	assert_int_equal(back.pgsizes, caps.pgsizes);
	assert_true(back.twin_supported && back.write_multiple);
	assert_int_equal(back.twin_fd_idx, caps.twin_fd_idx);
}

/* --- the wire structures, where the specification says "defined in <linux/vfio.h>" --- */

#define SAME_SIZE(a, b) _Static_assert(sizeof(struct a) == sizeof(struct b), #a)
#define SAME_PLACE(a, field_a, b, field_b)                                                                             \
	_Static_assert(offsetof(struct a, field_a) == offsetof(struct b, field_b), #a)

SAME_SIZE(vfio_user_region_info, vfio_region_info);
SAME_PLACE(vfio_user_region_info, cap_offset, vfio_region_info, cap_offset);
SAME_PLACE(vfio_user_region_info, size, vfio_region_info, size);
SAME_PLACE(vfio_user_region_info, offset, vfio_region_info, offset);
SAME_SIZE(vfio_user_cap_header, vfio_info_cap_header);
SAME_SIZE(vfio_user_cap_sparse_mmap, vfio_region_info_cap_sparse_mmap);
SAME_SIZE(vfio_user_sparse_area, vfio_region_sparse_mmap_area);
SAME_SIZE(vfio_user_irq_info, vfio_irq_info);
SAME_SIZE(vfio_user_irq_set, vfio_irq_set);
SAME_PLACE(vfio_user_irq_set, count, vfio_irq_set, count);

static void
test_values_of_vfio(void **state)
{
	const uint32_t pairs[][2] = {
	        {VFIO_USER_DEVICE_RESETTABLE, VFIO_DEVICE_FLAGS_RESET},
	        {VFIO_USER_DEVICE_PCI, VFIO_DEVICE_FLAGS_PCI},
	        {VFIO_USER_REGION_BAR0, VFIO_PCI_BAR0_REGION_INDEX},
	        {VFIO_USER_REGION_BAR5, VFIO_PCI_BAR5_REGION_INDEX},
	        {VFIO_USER_REGION_ROM, VFIO_PCI_ROM_REGION_INDEX},
	        {VFIO_USER_REGION_CONFIG, VFIO_PCI_CONFIG_REGION_INDEX},
	        {VFIO_USER_REGION_VGA, VFIO_PCI_VGA_REGION_INDEX},
	        {VFIO_USER_REGION_CNT, VFIO_PCI_NUM_REGIONS},
	        {VFIO_USER_IRQ_INTX, VFIO_PCI_INTX_IRQ_INDEX},
	        {VFIO_USER_IRQ_MSI, VFIO_PCI_MSI_IRQ_INDEX},
	        {VFIO_USER_IRQ_MSIX, VFIO_PCI_MSIX_IRQ_INDEX},
	        {VFIO_USER_IRQ_ERR, VFIO_PCI_ERR_IRQ_INDEX},
	        {VFIO_USER_IRQ_REQ, VFIO_PCI_REQ_IRQ_INDEX},
	        {VFIO_USER_IRQ_CNT, VFIO_PCI_NUM_IRQS},
	        {VFIO_USER_REGION_INFO_READ, VFIO_REGION_INFO_FLAG_READ},
	        {VFIO_USER_REGION_INFO_WRITE, VFIO_REGION_INFO_FLAG_WRITE},
	        {VFIO_USER_REGION_INFO_MMAP, VFIO_REGION_INFO_FLAG_MMAP},
	        {VFIO_USER_REGION_INFO_CAPS, VFIO_REGION_INFO_FLAG_CAPS},
	        {VFIO_USER_CAP_SPARSE_MMAP, VFIO_REGION_INFO_CAP_SPARSE_MMAP},
	        {VFIO_USER_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_EVENTFD},
	        {VFIO_USER_IRQ_INFO_MASKABLE, VFIO_IRQ_INFO_MASKABLE},
	        {VFIO_USER_IRQ_INFO_AUTOMASKED, VFIO_IRQ_INFO_AUTOMASKED},
	        {VFIO_USER_IRQ_INFO_NORESIZE, VFIO_IRQ_INFO_NORESIZE},
	        {VFIO_USER_IRQ_SET_DATA_MASK, VFIO_IRQ_SET_DATA_TYPE_MASK},
	        {VFIO_USER_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_BOOL},
	        {VFIO_USER_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_EVENTFD},
	        {VFIO_USER_IRQ_SET_ACTION_BITS, VFIO_IRQ_SET_ACTION_TYPE_MASK},
	        {VFIO_USER_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_MASK},
	        {VFIO_USER_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_ACTION_UNMASK},
	        {VFIO_USER_DMA_UNMAP_DIRTY_BITMAP, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP},
	        {VFIO_USER_DMA_UNMAP_ALL, VFIO_DMA_UNMAP_FLAG_ALL},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(pairs); i++)
		assert_int_equal(pairs[i][0], pairs[i][1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_receive_nothing),
	        TEST(test_receive_half),
	        TEST(test_receive_size_limit),
	        TEST(test_descriptors_of_several_messages),
	        TEST(test_descriptors_in_two_parts),
	        TEST(test_send_refuses),
	        TEST(test_send_to_a_full_socket),
	        cmocka_unit_test(test_timeout_rounds_up),
	        cmocka_unit_test(test_capabilities_refused),
	        cmocka_unit_test(test_capabilities_default),
	        cmocka_unit_test(test_capabilities_there_and_back),
	        cmocka_unit_test(test_values_of_vfio),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
