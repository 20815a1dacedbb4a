/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/fwd/host/fib.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apps/fwd/host/fib_private.h"
#include "host/errors/errors.h"

#define HUGE_BYTES (UINT64_C(2) << 20)

static const uint32_t first_of[FWD_ITEM_CNT] = {
        [FWD_ITEM_NODE] = 0, [FWD_ITEM_ADJACENCY] = FWD_FORWARD, [FWD_ITEM_GROUP] = 0, [FWD_ITEM_INTERFACE] = 1};

static uint64_t
take(uint64_t *offset, uint64_t bytes)
{
	uint64_t at = *offset;
	*offset = BH_ALIGN_UP(at + bytes, (uint64_t)BH_PAGE_BYTES);
	return at;
}

static void
lay_out(struct fwd_header *header, uint64_t size_bytes)
{
	uint64_t offset = 0;
	(void)take(&offset, sizeof(*header));
	header->root4_offset = take(&offset, FWD_ROOT_CNT * sizeof(uint32_t));
	header->root6_offset = take(&offset, FWD_ROOT_CNT * sizeof(uint32_t));
	header->adjacency_offset = take(&offset, FWD_ADJACENCY_CNT * sizeof(uint64_t));
	header->group_offset = take(&offset, FWD_GROUP_CNT * sizeof(struct fwd_group));
	header->interface_offset = take(&offset, FWD_INTERFACE_CNT * sizeof(struct fwd_interface));
	header->ingress_offset = take(&offset, (uint64_t)FWD_PORTS_MAX * FWD_VLAN_CNT);
	header->node_offset = offset;
	header->node_cnt = (uint32_t)((size_bytes - offset) / sizeof(struct fwd_node));
	header->size_bytes = size_bytes;
	header->version = FWD_TABLE_VERSION;
	header->epoch = 1;
	header->magic = FWD_TABLE_MAGIC;
}

