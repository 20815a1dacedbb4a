/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A forwarder between two Linux hosts, each in a network namespace that this makes: R has the cell, A is behind its port
 * wan0 (p0 in Linux), B behind wan1 (p1). Everything here asserts that it works.
 */
#ifndef TESTS_COMPONENT_FWD_NET_H
#define TESTS_COMPONENT_FWD_NET_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define R               "bh-fwd-r"
#define A               "bh-fwd-a"
#define B               "bh-fwd-b"
#define IN(host)        "ip netns exec " host " "
#define FWD_CONFIG_PATH "/tmp/bh-fwd.conf"
#define FWD_ERR_PATH    "/tmp/bh-fwd.err"
#define FWD_ROUTER      "[fwd]\n[fwd wan0]\ntap = p0\n[fwd wan1]\ntap = p1\n"

extern const char *fwd_net_bulkhead; /* the program */
extern pid_t fwd_net_cell;           /* 0: does not run */

/* shell - a line of sh. Return: its exit code; out_text (free() it) takes its output, or NULL. */
int shell(const char *line, char **out_text);
void must(const char *line);
void says(const char *line, const char *wanted);
/* becomes_true - the line's exit code is 0 within wait_s */
void becomes_true_in(const char *line, int wait_s);
void becomes_true(const char *line);
void sleep_ms(int ms);

/* fwd_net_hosts, fwd_net_end - a test's set-up and tear-down */
int fwd_net_hosts(void **unused);
int fwd_net_end(void **unused);
/* fwd_net_configure - ports, and what is given as [fwd] */
void fwd_net_configure(const char *fwd);
void fwd_net_start(void);
/* fwd_net_stop - ask it to end. Return: its figures (json_decref). */
json_t *fwd_net_stop(void);
/* fwd_net_addresses - 10.1.0.0/24 and 2001:db8:1::/64 on A's side, 10.2... on B's; .1 is the router */
void fwd_net_addresses(void);
json_int_t number(const json_t *object, const char *name);
/* assert_adds_up - each frame that came in is forwarded, given to Linux, or dropped for a reason */
void assert_adds_up(const json_t *app);

#endif
