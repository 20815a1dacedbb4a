/* SPDX-License-Identifier: Apache-2.0 */
/* What the card says of a received frame: packet type (7.1.6.2), checksums (7.1.11), RSS (7.1.2.8). */
#include <string.h>

#include "devices/ixgbe/internal.h"

#define TYPE_IPV4   0x0800u
#define TYPE_IPV6   0x86ddu
#define TYPE_TAG    0x8100u
#define PROTO_TCP   6u
#define PROTO_UDP   17u
#define IPV6_BYTES  40u
#define FRAGMENT    0x3fffu /* more fragments, or an offset */
#define MRQC_MODE   0xfu
#define HASH_IN_MAX 36u

struct headers {
	uint32_t ip_at, l4_at, l4_bytes; /* l4_bytes 0: not to be looked at */
	uint32_t addr_at, addr_bytes;    /* source, then destination */
	uint8_t proto;
	bool v4, v6, fragment;
};

static uint32_t
get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint64_t
sum_of(const uint8_t *data, uint32_t bytes, uint64_t sum)
{
	for (uint32_t i = 0; i < bytes; i++)
		sum += i & 1 ? data[i] : (uint64_t)data[i] << 8;
	return sum;
}

static uint32_t
fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

void
ixgbe_csum_put(uint8_t *frame, uint32_t bytes, uint32_t start, uint32_t offset)
{
	uint32_t csum = ~fold(sum_of(frame + start, bytes - start, 0)) & 0xffff;
	if (csum == 0)
		csum = 0xffff;
	frame[start + offset] = (uint8_t)(csum >> 8);
	frame[start + offset + 1] = (uint8_t)csum;
}

uint32_t
ixgbe_copy(const struct vnet_frame *frame, uint8_t *to, uint32_t max_bytes)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < frame->piece_cnt && at < max_bytes; i++) {
		uint32_t part = BH_MIN(frame->piece[i].len_bytes, max_bytes - at);
		memcpy(to + at, frame->piece[i].addr, part);
		at += part;
	}
	return at;
}

static bool
ipv4(const uint8_t *ip, uint32_t bytes, struct headers *h)
{
	uint32_t header = bytes >= 20 ? (ip[0] & 15u) * 4 : 0, total = bytes >= 20 ? get16(ip + 2) : 0;
	if (header < 20 || ip[0] >> 4 != 4 || total < header || total > bytes)
		return false;
	h->v4 = true;
	h->proto = ip[9];
	h->fragment = get16(ip + 6) & FRAGMENT;
	h->addr_at = h->ip_at + 12;
	h->addr_bytes = 8;
	h->l4_at = h->ip_at + header;
	h->l4_bytes = total - header;
	return true;
}

/* Without extension headers: behind one the card's type says IPv6 and no more here. */
static bool
ipv6(const uint8_t *ip, uint32_t bytes, struct headers *h)
{
	if (bytes < IPV6_BYTES || ip[0] >> 4 != 6 || get16(ip + 4) > bytes - IPV6_BYTES)
		return false;
	h->v6 = true;
	h->proto = ip[6];
	h->addr_at = h->ip_at + 8;
	h->addr_bytes = 32;
	h->l4_at = h->ip_at + IPV6_BYTES;
	h->l4_bytes = get16(ip + 4);
	return true;
}

static bool
headers_find(const uint8_t *frame, uint32_t bytes, struct headers *h)
{
	uint32_t type_at = 12;
	memset(h, 0, sizeof(*h));
	if (bytes >= IXGBE_ETH_BYTES + IXGBE_TAG_BYTES && get16(frame + 12) == TYPE_TAG)
		type_at += IXGBE_TAG_BYTES;
	h->ip_at = type_at + 2;
	if (get16(frame + type_at) == TYPE_IPV4)
		return ipv4(frame + h->ip_at, bytes - h->ip_at, h);
	return get16(frame + type_at) == TYPE_IPV6 && ipv6(frame + h->ip_at, bytes - h->ip_at, h);
}

/*
 * SPEC-CONTRADICTION: 7.1.11 does not check a UDP packet whose checksum is 0; the specification update says that the
 * silicon reports it as wrong. The silicon counts.
 */
