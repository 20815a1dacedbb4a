/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the hosted support. */
#ifndef CORE_ARCH_HOSTED_HOSTED_H
#define CORE_ARCH_HOSTED_HOSTED_H

#include "tests/hosted/include/bulkhead/hosted.h"

/* bh_hosted_page_fill - a valid boot page of a cell without devices, for these sizes. */
void bh_hosted_page_fill(struct bh_boot_page *page, unsigned core_cnt, size_t arena_bytes, size_t heap_bytes);

/* The regions that the page lists, and the stacks: anonymous memory at their addresses. */
BH_MUST_CHECK int bh_hosted_regions_map(const struct bh_boot_page *page);
void bh_hosted_regions_unmap(const struct bh_boot_page *page);

#endif
