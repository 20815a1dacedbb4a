/* SPDX-License-Identifier: Apache-2.0 */
/* The gaps over time: a picture, and the Trace Event Format for ui.perfetto.dev. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/noise/internal.h"

#define WIDTH       1280
#define PLOT_LEFT   90
#define PLOT_WIDTH  860
#define PLOT_HEIGHT 180
#define ROW_HEIGHT  250
#define COLOURS     8u
#define DECADES     5 /* 0.1 us at the bottom: 1, 10, 100 us, 1, 10 ms */

static const char *const colour[COLOURS] = {"#3b6fb6", "#d1495b", "#3f8f5f", "#e09f3e",
                                            "#7b5ea7", "#2a9d9d", "#a0522d", "#777777"};

static const char *
colour_of(uint16_t thief_idx)
{
	return colour[BH_MIN((unsigned)thief_idx, COLOURS - 1)];
}

/* Names come from the kernel, and tasks name themselves. */
static void
put_text(FILE *stream, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '<' || *text == '>' || *text == '&' || *text == '"' || *text == '\\' || *text < ' ' ||
		    *text > '~')
			fputc('?', stream);
		else
			fputc(*text, stream);
	}
}

static uint64_t
first_tsc(const struct bh_noise_report *report)
{
	uint64_t first = UINT64_MAX;
	for (uint32_t i = 0; i < report->cpu_cnt; i++) {
		if (report->cpu[i].gap_cnt > 0)
			first = BH_MIN(first, report->cpu[i].gap[0].start_tsc);
	}
	return first;
}

static void
draw_axes(const struct bh_noise_report *report, FILE *stream, int top)
{
	static const char *const label[] = {"0.1 us", "1 us", "10 us", "100 us", "1 ms", "10 ms"};
	for (int i = 0; i <= DECADES; i++) {
		int y = top + PLOT_HEIGHT - i * PLOT_HEIGHT / DECADES;
		fprintf(stream,
		        "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>"
		        "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
		        PLOT_LEFT, y, PLOT_LEFT + PLOT_WIDTH, y, PLOT_LEFT - 8, y + 4, label[i]);
	}
	for (int i = 0; i <= 4; i++)
		fprintf(stream, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%.2g s</text>\n",
		        PLOT_LEFT + i * PLOT_WIDTH / 4, top + PLOT_HEIGHT + 18,
		        (double)report->duration_ns / 1e9 * i / 4);
}

/* One mark per column of the picture: the longest gap that begins there. */
static void
draw_gaps(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu, FILE *stream, int top)
{
	const uint64_t start_tsc = first_tsc(report);
	const double span_tsc = (double)report->duration_ns / 1e9 * (double)report->tsc_hz;
	for (uint32_t i = 0; i < cpu->gap_cnt;) {
		uint32_t best = i;
		int column = (int)((double)(cpu->gap[i].start_tsc - start_tsc) / span_tsc * PLOT_WIDTH);
		uint32_t j = i;
		for (; j < cpu->gap_cnt &&
		       (int)((double)(cpu->gap[j].start_tsc - start_tsc) / span_tsc * PLOT_WIDTH) == column;
		     j++) {
			if (cpu->gap[j].end_tsc - cpu->gap[j].start_tsc >
			    cpu->gap[best].end_tsc - cpu->gap[best].start_tsc)
				best = j;
		}
		double length_us =
		        (double)(cpu->gap[best].end_tsc - cpu->gap[best].start_tsc) * 1e6 / (double)report->tsc_hz;
		double level = log10(length_us / 0.1) / DECADES;
		int height = (int)(BH_MAX(0.0, BH_MIN(level, 1.0)) * PLOT_HEIGHT);
		fprintf(stream, "<rect x=\"%d\" y=\"%d\" width=\"1.5\" height=\"%d\" fill=\"%s\"/>\n",
		        PLOT_LEFT + BH_MIN(column, PLOT_WIDTH), top + PLOT_HEIGHT - height, height,
		        colour_of(cpu->gap[best].thief_idx));
		i = j;
	}
}

static void
draw_legend(const struct bh_noise_cpu *cpu, FILE *stream, int top)
{
	for (uint32_t i = 0; i < BH_MIN(cpu->thief_cnt, COLOURS); i++) {
		int y = top + 10 + (int)i * 22;
		fprintf(stream,
		        "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">",
		        PLOT_LEFT + PLOT_WIDTH + 16, y, colour_of((uint16_t)i), PLOT_LEFT + PLOT_WIDTH + 34, y + 10);
		char name[44];
		snprintf(name, sizeof(name), "%.43s", cpu->thief[i].name);
		put_text(stream, i == COLOURS - 1 && cpu->thief_cnt > COLOURS ? "others" : name);
		fprintf(stream, "</text>\n");
	}
}

int
bh_noise_svg(const struct bh_noise_report *report, FILE *stream)
{
	fprintf(stream,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
	        "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
	        WIDTH, (int)report->cpu_cnt * ROW_HEIGHT + 20);
	for (uint32_t i = 0; i < report->cpu_cnt; i++) {
		const struct bh_noise_cpu *cpu = &report->cpu[i];
		int top = (int)i * ROW_HEIGHT + 40;
		fprintf(stream,
		        "<text x=\"%d\" y=\"%d\" font-size=\"15\">CPU %u, %s: %u gaps, longest %.1f us</text>\n",
		        PLOT_LEFT, top - 14, cpu->cpu, cpu->isolated ? "isolated" : "not isolated", cpu->gap_cnt,
		        (double)cpu->turns.max * 1e6 / (double)report->tsc_hz);
		draw_axes(report, stream, top);
		draw_gaps(report, cpu, stream, top);
		draw_legend(cpu, stream, top);
	}
	fprintf(stream, "</svg>\n");
	return ferror(stream) ? -EIO : 0;
}

int
bh_noise_trace_json(const struct bh_noise_report *report, FILE *stream)
{
	const uint64_t start_tsc = first_tsc(report);
	fprintf(stream, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
	for (uint32_t i = 0; i < report->cpu_cnt; i++) {
		const struct bh_noise_cpu *cpu = &report->cpu[i];
		fprintf(stream,
		        "%s{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":%u,\"args\":{\"name\":\"CPU %u\"}}",
		        i > 0 ? ",\n" : "", cpu->cpu, cpu->cpu);
		for (uint32_t j = 0; j < cpu->gap_cnt; j++) {
			const struct bh_noise_gap *gap = &cpu->gap[j];
			fprintf(stream, ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,\"name\":\"",
			        cpu->cpu, (double)(gap->start_tsc - start_tsc) * 1e6 / (double)report->tsc_hz,
			        (double)(gap->end_tsc - gap->start_tsc) * 1e6 / (double)report->tsc_hz);
			put_text(stream, cpu->thief[gap->thief_idx].name);
			fprintf(stream, "\"}");
		}
	}
	fprintf(stream, "\n]}\n");
	return ferror(stream) ? -EIO : 0;
}
