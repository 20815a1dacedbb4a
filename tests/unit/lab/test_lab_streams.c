/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/internal.h"

static int machine_fd, reader_fd;
static struct bh_lab_relay relay;

static int
setup(void **state)
{
	int pair[2], ends[2];
	signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pipe(ends) != 0)
		return -1;
	memset(&relay, 0, sizeof(relay));
	relay.from = pair[0];
	machine_fd = pair[1];
	relay.to = ends[1];
	reader_fd = ends[0];
	return 0;
}

static int
teardown(void **state)
{
	close(machine_fd);
	close(reader_fd);
	if (relay.from >= 0)
		close(relay.from);
	if (relay.to >= 0)
		close(relay.to);
	return 0;
}

static void
test_reader_gone(void **state)
{
	close(reader_fd);
	assert_int_equal(write(machine_fd, "abc", 3), 3);
	assert_int_equal(bh_lab_relay_pull(&relay), 3);
	bh_lab_relay_push(&relay);
	assert_true(relay.reader_gone);
	assert_false(bh_lab_relay_holds(&relay));
	assert_int_equal(write(machine_fd, "abc", 3), 3); /* the rest is dropped, and counted */
	assert_int_equal(bh_lab_relay_pull(&relay), 3);
	assert_false(bh_lab_relay_holds(&relay));
	assert_int_equal(relay.byte_cnt, 6);
	reader_fd = -1;
}

static void
test_machine_gone(void **state)
{
	close(machine_fd);
	assert_int_equal(bh_lab_relay_pull(&relay), 0);
	assert_int_equal(relay.from, -1);
	assert_int_equal(bh_lab_relay_poll(&relay).fd, -1);
	machine_fd = -1;
}

/* A reader that stops: nothing blocks, nothing more is read from the machine, and nothing is lost. */
static void
test_slow_reader(void **state)
{
	static unsigned char bytes[65536], got[65536];
	size_t sent = 0, received = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 31);
	assert_int_equal(fcntl(relay.to, F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(fcntl(machine_fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(relay.from, F_SETFL, O_NONBLOCK), 0);
	while (received < sizeof(bytes)) {
		ssize_t done = sent < sizeof(bytes) ? write(machine_fd, bytes + sent, sizeof(bytes) - sent) : 0;
		sent += done > 0 ? (size_t)done : 0;
		if (!bh_lab_relay_holds(&relay))
			assert_true(bh_lab_relay_pull(&relay) >= 0);
		bh_lab_relay_push(&relay);
		bh_lab_relay_push(&relay);
		if (bh_lab_relay_holds(&relay))
			assert_int_equal(bh_lab_relay_poll(&relay).events, POLLOUT);
		ssize_t now = read(reader_fd, got + received, BH_MIN(sizeof(got) - received, (size_t)1000));
		assert_true(now > 0);
		received += (size_t)now;
	}
	assert_memory_equal(bytes, got, sizeof(bytes));
	assert_int_equal(relay.byte_cnt, sizeof(bytes));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_reader_gone, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_machine_gone, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
