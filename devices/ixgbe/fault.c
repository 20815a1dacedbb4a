/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/ixgbe/internal.h"

#define LENGTH_MASK (UINT64_C(0xffff) << INTEL_RXD_LENGTH_SHIFT)

const char *const ixgbe_fault_names[IXGBE_FAULT_CNT] = {
        [IXGBE_FAULT_NONE] = "none",
        [IXGBE_FAULT_LONG_LENGTH] = "long-length",
        [IXGBE_FAULT_SHORT_LENGTH] = "short-length",
        [IXGBE_FAULT_ZERO_LENGTH] = "zero-length",
        [IXGBE_FAULT_NO_END] = "no-end",
        [IXGBE_FAULT_DAMAGED] = "damaged",
        [IXGBE_FAULT_CHANGE_LENGTH] = "change-length",
        [IXGBE_FAULT_RX_OFF] = "rx-off",
        [IXGBE_FAULT_MEMORY_ERROR] = "memory-error",
        [IXGBE_FAULT_TX_NO_REPORT] = "tx-no-report",
        [IXGBE_FAULT_TX_STALL] = "tx-stall",
};

enum ixgbe_fault
ixgbe_fault_draw(struct ixgbe_model *m, bool transmit)
{
	const uint64_t sent = UINT64_C(1) << IXGBE_FAULT_TX_NO_REPORT | UINT64_C(1) << IXGBE_FAULT_TX_STALL;
	if (BH_LIKELY(m->config.rule_cnt == 0))
		return IXGBE_FAULT_NONE;
	uint32_t fault = vnet_fault_turn(m->config.rule, m->config.rule_cnt, transmit ? sent : ~sent,
	                                 ++m->frame_cnt[transmit], m->fired_cnt);
	if (fault != IXGBE_FAULT_NONE) {
		m->stats.fault_cnt++;
		m->stats.fault_kind_cnt[fault]++;
	}
	return (enum ixgbe_fault)fault;
}

static uint64_t
with_length(uint64_t word, uint64_t bytes)
{
	return (word & ~LENGTH_MASK) | bytes << INTEL_RXD_LENGTH_SHIFT;
}

uint64_t
ixgbe_fault_received(struct ixgbe_model *m, enum ixgbe_fault fault, volatile struct intel_desc *desc, uint64_t word)
{
	switch (fault) {
	case IXGBE_FAULT_LONG_LENGTH:
		return with_length(word, 0xffff);
	case IXGBE_FAULT_SHORT_LENGTH:
		return with_length(word, 5);
	case IXGBE_FAULT_ZERO_LENGTH:
		return with_length(word, 0);
	case IXGBE_FAULT_NO_END:
		return word & ~(uint64_t)INTEL_RXD_EOP;
	case IXGBE_FAULT_DAMAGED:
		return word | IXGBE_RXD_RXE;
	case IXGBE_FAULT_CHANGE_LENGTH:
		m->change.left = IXGBE_CHANGE_CNT;
		m->change.at = (volatile uint16_t *)(volatile void *)&desc->word[1] + INTEL_RXD_LENGTH_SHIFT / 16;
		m->change.now = (uint16_t)(word >> INTEL_RXD_LENGTH_SHIFT);
		m->change.other = 0xffff;
		return word;
	default:
		return word;
	}
}

/* Not where somebody has written since. */
void
ixgbe_fault_change_go_on(struct ixgbe_model *m)
{
	uint16_t before = m->change.now;
	m->change.left--;
	m->change.now = m->change.other;
	m->change.other = before;
	if (*m->change.at != before)
		m->change.left = 0;
	else
		*m->change.at = m->change.now;
}
