/* SPDX-License-Identifier: Apache-2.0 */
/* Extended data and context descriptors (82574 datasheet 7.2.10, 7.2.11). */
#include "drivers/net/intel/tx.h"
#include "drivers/net/e1000e/e1000e.h"

#define PLAIN (INTEL_TXD_DTYP_DATA_82574 | INTEL_TXD_DEXT | INTEL_TXD_IFCS)

/* A context's offsets have 8 bits. */
static uint32_t
able(const struct bh_pkt *pkt)
{
	bool far = (uint32_t)pkt->csum_start + pkt->csum_offset > INTEL_CTX_OFFSET_MAX_82574;
	return BH_PORT_TX_VLAN | (far ? 0 : BH_PORT_TX_CSUM);
}

/* The sum goes from TUCSS to the end, and what stands at TUCSO is part of it: the pseudo header, as BH_PKT_CSUM_PARTIAL. */
static void
describe(const struct bh_pkt *pkt, struct intel_offload *offload)
{
	const uint32_t tcp_csum_offset = 16;
	if (pkt->flags & BH_PKT_VLAN)
		offload->command |= INTEL_TXD_VLE | (uint64_t)pkt->vlan_tci << INTEL_TXD_VLAN_SHIFT_82574;
	if (!(pkt->flags & BH_PKT_CSUM_PARTIAL))
		return;
	offload->context = true;
	offload->ctx[0] = (uint64_t)pkt->csum_start << INTEL_CTX_TUCSS_SHIFT_82574 |
	                  (uint64_t)(pkt->csum_start + pkt->csum_offset) << INTEL_CTX_TUCSO_SHIFT_82574;
	offload->ctx[1] = INTEL_TXD_DEXT | (pkt->csum_offset == tcp_csum_offset ? INTEL_CTX_TCP_82574 : 0);
	offload->command |= INTEL_TXD_POPTS_TXSM;
}

uint32_t
bh_e1000e_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	static const struct intel_tx_kind kind = {.plain = PLAIN, .paged = true, .able = able, .describe = describe};
	return intel_tx_burst(queue, pkts, cnt, &kind);
}
