/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/fwd/table.h"

static bool
fits(const struct fwd_header *header, uint64_t offset, uint64_t bytes)
{
	return offset % BH_CACHE_LINE_BYTES == 0 && offset >= sizeof(*header) && offset <= header->size_bytes &&
	       bytes <= header->size_bytes - offset;
}

int
fwd_tables_open(const void *memory, uint64_t size_bytes, struct fwd_tables *out)
{
	const struct fwd_header *header = memory;
	const uint8_t *base = memory;
	if (size_bytes < sizeof(*header) || header->magic != FWD_TABLE_MAGIC || header->version != FWD_TABLE_VERSION ||
	    header->size_bytes > size_bytes)
		return -BH_EPROTO;
	const uint64_t root_bytes = FWD_ROOT_CNT * sizeof(uint32_t);
	if (!fits(header, header->root4_offset, root_bytes) || !fits(header, header->root6_offset, root_bytes) ||
	    !fits(header, header->adjacency_offset, FWD_ADJACENCY_CNT * sizeof(uint64_t)) ||
	    !fits(header, header->group_offset, FWD_GROUP_CNT * sizeof(struct fwd_group)) ||
	    !fits(header, header->interface_offset, FWD_INTERFACE_CNT * sizeof(struct fwd_interface)) ||
	    !fits(header, header->ingress_offset, (uint64_t)FWD_PORTS_MAX * FWD_VLAN_CNT) ||
	    !fits(header, header->node_offset, header->node_cnt * sizeof(struct fwd_node)))
		return -BH_EPROTO;
	*out = (struct fwd_tables){
	        .header = header,
	        .root4 = (const void *)(base + header->root4_offset),
	        .root6 = (const void *)(base + header->root6_offset),
	        .node = (const void *)(base + header->node_offset),
	        .adjacency = (const void *)(base + header->adjacency_offset),
	        .group = (const void *)(base + header->group_offset),
	        .interface = (const void *)(base + header->interface_offset),
	        .ingress = (const void *)(base + header->ingress_offset),
	};
	return 0;
}
