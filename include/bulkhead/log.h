/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Logging from a cell: bh_log_info("queue %u: %u entries", idx, cnt). Up to six integer or pointer arguments; the
 * formats that the host knows are in <bulkhead/abi/log.h>. A record costs a time stamp and a cache line; a full ring drops
 * it and counts the drop. Any core, any context.
 */
#ifndef BULKHEAD_LOG_H
#define BULKHEAD_LOG_H

#include <bulkhead/abi/log.h>
#include <bulkhead/types.h>

/* First site of this ELF file; the linker defines it. */
extern const struct bh_log_site bh_log_sites_start[] __asm__("__start_" BH_LOG_SECTION);

void bh_log_write(const struct bh_log_site *site, uint32_t arg_cnt, const uint64_t *args);

/* Checks the format against its arguments when compiling; never called. */
BH_PRINTF(1, 2) BH_INLINE void bh_log_check(const char *format, ...)
{
	(void)format;
}

#define BH_LOG_CNT_(_0, _1, _2, _3, _4, _5, _6, N, ...) N
#define BH_LOG_CNT(...)                                 BH_LOG_CNT_(_0 __VA_OPT__(, ) __VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define BH_LOG_A0()
#define BH_LOG_A1(a)      (uint64_t)(a)
#define BH_LOG_A2(a, ...) (uint64_t)(a), BH_LOG_A1(__VA_ARGS__)
#define BH_LOG_A3(a, ...) (uint64_t)(a), BH_LOG_A2(__VA_ARGS__)
#define BH_LOG_A4(a, ...) (uint64_t)(a), BH_LOG_A3(__VA_ARGS__)
#define BH_LOG_A5(a, ...) (uint64_t)(a), BH_LOG_A4(__VA_ARGS__)
#define BH_LOG_A6(a, ...) (uint64_t)(a), BH_LOG_A5(__VA_ARGS__)
#define BH_LOG_CAT_(a, b) a##b
#define BH_LOG_CAT(a, b)  BH_LOG_CAT_(a, b)

#define bh_log_at(log_level, format_string, ...)                                                                       \
	do {                                                                                                           \
		static const struct bh_log_site bh_site __attribute__((used, section(BH_LOG_SECTION))) = {             \
		        .line = __LINE__,                                                                              \
		        .level = (log_level),                                                                          \
		        .arg_cnt = BH_LOG_CNT(__VA_ARGS__),                                                            \
		        .file = BH_FILE_NAME,                                                                          \
		        .format = format_string,                                                                       \
		};                                                                                                     \
		if (0)                                                                                                 \
			bh_log_check(format_string __VA_OPT__(, ) __VA_ARGS__);                                        \
		const uint64_t bh_args[BH_LOG_ARGS_MAX] = {                                                            \
		        BH_LOG_CAT(BH_LOG_A, BH_LOG_CNT(__VA_ARGS__))(__VA_ARGS__)};                                   \
		bh_log_write(&bh_site, BH_LOG_CNT(__VA_ARGS__), bh_args);                                              \
	} while (0)

/* The file's name without its folders, cut by the compiler to what a site holds. */
#ifdef __FILE_NAME__
#define BH_FILE_NAME __FILE_NAME__
#else
#define BH_FILE_NAME __FILE__
#endif

#define bh_log_error(format, ...) bh_log_at(BH_LOG_ERROR, format __VA_OPT__(, ) __VA_ARGS__)
#define bh_log_warn(format, ...)  bh_log_at(BH_LOG_WARN, format __VA_OPT__(, ) __VA_ARGS__)
#define bh_log_info(format, ...)  bh_log_at(BH_LOG_INFO, format __VA_OPT__(, ) __VA_ARGS__)
#define bh_log_debug(format, ...) bh_log_at(BH_LOG_DEBUG, format __VA_OPT__(, ) __VA_ARGS__)

#endif
