/* SPDX-License-Identifier: Apache-2.0 */
/* lab-ctl: requests to the lab, by a socket to init (serve.c), which passes them on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lab/init/init.h"
#include "lab/init/protocol.h"

#define ANSWER_MS 20000

int
lab_read_line(int fd, char *line, size_t room, int timeout_ms)
{
	size_t used = 0;
	char c;
	while (used + 1 < room) {
		struct pollfd polled = {fd, POLLIN, 0};
		int ready = poll(&polled, 1, timeout_ms);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || read(fd, &c, 1) != 1)
			return -1;
		if (c == '\n') {
			line[used] = '\0';
			return (int)used;
		}
		line[used++] = c;
	}
	return -1;
}

int
lab_ctl_main(int argc, char **argv)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LAB_CTL_SOCKET};
	char line[LAB_LINE_BYTES] = "";
	if (argc != 3 || (strcmp(argv[1], "unplug") != 0 && strcmp(argv[1], "plug") != 0)) {
		fprintf(stderr, "usage: lab-ctl unplug ID   (nvme0, nic0, ...: asks the lab to pull the device)\n"
		                "       lab-ctl plug ID     (and to put it back)\n");
		return 2;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		fprintf(stderr, "lab-ctl: no lab around: %s\n", strerror(errno));
		return 1;
	}
	dprintf(fd, "%s %.64s\n", argv[1], argv[2]);
	if (lab_read_line(fd, line, sizeof(line), ANSWER_MS) < 0 || strcmp(line, "ok") != 0) {
		fprintf(stderr, "lab-ctl: %s\n", line[0] != '\0' ? line : "no answer");
		return 1;
	}
	return 0;
}
