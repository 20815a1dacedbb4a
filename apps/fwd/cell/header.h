/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Ethernet, IPv4 and IPv6 headers as the router reads and changes them. What is forwarded, dropped and answered is what
 * Linux does with forwarding on; the checks are RFC 1812 5.2.2 and 5.3.7, RFC 8200 and RFC 4291 2.5 and 2.7.
 *
 * A packet's IP header is behind an Ethernet header without a tag (fwd_untag).
 */
#ifndef APPS_FWD_HEADER_H
#define APPS_FWD_HEADER_H

#include <bulkhead/pkt.h>
#include <bulkhead/types.h>

#include "apps/fwd/reason.h"
#include "apps/fwd/table.h"

#define FWD_ETHER_BYTES 14u
#define FWD_IP4_BYTES   20u
#define FWD_IP6_BYTES   40u
#define FWD_MAC_MASK    UINT64_C(0xffffffffffff) /* of 8 bytes loaded at a MAC address */
#define FWD_MAC_GROUP   1u                       /* multicast or broadcast */

#define FWD_TYPE_IP4  0x0800u
#define FWD_TYPE_ARP  0x0806u
#define FWD_TYPE_VLAN 0x8100u
#define FWD_TYPE_IP6  0x86ddu

#define FWD_GO FWD_REASON_CNT /* what checks return when nothing is wrong */

BH_INLINE uint16_t
fwd_load16(const uint8_t *at)
{
	uint16_t value;
	__builtin_memcpy(&value, at, sizeof(value));
	return __builtin_bswap16(value);
}

