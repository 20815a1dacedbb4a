/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's first process: ground.c makes the ground (mounts, modules), ports.c finds the ports to the host, run.c starts
 * what runs, relay.c carries its output, serve.c waits for it, ctl.c is `lab-ctl`. Static, so that nothing of the host is needed.
 */
#ifndef LAB_INIT_INIT_H
#define LAB_INIT_INIT_H

#include <poll.h>
#include <stdbool.h>
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

/* lab_port_open - the port of that name, for reading and writing; flags may be O_NONBLOCK. Return: -1: none in time. */
int lab_port_open(const char *name, int flags);

/* relay.c */

struct lab_relay {
	int from; /* a pipe, not blocking; -1: ended */
	int to;   /* a port, not blocking */
	unsigned long byte_cnt;
	size_t start, end;
	char held[32768];
};

struct pollfd lab_relay_poll(const struct lab_relay *relay);
void lab_relay_turn(struct lab_relay *relay);
/* lab_relay_empty - nothing is held, and nothing is in the pipe, which a process that stayed may still hold open. */
bool lab_relay_empty(const struct lab_relay *relay);

/* run.c */

/* lab_command_start - the command (none: a shell on the terminal), its output into the relays' pipes. Return: its process. */
pid_t lab_command_start(char **command, struct lab_relay *out, struct lab_relay *err);
/* lab_get_start - tar of a path into the relay's pipe; to the port of the idx-th --get. Return: its process; -1 there is no such. */
pid_t lab_get_start(const char *path, unsigned idx, struct lab_relay *relay);
/* lab_window - "window ROWS COLS" */
void lab_window(const char *line);

/* serve.c */

struct lab_server {
	int ctl_fd, listen_fd, signal_fd;
	pid_t child; /* that is waited for */
	int status;
	struct lab_relay out, err;
};

void lab_server_open(struct lab_server *server, int ctl_fd);
/* lab_serve - until `child` ended and its output is written: relays, requests of lab-ctl, beats, lines of the host. */
void lab_serve(struct lab_server *server, pid_t child);

/* ctl.c */

/* lab_ctl_main - the `lab-ctl` command. */
int lab_ctl_main(int argc, char **argv);
/* lab_is_request - whether it is one of the requests of protocol.h that lab-ctl may make. */
bool lab_is_request(const char *line);
/* lab_read_line - one line without its newline, waiting at most so long for each byte. Return: its length, -1. */
int lab_read_line(int fd, char *line, size_t room, int timeout_ms);

#endif
