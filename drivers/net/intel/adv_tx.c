/* SPDX-License-Identifier: Apache-2.0 */
/* Advanced data and context descriptors (82576 datasheet 7.2.2; 82599 datasheet 7.2.3.2). */
#include "drivers/net/intel/tx.h"

#define PLAIN           (INTEL_TXD_DTYP_DATA_82576 | INTEL_TXD_DEXT | INTEL_TXD_IFCS)
#define TCP_CSUM_OFFSET 16u
#define UDP_CSUM_OFFSET 6u
#define TPID_HIGH       0x81u

/* Up to where the network header begins: behind the tags that stand in the data. */
static uint32_t
mac_bytes(const struct bh_pkt *pkt)
{
	bool tagged = pkt->len_bytes >= BH_ETH_HEADER_BYTES + BH_VLAN_TAG_BYTES && pkt->data[12] == TPID_HIGH &&
	              pkt->data[13] == 0;
	return BH_ETH_HEADER_BYTES + (tagged ? BH_VLAN_TAG_BYTES : 0);
}

/* The device knows where a TCP or UDP header has its checksum, and no other one's. */
static uint32_t
able(const struct bh_pkt *pkt)
{
	uint32_t mac = mac_bytes(pkt);
	bool known = pkt->csum_offset == TCP_CSUM_OFFSET || pkt->csum_offset == UDP_CSUM_OFFSET;
	bool near = pkt->csum_start >= mac && pkt->csum_start - mac <= INTEL_CTX_IPLEN_MAX_82576;
	return BH_PORT_TX_VLAN | (known && near ? BH_PORT_TX_CSUM : 0);
}

static void
describe(const struct bh_pkt *pkt, struct intel_offload *offload)
{
	uint32_t mac = mac_bytes(pkt);
	offload->context = true;
	offload->ctx[0] = (uint64_t)mac << INTEL_CTX_MACLEN_SHIFT_82576;
	offload->ctx[1] = INTEL_TXD_DTYP_CTX_82576 | INTEL_TXD_DEXT;
	if (pkt->flags & BH_PKT_VLAN) {
		offload->command |= INTEL_TXD_VLE;
		offload->ctx[0] |= (uint64_t)pkt->vlan_tci << INTEL_CTX_VLAN_SHIFT_82576;
	}
	if (!(pkt->flags & BH_PKT_CSUM_PARTIAL))
		return;
	offload->ctx[0] |= pkt->csum_start - mac;
	offload->ctx[1] |= pkt->csum_offset == TCP_CSUM_OFFSET ? INTEL_CTX_L4T_TCP_82576 : INTEL_CTX_L4T_UDP_82576;
	offload->command |= INTEL_TXD_POPTS_TXSM;
}

#define KIND(in_pages)                                                                                                 \
	{                                                                                                              \
		.plain = PLAIN, .payload_shift = INTEL_TXD_PAYLEN_SHIFT_82576, .paged = in_pages, .able = able,        \
		.describe = describe                                                                                   \
	}

uint32_t
intel_adv_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	static const struct intel_tx_kind kind = KIND(false);
	return intel_tx_burst(queue, pkts, cnt, &kind);
}

uint32_t
intel_adv_tx_paged(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	static const struct intel_tx_kind kind = KIND(true);
	return intel_tx_burst(queue, pkts, cnt, &kind);
}