BH_INLINE uint32_t
fwd_load32(const uint8_t *at)
{
	uint32_t value;
	__builtin_memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

BH_INLINE uint64_t
fwd_load64(const uint8_t *at)
{
	uint64_t value;
	__builtin_memcpy(&value, at, sizeof(value));
	return __builtin_bswap64(value);
}

/* The 8 bytes as they are in memory: MAC addresses are compared and stored in this order. */
BH_INLINE uint64_t
fwd_load_mac(const uint8_t *at)
{
	uint64_t value;
	__builtin_memcpy(&value, at, sizeof(value));
	return value & FWD_MAC_MASK;
}

BH_INLINE struct fwd_addr6
fwd_load_addr6(const uint8_t *at)
{
	return (struct fwd_addr6){fwd_load64(at), fwd_load64(at + 8)};
}

/*
 * The one's complement sum of a header without options is ffff (RFC 1071; its words' order does not matter): the plain
 * sum is a multiple of ffff, and not 0, which no version 4 has. Compilers test that with one multiplication.
 */
BH_INLINE bool
fwd_checksum_is_right(const uint8_t *ip)
{
	uint32_t word[5];
	__builtin_memcpy(word, ip, sizeof(word));
	uint64_t sum = (uint64_t)word[0] + word[1] + word[2] + word[3] + word[4];
	return sum % 0xffff == 0;
}

/* Rare addresses, once one of them was seen to be one. */
BH_INLINE enum fwd_reason
fwd_check_odd4(uint32_t src, uint32_t dst)
{
	/* To everyone, also when it says nothing of itself: DHCP. */
	if (dst == UINT32_MAX || (src == 0 && dst == 0))
		return FWD_PUNT_MULTICAST;
	if (src == 0 || src == UINT32_MAX || src >> 28 == 0xe || src >> 24 == 127)
		return FWD_DROP_MARTIAN_SOURCE;
	if (dst == 0 || dst >> 24 == 127)
		return FWD_DROP_MARTIAN_DESTINATION;
	return dst >> 28 == 0xe ? FWD_PUNT_MULTICAST : FWD_GO;
}

/* 0, 127/8, and all from 224/4 on */
BH_INLINE bool
fwd_is_odd4(uint32_t addr)
{
	return addr - 1 >= 0xdfffffffu || addr >> 24 == 127;
}

/**
 * fwd_check4 - all that is looked at before the look-up
 * @left_bytes: from the IP header to the frame's end; at least FWD_IP4_BYTES in one piece
 */
BH_INLINE enum fwd_reason
fwd_check4(const uint8_t *ip, uint32_t left_bytes)
{
	uint32_t total_bytes = fwd_load16(ip + 2), src = fwd_load32(ip + 12), dst = fwd_load32(ip + 16);
	if (BH_UNLIKELY(ip[0] != 0x45)) {
		if (ip[0] >> 4 != 4)
			return FWD_DROP_VERSION;
		uint32_t header_bytes = (ip[0] & 15u) * 4;
		if (header_bytes < FWD_IP4_BYTES || header_bytes > left_bytes || header_bytes > total_bytes)
			return FWD_DROP_HEADER_LENGTH;
		/* Linux checks the checksum, too, and the addresses. */
		return total_bytes > left_bytes ? FWD_DROP_LENGTH : FWD_PUNT_OPTIONS;
	}
	if (BH_UNLIKELY(!fwd_checksum_is_right(ip)))
		return FWD_DROP_CHECKSUM;
	if (BH_UNLIKELY(total_bytes < FWD_IP4_BYTES || total_bytes > left_bytes))
		return FWD_DROP_LENGTH;
	if (BH_UNLIKELY(fwd_is_odd4(src) || fwd_is_odd4(dst)))
		return fwd_check_odd4(src, dst);
	return FWD_GO;
}

BH_INLINE bool
fwd_is_link_local6(struct fwd_addr6 addr)
{
	return addr.high >> 54 == 0x3fa;
}

/* :: and ::1, as far as the first 64 bits tell; multicast; fe80::/10 and what is next to it */
BH_INLINE bool
fwd_is_odd6(struct fwd_addr6 addr)
{
	return addr.high == 0 || addr.high >> 56 >= 0xfe;
}

BH_INLINE enum fwd_reason
fwd_check_odd6(struct fwd_addr6 src, struct fwd_addr6 dst)
{
	bool src_is_unspecified = src.high == 0 && src.low == 0;
	if ((src.high == 0 && src.low == 1) || src.high >> 56 == 0xff)
		return FWD_DROP_MARTIAN_SOURCE;
	if (dst.high == 0 && dst.low <= 1)
		return FWD_DROP_MARTIAN_DESTINATION;
	if (dst.high >> 56 == 0xff)
		return FWD_PUNT_MULTICAST;
	if (fwd_is_link_local6(dst) || fwd_is_link_local6(src))
		return FWD_PUNT_LOCAL;
	return src_is_unspecified ? FWD_DROP_MARTIAN_SOURCE : FWD_GO;
}

/* fwd_check6 - likewise; at least FWD_IP6_BYTES in one piece */
BH_INLINE enum fwd_reason
fwd_check6(const uint8_t *ip, uint32_t left_bytes)
{
	struct fwd_addr6 src = fwd_load_addr6(ip + 8), dst = fwd_load_addr6(ip + 24);
	if (BH_UNLIKELY(ip[0] >> 4 != 6))
		return FWD_DROP_VERSION;
	if (BH_UNLIKELY(FWD_IP6_BYTES + fwd_load16(ip + 4) > left_bytes))
		return FWD_DROP_LENGTH;
	if (BH_UNLIKELY(fwd_is_odd6(src) || fwd_is_odd6(dst))) {
		enum fwd_reason reason = fwd_check_odd6(src, dst);
		if (reason != FWD_GO)
			return reason;
	}
	return BH_UNLIKELY(ip[6] == 0) ? FWD_PUNT_OPTIONS : FWD_GO;
}

/* fwd_ttl_decrement - and the checksum with it (RFC 1624, never -0): the TTL is the high half of a 16-bit word. */
BH_INLINE void
fwd_ttl_decrement(uint8_t *ip)
{
	uint32_t sum = fwd_load16(ip + 10) + 0x100u;
	uint16_t folded = __builtin_bswap16((uint16_t)(sum + (sum >= 0xffff)));
	ip[8]--;
	__builtin_memcpy(ip + 10, &folded, sizeof(folded));
}

/* A multiplication spreads upwards, the shift brings it down again. */
BH_INLINE uint64_t
fwd_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* Ports of TCP, UDP, UDP-Lite, DCCP and SCTP, if they are there. */
BH_INLINE uint32_t
fwd_l4_ports(const uint8_t *l4, uint32_t left_bytes, uint8_t protocol)
{
	bool has = protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
	return has && left_bytes >= 4 ? fwd_load32(l4) : 0;
}

/* fwd_flow4, fwd_flow6 - equal for all packets of a flow; fragments have no ports */
BH_INLINE uint32_t
fwd_flow4(const uint8_t *ip, uint32_t left_bytes)
{
	uint32_t ports = (fwd_load16(ip + 6) & 0x3fff) != 0
	                         ? 0
	                         : fwd_l4_ports(ip + FWD_IP4_BYTES, left_bytes - FWD_IP4_BYTES, ip[9]);
	return (uint32_t)fwd_mix(fwd_mix(ip[9], fwd_load64(ip + 12)), ports);
}

BH_INLINE uint32_t
fwd_flow6(const uint8_t *ip, uint32_t left_bytes)
{
	uint32_t ports = fwd_l4_ports(ip + FWD_IP6_BYTES, left_bytes - FWD_IP6_BYTES, ip[6]);
	uint64_t hash = fwd_mix(ip[6], fwd_load64(ip + 8));
	hash = fwd_mix(hash, fwd_load64(ip + 16));
	hash = fwd_mix(hash, fwd_load64(ip + 24));
	hash = fwd_mix(hash, fwd_load64(ip + 32));
	return (uint32_t)fwd_mix(hash, ports);
}

/**
 * fwd_untag - take an 802.1Q tag out of the data, as a device with BH_PORT_RX_VLAN does
 * Frames without one, and with one taken out already, stay as they are. At least 18 bytes in one piece.
 */
BH_INLINE void
fwd_untag(struct bh_pkt *pkt)
{
	if ((pkt->flags & BH_PKT_VLAN) != 0 || fwd_load16(pkt->data + 12) != FWD_TYPE_VLAN)
		return;
	pkt->vlan_tci = fwd_load16(pkt->data + 14);
	pkt->flags |= BH_PKT_VLAN;
	__builtin_memmove(pkt->data + 4, pkt->data, 12);
	pkt->data += 4;
	pkt->len_bytes -= 4;
	pkt->frame_bytes -= pkt->frame_bytes >= 4 ? 4 : 0;
	pkt->csum_start = (uint16_t)(pkt->csum_start - 4);
}

#endif