static int
map_memory(struct fwd_fib *fib)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (fib->options.huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
	fib->fd = memfd_create("bulkhead-fwd", flags);
	if (fib->fd < 0 || ftruncate(fib->fd, (off_t)fib->size_bytes) != 0 ||
	    fcntl(fib->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return -errno;
	void *memory = mmap(NULL, fib->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fib->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	fib->memory = memory;
	/* All of it now: a reader never waits for a page. */
	return madvise(memory, fib->size_bytes, MADV_POPULATE_WRITE) == 0 ? 0 : -errno;
}

static void
point(struct fwd_fib *fib)
{
	const struct fwd_header *header = fib->header;
	fib->adjacency = (void *)(fib->memory + header->adjacency_offset);
	fib->group = (void *)(fib->memory + header->group_offset);
	fib->interface = (void *)(fib->memory + header->interface_offset);
	fib->ingress = (void *)(fib->memory + header->ingress_offset);
	fib->trie.root[0] = (void *)(fib->memory + header->root4_offset);
	fib->trie.root[1] = (void *)(fib->memory + header->root6_offset);
	fib->trie.node = (void *)(fib->memory + header->node_offset);
	fib->indexes[FWD_ITEM_NODE].cnt = header->node_cnt;
	fib->indexes[FWD_ITEM_ADJACENCY].cnt = FWD_ADJACENCY_CNT;
	fib->indexes[FWD_ITEM_GROUP].cnt = FWD_GROUP_CNT;
	fib->indexes[FWD_ITEM_INTERFACE].cnt = FWD_INTERFACE_CNT;
}

/* What only the writer needs. */
static int
make_books(struct fwd_fib *fib)
{
	fib->trie.root_depth[0] = calloc(FWD_ROOT_CNT, 1);
	fib->trie.root_depth[1] = calloc(FWD_ROOT_CNT, 1);
	fib->trie.node_depth = calloc(fib->header->node_cnt, sizeof(*fib->trie.node_depth));
	if (fib->trie.root_depth[0] == NULL || fib->trie.root_depth[1] == NULL || fib->trie.node_depth == NULL)
		return -ENOMEM;
	for (unsigned kind = 0; kind < FWD_ITEM_CNT; kind++) {
		struct fwd_indexes *indexes = &fib->indexes[kind];
		indexes->next = first_of[kind];
		indexes->free = malloc(indexes->cnt * sizeof(*indexes->free));
		if (indexes->free == NULL)
			return -ENOMEM;
	}
	int err = fwd_prefixes_init(&fib->prefixes[0], 4);
	if (err == 0)
		err = fwd_prefixes_init(&fib->prefixes[1], 6);
	return err == 0 ? fwd_hops_init(fib) : err;
}

int
fwd_fib_create(const struct fwd_fib_options *options, struct fwd_fib **out, struct bh_error *error)
{
	if (options->size_bytes < FWD_TABLE_BYTES_MIN || options->size_bytes % HUGE_BYTES != 0)
		return bh_error_set(error, "E340", -EINVAL,
		                    "tables of %lu bytes: a multiple of 2 MiB from %lu MiB on was meant; "
		                    "set [fwd] tables",
		                    options->size_bytes, FWD_TABLE_BYTES_MIN >> 20);
	struct fwd_fib *fib = calloc(1, sizeof(*fib));
	if (fib == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	fib->fd = -1;
	fib->options = *options;
	fib->size_bytes = options->size_bytes;
	int err = map_memory(fib);
	if (err == 0) {
		fib->header = (void *)fib->memory;
		lay_out(fib->header, fib->size_bytes);
		point(fib);
		err = make_books(fib);
	}
	if (err == 0)
		err = fwd_tables_open(fib->memory, fib->size_bytes, &fib->tables);
	if (err != 0) {
		fwd_fib_free(fib);
		return bh_error_set(error, "E341", err,
		                    "no memory for tables of %lu MiB%s: %s; make [fwd] tables smaller",
		                    options->size_bytes >> 20, options->huge ? " of hugepages" : "", strerror(-err));
	}
	*out = fib;
	return 0;
}

void
fwd_fib_free(struct fwd_fib *fib)
{
	if (fib == NULL)
		return;
	fwd_hops_free(fib);
	for (unsigned i = 0; i < 2; i++) {
		free(fib->prefixes[i].entry);
		free(fib->neighbours[i].adj);
		free(fib->trie.root_depth[i]);
	}
	for (unsigned kind = 0; kind < FWD_ITEM_CNT; kind++)
		free(fib->indexes[kind].free);
	free(fib->trie.node_depth);
	free(fib->waiting);
	if (fib->memory != NULL)
		munmap(fib->memory, fib->size_bytes);
	if (fib->fd >= 0)
		close(fib->fd);
	free(fib);
}

int
fwd_fib_fd(const struct fwd_fib *fib)
{
	return fib->fd;
}

const struct fwd_tables *
fwd_fib_tables(const struct fwd_fib *fib)
{
	return &fib->tables;
}

uint64_t
fwd_fib_bytes(const struct fwd_fib *fib)
{
	return fib->size_bytes;
}

uint32_t
fwd_index_take(struct fwd_fib *fib, enum fwd_item_kind kind)
{
	struct fwd_indexes *indexes = &fib->indexes[kind];
	if (indexes->free_cnt > 0)
		return indexes->free[--indexes->free_cnt];
	return indexes->next < indexes->cnt ? indexes->next++ : FWD_NONE;
}

uint32_t
fwd_index_free_cnt(const struct fwd_fib *fib, enum fwd_item_kind kind)
{
	const struct fwd_indexes *indexes = &fib->indexes[kind];
	return indexes->free_cnt + indexes->cnt - indexes->next;
}

static void
grow_waiting(struct fwd_fib *fib)
{
	uint64_t room = BH_MAX(2 * fib->waiting_room, UINT64_C(4096));
	struct fwd_item *larger = malloc(room * sizeof(*larger));
	if (larger == NULL)
		abort(); /* a few kilobytes: the machine is past help, and losing an index would be silent */
	for (uint64_t i = 0; i < fib->waiting_cnt; i++)
		larger[i] = fib->waiting[(fib->waiting_first + i) & (fib->waiting_room - 1)];
	free(fib->waiting);
	fib->waiting = larger;
	fib->waiting_room = room;
	fib->waiting_first = 0;
}

void
fwd_retire(struct fwd_fib *fib, enum fwd_item_kind kind, uint32_t idx)
{
	if (fib->waiting_cnt == fib->waiting_room)
		grow_waiting(fib);
	fib->waiting[(fib->waiting_first + fib->waiting_cnt++) & (fib->waiting_room - 1)] =
	        (struct fwd_item){.epoch = fib->header->epoch + 1, .idx = idx, .kind = kind};
	fib->retired_cnt++;
}

/* The oldest epoch that some core may still be in. */
static uint64_t
passed_epoch(const struct fwd_fib *fib)
{
	uint64_t oldest = UINT64_MAX;
	for (uint32_t i = 0; fib->options.core != NULL && i < fib->options.core_cnt; i++) {
		uint64_t epoch = __atomic_load_n(&fib->options.core[i].epoch, __ATOMIC_ACQUIRE);
		oldest = BH_MIN(oldest, epoch);
	}
	return oldest;
}

void
fwd_fib_commit(struct fwd_fib *fib)
{
	if (fib->retired_cnt != 0) {
		__atomic_store_n(&fib->header->epoch, fib->header->epoch + 1, __ATOMIC_RELEASE);
		fib->retired_cnt = 0;
	}
	uint64_t passed = passed_epoch(fib);
	while (fib->waiting_cnt > 0) {
		const struct fwd_item *item = &fib->waiting[fib->waiting_first];
		if (item->epoch > passed)
			break;
		fib->indexes[item->kind].free[fib->indexes[item->kind].free_cnt++] = item->idx;
		fib->waiting_first = (fib->waiting_first + 1) & (fib->waiting_room - 1);
		fib->waiting_cnt--;
	}
}

void
fwd_fib_stats(const struct fwd_fib *fib, struct fwd_fib_stats *out)
{
	const struct fwd_indexes *indexes = fib->indexes;
	uint64_t used[FWD_ITEM_CNT], waiting_node_cnt = 0;
	for (unsigned kind = 0; kind < FWD_ITEM_CNT; kind++)
		used[kind] = indexes[kind].next - first_of[kind] - indexes[kind].free_cnt;
	for (uint64_t i = 0; i < fib->waiting_cnt; i++)
		waiting_node_cnt +=
		        fib->waiting[(fib->waiting_first + i) & (fib->waiting_room - 1)].kind == FWD_ITEM_NODE;
	*out = (struct fwd_fib_stats){
	        .route_cnt = {fib->route_cnt[0], fib->route_cnt[1]},
	        .neighbour_cnt = fib->neighbour_cnt,
	        .adjacency_cnt = used[FWD_ITEM_ADJACENCY],
	        .group_cnt = used[FWD_ITEM_GROUP],
	        .node_cnt = used[FWD_ITEM_NODE],
	        .node_cnt_max = indexes[FWD_ITEM_NODE].cnt,
	        .node_waiting_cnt = waiting_node_cnt,
	        .full_cnt = fib->full_cnt,
	        .used_bytes = fib->header->node_offset + used[FWD_ITEM_NODE] * sizeof(struct fwd_node),
	};
}

static uint64_t
part_of(const uint8_t *bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint64_t
fwd_fib_lookup(const struct fwd_fib *fib, const struct fwd_addr *addr, uint32_t flow_hash)
{
	struct fwd_addr6 addr6 = {part_of(addr->bytes), part_of(addr->bytes + 8)};
	uint32_t leaf = addr->family == 6 ? fwd_lookup6(&fib->tables, addr6)
	                                  : fwd_lookup4(&fib->tables, (uint32_t)(addr6.high >> 32));
	return fwd_adjacency(&fib->tables, leaf, flow_hash);
}
