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

#define ANSWER_MS  20000
#define LEAVING_MS 30000

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

/* Return: -1 no lab, else the length of its answer. */
static int
ask(const char *what, const char *id, char *answer)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LAB_CTL_SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), len = -1;
	answer[0] = '\0';
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
		dprintf(fd, "%s %.64s\n", what, id);
		len = lab_read_line(fd, answer, LAB_LINE_BYTES, ANSWER_MS);
	}
	if (fd >= 0)
		close(fd);
	return len;
}

bool
lab_is_request(const char *line)
{
	static const char *const words[] = {"unplug ", "plug ", "link-down ", "link-up "};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(line, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

int
lab_ctl_main(int argc, char **argv)
{
	char line[LAB_LINE_BYTES] = "";
	if (argc == 3)
		snprintf(line, sizeof(line), "%.20s ", argv[1]);
	if (!lab_is_request(line)) {
		fprintf(stderr, "usage: lab-ctl unplug ID      (nvme0, nic0, ...: asks the lab to pull the device)\n"
		                "       lab-ctl plug ID        (and to put it back)\n"
		                "       lab-ctl link-down ID   (nic0, ...: takes the card's link away)\n"
		                "       lab-ctl link-up ID     (and gives it back)\n");
		return 2;
	}
	int len = ask(argv[1], argv[2], line);
	for (int waited_ms = 0; strcmp(line, "error " LAB_LEAVING) == 0 && waited_ms < LEAVING_MS; waited_ms += 50) {
		usleep(50000);
		len = ask(argv[1], argv[2], line);
	}
	if (len >= 0 && strcmp(line, "ok") == 0)
		return 0;
	fprintf(stderr, "lab-ctl: %s\n", len >= 0 ? line : "no answer");
	return 1;
}