static uint32_t
l4_status(const uint8_t *frame, const struct headers *h)
{
	uint64_t pseudo = sum_of(frame + h->addr_at, h->addr_bytes, h->proto + (uint64_t)h->l4_bytes);
	bool good = fold(sum_of(frame + h->l4_at, h->l4_bytes, pseudo)) == 0xffff;
	if (h->proto == PROTO_UDP && get16(frame + h->l4_at + 6) == 0)
		good = false;
	return INTEL_RXD_L4CS | (good ? 0 : IXGBE_RXD_L4E);
}

static uint32_t
toeplitz(const struct ixgbe_model *m, const uint8_t *input, uint32_t bytes)
{
	const uint8_t *key = (const uint8_t *)&m->reg[INTEL_REG_RSSRK / 4]; /* little-endian, as the machine */
	uint32_t hash = 0, window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
	for (uint32_t i = 0; i < bytes; i++) {
		for (uint32_t bit = 0; bit < 8; bit++) {
			if (input[i] & 0x80u >> bit)
				hash ^= window;
			window = window << 1 | (key[i + 4] >> (7 - bit) & 1);
		}
	}
	return hash;
}

/* Which of MRQC's fields the frame falls under, the narrower one first; what RSS type it gets (tables 7-8 and 7-11). */
static uint32_t
rss_type(const struct ixgbe_model *m, const struct headers *h, bool *with_ports)
{
	uint32_t mrqc = m->reg[INTEL_REG_MRQC / 4];
	bool tcp = h->proto == PROTO_TCP && !h->fragment && h->l4_bytes >= 4;
	bool udp = h->proto == PROTO_UDP && !h->fragment && h->l4_bytes >= 4;
	*with_ports = true;
	if ((mrqc & MRQC_MODE) != INTEL_MRQC_RSS_82574)
		return 0;
	if (tcp && (mrqc & (h->v4 ? INTEL_MRQC_TCP_IPV4 : INTEL_MRQC_TCP_IPV6)))
		return h->v4 ? IXGBE_RXD_RSS_TCP4 : IXGBE_RXD_RSS_TCP6;
	if (udp && (mrqc & (h->v4 ? INTEL_MRQC_UDP_IPV4 : INTEL_MRQC_UDP_IPV6)))
		return h->v4 ? IXGBE_RXD_RSS_UDP4 : IXGBE_RXD_RSS_UDP6;
	*with_ports = false;
	if (mrqc & (h->v4 ? INTEL_MRQC_IPV4 : INTEL_MRQC_IPV6))
		return h->v4 ? IXGBE_RXD_RSS_IPV4 : IXGBE_RXD_RSS_IPV6;
	return 0;
}

void
ixgbe_classify(const struct ixgbe_model *m, const uint8_t *frame, uint32_t bytes, struct ixgbe_class *out)
{
	uint8_t input[HASH_IN_MAX];
	struct headers h;
	bool with_ports;
	*out = (struct ixgbe_class){0};
	if (!headers_find(frame, bytes, &h))
		return;
	out->info = h.v4 ? IXGBE_RXD_TYPE_IPV4 : IXGBE_RXD_TYPE_IPV6;
	if (h.v4)
		out->status |= IXGBE_RXD_IPCS |
		               (fold(sum_of(frame + h.ip_at, h.l4_at - h.ip_at, 0)) == 0xffff ? 0 : IXGBE_RXD_IPE);
	bool tcp = h.proto == PROTO_TCP && h.l4_bytes >= 20, udp = h.proto == PROTO_UDP && h.l4_bytes >= 8;
	if (!h.fragment && (tcp || udp)) {
		out->info |= tcp ? IXGBE_RXD_TYPE_TCP : IXGBE_RXD_TYPE_UDP;
		out->status |= l4_status(frame, &h);
	}
	uint32_t type = rss_type(m, &h, &with_ports);
	if (type == 0)
		return;
	memcpy(input, frame + h.addr_at, h.addr_bytes);
	if (with_ports)
		memcpy(input + h.addr_bytes, frame + h.l4_at, 4);
	out->info |= type;
	out->hash = toeplitz(m, input, h.addr_bytes + (with_ports ? 4 : 0));
}
