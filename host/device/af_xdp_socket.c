/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets and program, by the kernel's own interface (Documentation/networking/af_xdp.rst). */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/device/af_xdp_private.h"

static int
ring_sizes(int fd, const char **out_what)
{
	static const struct {
		int option;
		const char *what;
	} list[] = {{XDP_UMEM_FILL_RING, "the fill ring"},
	            {XDP_UMEM_COMPLETION_RING, "the completion ring"},
	            {XDP_RX_RING, "the receive ring"},
	            {XDP_TX_RING, "the transmit ring"}};
	const int entries = BH_XDP_ENTRIES;
	for (size_t i = 0; i < BH_ARRAY_CNT(list); i++) {
		*out_what = list[i].what;
		if (setsockopt(fd, SOL_XDP, list[i].option, &entries, sizeof(entries)) != 0)
			return -errno;
	}
	return 0;
}

static uint64_t
window_bytes(uint64_t desc_offset, uint32_t entry_bytes)
{
	return BH_ALIGN_UP(desc_offset + (uint64_t)BH_XDP_ENTRIES * entry_bytes, (uint64_t)BH_PAGE_BYTES);
}

/* The four windows of the queue's BAR, and their places for the info page. */
static void
windows_set(struct bh_af_xdp *xdp, uint32_t queue_idx, const struct xdp_mmap_offsets *offsets)
{
	struct bh_backend_bar *bar = &xdp->backend.bar[queue_idx];
	const struct {
		const struct xdp_ring_offset *offset;
		uint64_t page_offset;
		uint32_t entry_bytes;
	} ring[BH_XDP_RING_CNT] = {
	        [BH_XDP_RX] = {&offsets->rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)},
	        [BH_XDP_TX] = {&offsets->tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)},
	        [BH_XDP_FILL] = {&offsets->fr, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t)},
	        [BH_XDP_COMPLETION] = {&offsets->cr, XDP_UMEM_PGOFF_COMPLETION_RING, sizeof(uint64_t)},
	};
	bar->size_bytes = BH_XDP_RING_CNT * BH_XDP_RING_STEP;
	bar->window_cnt = BH_XDP_RING_CNT;
	for (uint32_t i = 0; i < BH_XDP_RING_CNT; i++) {
		const struct xdp_ring_offset *offset = ring[i].offset;
		bar->window[i] =
		        (struct bh_backend_window){.offset = i * BH_XDP_RING_STEP,
		                                   .size_bytes = window_bytes(offset->desc, ring[i].entry_bytes),
		                                   .fd = xdp->socket[queue_idx].fd,
		                                   .fd_offset = ring[i].page_offset};
		xdp->info->ring[i] = (struct bh_xdp_ring_info){(uint32_t)offset->producer, (uint32_t)offset->consumer,
		                                               (uint32_t)offset->flags, (uint32_t)offset->desc};
	}
}

static int
wishes_map(struct bh_xdp_socket *xsk, const struct xdp_mmap_offsets *offsets)
{
	xsk->tx_bytes = window_bytes(offsets->tx.desc, sizeof(struct xdp_desc));
	xsk->fill_bytes = window_bytes(offsets->fr.desc, sizeof(uint64_t));
	xsk->tx_map = mmap(NULL, xsk->tx_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, xsk->fd, XDP_PGOFF_TX_RING);
	if (xsk->tx_map == MAP_FAILED) {
		xsk->tx_map = NULL;
		return -errno;
	}
	xsk->fill_map =
	        mmap(NULL, xsk->fill_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, xsk->fd, XDP_UMEM_PGOFF_FILL_RING);
	if (xsk->fill_map == MAP_FAILED) {
		xsk->fill_map = NULL;
		return -errno;
	}
	xsk->tx_producer = (volatile uint32_t *)(void *)((uint8_t *)xsk->tx_map + offsets->tx.producer);
	xsk->tx_consumer = (volatile uint32_t *)(void *)((uint8_t *)xsk->tx_map + offsets->tx.consumer);
	xsk->tx_flags = (volatile uint32_t *)(void *)((uint8_t *)xsk->tx_map + offsets->tx.flags);
	xsk->fill_flags = (volatile uint32_t *)(void *)((uint8_t *)xsk->fill_map + offsets->fr.flags);
	return 0;
}

