/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/pktgen/cell/arp.h"

#include <bulkhead/mem.h>

#include "apps/pktgen/cell/frame.h"

/* Ethernet's header, then RFC 826: hardware, protocol, their lengths, operation; sender and target as hardware and protocol address. */
#define AT_KIND       12u
#define AT_SENDER     22u
#define AT_SENDER_IP  28u
#define AT_TARGET     32u
#define AT_TARGET_IP  38u
#define ARP_BYTES     42u
#define KIND_BYTES    10u
#define OPERATION     9u /* its low byte, within the kind */
#define OPERATION_ASK 1u
#define OPERATION_SAY 2u

static const uint8_t ask[KIND_BYTES] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, OPERATION_ASK};
static const uint8_t sink_ip[4] = {10, 2, 0, 1};

static void
write(uint8_t *out, uint8_t operation, const uint8_t *mac, const uint8_t *to)
{
	memset(out, 0, PKTGEN_FRAME_BYTES);
	memcpy(out, to, 6);
	memcpy(out + 6, mac, 6);
	memcpy(out + AT_KIND, ask, KIND_BYTES);
	out[AT_KIND + OPERATION] = operation;
	memcpy(out + AT_SENDER, mac, 6);
	memcpy(out + AT_SENDER_IP, sink_ip, 4);
}

void
pktgen_arp_announce(const uint8_t *mac, uint8_t *out_frame)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	write(out_frame, OPERATION_ASK, mac, everybody);
	memcpy(out_frame + AT_TARGET_IP, sink_ip, 4);
}

bool
pktgen_arp_answer(const struct bh_pkt *request, const uint8_t *mac, uint8_t *out_frame)
{
	const uint8_t *frame = request->data;
	if (request->len_bytes < ARP_BYTES || memcmp(frame + AT_KIND, ask, KIND_BYTES) != 0 ||
	    memcmp(frame + AT_TARGET_IP, sink_ip, 4) != 0 || memcmp(frame + AT_SENDER_IP, sink_ip, 4) == 0)
		return false;
	write(out_frame, OPERATION_SAY, mac, frame + AT_SENDER);
	memcpy(out_frame + AT_TARGET, frame + AT_SENDER, 6);
	memcpy(out_frame + AT_TARGET_IP, frame + AT_SENDER_IP, 4);
	return true;
}
