/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of report.html. All text that comes from elsewhere goes through bh_html_text. */
#ifndef HOST_COMPARE_HTML_H
#define HOST_COMPARE_HTML_H

#include "host/compare/session.h"

/* bh_html_text - escaped for text and for attributes in quotes; control characters become U+FFFD. */
void bh_html_text(FILE *stream, const char *text);
/* bh_html_format - the same of a formatted text, cut at 1 KiB. */
BH_PRINTF(2, 3) void bh_html_format(FILE *stream, const char *format, ...);

/* bh_html_style - the page's style sheet: light, dark, print. */
extern const char bh_html_style[];

/* bh_svg_bars - IOPS of every measured case: a bar for each side's median, a dot for each run. */
void bh_svg_bars(const struct bh_session *session, FILE *stream);
/* bh_svg_latency - latency by percentile of one case: a thick line for all runs of a side, a thin one for each. */
void bh_svg_latency(const struct bh_session *session, uint32_t case_idx, FILE *stream);

/* The page's lower half: what was tried, the machine, the commands. */
void bh_html_tuning(const struct bh_session *session, FILE *stream);
void bh_html_machine(const struct bh_session *session, FILE *stream);
void bh_html_commands(const struct bh_session *session, FILE *stream);

/* bh_html_case_title - "4 KiB random reads, depth 32". */
const char *bh_html_case_title(char *text, size_t text_bytes, const struct bh_session *session,
                               const struct bh_case *which);

#endif
