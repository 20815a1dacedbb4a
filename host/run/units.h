/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Numbers and CPU lists as text.
 * Return: 0; -EINVAL not such a value; -ERANGE too large.
 */
#ifndef HOST_RUN_UNITS_H
#define HOST_RUN_UNITS_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

BH_MUST_CHECK int bh_parse_uint(const char *text, uint64_t *out_value);
BH_MUST_CHECK int bh_parse_percent(const char *text, uint64_t *out_value);

/* "2,3", "2-5", "0,4-6": at most BH_CORES_MAX, none twice (-EEXIST). "auto", "auto:N": out_auto, and N (1) in out_cnt. */
BH_MUST_CHECK int bh_parse_cpus(const char *text, bool *out_auto, uint16_t *out_cpu, uint32_t *out_cnt);

/* bh_text_distance - Levenshtein distance, for suggestions; at least as large for texts above 63 bytes. */
unsigned bh_text_distance(const char *a, const char *b);

#endif
