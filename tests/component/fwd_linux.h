/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What Linux's tables say by `ip -j`, and what a fib has, each as sorted lines of text, so that they can be compared:
 *
 *	10.0.0.0/8 forward p0 via 192.0.2.1 weight 1, p1 via 192.0.2.2 weight 2
 *	10.1.0.0/16 blackhole
 */
#ifndef TESTS_COMPONENT_FWD_LINUX_H
#define TESTS_COMPONENT_FWD_LINUX_H

#include "apps/fwd/host/fib.h"

/* Names of the ports' TAPs; hops over anything else are Linux's. */
struct fwd_linux_ports {
	const char (*name)[16];
	uint32_t cnt;
	/* interface - the name of the TAP of a fib's interface */
	const char *(*interface)(const struct fwd_fib *fib, uint8_t interface);
};

/* fwd_linux_routes, fwd_linux_fib - free() the text. The first asks `ip` and aborts the test if that fails. */
char *fwd_linux_routes(const struct fwd_linux_ports *ports);
char *fwd_linux_fib(const struct fwd_linux_ports *ports, const struct fwd_fib *fib);

#endif
