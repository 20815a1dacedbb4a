/* SPDX-License-Identifier: Apache-2.0 */
/* Receive side scaling: the hash is Toeplitz (82574 datasheet 7.1.7; 82576 datasheet 7.1.1.7). */
#include "drivers/net/intel/intel.h"

/* The key of Microsoft's verification suite, so that hashes can be compared with published ones. */
static const uint8_t key[4 * INTEL_RSSRK_CNT] = {
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
        0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
        0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static uint32_t
word_of(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void
intel_rss_set(struct intel_port *ip, uint32_t shift)
{
	uint8_t entry[INTEL_RETA_CNT];
	uint32_t queue_idx = 0;
	for (uint32_t i = 0; i < INTEL_RETA_CNT; i++) {
		entry[i] = (uint8_t)(queue_idx << shift);
		queue_idx = queue_idx + 1 < ip->port.info.queue_cnt ? queue_idx + 1 : 0;
	}
	for (uint32_t i = 0; i < INTEL_RETA_CNT / 4; i++)
		intel_write(ip, INTEL_REG_RETA + 4 * i, word_of(entry + 4 * (size_t)i));
	for (uint32_t i = 0; i < INTEL_RSSRK_CNT; i++)
		intel_write(ip, INTEL_REG_RSSRK + 4 * i, word_of(key + 4 * (size_t)i));
}
