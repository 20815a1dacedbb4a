/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server against messages built from the specification's tables: connection, version, headers, device info,
 * reset.
 */
#include "vfio_user_fixture.h"

#include <sys/stat.h>
#include <sys/un.h>

static void
refuses_a_version_and_closes(struct fixture *f, struct peer_message m, int error)
{
	refuse(f, m, error);
	assert_disconnected(f);
	struct peer_message none;
	assert_false(peer_receive(f->sock, &none));
	assert_int_equal(f->toy.connected_cnt, 0);
}

static void
test_command_before_version(void **state)
{
	refuses_a_version_and_closes(*state, peer_message(1, 13, 0), EPROTO);
}

static void
test_other_major(void **state)
{
	refuses_a_version_and_closes(*state, version(1, 0, NULL), EPROTONOSUPPORT);
}

static void
test_version_cut_off(void **state)
{
	struct peer_message m = peer_message(1, 1, 0);
	put16(&m, 0);
	refuses_a_version_and_closes(*state, m, EINVAL);
}

static void
test_version_data_without_nul(void **state)
{
	struct peer_message m = version(0, 1, "{}");
	m.size--;
	refuses_a_version_and_closes(*state, m, EINVAL);
}

static void
test_version_data_not_json(void **state)
{
	refuses_a_version_and_closes(*state, version(0, 1, "{\"capabilities\":"), EINVAL);
}

static void
test_version_capability_of_wrong_type(void **state)
{
	refuses_a_version_and_closes(*state, version(0, 1, "{\"capabilities\":{\"max_msg_fds\":\"8\"}}"), EINVAL);
}

static void
test_version_twice(void **state)
{
	struct fixture *f = *state;
	refuse(f, version(0, 1, NULL), EPROTO);
	assert_true(vfu_server_connected(f->server));
}

/*
 * "The minor version in the reply must be equal to or less than the minor version proposed"; version data is
 * optional.
 */
static void
test_version_without_data(void **state)
{
	struct fixture *f = *state;
	struct peer_message reply = ask(f, version(0, 9, NULL));
	assert_int_equal(get32(&reply, 8), REPLY);
	assert_int_equal(reply.size, 20);
	assert_int_equal(get16(&reply, 16), 0);
	assert_int_equal(get16(&reply, 18), 1);
	peer_free(&reply);
	assert_int_equal(f->toy.connected_cnt, 1);
}

static void
test_version_minor_zero(void **state)
{
	struct peer_message reply = ask(*state, version(0, 0, NULL));
	assert_int_equal(get16(&reply, 18), 0);
	peer_free(&reply);
}

/* "The capability list must be a subset of those proposed"; unknown ones are no reason to refuse. */
static void
test_version_capabilities(void **state)
{
	struct peer_message reply = ask(
	        *state, version(0, 1,
	                        "{\"capabilities\":{\"max_msg_fds\":8,\"pgsizes\":4096,\"migration\":{\"pgsize\":4096},"
	                        "\"twin_socket\":{\"supported\":false}},\"vendor\":[1,2]}"));
	assert_int_equal(get32(&reply, 8), REPLY);
	assert_int_equal(reply.bytes[reply.size - 1], 0);
	const char *text = (const char *)reply.bytes + 20;
	assert_non_null(strstr(text, "\"max_msg_fds\":16"));
	assert_non_null(strstr(text, "\"pgsizes\":4096"));
	assert_null(strstr(text, "max_dma_maps"));
	assert_null(strstr(text, "migration"));
	assert_non_null(strstr(text, "\"supported\":false"));
	assert_int_equal(reply.fd_cnt, 0);
	peer_free(&reply);
}

static void
test_version_twin_socket(void **state)
{
	struct peer_message reply = ask(
	        *state, version(0, 1, "{\"capabilities\":{\"max_msg_fds\":1,\"twin_socket\":{\"supported\":true}}}"));
	const char *text = (const char *)reply.bytes + 20;
	assert_non_null(strstr(text, "\"fd_index\":0"));
	assert_int_equal(reply.fd_cnt, 1);
	struct stat st;
	assert_int_equal(fstat(reply.fd[0], &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	peer_free(&reply);
}

static void
closes_on_header(struct fixture *f, uint32_t size, uint32_t flags)
{
	struct peer_message m = peer_message(1, 13, flags);
	memcpy(m.bytes + 4, &size, 4);
	peer_send_raw(f->sock, m.bytes, 16, NULL, 0);
	free(m.bytes);
	assert_disconnected(f);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 0);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_DISCONNECT], 1);
	assert_int_equal(f->toy.disconnected_cnt, 1);
}

static void
test_message_size_below_header(void **state)
{
	closes_on_header(*state, 15, 0);
}

static void
test_message_size_zero(void **state)
{
	closes_on_header(*state, 0, 0);
}

static void
test_message_size_huge(void **state)
{
	closes_on_header(*state, UINT32_MAX, 0);
}

static void
test_reply_that_nothing_asked_for(void **state)
{
	closes_on_header(*state, 16, REPLY);
}

static void
test_unknown_type(void **state)
{
	closes_on_header(*state, 16, 7);
}

