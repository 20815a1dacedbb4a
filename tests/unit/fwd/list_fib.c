/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fwd/list_fib.h"

struct fwd_fib *
list_fib_new(void)
{
	return calloc(1, sizeof(struct fwd_fib));
}

static bool
addr_equal(const struct fwd_addr *a, const struct fwd_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}

static int64_t
route_idx(const struct fwd_fib *fib, const struct fwd_prefix *prefix)
{
	for (uint32_t i = 0; i < fib->route_cnt; i++) {
		if (fib->route[i].prefix.len == prefix->len && addr_equal(&fib->route[i].prefix.addr, &prefix->addr))
			return i;
	}
	return -1;
}

int
fwd_fib_route_set(struct fwd_fib *fib, const struct fwd_prefix *prefix, enum fwd_kind kind, const struct fwd_hop *hop,
                  uint32_t hop_cnt)
{
	int64_t idx = route_idx(fib, prefix);
	fib->call_cnt++;
	if (hop_cnt > FWD_HOPS_MAX || (kind == FWD_FORWARD) != (hop_cnt != 0))
		return -EINVAL;
	if (idx < 0 && fib->route_cnt == LIST_FIB_MAX)
		return -ENOSPC;
	if (idx < 0)
		idx = fib->route_cnt++;
	struct fwd_route *route = &fib->route[idx];
	*route = (struct fwd_route){.prefix = *prefix, .kind = kind, .hop_cnt = hop_cnt};
	for (uint32_t i = 0; i < hop_cnt; i++) {
		if (!fib->has_interface[hop[i].interface])
			return -EINVAL;
		route->hop[i] = hop[i];
	}
	return 0;
}

int
fwd_fib_route_del(struct fwd_fib *fib, const struct fwd_prefix *prefix)
{
	int64_t idx = route_idx(fib, prefix);
	fib->call_cnt++;
	if (idx < 0)
		return -ENOENT;
	fib->route[idx] = fib->route[--fib->route_cnt];
	return 0;
}

int
fwd_fib_route_get(const struct fwd_fib *fib, const struct fwd_prefix *prefix, struct fwd_route *out)
{
	int64_t idx = route_idx(fib, prefix);
	if (idx < 0)
		return -ENOENT;
	*out = fib->route[idx];
	return 0;
}

int
fwd_fib_route_each(const struct fwd_fib *fib, int (*each)(void *context, const struct fwd_route *route), void *context)
{
	int err = 0;
	for (uint32_t i = 0; i < fib->route_cnt && err >= 0; i++)
		err = each(context, &fib->route[i]);
	return err;
}

const struct list_neighbour *
list_fib_neighbour(const struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr)
{
	for (uint32_t i = 0; i < fib->neighbour_cnt; i++) {
		if (fib->neighbour[i].interface == interface && addr_equal(&fib->neighbour[i].addr, addr))
			return &fib->neighbour[i];
	}
	return NULL;
}

int
fwd_fib_neighbour_set(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr, const uint8_t mac[6])
{
	struct list_neighbour *at = (struct list_neighbour *)(uintptr_t)list_fib_neighbour(fib, interface, addr);
	fib->call_cnt++;
	if (at == NULL && fib->neighbour_cnt == LIST_FIB_MAX)
		return -ENOSPC;
	if (!fib->has_interface[interface])
		return -EINVAL;
	if (at == NULL)
		at = &fib->neighbour[fib->neighbour_cnt++];
	at->interface = interface;
	at->addr = *addr;
	memcpy(at->mac, mac, sizeof(at->mac));
	return 0;
}

int
fwd_fib_neighbour_del(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr)
{
	struct list_neighbour *at = (struct list_neighbour *)(uintptr_t)list_fib_neighbour(fib, interface, addr);
	fib->call_cnt++;
	if (at == NULL)
		return -ENOENT;
	*at = fib->neighbour[--fib->neighbour_cnt];
	return 0;
}

int
fwd_fib_interface_set(struct fwd_fib *fib, uint8_t idx, const struct fwd_interface *interface)
{
	fib->call_cnt++;
	if (idx == 0)
		return -EINVAL;
	fib->has_interface[idx] = true;
	fib->interface[idx] = *interface;
	return 0;
}

void
fwd_fib_interface_del(struct fwd_fib *fib, uint8_t idx)
{
	fib->has_interface[idx] = false;
	for (uint32_t i = 0; i < fib->neighbour_cnt;) {
		if (fib->neighbour[i].interface == idx)
			fib->neighbour[i] = fib->neighbour[--fib->neighbour_cnt];
		else
			i++;
	}
}

void
fwd_fib_commit(struct fwd_fib *fib)
{
	fib->commit_cnt++;
}
