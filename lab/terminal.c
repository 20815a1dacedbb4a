/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/internal.h"

#define ESCAPE '\001' /* Ctrl-A; then x */

void
bh_lab_terminal_open(struct bh_lab_terminal *terminal)
{
	struct termios raw;
	*terminal = (struct bh_lab_terminal){0};
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal->before) != 0)
		return;
	raw = terminal->before;
	cfmakeraw(&raw);
	terminal->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void
bh_lab_terminal_close(struct bh_lab_terminal *terminal)
{
	if (terminal->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
	terminal->raw = false;
}

/* Ctrl-A x ends the machine, Ctrl-A Ctrl-A is one Ctrl-A. A machine that does not read loses keys, not our time. */
bool
bh_lab_terminal_keys(struct bh_lab_terminal *terminal, int tty_fd)
{
	char bytes[256], out[256];
	size_t out_cnt = 0;
	ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (got <= 0)
		return got == 0 || (errno != EINTR && errno != EAGAIN);
	for (ssize_t i = 0; i < got; i++) {
		if (terminal->escape && (bytes[i] == 'x' || bytes[i] == 'X'))
			return true;
		if (!terminal->escape && bytes[i] == ESCAPE) {
			terminal->escape = true;
			continue;
		}
		terminal->escape = false;
		out[out_cnt++] = bytes[i];
	}
	(void)!send(tty_fd, out, out_cnt, MSG_DONTWAIT | MSG_NOSIGNAL);
	return false;
}

bool
bh_lab_terminal_window(const struct bh_lab_terminal *terminal, char *out_line, size_t line_bytes)
{
	struct winsize size;
	if (!terminal->raw || ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0)
		return false;
	snprintf(out_line, line_bytes, "window %u %u\n", size.ws_row, size.ws_col);
	return true;
}
