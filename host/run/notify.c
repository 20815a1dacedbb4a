/* SPDX-License-Identifier: Apache-2.0 */
#include "host/run/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/errors/errors.h"

#define USEC_MAX UINT64_C(1000000000000) /* 11 days: more is no watchdog */

/* Return: 0; -EINVAL. */
static int
address_of(const char *text, struct sockaddr_un *out, socklen_t *out_bytes)
{
	size_t len = strlen(text);
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(out->sun_path))
		return -EINVAL;
	memcpy(out->sun_path, text, len);
	if (text[0] == '@')
		out->sun_path[0] = '\0';
	/* An abstract address ends where its name does. */
	*out_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
	return 0;
}

static int
connect_to(const char *text, struct bh_notify *out)
{
	struct sockaddr_un address;
	socklen_t bytes;
	int err = address_of(text, &address, &bytes);
	if (err != 0)
		return err;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, bytes) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	out->fd = fd;
	return 0;
}

/* $WATCHDOG_PID names whom it is meant for, if it is set (sd_watchdog_enabled(3)). */
static int
read_watchdog(struct bh_notify *out)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != getpid()))
		return 0;
	if (usec[0] < '0' || usec[0] > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long value = strtoull(usec, &end, 10);
	if (errno != 0 || *end != '\0' || value == 0 || value > USEC_MAX)
		return -EINVAL;
	out->watchdog_ns = value * 1000;
	return 0;
}

int
bh_notify_open(struct bh_notify *out, struct bh_error *error)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int err = 0;
	*out = (struct bh_notify){.fd = -1};
	if (path != NULL)
		err = connect_to(path, out);
	if (err != 0)
		err = bh_error_set(error, "E268", err,
		                   "the service manager's socket '%.108s' ($NOTIFY_SOCKET) cannot be reached: %s", path,
		                   strerror(-err));
	if (err == 0 && out->fd >= 0 && read_watchdog(out) != 0) {
		bh_notify_close(out);
		err = bh_error_set(error, "E268", -EINVAL, "$WATCHDOG_USEC is no number of microseconds");
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return err;
}

void
bh_notify_close(struct bh_notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	*notify = (struct bh_notify){.fd = -1};
}

int
bh_notify_send(const struct bh_notify *notify, const char *format, ...)
{
	char text[BH_NOTIFY_TEXT_BYTES];
	va_list args;
	if (notify->fd < 0)
		return 0;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		return -EINVAL;
	ssize_t sent = send(notify->fd, text, BH_MIN((size_t)len, sizeof(text) - 1), MSG_NOSIGNAL | MSG_DONTWAIT);
	return sent < 0 ? -errno : 0;
}

void
bh_notify_status(const struct bh_notify *notify, const char *text)
{
	char line[BH_NOTIFY_TEXT_BYTES - sizeof("STATUS=")];
	snprintf(line, sizeof(line), "%s", text);
	for (char *at = line; *at != '\0'; at++)
		*at = (unsigned char)*at < ' ' || *at == 127 ? '?' : *at;
	int err = bh_notify_send(notify, "STATUS=%s", line);
	(void)err; /* the next one tells as much */
}

void
bh_notify_beat(struct bh_notify *notify, uint64_t now_ns, uint64_t silence_ns)
{
	if (notify->watchdog_ns == 0 || now_ns < notify->next_beat_ns || silence_ns >= notify->watchdog_ns / 2)
		return;
	if (bh_notify_send(notify, "WATCHDOG=1") == 0)
		notify->next_beat_ns = now_ns + notify->watchdog_ns / 2;
}
