/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Descriptors of Intel's 82574L and 82576, each two little-endian 64-bit words.
 *
 * Receive: 82574 extended (datasheet 7.1.5), 82576 advanced with one buffer (datasheet 7.1.5). What both write back is the
 * same but for names. Transmit: 82574 extended data and TCP/IP context (7.2.11, 7.2.10); 82576 advanced data and context
 * (7.2.2.3, 7.2.2.2).
 */
#ifndef BULKHEAD_SPEC_INTEL_GBE_DESC_H
#define BULKHEAD_SPEC_INTEL_GBE_DESC_H

#include <bulkhead/types.h>

/*
 * Receive, as the driver writes it:  word 0 the buffer's address; word 1 zero (82576: no header buffer; its bit 0 is DD)
 * Receive, written back:             word 0 RSS type in bits 3:0, RSS hash in 63:32
 *                                    word 1 status and errors in 31:0, length in 47:32, VLAN tag in 63:48
 * Transmit:                          word 0 the buffer's address
 *                                    word 1 length, type, command; above: status (DD), options, per card
 */
struct intel_desc {
	uint64_t word[2];
};

_Static_assert(sizeof(struct intel_desc) == 16, "of all four kinds");

#define INTEL_RXD_RSS_TYPE_MASK 0xfu
#define INTEL_RXD_HASH_SHIFT    32
#define INTEL_RXD_LENGTH_SHIFT  32
#define INTEL_RXD_VLAN_SHIFT    48

/* Status and errors of a received packet; all but DD valid with EOP only. */
#define INTEL_RXD_DD    (1u << 0) /* written back */
#define INTEL_RXD_EOP   (1u << 1) /* end of packet */
#define INTEL_RXD_VP    (1u << 3) /* a VLAN tag was stripped */
#define INTEL_RXD_UDPCS (1u << 4)
#define INTEL_RXD_L4CS  (1u << 5)  /* 82574: TCPCS */
#define INTEL_RXD_L4E   (1u << 29) /* 82574: TCPE */
#define INTEL_RXD_IPE   (1u << 30)
#define INTEL_RXD_RXE   (1u << 31)
/* 82574 (7.1.5.3.2): CE, SE, SEQ, CXE: damaged on the wire. Written only to a driver that asked for such packets. */
#define INTEL_RXD_WIRE_ERRORS (1u << 24 | 1u << 25 | 1u << 26 | 1u << 28 | INTEL_RXD_RXE)

/* Word 1 of transmit descriptors: what both have. */
#define INTEL_TXD_DTYP_DATA_82574    (UINT64_C(1) << 20)
#define INTEL_TXD_DTYP_DATA_82576    (UINT64_C(3) << 20)
#define INTEL_TXD_DTYP_CTX_82576     (UINT64_C(2) << 20)
#define INTEL_TXD_EOP                (UINT64_C(1) << 24)
#define INTEL_TXD_IFCS               (UINT64_C(1) << 25) /* insert the CRC */
#define INTEL_TXD_RS                 (UINT64_C(1) << 27) /* report when it is done */
#define INTEL_TXD_DEXT               (UINT64_C(1) << 29) /* not the legacy format */
#define INTEL_TXD_VLE                (UINT64_C(1) << 30) /* insert a VLAN tag */
#define INTEL_TXD_DD                 (UINT64_C(1) << 32)
#define INTEL_TXD_POPTS_TXSM         (UINT64_C(2) << 40) /* insert a TCP or UDP checksum */
#define INTEL_TXD_VLAN_SHIFT_82574   48
#define INTEL_TXD_PAYLEN_SHIFT_82576 46 /* bytes of the whole packet */

/*
 * 82574 context (7.2.10). Word 0: IPCSS, IPCSO, IPCSE (16 bits); TUCSS in 39:32, TUCSO in 47:40, TUCSE in 63:48, 0: to the
 * packet's end. Word 1: PAYLEN, DTYP 0, TUCMD.
 */
#define INTEL_CTX_TUCSS_SHIFT_82574 32
#define INTEL_CTX_TUCSO_SHIFT_82574 40
#define INTEL_CTX_TCP_82574         (UINT64_C(1) << 24)
#define INTEL_CTX_OFFSET_MAX_82574  255u

/* 82576 context (7.2.2.2). Word 0: IPLEN in 8:0, MACLEN in 15:9, VLAN tag in 31:16. Word 1: TUCMD from bit 9, DTYP, DEXT. */
#define INTEL_CTX_MACLEN_SHIFT_82576 9
#define INTEL_CTX_VLAN_SHIFT_82576   16
#define INTEL_CTX_L4T_UDP_82576      (UINT64_C(0) << 11)
#define INTEL_CTX_L4T_TCP_82576      (UINT64_C(1) << 11)
#define INTEL_CTX_IPLEN_MAX_82576    511u
#define INTEL_CTX_MACLEN_MAX_82576   127u

#endif
