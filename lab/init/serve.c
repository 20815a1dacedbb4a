/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lab/init/init.h"
#include "lab/init/protocol.h"

#define CLIENT_MS 2000
#define LINE_MS   2000
#define ANSWER_MS 15000

void
lab_server_open(struct lab_server *server, int ctl_fd)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LAB_CTL_SOCKET};
	sigset_t set;
	*server = (struct lab_server){.ctl_fd = ctl_fd, .out.from = -1, .err.from = -1};
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server->listen_fd < 0 || bind(server->listen_fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(server->listen_fd, 4) != 0)
		lab_give_up("no socket for lab-ctl");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	server->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (server->signal_fd < 0)
		lab_give_up("no descriptor for signals");
}

/* A line of the host that is no answer. Return: whether it was one of those. */
static bool
take_line(const struct lab_server *server, const char *line)
{
	int number;
	if (strncmp(line, "window ", 7) == 0) {
		lab_window(line);
		return true;
	}
	if (sscanf(line, "kill %d", &number) == 1 && number > 0 && number < 32 && server->child > 0) {
		kill(-server->child, number);
		return true;
	}
	return false;
}

static void
pass_on(const struct lab_server *server)
{
	char line[LAB_LINE_BYTES];
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (lab_read_line(fd, line, sizeof(line), CLIENT_MS) > 0 && lab_is_request(line)) {
		dprintf(server->ctl_fd, "%s\n", line);
		do {
			if (lab_read_line(server->ctl_fd, line, sizeof(line), ANSWER_MS) < 0)
				snprintf(line, sizeof(line), "error no answer from the lab");
		} while (take_line(server, line));
		dprintf(fd, "%s\n", line);
	}
	close(fd);
}

static void
reap(struct lab_server *server)
{
	struct signalfd_siginfo info;
	int status;
	pid_t ended;
	while (read(server->signal_fd, &info, sizeof(info)) > 0)
		continue;
	while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
		if (ended != server->child)
			continue;
		server->status = status;
		server->child = 0;
	}
}

static void
beat(const struct lab_server *server)
{
	static long last_ms;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (now_ms - last_ms < LAB_BEAT_MS)
		return;
	last_ms = now_ms;
	dprintf(server->ctl_fd, "beat\n");
}

void
lab_serve(struct lab_server *server, pid_t child)
{
	char line[LAB_LINE_BYTES];
	server->child = child;
	while (server->child != 0 || !lab_relay_empty(&server->out) || !lab_relay_empty(&server->err)) {
		struct pollfd polled[5] = {
		        {server->signal_fd, POLLIN, 0}, {server->ctl_fd, POLLIN, 0},  {server->listen_fd, POLLIN, 0},
		        lab_relay_poll(&server->out),   lab_relay_poll(&server->err),
		};
		poll(polled, 5, LAB_BEAT_MS);
		beat(server);
		reap(server);
		if ((polled[1].revents & POLLIN) != 0 && lab_read_line(server->ctl_fd, line, sizeof(line), LINE_MS) > 0)
			take_line(server, line);
		if ((polled[2].revents & POLLIN) != 0)
			pass_on(server);
		if (polled[3].revents != 0)
			lab_relay_turn(&server->out);
		if (polled[4].revents != 0)
			lab_relay_turn(&server->err);
	}
}
