/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/fwd/cell/router.h"

#include <bulkhead/arch.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>

#include "apps/fwd/cell/header.h"

#define AHEAD_CNT  4u   /* frames whose headers are on their way to the cache */
#define IDLE_TURNS 256u /* between looks at what was sent, without traffic */

struct way_out {
	struct bh_pkt *pkt[FWD_BURST_MAX];
	uint32_t cnt;
};

struct fwd_router {
	struct fwd_tables tables;
	struct fwd_core_line *line;
	struct bh_port_queue *queue[FWD_PORTS_MAX];
	uint32_t port_cnt, burst_cnt, idle_cnt;
	uint64_t tsc_hz;
	uint64_t *forward4, *forward6;
	uint64_t *reason[FWD_REASON_CNT];
	uint64_t *port_reason[FWD_PORTS_MAX][FWD_DROP_END];
	struct fwd_punt punt;
	/* Of one burst. */
	uint32_t cnt4, cnt6;
	struct bh_pkt *pkt4[FWD_BURST_MAX], *pkt6[FWD_BURST_MAX];
	uint32_t addr4[FWD_BURST_MAX], leaf[FWD_BURST_MAX];
	struct fwd_addr6 addr6[FWD_BURST_MAX];
	struct way_out out[FWD_PORTS_MAX];
};

static const uint8_t reason_of_kind[FWD_KIND_CNT] = {
        [FWD_NO_ROUTE] = FWD_PUNT_NO_ROUTE,
        [FWD_HOST] = FWD_PUNT_LOCAL,
        [FWD_GLEAN] = FWD_PUNT_GLEAN,
        [FWD_BLACKHOLE] = FWD_DROP_BLACKHOLE,
        [FWD_UNREACHABLE] = FWD_PUNT_UNREACHABLE,
        [FWD_PROHIBIT] = FWD_PUNT_PROHIBIT,
        [FWD_FORWARD] = FWD_DROP_DOWN,
};

/* A frame leaves the fast path: to Linux, or nowhere. */
static BH_NOINLINE void
away(struct fwd_router *router, struct bh_pkt *pkt, uint32_t port_idx, enum fwd_reason reason)
{
	if (reason < FWD_PUNT_CNT)
		reason = fwd_punt(&router->punt, pkt, port_idx, reason);
	bh_counter_add(router->reason[reason], 1);
	bh_counter_add(router->port_reason[port_idx][reason], 1);
	bh_pkt_free_burst(router->queue[port_idx]->pool, &pkt, 1);
}

/* Frames that are not plainly IP for this port. Return: whether it is now as the fast path takes it. */
static BH_NOINLINE enum fwd_reason
classify_odd(struct fwd_router *router, struct bh_pkt *pkt, uint32_t port_idx)
{
	if (pkt->len_bytes < FWD_ETHER_BYTES)
		return FWD_DROP_SHORT;
	if ((pkt->flags & BH_PKT_VLAN) == 0 && pkt->len_bytes < FWD_ETHER_BYTES + 4 &&
	    fwd_load16(pkt->data + 12) == FWD_TYPE_VLAN)
		return FWD_DROP_SHORT;
	fwd_untag(pkt);
	uint32_t vlan = (pkt->flags & BH_PKT_VLAN) != 0 ? pkt->vlan_tci & (FWD_VLAN_CNT - 1) : FWD_NO_VLAN;
	uint8_t idx = router->tables.ingress[port_idx][vlan];
	if (idx == 0 && vlan != FWD_NO_VLAN)
		return FWD_DROP_VLAN;
	if ((pkt->data[0] & FWD_MAC_GROUP) != 0)
		return fwd_load16(pkt->data + 12) == FWD_TYPE_ARP ? FWD_PUNT_ARP : FWD_PUNT_MULTICAST;
	const struct fwd_interface *interface = &router->tables.interface[idx];
	if (idx != 0 && fwd_load_mac(pkt->data) != fwd_load_mac(interface->mac))
		return FWD_DROP_NOT_FOR_US;
	uint32_t type = fwd_load16(pkt->data + 12), left_bytes = pkt->len_bytes - FWD_ETHER_BYTES;
	if (type != FWD_TYPE_IP4 && type != FWD_TYPE_IP6)
		return type == FWD_TYPE_ARP ? FWD_PUNT_ARP : FWD_PUNT_NOT_IP;
	if (left_bytes < (type == FWD_TYPE_IP4 ? FWD_IP4_BYTES : FWD_IP6_BYTES))
		return FWD_DROP_SHORT;
	if (idx == 0 || (interface->flags & (type == FWD_TYPE_IP4 ? FWD_IF_FORWARD4 : FWD_IF_FORWARD6)) == 0)
		return FWD_PUNT_NOT_ROUTER;
	return FWD_GO;
}

