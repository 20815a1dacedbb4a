/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3) and sd_watchdog_enabled(3), against a socket of the test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/run/notify.h"

static struct bh_error error;
static struct bh_notify notify;
static char address[64];
static int manager = -1;

static void
listen_at(const char *text)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t len = strlen(text);
	memcpy(at.sun_path, text, len);
	if (text[0] == '@')
		at.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(manager >= 0);
	socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	assert_int_equal(bind(manager, (struct sockaddr *)&at, bytes), 0);
}

static int
tear_down(void **state)
{
	(void)state;
	bh_notify_close(&notify);
	if (manager >= 0)
		close(manager);
	manager = -1;
	if (address[0] == '/')
		unlink(address);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static int
set_up(void **state)
{
	(void)state;
	snprintf(address, sizeof(address), "/tmp/bulkhead-notify-%d", getpid());
	listen_at(address);
	setenv("NOTIFY_SOCKET", address, 1);
	notify = (struct bh_notify){.fd = -1};
	error = (struct bh_error){0};
	return 0;
}

/* What came, or "" for nothing. */
static const char *
heard(void)
{
	static char text[4096];
	ssize_t got = recv(manager, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void
addresses_that_are_none(void **state)
{
	static const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1", "unix:/run/x"};
	char much[200];
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(bh_notify_open(&notify, &error), -EINVAL);
		assert_string_equal(error.id, "E268");
		assert_int_equal(notify.fd, -1);
		assert_null(getenv("NOTIFY_SOCKET"));
	}
	memset(much, 'a', sizeof(much) - 1);
	much[0] = '/';
	much[sizeof(much) - 1] = '\0';
	setenv("NOTIFY_SOCKET", much, 1);
	assert_int_equal(bh_notify_open(&notify, &error), -EINVAL);
	setenv("NOTIFY_SOCKET", "/tmp/nobody-listens-here", 1);
	assert_int_equal(bh_notify_open(&notify, &error), -ENOENT);
	setenv("NOTIFY_SOCKET", "@bulkhead-nobody-listens-here", 1);
	assert_int_equal(bh_notify_open(&notify, &error), -ECONNREFUSED);
}

static void
watchdogs_that_are_none(void **state)
{
	static const char *const bad[] = {"", "0", "-1", " 1", "1s", "0x10", "99999999999999999999", "1000000000001"};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		setenv("NOTIFY_SOCKET", address, 1);
		setenv("WATCHDOG_USEC", bad[i], 1);
		assert_int_equal(bh_notify_open(&notify, &error), -EINVAL);
		assert_int_equal(notify.fd, -1);
		assert_null(getenv("WATCHDOG_USEC"));
	}
	/* It is meant for another process. */
	setenv("NOTIFY_SOCKET", address, 1);
	setenv("WATCHDOG_USEC", "1000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(bh_notify_open(&notify, &error), 0);
	assert_int_equal(notify.watchdog_ns, 0);
	assert_null(getenv("WATCHDOG_PID"));
}

static void
without_a_manager_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "1000000", 1);
	assert_int_equal(bh_notify_open(&notify, &error), 0);
	assert_int_equal(notify.fd, -1);
	assert_int_equal(notify.watchdog_ns, 0);
	assert_int_equal(bh_notify_send(&notify, "READY=1"), 0);
	bh_notify_status(&notify, "x");
	bh_notify_beat(&notify, 1, 0);
	assert_string_equal(heard(), "");
}

static void
a_manager_that_does_not_read_is_not_waited_for(void **state)
{
	int err = 0;
	(void)state;
	assert_int_equal(bh_notify_open(&notify, &error), 0);
	for (int i = 0; i < 100000 && err == 0; i++)
		err = bh_notify_send(&notify, "READY=1");
	assert_int_equal(err, -EAGAIN);
	notify.watchdog_ns = 1000;
	bh_notify_beat(&notify, 5000, 0);
	assert_int_equal(notify.next_beat_ns, 0); /* to be tried again */
	close(manager);
	manager = -1;
	assert_int_equal(bh_notify_send(&notify, "READY=1"), -ECONNREFUSED);
}

static void
messages_arrive_as_written(void **state)
{
	char much[2000], name[64];
	(void)state;
	assert_int_equal(bh_notify_open(&notify, &error), 0);
	assert_int_equal(bh_notify_send(&notify, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%d", 5), 0);
	assert_string_equal(heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=5");
	/* A status is one line whatever is in it: no variable of the protocol gets in. */
	bh_notify_status(&notify, "30 %s IOPS\nMAINPID=1\t\x7f \xc2\xb5s");
	assert_string_equal(heard(), "STATUS=30 %s IOPS?MAINPID=1?? \xc2\xb5s");
	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	bh_notify_status(&notify, much);
	assert_in_range(strlen(heard()), 400, BH_NOTIFY_TEXT_BYTES - 1);
	bh_notify_close(&notify);
	close(manager);
	snprintf(name, sizeof(name), "@bulkhead-notify-%d", getpid());
	listen_at(name);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(bh_notify_open(&notify, &error), 0);
	assert_int_equal(bh_notify_send(&notify, "READY=1"), 0);
	assert_string_equal(heard(), "READY=1");
}

static void
it_beats_at_half_time_while_the_cell_does(void **state)
{
	char pid[16];
	(void)state;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_USEC", "2000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(bh_notify_open(&notify, &error), 0);
	assert_int_equal(notify.watchdog_ns, UINT64_C(2000000000));
	static const struct {
		uint64_t now_ms, silence_ms;
		bool beat;
	} turn[] = {
	        {5000, 1000, false}, /* silent for half of it */
	        {5001, 999, true},   {6000, 0, false},    {6001, 0, true},
	        {7500, 1500, false}, {9000, 3000, false}, {9100, 10, true},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(turn); i++) {
		bh_notify_beat(&notify, turn[i].now_ms * 1000000, turn[i].silence_ms * 1000000);
		assert_string_equal(heard(), turn[i].beat ? "WATCHDOG=1" : "");
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(addresses_that_are_none),           TEST(watchdogs_that_are_none),
	        TEST(without_a_manager_nothing_happens), TEST(a_manager_that_does_not_read_is_not_waited_for),
	        TEST(messages_arrive_as_written),        TEST(it_beats_at_half_time_while_the_cell_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
