/* SPDX-License-Identifier: Apache-2.0 */
/* A served toy device and the test's end of its socket. */
#ifndef TESTS_UNIT_DEVICES_VFIO_USER_FIXTURE_H
#define TESTS_UNIT_DEVICES_VFIO_USER_FIXTURE_H

#include "vfio_user_peer.h"

#include "vfio_user_toy.h"

enum {
	REPLY = 1,
	NO_REPLY = 1 << 4,
	ERROR = 1 << 5,
};

struct fixture {
	struct toy toy;
	struct vfu_server *server;
	int sock;
	unsigned fds_before;
};

static inline void
run(struct fixture *f)
{
	while (vfu_server_step(f->server) > 0)
		;
}

/* The reply to a message, freed by the caller; the header's rules are checked here. */
static inline struct peer_message
ask_fds(struct fixture *f, struct peer_message m, const int *fds, uint32_t fd_cnt)
{
	uint32_t id = get16(&m, 0), command = get16(&m, 2);
	struct peer_message reply;
	peer_send(f->sock, m, fds, fd_cnt);
	run(f);
	assert_true(peer_receive(f->sock, &reply));
	assert_int_equal(get16(&reply, 0), id);
	assert_int_equal(get16(&reply, 2), command);
	uint32_t flags = get32(&reply, 8);
	assert_true(flags == REPLY || flags == (REPLY | ERROR));
	if (flags & ERROR)
		assert_int_equal(reply.size, 16); /* "the reply message must only include the reply header" */
	else
		assert_int_equal(get32(&reply, 12), 0);
	return reply;
}

static inline struct peer_message
ask(struct fixture *f, struct peer_message m)
{
	return ask_fds(f, m, NULL, 0);
}

static inline void
refuse_fds(struct fixture *f, struct peer_message m, const int *fds, uint32_t fd_cnt, int error)
{
	struct peer_message reply = ask_fds(f, m, fds, fd_cnt);
	assert_int_equal(get32(&reply, 8), REPLY | ERROR);
	assert_int_equal(get32(&reply, 12), error);
	peer_free(&reply);
}

static inline void
refuse(struct fixture *f, struct peer_message m, int error)
{
	refuse_fds(f, m, NULL, 0, error);
}

static inline void
accept_fds(struct fixture *f, struct peer_message m, const int *fds, uint32_t fd_cnt)
{
	struct peer_message reply = ask_fds(f, m, fds, fd_cnt);
	assert_int_equal(get32(&reply, 8), REPLY);
	peer_free(&reply);
}

static inline struct peer_message
version(uint32_t major, uint32_t minor, const char *json)
{
	struct peer_message m = peer_message(0x1234, 1, 0);
	put16(&m, major);
	put16(&m, minor);
	if (json)
		put_bytes(&m, json, (uint32_t)strlen(json) + 1);
	return m;
}

static inline void
fixture_open(struct fixture *f)
{
	int pair[2];
	*f = (struct fixture){.fds_before = open_fd_cnt()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->sock = pair[1];
	struct vfu_device device = toy_device(&f->toy);
	assert_int_equal(vfu_server_create(&device, NULL, pair[0], &f->server), 0);
	f->toy.server = f->server;
}

/* No descriptor may be left over, whatever the test sent. */
static inline void
fixture_close(struct fixture *f)
{
	vfu_server_destroy(f->server);
	if (f->sock >= 0)
		close(f->sock);
	assert_int_equal(open_fd_cnt(), f->fds_before);
}

/* The server noticed that its client is to go, or went. */
static inline void
assert_disconnected(struct fixture *f)
{
	run(f);
	assert_false(vfu_server_connected(f->server));
	assert_int_equal(vfu_server_step(f->server), -ENOTCONN);
}

static inline int
setup_raw(void **state)
{
	struct fixture *f = malloc(sizeof(*f));
	assert_non_null(f);
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int
setup(void **state)
{
	setup_raw(state);
	struct fixture *f = *state;
	struct peer_message reply =
	        ask(f, version(0, 1, "{\"capabilities\":{\"max_msg_fds\":16,\"write_multiple\":true}}"));
	assert_int_equal(get32(&reply, 8), REPLY);
	peer_free(&reply);
	assert_true(vfu_server_connected(f->server));
	return 0;
}

static inline int
teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

#define TEST(name)     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_RAW(name) cmocka_unit_test_setup_teardown(name, setup_raw, teardown)

#endif
