/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the machine to the lab: lab-ctl -> a socket -> init -> the control port, and the answer back. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/init/init.h"
#include "lab/init/protocol.h"

static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LAB_CTL_SOCKET};

/* One line without its newline. Return: its length, -1 at the end. */
static int
read_line(int fd, char *line, size_t room)
{
	size_t used = 0;
	char c;
	while (used + 1 < room && read(fd, &c, 1) == 1) {
		if (c == '\n') {
			line[used] = '\0';
			return (int)used;
		}
		line[used++] = c;
	}
	return -1;
}

static void
pass_on(int ctl_fd, int listen_fd)
{
	char line[LAB_LINE_BYTES];
	int fd = accept(listen_fd, NULL, NULL);
	if (fd < 0)
		return;
	if (read_line(fd, line, sizeof(line)) > 0 && strncmp(line, "unplug ", 7) == 0) {
		dprintf(ctl_fd, "%s\n", line);
		do {
			if (read_line(ctl_fd, line, sizeof(line)) < 0)
				break;
			lab_window(line); /* one may come in between */
		} while (strncmp(line, "window ", 7) == 0);
		dprintf(fd, "%s\n", line);
	}
	close(fd);
}

int
lab_serve(int ctl_fd, pid_t child)
{
	char line[LAB_LINE_BYTES];
	int status = 0, listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || bind(listen_fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listen_fd, 4) != 0)
		lab_give_up("no socket for lab-ctl");
	for (;;) {
		pid_t ended = waitpid(-1, &status, WNOHANG);
		if (ended == child)
			break;
		if (ended > 0)
			continue;
		struct pollfd polled[2] = {{ctl_fd, POLLIN, 0}, {listen_fd, POLLIN, 0}};
		poll(polled, 2, 20);
		if ((polled[1].revents & POLLIN) != 0)
			pass_on(ctl_fd, listen_fd);
		else if ((polled[0].revents & POLLIN) != 0 && read_line(ctl_fd, line, sizeof(line)) > 0)
			lab_window(line);
	}
	close(listen_fd);
	return status;
}

int
lab_ctl_main(int argc, char **argv)
{
	char line[LAB_LINE_BYTES] = "";
	if (argc != 3 || strcmp(argv[1], "unplug") != 0) {
		fprintf(stderr, "usage: lab-ctl unplug ID   (nvme0, nic0, ...: asks the lab to pull the device)\n");
		return 2;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		fprintf(stderr, "lab-ctl: no lab around: %s\n", strerror(errno));
		return 1;
	}
	dprintf(fd, "unplug %.64s\n", argv[2]);
	if (read_line(fd, line, sizeof(line)) < 0 || strcmp(line, "ok") != 0) {
		fprintf(stderr, "lab-ctl: %s\n", line[0] != '\0' ? line : "no answer");
		return 1;
	}
	return 0;
}
