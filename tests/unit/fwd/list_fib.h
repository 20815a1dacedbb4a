/* SPDX-License-Identifier: Apache-2.0 */
/* A fib that is nothing but lists, for tests of what writes one: it has every call that the mirror makes. */
#ifndef TESTS_UNIT_FWD_LIST_FIB_H
#define TESTS_UNIT_FWD_LIST_FIB_H

#include "apps/fwd/host/fib.h"

#define LIST_FIB_MAX 4096u

struct list_neighbour {
	uint8_t interface;
	struct fwd_addr addr;
	uint8_t mac[6];
};

struct fwd_fib {
	uint32_t route_cnt, neighbour_cnt, call_cnt, commit_cnt;
	struct fwd_route route[LIST_FIB_MAX];
	struct list_neighbour neighbour[LIST_FIB_MAX];
	bool has_interface[FWD_INTERFACE_CNT];
	struct fwd_interface interface[FWD_INTERFACE_CNT];
};

/* list_fib_new - an empty one; free() it. */
struct fwd_fib *list_fib_new(void);
/* list_fib_neighbour - or NULL */
const struct list_neighbour *list_fib_neighbour(const struct fwd_fib *fib, uint8_t interface,
                                                const struct fwd_addr *addr);

#endif
