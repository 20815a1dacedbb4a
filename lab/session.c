/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While the machine runs: its streams go where a local command's would, the console's end is remembered for the case that it
 * crashes, signals and deadlines end it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "lab/internal.h"

#define NS_PER_S      UINT64_C(1000000000)
#define BOOT_NS       (120 * NS_PER_S) /* until init says hello; some seconds on a quiet machine */
#define POWER_OFF_NS  (20 * NS_PER_S)  /* from the command's end to QEMU's */
#define CONSOLE_BYTES 16384u
#define CONSOLE_LINES 30
#define ESCAPE        '\001' /* Ctrl-A; then x */

struct session {
	struct bh_lab_machine *machine;
	struct bh_lab_control control;
	char console[CONSOLE_BYTES]; /* a ring */
	uint64_t console_bytes;
	uint64_t start_ns, ended_ns;
	int signal_fd;
	int signal_number; /* 0: none came */
	bool escape, quit, broken;
	struct termios terminal;
	bool raw;
};

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void
write_all(int fd, const char *bytes, size_t cnt)
{
	while (cnt > 0) {
		ssize_t done = write(fd, bytes, cnt);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* our reader went away: the command's end is still wanted */
		bytes += done;
		cnt -= (size_t)done;
	}
}

static void
take_console(struct session *session, const char *bytes, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		session->console[session->console_bytes++ % CONSOLE_BYTES] = bytes[i];
	if (session->machine->options->verbose)
		write_all(STDERR_FILENO, bytes, cnt);
}

static void
print_console_end(const struct session *session)
{
	uint64_t end = session->console_bytes, start = end > CONSOLE_BYTES ? end - CONSOLE_BYTES : 0, from = end;
	for (int lines = 0; from > start && lines <= CONSOLE_LINES; from--)
		lines += session->console[(from - 1) % CONSOLE_BYTES] == '\n';
	fprintf(stderr, "lab: the end of the machine's console:\n");
	for (; from < end; from++) {
		char c = session->console[from % CONSOLE_BYTES];
		if (c == '\n' || c == '\t' || (c >= ' ' && c <= '~'))
			fputc(c, stderr);
	}
	fputc('\n', stderr);
}

static void
take_stream(struct session *session, enum bh_lab_stream stream)
{
	struct bh_lab_machine *machine = session->machine;
	char bytes[65536];
	ssize_t got = read(machine->host_fd[stream], bytes, sizeof(bytes));
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		close(machine->host_fd[stream]);
		machine->host_fd[stream] = -1;
		return;
	}
	if (stream == BH_LAB_OUT || stream == BH_LAB_TTY)
		write_all(STDOUT_FILENO, bytes, (size_t)got);
	else if (stream == BH_LAB_ERR)
		write_all(STDERR_FILENO, bytes, (size_t)got);
	else if (stream == BH_LAB_CONSOLE)
		take_console(session, bytes, (size_t)got);
	else if (stream == BH_LAB_CTL && !session->broken)
		session->broken = bh_lab_control_take(machine, &session->control, bytes, (size_t)got) != 0;
}