/* 14 is not assigned; 11 and 12 go the other way; 16, 17, 18 are features and migration, which are not offered. */
static void
test_unknown_commands(void **state)
{
	const uint32_t commands[] = {0, 11, 12, 14, 16, 17, 18, 19, 255, 65535};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct peer_message m = peer_message((uint32_t)i, commands[i], 0);
		put64(&m, 0);
		put64(&m, 0);
		refuse(*state, m, ENOTSUP);
	}
}

static void
test_short_payloads(void **state)
{
	const struct {
		uint32_t command, bytes;
	} full[] = {{2, 32}, {3, 24}, {4, 16}, {5, 32}, {6, 16}, {7, 16}, {8, 20}, {9, 16}, {10, 16}, {15, 8}};
	for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
		struct peer_message m = peer_message(1, full[i].command, 0);
		m.size += full[i].bytes - 1;
		memset(m.bytes + 16, 0, full[i].bytes);
		refuse(*state, m, EINVAL);
	}
}

static void
test_client_vanishes(void **state)
{
	struct fixture *f = *state;
	close(f->sock);
	f->sock = -1;
	assert_disconnected(f);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_DISCONNECT], 1);
}

/* With half a message and a descriptor on its way. */
static void
test_client_vanishes_inside_a_message(void **state)
{
	struct fixture *f = *state;
	struct peer_message m = peer_message(1, 2, 0);
	uint32_t size = 48;
	int fd = memory_file(4096);
	memcpy(m.bytes + 4, &size, 4);
	peer_send_raw(f->sock, m.bytes, 30, &fd, 1);
	close(fd);
	free(m.bytes);
	run(f);
	assert_true(vfu_server_connected(f->server));
	close(f->sock);
	f->sock = -1;
	assert_disconnected(f);
}

static void
test_message_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	struct peer_message m = peer_message(77, 13, 0), reply;
	memcpy(m.bytes + 4, &m.size, 4);
	for (uint32_t i = 0; i < m.size; i++) {
		assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 0);
		peer_send_raw(f->sock, m.bytes + i, 1, NULL, 0);
		run(f);
	}
	free(m.bytes);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 1);
	assert_true(peer_receive(f->sock, &reply));
	assert_int_equal(get16(&reply, 0), 77);
	peer_free(&reply);
}

/* "The server will process commands in the order they are received"; ids may be re-used. */
static void
test_pipelined_messages(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[3][16];
	for (uint32_t i = 0; i < 3; i++) {
		const uint16_t head[8] = {5, 13, 16, 0, 0, 0, 0, 0};
		memcpy(bytes[i], head, 16);
	}
	peer_send_raw(f->sock, bytes, sizeof(bytes), NULL, 0);
	run(f);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct peer_message reply;
		assert_true(peer_receive(f->sock, &reply));
		assert_int_equal(get16(&reply, 0), 5);
		peer_free(&reply);
	}
}

/* No_reply holds for errors too: the next reply belongs to the next message. */
static void
test_no_reply(void **state)
{
	struct fixture *f = *state;
	peer_send(f->sock, peer_message(1, 13, NO_REPLY), NULL, 0);
	peer_send(f->sock, peer_message(2, 14, NO_REPLY), NULL, 0);
	struct peer_message reply = ask(f, peer_message(3, 13, 0));
	assert_int_equal(get16(&reply, 0), 3);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 2);
	peer_free(&reply);
}

static struct peer_message
device_info(uint32_t argsz)
{
	struct peer_message m = peer_message(9, 4, 0);
	put32(&m, argsz);
	put32(&m, 0);
	put64(&m, 0);
	return m;
}

static void
test_device_info_argsz_too_small(void **state)
{
	refuse(*state, device_info(15), EINVAL);
}

static void
test_device_info(void **state)
{
	struct peer_message reply = ask(*state, device_info(16));
	assert_int_equal(reply.size, 32);
	assert_int_equal(get32(&reply, 16), 16);
	assert_int_equal(get32(&reply, 20), 3); /* reset, PCI */
	assert_int_equal(get32(&reply, 24), 9);
	assert_int_equal(get32(&reply, 28), 5);
	peer_free(&reply);
}

static void
test_reset_that_fails(void **state)
{
	struct fixture *f = *state;
	f->toy.result = -EIO;
	refuse(f, peer_message(1, 13, 0), EIO);
}

static void
test_reset_zeroes_mapped_areas(void **state)
{
	struct fixture *f = *state;
	volatile uint32_t *doorbell = vfu_server_region_memory(f->server, 0, 0x1000, 4);
	assert_non_null(doorbell);
	*doorbell = 5;
	accept_fds(f, peer_message(1, 13, 0), NULL, 0);
	assert_int_equal(*doorbell, 0);
}

