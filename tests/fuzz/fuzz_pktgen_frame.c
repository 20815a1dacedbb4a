/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pktgen's parsers: the sink reads frames that anybody may have sent, in one piece or several. The first byte says how
 * the rest is cut; half of the inputs are laid over a good frame, so that they get past the first look.
 */
#include "apps/pktgen/cell/arp.h"
#include "apps/pktgen/cell/frame.h"
#include "tests/fuzz/fuzz.h"

#define PIECES_MAX 4u

/* A buffer of exactly the bytes that are in it. */
static void
piece_make(struct bh_pkt *pkt, const uint8_t *bytes, size_t len_bytes)
{
	*pkt = (struct bh_pkt){.seg_cnt = 1, .len_bytes = (uint32_t)len_bytes};
	pkt->data = malloc(len_bytes + 1);
	fuzz_require(pkt->data != NULL);
	uint8_t *exact = realloc(pkt->data, len_bytes == 0 ? 1 : len_bytes);
	fuzz_require(exact != NULL);
	pkt->buf = pkt->data = exact;
	memcpy(pkt->data, bytes, len_bytes);
}

static uint32_t
chain_make(struct bh_pkt *pkt, const uint8_t *bytes, size_t len_bytes, uint8_t cuts)
{
	uint32_t cnt = 1 + cuts % PIECES_MAX;
	size_t at = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		size_t part = i + 1 == cnt ? len_bytes - at : BH_MIN((size_t)cuts / 4, len_bytes - at);
		piece_make(&pkt[i], bytes + at, part);
		pkt[i].next = i + 1 < cnt ? &pkt[i + 1] : NULL;
		at += part;
	}
	pkt[0].seg_cnt = (uint16_t)cnt;
	pkt[0].frame_bytes = (uint32_t)len_bytes;
	return cnt;
}

static void
good_frame(uint8_t *out, size_t len_bytes, bool arp)
{
	static const uint8_t src[6] = {2, 0, 0, 0, 0, 1}, dst[6] = {2, 0, 0, 0, 0, 2};
	const struct pktgen_mark mark = {.magic = PKTGEN_MAGIC, .flow = 3, .sequence = 77, .tx_tsc = 12345};
	struct pktgen_template template;

	if (arp) {
		pktgen_arp_announce(src, out);
		return;
	}
	pktgen_template_make(&template, (uint16_t)len_bytes, src, dst);
	pktgen_frame_write(&template, &mark, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	uint8_t frame[2048] = {0}, answer[PKTGEN_FRAME_BYTES], mac[6] = {2, 0, 0, 0, 0, 9};
	struct bh_pkt pkt[PIECES_MAX];
	struct pktgen_mark mark;
	uint8_t kind = (uint8_t)fuzz_take(&input, 1), cuts = (uint8_t)fuzz_take(&input, 1);
	size_t len_bytes = BH_MIN(input.left, sizeof(frame));

	memcpy(frame, input.at, len_bytes);
	if (kind & 1) {
		len_bytes = BH_MAX(len_bytes, (size_t)PKTGEN_FRAME_BYTES);
		memset(frame, 0, sizeof(frame));
		good_frame(frame, len_bytes, kind & 2);
		for (uint32_t i = 0; i < (kind >> 2) % 8u; i++)
			frame[fuzz_take(&input, 2) % len_bytes] ^= (uint8_t)fuzz_take(&input, 1);
	}
	uint32_t cnt = chain_make(pkt, frame, len_bytes, cuts);
	enum pktgen_verdict verdict = pktgen_frame_read(pkt, &mark);
	fuzz_require(verdict == PKTGEN_OURS || verdict == PKTGEN_FOREIGN || verdict == PKTGEN_CORRUPT);
	(void)pktgen_arp_answer(pkt, mac, answer);
	for (uint32_t i = 0; i < cnt; i++)
		free(pkt[i].buf);
	return 0;
}
