/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While the machine runs: its streams go where a local command's would, the console's end is remembered for the case that it
 * crashes, signals and deadlines end it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/init/protocol.h"
#include "lab/internal.h"

#define BOOT_NS       (60 * BH_LAB_NS_PER_S) /* until init says hello; some seconds on a quiet machine */
#define SILENCE_NS    (60 * BH_LAB_NS_PER_S) /* without a beat */
#define LAST_NS       (10 * BH_LAB_NS_PER_S) /* from the command's end to its last byte */
#define CONSOLE_BYTES 16384u
#define CONSOLE_LINES 48 /* a panic and its stack */
#define TURN_MS       500

struct session {
	struct bh_lab_machine *machine;
	struct bh_lab_control control;
	struct bh_lab_qmp qmp;
	struct bh_lab_terminal terminal;
	char console[CONSOLE_BYTES]; /* a ring */
	uint64_t console_bytes;
	uint64_t start_ns, heard_ns,
	        moved_ns; /* since when; the last line of the control port; the last byte of a stream */
	bool greeted, quit, broken, piped;
};

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
tell(struct session *session, const char *line)
{
	/* A machine that does not read only hurts itself. */
	(void)!send(session->machine->stream[BH_LAB_CTL].from, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A request of the machine, for a device that the lab made. */
static void
ask_qemu(struct session *session)
{
	struct bh_lab_machine *machine = session->machine;
	const char *line = session->control.ask, *id = strchr(line, ' ') + 1;
	const bool leaving = line[0] == 'p' && bh_lab_qmp_is_leaving(&session->qmp, id);
	char *request = session->qmp.waiting || leaving ? NULL : bh_lab_qmp_request(line, bh_lab_device(machine, id));
	size_t len = request != NULL ? strlen(request) : 0;
	if (leaving)
		tell(session, "error " LAB_LEAVING "\n");
	else if (request == NULL)
		tell(session, session->qmp.waiting ? "error the last request is not answered yet\n"
		                                   : "error the lab made no such device\n");
	else if (send(machine->stream[BH_LAB_QMP].from, request, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		tell(session, "error QEMU does not listen\n");
	else
		bh_lab_qmp_sent(&session->qmp, line);
	session->control.ask[0] = '\0';
	free(request);
}

static void
take_control(struct session *session, const char *bytes, size_t cnt)
{
	struct bh_lab_control *control = &session->control;
	session->heard_ns = bh_lab_now_ns();
	if (session->broken || bh_lab_control_take(control, session->machine->options.get_cnt, bytes, cnt) != 0) {
		session->broken = true;
		return;
	}
	if (control->ask[0] != '\0')
		ask_qemu(session);
}

static void
take_qmp(struct session *session, const char *bytes, size_t cnt)
{
	char answer[120];
	if (!bh_lab_qmp_take(&session->qmp, bytes, cnt, answer, sizeof(answer) - 1))
		return;
	strcat(answer, "\n");
	tell(session, answer);
}

static void
take_stream(struct session *session, uint32_t idx)
{
	struct bh_lab_relay *relay = &session->machine->stream[idx];
	if (!bh_lab_relay_holds(relay)) {
		size_t got = (size_t)bh_lab_relay_pull(relay);
		if (idx == BH_LAB_CTL)
			take_control(session, relay->held, got);
		else if (idx == BH_LAB_QMP)
			take_qmp(session, relay->held, got);
		else
			session->moved_ns = bh_lab_now_ns();
		for (size_t i = 0; i < got && idx == BH_LAB_CONSOLE; i++)
			session->console[session->console_bytes++ % CONSOLE_BYTES] = relay->held[i];
	}
	bh_lab_relay_push(relay);
	if (idx <= BH_LAB_ERR && relay->reader_gone && !session->piped) {
		session->piped = true;
		tell(session, "kill 13\n"); /* SIGPIPE, as a local command gets */
	}
}

/* One turn: whatever came. */
static void
serve(struct session *session, int timeout_ms)
{
	struct bh_lab_machine *machine = session->machine;
	struct pollfd polled[BH_LAB_STREAMS_MAX + 2];
	const uint32_t cnt = machine->stream_cnt;
	for (uint32_t i = 0; i < cnt; i++)
		polled[i] = bh_lab_relay_poll(&machine->stream[i]);
	polled[cnt] = (struct pollfd){.fd = machine->signals.fd, .events = POLLIN};
	polled[cnt + 1] = (struct pollfd){.fd = machine->options.shell ? STDIN_FILENO : -1, .events = POLLIN};
	if (poll(polled, cnt + 2, timeout_ms) <= 0)
		return;
	for (uint32_t i = 0; i < cnt; i++) {
		if (polled[i].revents != 0)
			take_stream(session, i);
	}
	if (polled[cnt + 1].revents != 0)
		session->quit |= bh_lab_terminal_keys(&session->terminal, machine->stream[BH_LAB_TTY].from);
	bh_lab_signals_take(&machine->signals);
	if (session->control.ready && (!session->greeted || machine->signals.window_changed)) {
		char line[64];
		session->greeted = true;
		machine->signals.window_changed = false;
		if (bh_lab_terminal_window(&session->terminal, line, sizeof(line)))
			tell(session, line);
	}
}

static void
print_qemu_log(const struct bh_lab_machine *machine)
{
	char text[4096];
	ssize_t got = pread(machine->log_fd, text, sizeof(text), 0);
	if (got > 0)
		fwrite(text, 1, (size_t)got, stderr);
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
	if (WIFSIGNALED(status))
		return bh_error_set(error, "E209", -EIO, "QEMU was ended by signal %d (%s)", WTERMSIG(status),
		                    strsignal(WTERMSIG(status)));
	if (!session->control.ready)
		return bh_error_set(error, "E210", -EIO,
		                    "the machine ended before it was up; --verbose shows its console");
	return bh_error_set(
	        error, "E211", -EIO,
	        "the machine went down while the command ran: a kernel panic, or the command powered it off");
}

/* Whether QEMU ended; then what is still in the sockets is taken, as long as it comes and somebody takes it. */
static bool
qemu_ended(struct session *session, int *out_status)
{
	struct bh_lab_machine *machine = session->machine;
	if (waitpid(machine->pid, out_status, WNOHANG) == 0)
		return false;
	machine->pid = 0;
	const uint64_t end_ns = bh_lab_now_ns() + LAST_NS;
	for (bool more = true; more && bh_lab_now_ns() < end_ns && machine->signals.asked == 0;) {
		more = false;
		serve(session, TURN_MS);
		for (uint32_t i = 0; i < machine->stream_cnt; i++)
			more |= machine->stream[i].from >= 0 || bh_lab_relay_holds(&machine->stream[i]);
	}
	return true;
}

/* The command ended. Return: 1 bytes are still to come or to be taken; 0 all done. */
static int
judge_end(const struct session *session, uint64_t now, struct bh_error *error)
{
	const struct bh_lab_machine *machine = session->machine;
	const struct bh_lab_control *control = &session->control;
	bool held = false, short_of = false, too_many = false;
	for (uint32_t i = 0; i < machine->stream_cnt; i++) {
		const struct bh_lab_relay *relay = &machine->stream[i];
		uint64_t wanted = i == BH_LAB_OUT   ? control->out_cnt
		                  : i == BH_LAB_ERR ? control->err_cnt
		                  : i >= BH_LAB_GET ? control->get_cnt[i - BH_LAB_GET]
		                                    : relay->byte_cnt;
		held |= bh_lab_relay_holds(relay);
		short_of |= relay->byte_cnt < wanted;
		too_many |= relay->byte_cnt > wanted;
	}
	if (too_many)
		return bh_error_set(error, "E213", -EPROTO, "the machine sent more than it told");
	if (!held && short_of && now - session->moved_ns > LAST_NS)
		return bh_error_set(error, "E213", -EPROTO, "the machine told of more output than it sent");
	return held || short_of;
}

static int
judge_deadlines(const struct session *session, uint64_t now, struct bh_error *error)
{
	const struct bh_lab_options *options = &session->machine->options;
	const uint64_t age_ns = now - session->start_ns;
	const bool late = options->timeout_ns != 0 && age_ns > options->timeout_ns;
	if (!session->control.ready && (late || age_ns > BOOT_NS)) {
		print_console_end(session);
		return bh_error_set(error, "E210", late ? -ETIMEDOUT : -EAGAIN,
		                    "the machine did not come up within %lu s", age_ns / BH_LAB_NS_PER_S);
	}
	if (late)
		return bh_error_set(error, "E214", -ETIMEDOUT,
		                    "the command did not end within %lu s (boot included); --timeout gives it more",
		                    options->timeout_ns / BH_LAB_NS_PER_S);
	if (session->control.ready && !session->control.ended && now - session->heard_ns > SILENCE_NS) {
		print_console_end(session);
		return bh_error_set(error, "E217", -ETIMEDOUT, "the machine hangs: no sign of life for %lu s",
		                    SILENCE_NS / BH_LAB_NS_PER_S);
	}
	return 1;
}

/* Return: 1 go on; else the session's result. */
static int
judge(struct session *session, struct bh_error *error)
{
	const uint64_t now = bh_lab_now_ns();
	int status = 0, err = bh_lab_signals_check(&session->machine->signals, error);
	if (err != 0 || session->quit)
		return err;
	if (!session->broken && session->control.ended) {
		int more = judge_end(session, now, error);
		if (more <= 0)
			return more;
	}
	if (!session->broken && qemu_ended(session, &status) && !session->control.ended && !session->broken)
		return crashed(session, status, error);
	if (session->broken)
		return bh_error_set(error, "E213", -EPROTO, "the machine broke the control port's protocol");
	if (session->machine->pid == 0)
		return judge_end(session, now, error) == 0
		               ? 0
		               : bh_error_set(error, "E211", -EIO, "the machine went down with output on its way");
	return judge_deadlines(session, now, error);
}

/* A shell's last words have no count. */
static void
drain_terminal(struct session *session)
{
	for (int i = 0; i < 10 && session->machine->options.shell && !session->quit; i++)
		serve(session, 20);
}

int
bh_lab_session(struct bh_lab_machine *machine, int *out_exit_code, struct bh_error *error)
{
	static const char hello[] = "{\"execute\":\"qmp_capabilities\"}";
	struct session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return bh_error_set(error, "E203", -ENOMEM, "out of memory");
	session->machine = machine;
	session->start_ns = session->moved_ns = session->heard_ns = bh_lab_now_ns();
	int err = bh_lab_qemu_start(machine, error);
	if (err == 0 && machine->options.shell)
		bh_lab_terminal_open(&session->terminal);
	(void)!send(machine->stream[BH_LAB_QMP].from, hello, sizeof(hello) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (int going = 1; err == 0 && going == 1;) {
		serve(session, TURN_MS);
		going = judge(session, error);
		err = going < 0 ? going : 0;
	}
	drain_terminal(session);
	bh_lab_terminal_close(&session->terminal);
	*out_exit_code = session->control.exit_code;
	free(session);
	return err;
}
