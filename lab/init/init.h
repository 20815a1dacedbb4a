/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's first process: ground.c makes the ground (mounts, modules), ports.c finds the ports to the host, run.c starts the
 * command and waits for it, ctl.c is `lab-ctl` and what serves it. Static, so that nothing of the host is needed.
 */
#ifndef LAB_INIT_INIT_H
#define LAB_INIT_INIT_H

#include <stddef.h>
#include <sys/types.h>

/* main.c */

/* Writes to the console and powers off: the host sees a machine that ended before it was up. */
__attribute__((noreturn, format(printf, 1, 2))) void lab_give_up(const char *format, ...);
__attribute__((noreturn)) void lab_power_off(void);

/* ground.c */

void lab_ground(void);
/* lab_tool - run a program to its end, output to the console. Return: its wait status. */
int lab_tool(const char *const *argv);
/* lab_list - the NUL-terminated strings of a file as a NULL-terminated array; empty if it cannot be read. */
char **lab_list(const char *path);

/* ports.c */

/* lab_port_open - the port of that name, for reading and writing. Return: a descriptor, or -1 if there is none in time. */
int lab_port_open(const char *name);

/* run.c */

/* lab_command_start - the command (none: a shell on the terminal). Return: its process. */
pid_t lab_command_start(char **command, int out_fd, int err_fd);
/* lab_get - pack each path of --get into its port. */
void lab_get(char **paths);
/* lab_window - "window ROWS COLS" */
void lab_window(const char *line);

/* ctl.c */

/* lab_serve - pass requests of lab-ctl on, until `child` ended. Return: its wait status. */
int lab_serve(int ctl_fd, pid_t child);
/* lab_ctl_main - the `lab-ctl` command. */
int lab_ctl_main(int argc, char **argv);

#endif
