/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client on its way to a device: sockets that are not one, versions, device and region info, each with its error.
 */
#include "vfio_user_fake.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LONG_NS  UINT64_C(20000000000)
#define SHORT_NS UINT64_C(50000000)

static struct bh_backend *backend;
static struct bh_error error;

static void
assert_error(const char *id, const char *part)
{
	assert_string_equal(error.id, id);
	if (strstr(error.text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, error.text);
	assert_non_null(strstr(error.text, "nvme0"));
}

/* --- the socket --- */

static int
open_path(const char *path)
{
	unsigned before = open_fd_cnt();
	memset(&error, 0, sizeof(error));
	int err = bh_vfio_user_open_timeout("nvme0", -1, path, SHORT_NS, &backend, &error);
	assert_int_equal(open_fd_cnt(), before);
	return err;
}

static void
test_no_socket(void **state)
{
	assert_int_equal(open_path("/tmp/there/is/nothing"), -ENOENT);
	assert_error("E040", "Start the device first");
	assert_int_equal(open_path(NULL), -EINVAL);
	assert_error("E040", "Set `socket`");
}

static void
test_path_too_long(void **state)
{
	char path[300];
	memset(path, 'x', sizeof(path));
	path[299] = '\0';
	assert_int_equal(open_path(path), -ENAMETOOLONG);
	assert_error("E042", "too long");
}

static void
test_not_a_socket(void **state)
{
	assert_int_equal(open_path("/dev/null"), -ENOTSOCK);
	assert_error("E040", "is not a socket");
	int fd = memory_file(16);
	assert_int_equal(bh_vfio_user_open("nvme0", fd, "given", &backend, &error), -ENOTSOCK);
	assert_error("E040", "given");
}

static int
bind_path(const char *path, int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Nobody listens; a datagram socket; nobody accepts; somebody accepts and says nothing. */
static void
test_sockets_of_others(void **state)
{
	char dir[] = "/tmp/bh-vfu-XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	int fd = bind_path(path, SOCK_STREAM);
	assert_int_equal(open_path(path), -ECONNREFUSED);
	assert_error("E040", "nobody listens");
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(open_path(path), -ETIMEDOUT);
	assert_error("E045", "VERSION");
	/* The closed connection is still in the queue, which has room for no other. */
	assert_int_equal(open_path(path), -ETIMEDOUT);
	assert_error("E045", "accepts no connection");
	close(fd);
	assert_int_equal(unlink(path), 0);
	fd = bind_path(path, SOCK_DGRAM);
	assert_int_equal(open_path(path), -EPROTOTYPE);
	assert_error("E040", "not a stream socket");
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void
test_no_permission(void **state)
{
	char dir[] = "/tmp/bh-vfu-XXXXXX", path[64];
	if (geteuid() == 0) { /* root may connect to everything: as somebody else */
		assert_int_equal(seteuid(65534), 0);
	}
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	int fd = bind_path(path, SOCK_STREAM);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(open_path(path), -EACCES);
	assert_error("E041", "permission");
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

/* --- a server that lies --- */

static int
open_with(fake_hook *hook, const char *json, uint64_t timeout_ns)
{
	struct fake fake;
	fake_start(&fake, hook);
	if (json)
		fake.json = json;
	memset(&error, 0, sizeof(error));
	int err = fake_open(&fake, timeout_ns, &backend, &error);
	if (err == 0)
		backend->ops->close(backend);
	fake_stop(&fake);
	return err;
}

static bool
is_command(const struct peer_message *request, uint32_t command)
{
	return get16(request, 2) == command;
}

static bool
silent_on_version(struct fake *f, const struct peer_message *request)
{
	return true;
}

static bool
closes_on_version(struct fake *f, const struct peer_message *request)
{
	shutdown(f->sock, SHUT_RDWR);
	return true;
}

static bool
closes_in_reply(struct fake *f, const struct peer_message *request)
{
	const uint8_t half[8] = {0};
	peer_send_raw(f->sock, half, sizeof(half), NULL, 0);
	shutdown(f->sock, SHUT_RDWR);
	return true;
}

static bool
refuses_version(struct fake *f, const struct peer_message *request)
{
	fake_send(f, fake_reply(request, ERROR, EINVAL));
	return true;
}

static bool
refuses_without_reason(struct fake *f, const struct peer_message *request)
{
	fake_send(f, fake_reply(request, ERROR, 0));
	return true;
}

static bool
answers_version_0_7(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	put16(&m, 0);
	put16(&m, 7);
	fake_send(f, m);
	return true;
}

static bool
answers_version_3_1(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	put16(&m, 3);
	put16(&m, 1);
	fake_send(f, m);
	return true;
}

static bool
answers_two_bytes(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	put16(&m, 0);
	fake_send(f, m);
	return true;
}

static bool
answers_other_id(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	m.bytes[0] ^= 1;
	put32(&m, 0x10000);
	fake_send(f, m);
	return true;
}

static bool
answers_other_command(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	m.bytes[2] = 4;
	put32(&m, 0x10000);
	fake_send(f, m);
	return true;
}

static bool
answers_impossible_size(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	m.bytes[7] = 0x7f;
	peer_send_raw(f->sock, m.bytes, 16, NULL, 0);
	free(m.bytes);
	return true;
}

static void
test_version_without_answer(void **state)
{
	assert_int_equal(open_with(silent_on_version, NULL, SHORT_NS), -ETIMEDOUT);
	assert_error("E045", "VERSION");
}

static void
test_version_connection_closed(void **state)
{
	assert_int_equal(open_with(closes_on_version, NULL, LONG_NS), -ENODEV);
	assert_error("E047", "closed the connection during VERSION");
	assert_int_equal(open_with(closes_in_reply, NULL, LONG_NS), -ENODEV);
	assert_error("E047", "closed the connection");
}

static void
test_version_refused(void **state)
{
	assert_int_equal(open_with(refuses_version, NULL, LONG_NS), -EINVAL);
	assert_error("E049", "refused VERSION: Invalid argument");
	assert_int_equal(open_with(refuses_without_reason, NULL, LONG_NS), -EIO);
	assert_error("E049", "no reason given");
}

static void
test_version_not_compatible(void **state)
{
	assert_int_equal(open_with(answers_version_3_1, NULL, LONG_NS), -EPROTONOSUPPORT);
	assert_error("E043", "speaks vfio-user 3.1, this program 0.1");
	assert_int_equal(open_with(answers_version_0_7, NULL, LONG_NS), -EPROTONOSUPPORT);
	assert_error("E043", "0.7");
}

static void
test_version_broken(void **state)
{
	fake_hook *const hooks[] = {answers_two_bytes, answers_other_id, answers_other_command,
	                            answers_impossible_size};
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		assert_int_equal(open_with(hooks[i], NULL, LONG_NS), -EPROTO);
		assert_error("E048", "broke the vfio-user protocol");
	}
	assert_int_equal(open_with(NULL, "{\"capabilities\":[]}", LONG_NS), -EPROTO);
	assert_error("E048", "capabilities");
	assert_int_equal(open_with(NULL, "{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}", LONG_NS),
	                 -EPROTO);
	assert_error("E048", "second socket");
}

static bool
is_no_pci_device(struct fake *f, const struct peer_message *request)
{
	if (!is_command(request, 4))
		return false;
	struct peer_message m = fake_reply(request, 0, 0);
	put32(&m, 16);
	put32(&m, 4); /* VFIO_DEVICE_FLAGS_PLATFORM */
	put32(&m, 2);
	put32(&m, 1);
	fake_send(f, m);
	return true;
}

static void
test_no_pci_device(void **state)
{
	assert_int_equal(open_with(is_no_pci_device, NULL, LONG_NS), -ENOTSUP);
	assert_error("E044", "no PCI device");
}

static bool
has_no_config(struct fake *f, const struct peer_message *request)
{
	if (!is_command(request, 5) || get32(request, 24) != 7)
		return false;
	struct peer_message m = fake_reply(request, 0, 0);
	put_region(&m, 32, 0, 7, 0, 0, 0);
	fake_send(f, m);
	return true;
}

static void
test_no_config_space(void **state)
{
	assert_int_equal(open_with(has_no_config, NULL, LONG_NS), -ENOTSUP);
	assert_error("E044", "no PCI configuration space");
}

static bool
is_all_ones(struct fake *f, const struct peer_message *request)
{
	memset(f->config, 0xff, 16);
	return false;
}

static void
test_device_is_not_there(void **state)
{
	assert_int_equal(open_with(is_all_ones, NULL, LONG_NS), -ENODEV);
	assert_error("E047", "all ones");
}

/* --- region info --- */

/* One lying BAR0 each; arg chooses. */
static bool
lies_about_bar0(struct fake *f, const struct peer_message *request, int lie)
{
	if (!is_command(request, 5) || get32(request, 24) != 0)
		return false;
	struct peer_message m = fake_reply(request, 0, 0);
	uint32_t cap = lie == 1 ? 4090 : lie == 2 ? 8 : 32;
	uint64_t base = lie == 7 ? UINT64_MAX - 0xfff : lie == 8 ? 0x200 : 0;
	put_region(&m, lie == 9 ? 100000 : 64, 15, lie == 3 ? 1 : 0, cap, 0x4000, base);
	put_sparse(&m, lie == 4 ? 32 : 0, lie == 5 ? UINT32_MAX : 1);
	put64(&m, lie == 6 ? 0x2000 : 0x1000);
	put64(&m, lie == 10 ? UINT64_MAX : 0x3000);
	if (lie == 11)
		m.size = 16 + 40;
	if (lie == 12)
		m.size = 16 + 31;
	int small = memory_file(0x3000);
	peer_send(f->sock, m, lie == 13 ? &small : &f->bar_fd, 1);
	close(small);
	return true;
}

#define LIE(n)                                                                                                         \
	static bool lie_##n(struct fake *f, const struct peer_message *request)                                        \
	{                                                                                                              \
		return lies_about_bar0(f, request, n);                                                                 \
	}
LIE(1)
LIE(2)
LIE(3)
LIE(4)
LIE(5)
LIE(6)
LIE(7)
LIE(8)
LIE(9)
LIE(10)
LIE(11)
LIE(12)
LIE(13)

/*
 * Capability outside the reply, inside the head, another region, a loop, too many areas, area outside the region,
 * file offset that wraps or is not a page's, a size without end, area size that wraps, cut-off capability, cut-off
 * head, file too short.
 */
static void
test_region_info_lies(void **state)
{
	fake_hook *const lies[] = {lie_1, lie_2, lie_3,  lie_4,  lie_5,  lie_6, lie_7,
	                           lie_8, lie_9, lie_10, lie_11, lie_12, lie_13};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		assert_int_equal(open_with(lies[i], NULL, LONG_NS), -EPROTO);
		assert_error("E048", "broke the vfio-user protocol");
	}
}

/* Opens, hands the backend to check, closes. */
static void
open_and_check(fake_hook *hook, void (*check)(struct fake *))
{
	struct fake fake;
	fake_start(&fake, hook);
	assert_int_equal(fake_open(&fake, LONG_NS, &backend, &error), 0);
	check(&fake);
	backend->ops->close(backend);
	fake_stop(&fake);
}

static void
check_ordinary(struct fake *f)
{
	assert_string_equal(backend->name, "nvme0");
	assert_string_equal(backend->ops->name, "vfio-user");
	assert_int_equal(backend->pci_vendor, 0x1b36);
	assert_int_equal(backend->pci_device, 0x0010);
	assert_int_equal(backend->pci_class, 0x010802);
	assert_true(backend->bar[0].size_bytes == 0x4000);
	assert_int_equal(backend->bar[0].window_cnt, 1);
	assert_true(backend->bar[0].window[0].offset == 0x1000);
	assert_true(backend->bar[0].window[0].size_bytes == 0x3000);
	assert_true(backend->bar[0].window[0].fd_offset == 0x1000);
	for (int i = 1; i < 6; i++)
		assert_true(backend->bar[i].size_bytes == 0);
	/* Memory, bus master, no pin interrupts: PCI Local Bus 3.0, 6.2.2. */
	assert_int_equal(f->config[4] | f->config[5] << 8, 0x406);
	assert_int_equal(bh_vfio_user_irq_cnt(backend, 2), 20);
	assert_int_equal(bh_vfio_user_irq_cnt(backend, 9), 0);
}

static void
test_open(void **state)
{
	open_and_check(NULL, check_ordinary);
}

/* The request as the specification draws it. */
static void
check_version_request(struct fake *f)
{
	const struct peer_message *m = &f->last[1];
	assert_int_equal(get16(m, 2), 1);
	assert_int_equal(get32(m, 4), m->size);
	assert_int_equal(get32(m, 8), 0);
	assert_int_equal(get16(m, 16), 0);
	assert_int_equal(get16(m, 18), 1);
	assert_int_equal(m->bytes[m->size - 1], 0);
	assert_non_null(strstr((char *)m->bytes + 20, "\"capabilities\""));
	const struct peer_message *info = &f->last[4];
	assert_int_equal(info->size, 32);
	assert_int_equal(get32(info, 16), 16);
	const struct peer_message *region = &f->last[5];
	assert_int_equal(region->size, 48);
	assert_true(get32(region, 16) >= 32);
	assert_int_equal(get32(region, 24), 7);
}

static void
test_requests(void **state)
{
	open_and_check(NULL, check_version_request);
}

/* The first reply says only how much room is needed. */
static bool
needs_more_room(struct fake *f, const struct peer_message *request)
{
	if (!is_command(request, 5) || get32(request, 24) != 0)
		return false;
	bool enough = get32(request, 16) >= 8192;
	struct peer_message m = fake_reply(request, 0, 0);
	put_region(&m, 8192, 15, 0, enough ? 8160 : 0, 0x4000, 0);
	if (enough) {
		m.size = 16 + 8160;
		memset(m.bytes + 48, 0, m.size - 48);
		put_sparse(&m, 0, 1);
		put64(&m, 0x1000);
		put64(&m, 0x3000);
		m.size = 16 + 8192;
	}
	peer_send(f->sock, m, &f->bar_fd, 1);
	return true;
}

static void
test_region_info_grows(void **state)
{
	open_and_check(needs_more_room, check_ordinary);
}

/* Another capability first; areas that are not whole pages; more areas than a BAR has windows. */
static bool
has_many_areas(struct fake *f, const struct peer_message *request)
{
	if (!is_command(request, 5) || get32(request, 24) != 0)
		return false;
	struct peer_message m = fake_reply(request, 0, 0);
	put_region(&m, 40 + 16 + 7 * 16, 15, 0, 32, 0x4000, 0);
	put16(&m, 3); /* VFIO_REGION_INFO_CAP_MSIX_MAPPABLE */
	put16(&m, 1);
	put32(&m, 40);
	put_sparse(&m, 0, 7);
	put64(&m, 0x0800); /* rounds to nothing */
	put64(&m, 0x0800);
	put64(&m, 0x0f00); /* rounds to 0x1000..0x2000 */
	put64(&m, 0x1180);
	for (uint64_t i = 0; i < 5; i++) {
		put64(&m, 0x2000);
		put64(&m, 0x1000);
	}
	peer_send(f->sock, m, &f->bar_fd, 1);
	return true;
}

static void
check_many_areas(struct fake *f)
{
	assert_int_equal(backend->bar[0].window_cnt, BH_BAR_WINDOWS_MAX);
	assert_true(backend->bar[0].window[0].offset == 0x1000);
	assert_true(backend->bar[0].window[0].size_bytes == 0x1000);
}

static void
test_many_areas(void **state)
{
	open_and_check(has_many_areas, check_many_areas);
}

/* MMAP without a capability: all of the region; a file offset. */
static bool
is_mappable_as_a_whole(struct fake *f, const struct peer_message *request)
{
	if (!is_command(request, 5) || get32(request, 24) != 0)
		return false;
	struct peer_message m = fake_reply(request, 0, 0);
	put_region(&m, 32, 7, 0, 0, 0x2000, 0x1000);
	peer_send(f->sock, m, &f->bar_fd, 1);
	return true;
}

static void
check_whole(struct fake *f)
{
	assert_int_equal(backend->bar[0].window_cnt, 1);
	assert_true(backend->bar[0].window[0].offset == 0);
	assert_true(backend->bar[0].window[0].size_bytes == 0x2000);
	assert_true(backend->bar[0].window[0].fd_offset == 0x1000);
}

static void
test_mappable_as_a_whole(void **state)
{
	open_and_check(is_mappable_as_a_whole, check_whole);
}

/* Types of interrupts that the server does not know have no vectors. */
static bool
refuses_irq_info(struct fake *f, const struct peer_message *request)
{
	if (!is_command(request, 7))
		return false;
	fake_send(f, fake_reply(request, ERROR, EINVAL));
	return true;
}

static void
check_no_irqs(struct fake *f)
{
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(bh_vfio_user_irq_cnt(backend, i), 0);
}

static void
test_no_irqs(void **state)
{
	open_and_check(refuses_irq_info, check_no_irqs);
}

static void
test_without_error(void **state)
{
	assert_int_equal(bh_vfio_user_open("nvme0", -1, "/tmp/there/is/nothing", &backend, NULL), -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_no_socket),
	        cmocka_unit_test(test_path_too_long),
	        cmocka_unit_test(test_not_a_socket),
	        cmocka_unit_test(test_sockets_of_others),
	        cmocka_unit_test(test_no_permission),
	        cmocka_unit_test(test_version_without_answer),
	        cmocka_unit_test(test_version_connection_closed),
	        cmocka_unit_test(test_version_refused),
	        cmocka_unit_test(test_version_not_compatible),
	        cmocka_unit_test(test_version_broken),
	        cmocka_unit_test(test_no_pci_device),
	        cmocka_unit_test(test_no_config_space),
	        cmocka_unit_test(test_device_is_not_there),
	        cmocka_unit_test(test_region_info_lies),
	        cmocka_unit_test(test_open),
	        cmocka_unit_test(test_requests),
	        cmocka_unit_test(test_region_info_grows),
	        cmocka_unit_test(test_many_areas),
	        cmocka_unit_test(test_mappable_as_a_whole),
	        cmocka_unit_test(test_no_irqs),
	        cmocka_unit_test(test_without_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