/* --- the socket in the file system --- */

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void
test_create_refuses(void **state)
{
	struct toy toy = {0};
	struct vfu_server *server;
	struct vfu_device device = toy_device(&toy), wrong = device;
	char path[200];
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(vfu_server_create(&device, path, -1, &server), -ENAMETOOLONG);
	assert_int_equal(vfu_server_create(&device, NULL, -1, &server), -EINVAL);
	assert_int_equal(vfu_server_create(&device, "/nowhere/at/all", -1, &server), -ENOENT);
	wrong.region[0].area[0].size_bytes = 0x4000;
	assert_int_equal(vfu_server_create(&wrong, "s", -1, &server), -EINVAL);
	wrong.region[0].area[0] = (struct vfu_area){0x1001, 0x1000};
	assert_int_equal(vfu_server_create(&wrong, "s", -1, &server), -EINVAL);
	wrong = device;
	wrong.intx_cnt = 2;
	assert_int_equal(vfu_server_create(&wrong, "s", -1, &server), -EINVAL);
	wrong = device;
	wrong.config.size_bytes = 100;
	assert_int_equal(vfu_server_create(&wrong, "s", -1, &server), -EINVAL);
}

/* One client at a time, a second one is closed at once; after the first has gone, the next is served. */
static void
test_listening(void **state)
{
	char dir[] = "/tmp/bh-vfu-XXXXXX", path[64];
	struct fixture f = {.fds_before = open_fd_cnt()};
	struct peer_message reply;
	struct stat st;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	struct vfu_device device = toy_device(&f.toy);
	assert_int_equal(vfu_server_create(&device, path, -1, &f.server), 0);
	assert_int_equal(vfu_server_step(f.server), -ENOTCONN);
	struct vfu_server *second;
	assert_int_equal(vfu_server_create(&device, path, -1, &second), -EADDRINUSE);
	run(&f);
	for (int round = 0; round < 2; round++) {
		f.sock = connect_to(path);
		struct pollfd p = {.fd = vfu_server_fd(f.server), .events = POLLIN};
		assert_int_equal(poll(&p, 1, PEER_WAIT_MS), 1);
		reply = ask(&f, version(0, 1, NULL));
		peer_free(&reply);
		int other = connect_to(path);
		run(&f);
		assert_false(peer_receive(other, &reply));
		peer_free(&reply);
		close(other);
		close(f.sock);
		assert_disconnected(&f);
	}
	assert_int_equal(f.toy.reset_cnt[VFU_RESET_DISCONNECT], 2);
	f.sock = -1;
	fixture_close(&f);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(rmdir(dir), 0);
}

/* A client that connects and says nothing holds the place only until the next one comes after the deadline. */
static void
test_silent_client_makes_room(void **state)
{
	char dir[] = "/tmp/bh-vfu-XXXXXX", path[64];
	struct fixture f = {.fds_before = open_fd_cnt()};
	struct peer_message reply;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	struct vfu_device device = toy_device(&f.toy);
	assert_int_equal(vfu_server_create(&device, path, -1, &f.server), 0);
	int silent = connect_to(path);
	run(&f);
	usleep(2100000); /* the server's two seconds, and longer does not matter */
	f.sock = connect_to(path);
	run(&f);
	assert_false(peer_receive(silent, &reply));
	peer_free(&reply);
	close(silent);
	reply = ask(&f, version(0, 1, NULL));
	peer_free(&reply);
	assert_true(vfu_server_connected(f.server));
	fixture_close(&f);
	assert_int_equal(rmdir(dir), 0);
}

/* A socket that nobody listens on is left over from a crash; anything else in that place is not ours to remove. */
static void
test_path_in_use(void **state)
{
	char dir[] = "/tmp/bh-vfu-XXXXXX", path[64];
	struct toy toy = {0};
	struct vfu_device device = toy_device(&toy);
	struct vfu_server *server;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(vfu_server_create(&device, path, -1, &server), -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(addr.sun_path, path, sizeof(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(vfu_server_create(&device, path, -1, &server), 0);
	vfu_server_destroy(server);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST_RAW(test_command_before_version),
	        TEST_RAW(test_other_major),
	        TEST_RAW(test_version_cut_off),
	        TEST_RAW(test_version_data_without_nul),
	        TEST_RAW(test_version_data_not_json),
	        TEST_RAW(test_version_capability_of_wrong_type),
	        TEST(test_version_twice),
	        TEST_RAW(test_version_without_data),
	        TEST_RAW(test_version_minor_zero),
	        TEST_RAW(test_version_capabilities),
	        TEST_RAW(test_version_twin_socket),
	        TEST(test_message_size_below_header),
	        TEST(test_message_size_zero),
	        TEST(test_message_size_huge),
	        TEST(test_reply_that_nothing_asked_for),
	        TEST(test_unknown_type),
	        TEST(test_unknown_commands),
	        TEST(test_short_payloads),
	        TEST(test_client_vanishes),
	        TEST(test_client_vanishes_inside_a_message),
	        TEST(test_message_byte_by_byte),
	        TEST(test_pipelined_messages),
	        TEST(test_no_reply),
	        TEST(test_device_info_argsz_too_small),
	        TEST(test_device_info),
	        TEST(test_reset_that_fails),
	        TEST(test_reset_zeroes_mapped_areas),
	        cmocka_unit_test(test_create_refuses),
	        cmocka_unit_test(test_listening),
	        cmocka_unit_test(test_silent_client_makes_room),
	        cmocka_unit_test(test_path_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