/* What the fast path wants to see, of a port's untagged interface. */
struct expected {
	uint64_t mac;
	bool forward4, forward6;
};

BH_INLINE struct expected
expect(const struct fwd_router *router, uint32_t port_idx)
{
	uint8_t idx = router->tables.ingress[port_idx][FWD_NO_VLAN];
	const struct fwd_interface *interface = &router->tables.interface[idx];
	return (struct expected){
	        .mac = fwd_load_mac(interface->mac),
	        .forward4 = idx != 0 && (interface->flags & FWD_IF_FORWARD4) != 0,
	        .forward6 = idx != 0 && (interface->flags & FWD_IF_FORWARD6) != 0,
	};
}

/* Frames with at least an Ethernet and an IPv4 header, without a tag, to this port, forwarding on. */
BH_INLINE bool
is_plain(const struct expected *expected, const struct bh_pkt *pkt, uint32_t *out_type)
{
	if (BH_UNLIKELY(pkt->len_bytes < FWD_ETHER_BYTES + FWD_IP4_BYTES || (pkt->flags & BH_PKT_VLAN) != 0))
		return false;
	*out_type = fwd_load16(pkt->data + 12);
	if (BH_UNLIKELY(fwd_load_mac(pkt->data) != expected->mac))
		return false;
	if (*out_type == FWD_TYPE_IP4)
		return expected->forward4;
	return *out_type == FWD_TYPE_IP6 && expected->forward6 && pkt->len_bytes >= FWD_ETHER_BYTES + FWD_IP6_BYTES;
}

BH_INLINE void
take4(struct fwd_router *router, struct bh_pkt *pkt, uint32_t port_idx)
{
	const uint8_t *ip = pkt->data + FWD_ETHER_BYTES;
	enum fwd_reason reason = fwd_check4(ip, bh_pkt_frame_bytes(pkt) - FWD_ETHER_BYTES);
	if (BH_UNLIKELY(reason != FWD_GO)) {
		away(router, pkt, port_idx, reason);
		return;
	}
	router->pkt4[router->cnt4] = pkt;
	router->addr4[router->cnt4++] = fwd_load32(ip + 16);
}

BH_INLINE void
take6(struct fwd_router *router, struct bh_pkt *pkt, uint32_t port_idx)
{
	const uint8_t *ip = pkt->data + FWD_ETHER_BYTES;
	enum fwd_reason reason = fwd_check6(ip, bh_pkt_frame_bytes(pkt) - FWD_ETHER_BYTES);
	if (BH_UNLIKELY(reason != FWD_GO)) {
		away(router, pkt, port_idx, reason);
		return;
	}
	router->pkt6[router->cnt6] = pkt;
	router->addr6[router->cnt6++] = fwd_load_addr6(ip + 24);
}

static void
classify(struct fwd_router *router, uint32_t port_idx, struct bh_pkt *const *pkts, uint32_t cnt)
{
	const struct expected expected = expect(router, port_idx);
	router->cnt4 = router->cnt6 = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		struct bh_pkt *pkt = pkts[i];
		uint32_t type = 0;
		if (BH_LIKELY(i + AHEAD_CNT < cnt))
			bh_prefetch_write(pkts[i + AHEAD_CNT]->data);
		if (BH_UNLIKELY(!is_plain(&expected, pkt, &type))) {
			enum fwd_reason reason = classify_odd(router, pkt, port_idx);
			if (reason != FWD_GO) {
				away(router, pkt, port_idx, reason);
				continue;
			}
			type = fwd_load16(pkt->data + 12);
		}
		if (type == FWD_TYPE_IP4)
			take4(router, pkt, port_idx);
		else
			take6(router, pkt, port_idx);
	}
}

/* The new Ethernet header: 12 bytes in two stores; the type stays. */
BH_INLINE void
address(struct bh_pkt *pkt, uint64_t adjacency, const struct fwd_interface *interface)
{
	uint64_t src = fwd_load_mac(interface->mac), head = (adjacency & FWD_MAC_MASK) | src << 48;
	uint32_t rest = (uint32_t)(src >> 16);
	__builtin_memcpy(pkt->data, &head, sizeof(head));
	__builtin_memcpy(pkt->data + sizeof(head), &rest, sizeof(rest));
	pkt->flags &= (uint16_t)~BH_PKT_VLAN;
	if (BH_UNLIKELY(interface->vlan != FWD_NO_VLAN)) {
		pkt->flags |= BH_PKT_VLAN;
		pkt->vlan_tci = interface->vlan;
	}
}