static void
send_window(const struct session *session)
{
	struct winsize size;
	char line[64];
	if (!session->raw || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return;
	int len = snprintf(line, sizeof(line), "window %u %u\n", size.ws_row, size.ws_col);
	(void)!send(session->machine->host_fd[BH_LAB_CTL], line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
take_signal(struct session *session)
{
	struct signalfd_siginfo info;
	if (read(session->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		send_window(session);
	else if (info.ssi_signo != SIGCHLD)
		session->signal_number = (int)info.ssi_signo;
}

/* Ctrl-A x ends the machine, Ctrl-A Ctrl-A is one Ctrl-A. */
static void
take_keys(struct session *session)
{
	char bytes[256], out[256];
	size_t out_cnt = 0;
	ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (got <= 0) {
		session->quit = got == 0;
		return;
	}
	for (ssize_t i = 0; i < got; i++) {
		if (session->escape && (bytes[i] == 'x' || bytes[i] == 'X'))
			session->quit = true;
		if (!session->escape && bytes[i] == ESCAPE) {
			session->escape = true;
			continue;
		}
		session->escape = false;
		out[out_cnt++] = bytes[i];
	}
	write_all(session->machine->host_fd[BH_LAB_TTY], out, out_cnt);
}

static void
make_raw(struct session *session)
{
	struct termios raw;
	if (!session->machine->options->shell || !isatty(STDIN_FILENO) ||
	    tcgetattr(STDIN_FILENO, &session->terminal) != 0)
		return;
	raw = session->terminal;
	cfmakeraw(&raw);
	session->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static bool
catch_signals(struct session *session)
{
	sigset_t set;
	sigemptyset(&set);
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGWINCH};
	for (size_t i = 0; i < BH_ARRAY_CNT(caught); i++)
		sigaddset(&set, caught[i]);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	session->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return session->signal_fd >= 0;
}

/* One turn: whatever came. */
static void
serve(struct session *session, int timeout_ms)
{
	static const enum bh_lab_stream stream[] = {BH_LAB_OUT,     BH_LAB_ERR, BH_LAB_CTL,
	                                            BH_LAB_CONSOLE, BH_LAB_QMP, BH_LAB_TTY};
	struct pollfd polled[BH_ARRAY_CNT(stream) + 2];
	size_t cnt = BH_ARRAY_CNT(stream);
	for (size_t i = 0; i < cnt; i++)
		polled[i] = (struct pollfd){.fd = session->machine->host_fd[stream[i]], .events = POLLIN};
	polled[cnt] = (struct pollfd){.fd = session->signal_fd, .events = POLLIN};
	polled[cnt + 1] = (struct pollfd){.fd = session->machine->options->shell ? STDIN_FILENO : -1, .events = POLLIN};
	if (poll(polled, (nfds_t)cnt + 2, timeout_ms) <= 0)
		return;
	for (size_t i = 0; i < cnt; i++) {
		if (polled[i].revents != 0)
			take_stream(session, stream[i]);
	}
	if (polled[cnt].revents != 0)
		take_signal(session);
	if (polled[cnt + 1].revents != 0)
		take_keys(session);
}

static bool
qemu_ended(struct bh_lab_machine *machine, int *out_status)
{
	if (waitpid(machine->pid, out_status, WNOHANG) == 0)
		return false;
	machine->pid = 0;
	return true;
}

static void
print_qemu_log(const struct bh_lab_machine *machine)
{
	char text[4096];
	ssize_t got = pread(machine->log_fd, text, sizeof(text), 0);
	if (got > 0)
		write_all(STDERR_FILENO, text, (size_t)got);
}

static int
crashed(const struct session *session, int status, struct bh_error *error)
{
	print_qemu_log(session->machine);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && session->console_bytes == 0)
		return bh_error_set(error, "E209", -EIO, "QEMU (%s) cannot be executed", session->machine->qemu);
	if (session->console_bytes == 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return bh_error_set(
		        error, "E209", -EIO,
		        "QEMU refused the machine (exit code %d); its message stands above; --keep keeps its "
		        "arguments",
		        WEXITSTATUS(status));
	print_console_end(session);
	if (!session->control.ready)
		return bh_error_set(error, "E210", -EIO,
		                    "the machine ended before it was up; --verbose shows its console");
	return bh_error_set(
	        error, "E211", -EIO,
	        "the machine went down while the command ran: a kernel panic, or the command powered it off");
}

/* Return: 1 go on; else the session's result. */
static int
judge(struct session *session, uint64_t now, struct bh_error *error)
{
	const struct bh_lab_options *options = session->machine->options;
	uint64_t age_ns = now - session->start_ns;
	int status;
	if (session->signal_number != 0)
		return bh_error_set(error, "E212", -EINTR, "ended by %s", strsignal(session->signal_number));
	if (session->quit) {
		session->control.ended = true;
		return 0;
	}
	if (session->broken)
		return bh_error_set(error, "E213", -EPROTO, "the machine broke the control port's protocol");
	if (session->control.ended && session->ended_ns == 0)
		session->ended_ns = now;
	if (qemu_ended(session->machine, &status)) {
		for (int i = 0; i < 64; i++) /* what is still in the sockets */
			serve(session, 0);
		return session->control.ended ? 0 : crashed(session, status, error);
	}
	if (session->ended_ns != 0 && now - session->ended_ns > POWER_OFF_NS)
		return 0; /* the command is done; the rest of the machine is ended by force */
	if (!session->control.ready && age_ns > BOOT_NS) {
		print_console_end(session);
		return bh_error_set(error, "E210", -ETIMEDOUT, "the machine did not come up within %lu s",
		                    BOOT_NS / NS_PER_S);
	}
	if (options->timeout_ns != 0 && age_ns > options->timeout_ns && !session->control.ended)
		return bh_error_set(error, "E214", -ETIMEDOUT,
		                    "the command did not end within %lu s; --timeout gives it more",
		                    options->timeout_ns / NS_PER_S);
	return 1;
}

int
bh_lab_session(struct bh_lab_machine *machine, int *out_exit_code, struct bh_error *error)
{
	struct session *session = calloc(1, sizeof(*session));
	if (session == NULL || !catch_signals(session)) {
		free(session);
		return bh_error_set(error, "E203", -ENOMEM, "out of memory or descriptors");
	}
	session->machine = machine;
	session->start_ns = now_ns();
	int err = bh_lab_qemu_start(machine, error);
	make_raw(session);
	bool told = false;
	for (int going = 1; err == 0 && going == 1;) {
		serve(session, 100);
		if (session->control.ready && !told)
			send_window(session);
		told = session->control.ready;
		going = judge(session, now_ns(), error);
		err = going < 0 ? going : 0;
	}
	if (session->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &session->terminal);
	*out_exit_code = session->control.exit_code;
	close(session->signal_fd);
	free(session);
	return err;
}
