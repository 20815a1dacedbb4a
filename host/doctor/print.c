/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people: by area; what is wrong in full, what is well as a list of names. */
#include <string.h>

#include "host/doctor/private.h"

#define COLUMNS_MIN    60u
#define DETAILS_SHOWN  6u
#define ID_COLUMNS     26 /* the longest id, and a blank */
#define INDENT_FINDING 10u
#define INDENT_LINE    18u

struct printer {
	FILE *stream;
	const struct bh_doctor_style *style;
	unsigned columns;
	unsigned column; /* where the next byte goes */
};

/* Words up to the line's end, then on at the indentation. Words are never cut. */
static void
print_words(struct printer *printer, unsigned indent, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		bool first = printer->column <= indent;
		if (!first && printer->column + 1 + len > printer->columns) {
			fprintf(printer->stream, "\n%*s", (int)indent, "");
			printer->column = indent;
			first = true;
		}
		printer->column += (unsigned)fprintf(printer->stream, "%s%.*s", first ? "" : " ", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static void
print_line(struct printer *printer, const char *label, const char *text)
{
	if (text[0] == '\0')
		return;
	fprintf(printer->stream, "%*s%-*s", (int)INDENT_FINDING, "", (int)(INDENT_LINE - INDENT_FINDING), label);
	printer->column = INDENT_LINE;
	print_words(printer, INDENT_LINE, text);
	fputc('\n', printer->stream);
}

static const char *
colour_of(const struct printer *printer, enum bh_finding_state state)
{
	static const char *const code[BH_FINDING_STATES] = {"\033[32m", "\033[33m", "\033[31m", "\033[36m", "\033[2m"};
	return printer->style->colour ? code[state] : "";
}

static const char *
plain(const struct printer *printer)
{
	return printer->style->colour ? "\033[0m" : "";
}

static void
print_details(struct printer *printer, const struct bh_finding *finding)
{
	const uint32_t all = finding->detail_cnt + finding->detail_left_out_cnt;
	const uint32_t shown = printer->style->all ? finding->detail_cnt : BH_MIN(finding->detail_cnt, DETAILS_SHOWN);
	for (uint32_t i = 0; i < shown; i++)
		print_line(printer, i == 0 ? "which" : "", finding->detail[i]);
	if (shown < all) {
		char more[64];
		snprintf(more, sizeof(more), "... and %u more%s", all - shown, printer->style->all ? "" : " (--all)");
		print_line(printer, "", more);
	}
}

static void
print_finding(struct printer *printer, const struct bh_finding *finding)
{
	static const char *const word[BH_FINDING_STATES] = {"ok", "warn", "FAIL", "unknown", "-"};
	const bool bad = finding->state == BH_FINDING_WARN || finding->state == BH_FINDING_FAIL;
	fprintf(printer->stream, "  %s%-7s%s %-*s", colour_of(printer, finding->state), word[finding->state],
	        plain(printer), ID_COLUMNS, finding->check->id);
	printer->column = INDENT_FINDING + ID_COLUMNS;
	print_words(printer, INDENT_FINDING + ID_COLUMNS, finding->value);
	fputc('\n', printer->stream);
	print_line(printer, "found", finding->evidence);
	if (bad || printer->style->all)
		print_details(printer, finding);
	if (bad)
		print_line(printer, "why", finding->check->why);
	if (finding->state != BH_FINDING_OK)
		print_line(printer, "fix", finding->fix);
}

static bool
is_shown(const struct printer *printer, const struct bh_finding *finding)
{
	return printer->style->all || (finding->state != BH_FINDING_OK && finding->state != BH_FINDING_NOT_NEEDED);
}

/* "ok  smt, partition": names without their area. */
static void
print_names(struct printer *printer, const struct bh_finding *finding, uint32_t cnt, enum bh_finding_state state,
            const char *word)
{
	char text[1024];
	size_t used = 0;
	for (uint32_t i = 0; i < cnt && used < sizeof(text); i++) {
		if (finding[i].state == state)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used > 0 ? ", " : "",
			                         strchr(finding[i].check->id, '.') + 1);
	}
	if (used == 0)
		return;
	fprintf(printer->stream, "  %s%-7s%s ", colour_of(printer, state), word, plain(printer));
	printer->column = INDENT_FINDING;
	if (state == BH_FINDING_NOT_NEEDED)
		print_words(printer, INDENT_FINDING, "not needed:");
	print_words(printer, INDENT_FINDING, text);
	fputc('\n', printer->stream);
}

static uint32_t
print_area(struct printer *printer, const struct bh_finding *finding, uint32_t left_cnt)
{
	char area[16], other[16];
	uint32_t cnt = 0;
	bh_check_area(finding[0].check, area);
	while (cnt < left_cnt && strcmp(bh_check_area(finding[cnt].check, other), area) == 0)
		cnt++;
	fprintf(printer->stream, "%s\n", area);
	for (uint32_t i = 0; i < cnt; i++) {
		if (is_shown(printer, &finding[i]))
			print_finding(printer, &finding[i]);
	}
	if (!printer->style->all) {
		print_names(printer, finding, cnt, BH_FINDING_OK, "ok");
		print_names(printer, finding, cnt, BH_FINDING_NOT_NEEDED, "-");
	}
	return cnt;
}

static void
print_head(const struct bh_doctor_report *report, FILE *stream)
{
	if (report->cpus[0] != '\0')
		fprintf(stream, "CPUs %s%s%s%s\n\n", report->cpus,
		        report->cpus_isolated_now ? ", which are isolated now" : "",
		        report->file[0] != '\0' ? ", for " : "", report->file);
	else
		fprintf(stream, "%s%sno CPUs are named: what belongs to certain CPUs is not judged\n\n", report->file,
		        report->file[0] != '\0' ? ": " : "");
}

void
bh_doctor_print(const struct bh_doctor_report *report, FILE *stream, const struct bh_doctor_style *style)
{
	struct printer printer = {.stream = stream, .style = style, .columns = BH_MAX(style->columns, COLUMNS_MIN)};
	print_head(report, stream);
	for (uint32_t at = 0; at < report->finding_cnt;)
		at += print_area(&printer, &report->finding[at], report->finding_cnt - at);
	fprintf(stream, "\n%u checks in %llu ms: %u fail, %u warn, %u unknown, %u ok, %u not needed\n",
	        report->finding_cnt, (unsigned long long)(report->duration_ns / 1000000), report->cnt[BH_FINDING_FAIL],
	        report->cnt[BH_FINDING_WARN], report->cnt[BH_FINDING_UNKNOWN], report->cnt[BH_FINDING_OK],
	        report->cnt[BH_FINDING_NOT_NEEDED]);
	fprintf(stream, "next: ");
	printer.column = 6;
	print_words(&printer, 6, report->advice);
	fputc('\n', stream);
}