int
bh_xdp_socket_make(struct bh_af_xdp *xdp, uint32_t queue_idx, const char **out_what)
{
	struct bh_xdp_socket *xsk = &xdp->socket[queue_idx];
	const struct xdp_umem_reg umem = {.addr = (uintptr_t)xdp->arena,
	                                  .len = xdp->arena_bytes,
	                                  .chunk_size = BH_XDP_CHUNK,
	                                  .flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG};
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	*out_what = "the socket";
	xsk->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (xsk->fd < 0)
		return -errno;
	*out_what = "the arena as its memory";
	if (setsockopt(xsk->fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) != 0)
		return -errno;
	int err = ring_sizes(xsk->fd, out_what);
	if (err != 0)
		return err;
	*out_what = "the rings";
	if (getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) != 0)
		return -errno;
	if (size != sizeof(offsets))
		return -EPROTO;
	windows_set(xdp, queue_idx, &offsets);
	return wishes_map(xsk, &offsets);
}

int
bh_xdp_socket_bind(struct bh_af_xdp *xdp, uint32_t queue_idx, bool zero_copy)
{
	struct bh_xdp_socket *xsk = &xdp->socket[queue_idx];
	const struct sockaddr_xdp addr = {
	        .sxdp_family = AF_XDP,
	        .sxdp_flags = (uint16_t)(XDP_USE_NEED_WAKEUP | (zero_copy ? XDP_ZEROCOPY : XDP_COPY)),
	        .sxdp_ifindex = xdp->ifindex,
	        .sxdp_queue_id = queue_idx,
	};
	if (bind(xsk->fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
		return -errno;
	xsk->zero_copy = zero_copy;
	const uint32_t key = queue_idx;
	return bpf_map_update_elem(xdp->map_fd, &key, &xsk->fd, 0);
}

void
bh_xdp_socket_close(struct bh_xdp_socket *xsk)
{
	if (xsk->tx_map != NULL)
		munmap(xsk->tx_map, xsk->tx_bytes);
	if (xsk->fill_map != NULL)
		munmap(xsk->fill_map, xsk->fill_bytes);
	if (xsk->fd >= 0)
		close(xsk->fd);
	*xsk = (struct bh_xdp_socket){.fd = -1};
}

/* return bpf_redirect_map(&map, ctx->rx_queue_index, XDP_PASS); */
int
bh_xdp_program_attach(struct bh_af_xdp *xdp, bool native, const char **out_what)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	*out_what = "the map of sockets";
	if (xdp->map_fd < 0)
		xdp->map_fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "bulkhead", 4, 4, BH_XDP_QUEUES_MAX, NULL);
	if (xdp->map_fd < 0)
		return -errno;
	const struct bpf_insn program[] = {
	        {.code = BPF_LDX | BPF_MEM | BPF_W,
	         .dst_reg = BPF_REG_2,
	         .src_reg = BPF_REG_1,
	         .off = offsetof(struct xdp_md, rx_queue_index)},
	        {.code = BPF_LD | BPF_DW | BPF_IMM,
	         .dst_reg = BPF_REG_1,
	         .src_reg = BPF_PSEUDO_MAP_FD,
	         .imm = xdp->map_fd},
	        {.imm = 0},
	        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
	        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
	        {.code = BPF_JMP | BPF_EXIT},
	};
	*out_what = "the program";
	if (xdp->prog_fd < 0)
		xdp->prog_fd =
		        bpf_prog_load(BPF_PROG_TYPE_XDP, "bulkhead", "GPL", program, BH_ARRAY_CNT(program), NULL);
	if (xdp->prog_fd < 0)
		return -errno;
	*out_what = native ? "the program in the card's driver" : "the program in the network stack";
	xdp->link_fd = bpf_link_create(xdp->prog_fd, (int)xdp->ifindex, BPF_XDP, &options);
	return xdp->link_fd < 0 ? -errno : 0;
}

bool
bh_xdp_wake(struct bh_xdp_socket *xsk)
{
	bool any = false;
	if (*xsk->tx_flags & XDP_RING_NEED_WAKEUP && *xsk->tx_producer != *xsk->tx_consumer) {
		(void)!sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0); /* busy or full: once more at the next turn */
		any = true;
	}
	if (*xsk->fill_flags & XDP_RING_NEED_WAKEUP)
		(void)!recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	return any;
}
