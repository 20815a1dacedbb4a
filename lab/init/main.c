/* SPDX-License-Identifier: Apache-2.0 */
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

int
main(int argc, char **argv)
{
	if (getpid() != 1)
		return lab_ctl_main(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	lab_ground();
	int ctl_fd = lab_port_open(LAB_PORT_CTL), out_fd = lab_port_open(LAB_PORT_OUT),
	    err_fd = lab_port_open(LAB_PORT_ERR);
	if (ctl_fd < 0 || out_fd < 0 || err_fd < 0)
		lab_give_up("no port to the host");
	dprintf(ctl_fd, LAB_HELLO "\n");
	pid_t child = lab_command_start(lab_list(LAB_FILE_COMMAND), out_fd, err_fd);
	int status = lab_serve(ctl_fd, child);
	lab_get(lab_list(LAB_FILE_GET));
	dprintf(ctl_fd, "exit %d\n", exit_code(status));
	lab_power_off();
}