/* What is common to both families once the way is known. Return: FWD_GO: send it. */
BH_INLINE enum fwd_reason
decide(const struct fwd_router *router, uint64_t adjacency, uint32_t ip_bytes, uint8_t ttl,
       const struct fwd_interface **out)
{
	enum fwd_kind kind = fwd_adjacency_kind(adjacency);
	const struct fwd_interface *interface = &router->tables.interface[fwd_adjacency_interface(adjacency)];
	*out = interface;
	if (BH_UNLIKELY(kind != FWD_FORWARD))
		return kind < FWD_FORWARD ? (enum fwd_reason)reason_of_kind[kind] : FWD_DROP_DOWN;
	if (BH_UNLIKELY(ttl <= 1))
		return FWD_PUNT_TTL;
	if (BH_UNLIKELY(ip_bytes > interface->mtu_bytes))
		return FWD_PUNT_MTU;
	return BH_UNLIKELY(interface->up == 0 || interface->port >= router->port_cnt) ? FWD_DROP_DOWN : FWD_GO;
}

BH_INLINE void
queue_up(struct fwd_router *router, const struct fwd_interface *interface, struct bh_pkt *pkt)
{
	struct way_out *out = &router->out[interface->port];
	out->pkt[out->cnt++] = pkt;
}

static void
forward4(struct fwd_router *router, uint32_t port_idx)
{
	uint32_t done_cnt = 0;
	fwd_lookup4_burst(&router->tables, router->addr4, router->leaf, router->cnt4);
	for (uint32_t i = 0; i < router->cnt4; i++) {
		struct bh_pkt *pkt = router->pkt4[i];
		uint8_t *ip = pkt->data + FWD_ETHER_BYTES;
		const struct fwd_interface *interface;
		uint32_t leaf = router->leaf[i], flow = 0;
		if ((leaf & FWD_WORD_GROUP) != 0)
			flow = fwd_flow4(ip, pkt->len_bytes - FWD_ETHER_BYTES);
		uint64_t adjacency = fwd_adjacency(&router->tables, leaf, flow);
		enum fwd_reason reason = decide(router, adjacency, fwd_load16(ip + 2), ip[8], &interface);
		if (BH_UNLIKELY(reason != FWD_GO)) {
			away(router, pkt, port_idx, reason);
			continue;
		}
		fwd_ttl_decrement(ip);
		address(pkt, adjacency, interface);
		queue_up(router, interface, pkt);
		done_cnt++;
	}
	bh_counter_add(router->forward4, done_cnt);
}

static void
forward6(struct fwd_router *router, uint32_t port_idx)
{
	uint32_t done_cnt = 0;
	fwd_lookup6_burst(&router->tables, router->addr6, router->leaf, router->cnt6);
	for (uint32_t i = 0; i < router->cnt6; i++) {
		struct bh_pkt *pkt = router->pkt6[i];
		uint8_t *ip = pkt->data + FWD_ETHER_BYTES;
		const struct fwd_interface *interface;
		uint32_t leaf = router->leaf[i], flow = 0;
		if ((leaf & FWD_WORD_GROUP) != 0)
			flow = fwd_flow6(ip, pkt->len_bytes - FWD_ETHER_BYTES);
		uint64_t adjacency = fwd_adjacency(&router->tables, leaf, flow);
		uint32_t ip_bytes = FWD_IP6_BYTES + fwd_load16(ip + 4);
		enum fwd_reason reason = decide(router, adjacency, ip_bytes, ip[7], &interface);
		if (BH_UNLIKELY(reason != FWD_GO)) {
			away(router, pkt, port_idx, reason);
			continue;
		}
		ip[7]--;
		address(pkt, adjacency, interface);
		queue_up(router, interface, pkt);
		done_cnt++;
	}
	bh_counter_add(router->forward6, done_cnt);
}

