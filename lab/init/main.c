/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/init/init.h"
#include "lab/init/protocol.h"

#define END_S 3600

void
lab_power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

void
lab_give_up(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("lab-init: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	lab_power_off();
}

static int
exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Each path in turn, by the relay that the command has left. */
static void
bring_out(struct lab_server *server, char **paths)
{
	for (unsigned i = 0; paths[i] != NULL; i++) {
		server->out = (struct lab_relay){.from = -1};
		pid_t tar = lab_get_start(paths[i], i, &server->out);
		if (tar > 0)
			lab_serve(server, tar);
		dprintf(server->ctl_fd, "get %u %lu\n", i, server->out.byte_cnt);
	}
}

int
main(int argc, char **argv)
{
	static struct lab_server server;
	if (getpid() != 1)
		return lab_ctl_main(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	lab_ground();
	int ctl_fd = lab_port_open(LAB_PORT_CTL, 0), out_fd = lab_port_open(LAB_PORT_OUT, O_NONBLOCK),
	    err_fd = lab_port_open(LAB_PORT_ERR, O_NONBLOCK);
	if (ctl_fd < 0 || out_fd < 0 || err_fd < 0)
		lab_give_up("no port to the host");
	dprintf(ctl_fd, LAB_HELLO "\n");
	lab_server_open(&server, ctl_fd);
	server.out.to = out_fd;
	server.err.to = err_fd;
	lab_serve(&server, lab_command_start(lab_list(LAB_FILE_COMMAND), &server.out, &server.err));
	int code = exit_code(server.status);
	unsigned long out_cnt = server.out.byte_cnt, err_cnt = server.err.byte_cnt;
	bring_out(&server, lab_list(LAB_FILE_GET));
	sync();
	dprintf(ctl_fd, "exit %d %lu %lu\n", code, out_cnt, err_cnt);
	sleep(END_S); /* the host ends the machine */
	lab_power_off();
}
