/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/pktgen/cell/frame.h"

#include <bulkhead/mem.h>

#define AT_TYPE    12u
#define AT_IP      14u
#define AT_IP_LEN  16u
#define AT_IP_SUM  24u
#define AT_IP_SRC  26u
#define AT_UDP     34u
#define AT_UDP_LEN 38u
#define AT_UDP_SUM 40u
#define AT_MARK    42u
#define UDP_NUMBER 17u
#define SRC_PORT   1024u

BH_INLINE uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

BH_INLINE void
put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

BH_INLINE uint16_t
fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 1071: in the machine's own byte order, eight bytes at a time; the result is to be stored as it is. */
static uint64_t
sum_native(const uint8_t *bytes, uint32_t cnt_bytes)
{
	uint64_t sum = 0, word;
	uint32_t i = 0;
	for (; i + 8 <= cnt_bytes; i += 8) {
		__builtin_memcpy(&word, bytes + i, 8);
		sum += (word & 0xffffffff) + (word >> 32);
	}
	word = 0;
	if (i < cnt_bytes) {
		memcpy(&word, bytes + i, cnt_bytes - i);
		sum += (word & 0xffffffff) + (word >> 32);
	}
	return sum;
}

BH_INLINE uint16_t
swap16(uint16_t value)
{
	return (uint16_t)(value << 8 | value >> 8);
}

void
pktgen_template_make(struct pktgen_template *template, uint16_t len_bytes, const uint8_t *src_mac,
                     const uint8_t *dst_mac)
{
	static const uint8_t fixed[] = {0x08,       0x00, 0x45, 0,  0, 0, 0, 0,  0x40, 0, 64,
	                                UDP_NUMBER, 0,    0,    10, 1, 0, 0, 10, 2,    0, 1};
	uint8_t *bytes = template->bytes;
	uint32_t udp_bytes = len_bytes - AT_UDP;
	memset(bytes, 0, PKTGEN_FRAME_BYTES);
	memcpy(bytes, dst_mac, 6);
	memcpy(bytes + 6, src_mac, 6);
	memcpy(bytes + AT_TYPE, fixed, sizeof(fixed));
	put16(bytes + AT_IP_LEN, len_bytes - AT_IP);
	put16(bytes + AT_UDP + 2, PKTGEN_UDP_PORT);
	put16(bytes + AT_UDP_LEN, udp_bytes);
	template->len_bytes = len_bytes;
	template->ip_sum = fold(sum_native(bytes + AT_IP, 20));
	/* The pseudo header: addresses, protocol, length (RFC 768). */
	template->udp_sum = fold(sum_native(bytes + AT_IP_SRC, 8) + sum_native(bytes + AT_UDP, 8) + swap16(UDP_NUMBER) +
	                         swap16((uint16_t)udp_bytes));
}

void
pktgen_frame_write(const struct pktgen_template *template, const struct pktgen_mark *mark, uint8_t *out)
{
	uint64_t low = mark->magic | (uint64_t)mark->flow << 16 | mark->sequence << 32, high = mark->sequence >> 32;
	uint16_t flow = swap16(mark->flow), port = swap16((uint16_t)(SRC_PORT + mark->flow));
	__builtin_memcpy(out, template->bytes, PKTGEN_FRAME_BYTES);
	/* magic 2, flow 2, sequence 6, tsc 8 */
	__builtin_memcpy(out + AT_MARK, &low, 8);
	__builtin_memcpy(out + AT_MARK + 8, &high, 2);
	__builtin_memcpy(out + AT_MARK + 10, &mark->tx_tsc, 8);
	__builtin_memcpy(out + AT_IP_SRC + 2, &flow, 2);
	__builtin_memcpy(out + AT_UDP, &port, 2);
	uint16_t ip_sum = (uint16_t)~fold((uint64_t) template->ip_sum + flow);
	uint64_t udp = (uint64_t) template->udp_sum + flow + port + (low & 0xffffffff) + (low >> 32) + high +
	               (mark->tx_tsc & 0xffffffff) + (mark->tx_tsc >> 32);
	uint16_t udp_sum = (uint16_t)~fold(udp);
	udp_sum = udp_sum == 0 ? 0xffff : udp_sum;
	__builtin_memcpy(out + AT_IP_SUM, &ip_sum, 2);
	__builtin_memcpy(out + AT_UDP_SUM, &udp_sum, 2);
}

/* All bytes of a chain from `at` to `end`; pieces of odd length turn the order of what follows. */
static uint64_t
sum_chain(const struct bh_pkt *pkt, uint32_t at, uint32_t end)
{
	uint64_t sum = 0;
	uint32_t start = 0, summed = 0;
	for (const struct bh_pkt *piece = pkt; piece != NULL && start < end; piece = piece->next) {
		uint32_t from = at > start ? at - start : 0, to = BH_MIN(piece->len_bytes, end - start);
		if (from < to) {
			uint16_t part = fold(sum_native(piece->data + from, to - from));
			sum += summed & 1 ? swap16(part) : part;
			summed += to - from;
		}
		start += piece->len_bytes;
	}
	return sum;
}

static bool
checksums_hold(const struct bh_pkt *pkt, uint32_t udp_bytes)
{
	const uint8_t *frame = pkt->data;
	if (fold(sum_native(frame + AT_IP, 20)) != 0xffff)
		return false;
	uint64_t sum = sum_native(frame + AT_IP_SRC, 8) + swap16(UDP_NUMBER) + swap16((uint16_t)udp_bytes);
	return fold(sum + sum_chain(pkt, AT_UDP, AT_UDP + udp_bytes)) == 0xffff;
}

enum pktgen_verdict
pktgen_frame_read(const struct bh_pkt *pkt, struct pktgen_mark *out_mark)
{
	const uint8_t *frame = pkt->data;
	uint64_t low, high = 0;
	uint32_t frame_bytes = bh_pkt_frame_bytes(pkt);
	if (pkt->len_bytes < PKTGEN_FRAME_BYTES || get16(frame + AT_TYPE) != 0x0800 || frame[AT_IP] != 0x45 ||
	    frame[AT_IP + 9] != UDP_NUMBER || get16(frame + AT_UDP + 2) != PKTGEN_UDP_PORT)
		return PKTGEN_FOREIGN;
	uint32_t udp_bytes = get16(frame + AT_UDP_LEN), ip_bytes = get16(frame + AT_IP_LEN);
	if (udp_bytes + 20 != ip_bytes || ip_bytes + AT_IP > frame_bytes || udp_bytes < PKTGEN_FRAME_BYTES - AT_UDP ||
	    !checksums_hold(pkt, udp_bytes))
		return PKTGEN_CORRUPT;
	__builtin_memcpy(&low, frame + AT_MARK, 8);
	__builtin_memcpy(&high, frame + AT_MARK + 8, 2);
	out_mark->magic = (uint16_t)low;
	out_mark->flow = (uint16_t)(low >> 16);
	out_mark->sequence = low >> 32 | high << 32;
	__builtin_memcpy(&out_mark->tx_tsc, frame + AT_MARK + 10, 8);
	bool known = out_mark->magic == PKTGEN_MAGIC || out_mark->magic == PKTGEN_MAGIC_WARM;
	return known ? PKTGEN_OURS : PKTGEN_CORRUPT;
}
