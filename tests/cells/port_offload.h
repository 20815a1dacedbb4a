/* SPDX-License-Identifier: Apache-2.0 */
/* What the cell sends, for the test that looks at it. Frame i: tagged if i & 1, a chain if i & 2; its bytes are i, i + 1, ... */
#ifndef TESTS_CELLS_PORT_OFFLOAD_H
#define TESTS_CELLS_PORT_OFFLOAD_H

#define OFFLOAD_FRAME_CNT     64u
#define OFFLOAD_ANSWER_CNT    8u
#define OFFLOAD_PAYLOAD_BYTES 301u /* odd */
#define OFFLOAD_UDP_PORT      7000u
#define OFFLOAD_VLAN          77u

#endif
