/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange with irqbalance, against a server that follows a script; its answers are those that irqbalance 1.9.2 gave. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/errors/errors.h"
#include "host/machine/irqbalance.h"

#define HANG       "(hang)"  /* accepts and says nothing */
#define QUEUE      "(queue)" /* does not accept */
#define QUICK_NS   UINT64_C(50000000)
#define ANSWER_MAX 140000

static char root[64];
static useconds_t setup_delay_us;
static struct bh_error error;
static struct bh_cpus set;

/* The server, and the pipe of what it was told. */
static struct {
	pid_t pid;
	int told_fd;
} server;

static void
make_file(const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s%s", root, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int
set_up(void **state)
{
	static const char *const folder[] = {"", "/run", "/run/irqbalance", "/proc", "/proc/net", "/proc/77"};
	char path[512];
	(void)state;
	strcpy(root, "/tmp/bulkhead-irqb-XXXXXX");
	assert_non_null(mkdtemp(root));
	for (size_t i = 1; i < BH_ARRAY_CNT(folder); i++) {
		snprintf(path, sizeof(path), "%s%s", root, folder[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	error = (struct bh_error){0};
	server.pid = 0;
	return 0;
}

static void
end_server(void)
{
	if (server.pid > 0) {
		kill(server.pid, SIGKILL);
		waitpid(server.pid, NULL, 0);
		close(server.told_fd);
	}
	server.pid = 0;
}

static int
tear_down(void **state)
{
	char command[128];
	(void)state;
	end_server();
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command) == 0 ? 0 : -1;
}

/* As irqbalance does: credentials of root or nothing. (Here: of the one who runs the test.) */
static bool
is_from_us(struct msghdr *header)
{
	struct ucred who;
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	if (control == NULL || control->cmsg_type != SCM_CREDENTIALS)
		return false;
	memcpy(&who, CMSG_DATA(control), sizeof(who));
	return who.uid == geteuid();
}

static void
serve_one(int listen_fd, const char *setup_answer, int told_fd)
{
	char text[500] = {0}, room[CMSG_SPACE(sizeof(struct ucred))] = {0};
	struct iovec data = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	int fd = accept(listen_fd, NULL, NULL);
	if (fd < 0 || recvmsg(fd, &header, 0) < 0)
		_exit(1);
	if (strcmp(setup_answer, HANG) == 0)
		pause();
	if (is_from_us(&header)) {
		(void)!write(told_fd, text, strlen(text) + 1);
		if (strcmp(text, "setup") == 0)
			usleep(setup_delay_us);
		if (strcmp(text, "setup") == 0)
			(void)!send(fd, setup_answer, strlen(setup_answer), MSG_NOSIGNAL);
	}
	close(fd);
}

static void
start_on(const struct sockaddr_un *at, socklen_t bytes, const char *setup_answer)
{
	int on = 1, told[2];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)at, bytes), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(pipe(told), 0);
	server.pid = fork();
	assert_true(server.pid >= 0);
	if (server.pid == 0) {
		while (strcmp(setup_answer, QUEUE) == 0)
			pause();
		for (;;)
			serve_one(fd, setup_answer, told[1]);
	}
	close(fd);
	close(told[1]);
	server.told_fd = told[0];
}

static void
start(const char *setup_answer)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/irqbalance/irqbalance4711.sock", root);
	start_on(&at, sizeof(at), setup_answer);
}

/* Everything that it was told, with a blank behind each message. */
static const char *
told(void)
{
	static char text[2048];
	size_t used = 0;
	kill(server.pid, SIGKILL);
	for (ssize_t got; (got = read(server.told_fd, text + used, sizeof(text) - 1 - used)) > 0;)
		used += (size_t)got;
	for (size_t i = 0; i < used; i++)
		text[i] = text[i] == '\0' ? ';' : text[i];
	text[used] = '\0';
	return text;
}

static void
nobody_is_there(void **state)
{
	(void)state;
	assert_int_equal(bh_irqbalance_banned(root, &set, &error), -ENOENT);
	assert_string_equal(error.id, "E265");
	/* A file that is no socket, a socket without a process, names that are not its own. */
	make_file("/run/irqbalance/irqbalance1.sock", "");
	start("");
	end_server();
	make_file("/run/irqbalance/irqbalance12.sock.old", "");
	make_file("/run/irqbalance/irqbalance.sock", "");
	make_file("/proc/net/unix", "Num RefCount\n0: 00000002 0 0 0001 01 5 @irqbalance99999.sock\n1: @\n\n @@\n");
	assert_int_equal(bh_irqbalance_banned(root, &set, &error), -ENOENT);
	assert_int_equal(bh_irqbalance_ban(root, &set, &error), -ENOENT);
	make_file("/proc/77/comm", "irqbalance\n");
	assert_int_equal(bh_irqbalance_banned(root, &set, &error), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "process 77"));
}

static void
answers_without_sense_are_refused(void **state)
{
	static char much[ANSWER_MAX];
	const char *const bad[] = {
	        "",
	        "hello",
	        "BANNED 3",
	        "SLEEP 10 ",
	        "SLEEP 10 BANNED ",
	        "SLEEP 10 BANNED 3 4",
	        "SLEEP 10 BANNED 0x3",
	        "SLEEP 10 BANNED ffffffff,g",
	        "SLEEP 10 UNBANNED 3",
	        "SLEEP 10\nBANNED 3\n",
	        much,
	};
	(void)state;
	memset(much, 'f', sizeof(much) - 1);
	memcpy(much, "SLEEP 10 BANNED ", 16);
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		start(bad[i]);
		int err = bh_irqbalance_banned(root, &set, &error);
		/* Not being root, nobody tells "no answer" from "not for you". */
		if (err != -EPROTO && !(bad[i][0] == '\0' && geteuid() != 0 && err == -EPERM))
			fail_msg("'%.40s' gives %d", bad[i], err);
		assert_true(bh_cpus_empty(&set));
		end_server();
		char path[128];
		snprintf(path, sizeof(path), "%s/run/irqbalance/irqbalance4711.sock", root);
		unlink(path);
	}
}