static void
send(struct fwd_router *router)
{
	for (uint32_t i = 0; i < router->port_cnt; i++) {
		struct way_out *out = &router->out[i];
		if (out->cnt == 0)
			continue;
		uint32_t sent_cnt = bh_port_tx(router->queue[i], out->pkt, out->cnt);
		if (BH_UNLIKELY(sent_cnt < out->cnt)) {
			bh_counter_add(router->reason[FWD_DROP_TX_FULL], out->cnt - sent_cnt);
			bh_counter_add(router->port_reason[i][FWD_DROP_TX_FULL], out->cnt - sent_cnt);
			bh_pkt_free_burst(router->queue[i]->pool, out->pkt + sent_cnt, out->cnt - sent_cnt);
		}
		out->cnt = 0;
	}
}

/* What was sent comes back; not each time, since that looks at lines which the device is writing. */
static void
idle(struct fwd_router *router)
{
	struct bh_pkt *none = NULL;
	if (++router->idle_cnt % IDLE_TURNS != 0)
		return;
	for (uint32_t i = 0; i < router->port_cnt; i++)
		(void)bh_port_tx(router->queue[i], &none, 0);
}

uint32_t
fwd_router_turn(struct fwd_router *router)
{
	struct bh_pkt *pkts[FWD_BURST_MAX];
	uint32_t all_cnt = 0;
	/* Stores and loads stay in order on x86-64: nothing is looked up before this is seen to have been read. */
	__atomic_store_n(&router->line->epoch, __atomic_load_n(&router->tables.header->epoch, __ATOMIC_ACQUIRE),
	                 __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < router->port_cnt; i++) {
		uint32_t cnt = bh_port_rx(router->queue[i], pkts, router->burst_cnt);
		if (cnt == 0)
			continue;
		all_cnt += cnt;
		classify(router, i, pkts, cnt);
		if (router->cnt4 != 0)
			forward4(router, i);
		if (router->cnt6 != 0)
			forward6(router, i);
		send(router);
	}
	fwd_punt_publish(&router->punt);
	if (all_cnt == 0)
		idle(router);
	return all_cnt;
}

static void
counters(struct fwd_router *router)
{
	static const char names[FWD_REASON_CNT][28] = FWD_REASON_NAMES;
	char name[40] = "fwd.";
	for (uint32_t i = 0; i < FWD_REASON_CNT; i++) {
		__builtin_memcpy(name + 4, names[i], sizeof(names[i]));
		router->reason[i] = bh_counter_register(name, "");
	}
	__builtin_memcpy(name, "fwd0.", 5);
	for (uint32_t port_idx = 0; port_idx < router->port_cnt; port_idx++) {
		name[3] = (char)('0' + port_idx);
		for (uint32_t i = 0; i < FWD_DROP_END; i++) {
			__builtin_memcpy(name + 5, names[i], sizeof(names[i]));
			router->port_reason[port_idx][i] = bh_counter_register(name, "");
		}
	}
	router->forward4 = bh_counter_register(FWD_COUNTER_FORWARD4, "");
	router->forward6 = bh_counter_register(FWD_COUNTER_FORWARD6, "");
}

int
fwd_router_create(const struct fwd_router_options *options, struct fwd_router **out)
{
	if (options->port_cnt == 0 || options->port_cnt > FWD_PORTS_MAX || options->burst_cnt == 0 ||
	    options->burst_cnt > FWD_BURST_MAX || options->line == NULL)
		return -BH_EINVAL;
	struct fwd_router *router = bh_heap_alloc_aligned(sizeof(*router), BH_CACHE_LINE_BYTES);
	if (router == NULL)
		return -BH_ENOMEM;
	router->tables = options->tables;
	router->line = options->line;
	router->port_cnt = options->port_cnt;
	router->burst_cnt = options->burst_cnt;
	router->tsc_hz = options->tsc_hz;
	__builtin_memcpy(router->queue, options->queue, sizeof(router->queue));
	router->punt.has_ring = options->to_linux != NULL;
	if (options->to_linux != NULL)
		router->punt.ring = *options->to_linux;
	fwd_router_rates(router, options->punt_rate, options->error_rate);
	counters(router);
	*out = router;
	return 0;
}

void
fwd_router_rates(struct fwd_router *router, uint32_t punt_rate, uint32_t error_rate)
{
	router->punt.rate = fwd_rate_of(punt_rate, router->tsc_hz);
	router->punt.error_rate = fwd_rate_of(error_rate, router->tsc_hz);
}

void
fwd_router_end(struct fwd_router *router)
{
	__atomic_store_n(&router->line->epoch, FWD_EPOCH_OFFLINE, __ATOMIC_RELEASE);
}
