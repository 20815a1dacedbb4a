/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Formatting a cell's binary log. Format strings come from the cell's ELF file; records from shared memory. Both are
 * hostile input: an index is checked, a format is interpreted by our own small formatter, and what is not printable is
 * escaped.
 */
#ifndef HOST_OBSERVE_LOG_H
#define HOST_OBSERVE_LOG_H

#include <bulkhead/abi/log.h>

#include "host/observe/metrics.h"

#define BH_LOG_TEXT_BYTES 512

struct bh_log_reader {
	struct bh_log_site *site;
	uint32_t site_cnt;
	uint64_t tsc_start; /* times are shown from here */
	uint64_t bad_cnt;   /* records and indices that were refused */
};

/**
 * bh_log_reader_open - read the logging sites of a cell's ELF file
 * Return: 0 (also for a file without any site); -EINVAL when it is not an ELF file or a table points outside of it;
 * -ENOMEM; or what opening and reading gave.
 */
BH_MUST_CHECK int bh_log_reader_open(const char *elf_path, uint64_t tsc_start, struct bh_log_reader *out_reader);
void bh_log_reader_close(struct bh_log_reader *reader);

/**
 * bh_log_format - one record as text "seconds level file:line: message", NUL-terminated, cut at text_bytes
 * Return: the level (enum bh_log_level), or -EINVAL if the record is not valid (text says so).
 */
int bh_log_format(const struct bh_log_reader *reader, const struct bh_log_record *record, uint64_t tsc_hz, char *text,
                  size_t text_bytes);

/**
 * bh_log_drain - hand every waiting record of one core to fn, in order, and move the ring's tail
 *
 * At most one ring's worth per call, so a cell that writes without end cannot hold us.
 * Return: how many records were taken.
 */
uint32_t bh_log_drain(struct bh_log_reader *reader, const struct bh_view *view, uint32_t core_idx,
                      void (*fn)(void *context, uint32_t core_idx, int level, const char *text), void *context);

/* bh_log_dropped - records that the cell dropped because rings were full, all cores. */
uint64_t bh_log_dropped(const struct bh_view *view);

#endif
