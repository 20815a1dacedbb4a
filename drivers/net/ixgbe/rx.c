/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/intel/rx.h"
#include "drivers/net/ixgbe/ixgbe.h"

/*
 * SPEC-CONTRADICTION: 7.1.11 says that a UDP packet without a checksum is not checked; the specification update (erratum
 * "UDP frames with a zero checksum are marked as checksum errors") says that it is reported as wrong. So L4E of a UDP packet
 * says nothing: neither good nor bad.
 */
static uint16_t
csum_bad(uint32_t status, uint64_t info)
{
	if (!(status & IXGBE_RXD_IPE) && (info & IXGBE_RXD_TYPE_UDP))
		return 0;
	return BH_PKT_CSUM_BAD;
}

uint32_t
bh_ixgbe_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	static const struct intel_rx_bits bits = {
	        .damaged = IXGBE_RXD_RXE, .l4_bad = IXGBE_RXD_L4E, .ip_bad = IXGBE_RXD_IPE, .csum_bad = csum_bad};
	return intel_rx_burst(queue, out_pkts, cnt, &bits);
}
