/* SPDX-License-Identifier: Apache-2.0 */
/**
 * ARP (RFC 826) as far as a sink needs it: it is 10.2.0.1, where the generator's frames go to. So a router between them learns where to
 * send them, and a switch on which port. All frames are PKTGEN_FRAME_BYTES long, padding included.
 */
#ifndef PKTGEN_ARP_H
#define PKTGEN_ARP_H

#include <bulkhead/pkt.h>

/* pktgen_arp_announce - "10.2.0.1 is at mac", to everybody (RFC 5227, 2.3) */
void pktgen_arp_announce(const uint8_t *mac, uint8_t *out_frame);

/**
 * pktgen_arp_answer - the reply, if a received frame is a request for 10.2.0.1
 * Return: whether it is; out_frame is written then.
 */
bool pktgen_arp_answer(const struct bh_pkt *request, const uint8_t *mac, uint8_t *out_frame);

#endif