static void
silence_ends(void **state)
{
	(void)state;
	start(HANG);
	assert_int_equal(bh_irqbalance_banned_within(root, QUICK_NS, &set, &error), -ETIMEDOUT);
	assert_non_null(strstr(error.text, "try again"));
}

static void
a_full_queue_ends(void **state)
{
	(void)state;
	start(QUEUE);
	for (int i = 0; i < 4; i++)
		assert_int_equal(bh_irqbalance_banned_within(root, QUICK_NS, &set, &error), -ETIMEDOUT);
	assert_int_equal(bh_cpus_parse_list("3", &set), 0);
	assert_int_equal(bh_irqbalance_ban(root, &set, &error), -ETIMEDOUT); /* was not sent */
}

static void
a_ban_in_the_queue_is_taken(void **state)
{
	(void)state;
	start(QUEUE);
	assert_int_equal(bh_cpus_parse_list("3", &set), 0);
	assert_int_equal(bh_irqbalance_ban(root, &set, &error), 1);
}

static void
it_tells_what_is_banned(void **state)
{
	static const struct {
		const char *answer, *list;
	} good[] = {
	        {"SLEEP 10 BANNED 00000000", ""},
	        {"SLEEP 10 BANNED 0000000c", "2-3"},
	        {"SLEEP 1 IRQ 5 LOAD 0 DIFF 0 CLASS 0 IRQ 7 LOAD 12 DIFF 3 CLASS 2 BANNED 00000001,80000000", "31-32"},
	};
	char text[BH_CPUS_TEXT_BYTES], path[128];
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(good); i++) {
		start(good[i].answer);
		assert_int_equal(bh_irqbalance_banned(root, &set, &error), 0);
		assert_string_equal(bh_cpus_list(&set, text), good[i].list);
		end_server();
		snprintf(path, sizeof(path), "%s/run/irqbalance/irqbalance4711.sock", root);
		unlink(path);
	}
}

static void
it_is_told_what_to_ban(void **state)
{
	(void)state;
	assert_int_equal(bh_cpus_parse_list("2-3,5", &set), 0);
	start("SLEEP 10 BANNED 0000002c");
	assert_int_equal(bh_irqbalance_ban(root, &set, &error), 0);
	assert_string_equal(told(), "settings cpus 2-3,5;awake?;setup;");
}

static void
until_its_turn_it_shows_the_old_list(void **state)
{
	(void)state;
	set = (struct bh_cpus){0};
	start("SLEEP 10 BANNED 0000000c");
	assert_int_equal(bh_irqbalance_ban(root, &set, &error), 1);
	assert_string_equal(told(), "settings cpus NULL;awake?;setup;"); /* an empty list would end it */
}

static void
a_list_too_long_is_not_sent(void **state)
{
	(void)state;
	set = (struct bh_cpus){0};
	for (unsigned cpu = 0; cpu < BH_CPUS_MAX; cpu += 2)
		bh_cpus_add(&set, cpu);
	start("SLEEP 10 BANNED 0");
	assert_int_equal(bh_irqbalance_ban(root, &set, &error), -E2BIG);
	assert_string_equal(told(), "");
}

/* An answer into a closed socket would end irqbalance. */
static void
an_answer_asked_for_is_waited_for(void **state)
{
	(void)state;
	setup_delay_us = 200000;
	start("SLEEP 10 BANNED 00000001");
	setup_delay_us = 0;
	assert_int_equal(bh_irqbalance_banned_within(root, QUICK_NS, &set, &error), 0);
	assert_string_equal(told(), "awake?;setup;");
}

/* Both kinds of abstract addresses. The second is that of 1.9.2, one per network namespace, and may be taken. */
static void
abstract_addresses_are_found(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char line[256];
	(void)state;
	int bytes = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "irqbalance%d.sock", getpid());
	start_on(&at, sizeof(at), "SLEEP 10 BANNED 00000004");
	memset(line, '@', sizeof(line));
	int start_bytes = snprintf(line, sizeof(line), "00000000642dcc1f: 00000002 00000000 00010000 0001 01 1534720 ");
	line[start_bytes] = '@';
	memcpy(line + start_bytes + 1, at.sun_path + 1, (size_t)bytes);
	line[start_bytes + sizeof(at.sun_path)] = '\0';
	make_file("/proc/net/unix", line);
	assert_int_equal(bh_irqbalance_banned(root, &set, &error), 0);
	assert_true(bh_cpus_has(&set, 2) && bh_cpus_cnt(&set) == 1);
	/* Without a blank behind, and so long that no zero ends it. */
	memset(line + start_bytes + 1, 'x', sizeof(at.sun_path) - 1);
	make_file("/proc/net/unix", line);
	assert_int_equal(bh_irqbalance_banned(root, &set, &error), -ENOENT);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(nobody_is_there),
	        TEST(answers_without_sense_are_refused),
	        TEST(silence_ends),
	        TEST(a_full_queue_ends),
	        TEST(a_ban_in_the_queue_is_taken),
	        TEST(it_tells_what_is_banned),
	        TEST(it_is_told_what_to_ban),
	        TEST(until_its_turn_it_shows_the_old_list),
	        TEST(a_list_too_long_is_not_sent),
	        TEST(an_answer_asked_for_is_waited_for),
	        TEST(abstract_addresses_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
