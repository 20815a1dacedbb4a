/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "host/noise/internal.h"

#define THIEVES_SHOWN 12u
#define COUNTS_SHOWN  8u
#define BAR_COLUMNS   48

static double
us(const struct bh_noise_report *report, uint64_t tsc)
{
	return (double)tsc * 1e6 / (double)report->tsc_hz;
}

static double
seconds(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu)
{
	return (double)cpu->measured_tsc / (double)report->tsc_hz;
}

/* "0.021 us", "134 us", "4.1 ms" */
static const char *
time_text(double value_us, char out[24])
{
	if (value_us >= 1000)
		snprintf(out, 24, "%.1f ms", value_us / 1000);
	else
		snprintf(out, 24, value_us >= 100 ? "%.0f us" : value_us >= 1 ? "%.1f us" : "%.3f us", value_us);
	return out;
}

static double
share(uint64_t part, uint64_t whole)
{
	return whole != 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void
print_turns(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu, FILE *stream)
{
	static const double percent[] = {50, 99, 99.9, 99.99, 99.999};
	char text[24];
	fprintf(stream, "  turns      %.1f M, ", (double)cpu->turns.count / 1e6);
	for (size_t i = 0; i < BH_ARRAY_CNT(percent); i++)
		fprintf(stream, "p%g %s, ", percent[i],
		        time_text(us(report, bh_hist_percentile(&cpu->turns, percent[i])), text));
	fprintf(stream, "max %s\n", time_text(us(report, cpu->turns.max), text));
}

static void
print_stolen(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu, FILE *stream)
{
	char text[24];
	double elapsed_s = seconds(report, cpu);
	fprintf(stream, "  gaps       %u above %s in %.1f s, %.1f us stolen per second (%.3f %%)\n", cpu->gap_cnt,
	        time_text((double)report->threshold_ns / 1000, text), elapsed_s,
	        elapsed_s > 0 ? us(report, cpu->stolen_tsc) / elapsed_s : 0, share(cpu->stolen_tsc, cpu->measured_tsc));
	fprintf(stream, "  named      %.1f %% by tracepoints, %.1f %% by elimination, %.1f %% unknown\n",
	        share(cpu->how_tsc[BH_NOISE_EVENT], cpu->stolen_tsc),
	        share(cpu->how_tsc[BH_NOISE_ELIMINATION], cpu->stolen_tsc),
	        share(cpu->how_tsc[BH_NOISE_UNKNOWN], cpu->stolen_tsc));
	if (cpu->gap_lost_cnt > 0)
		fprintf(stream, "  lost       %llu gaps could not be kept: take a higher threshold\n",
		        (unsigned long long)cpu->gap_lost_cnt);
	if (cpu->event_lost_cnt > 0)
		fprintf(stream, "  lost       %llu of the kernel's events: silence proves nothing then\n",
		        (unsigned long long)cpu->event_lost_cnt);
}

/* Powers of two of the threshold; bars by count, on a logarithmic scale. */
static void
print_histogram(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu, FILE *stream)
{
	uint32_t cnt[24] = {0}, last = 0;
	if (cpu->gap_cnt == 0)
		return;
	for (uint32_t i = 0; i < cpu->gap_cnt; i++) {
		double length_ns = us(report, cpu->gap[i].end_tsc - cpu->gap[i].start_tsc) * 1000;
		uint32_t class = 0;
		for (double top = (double)report->threshold_ns * 2; length_ns >= top && class < 23; top *= 2)
			class ++;
		cnt[class]++;
		last = BH_MAX(last, class);
	}
	fprintf(stream, "\n  gap from           count\n");
	for (uint32_t i = 0; i <= last; i++) {
		char text[24];
		int bar = 0;
		for (uint32_t left = cnt[i]; left > 0; left /= 2)
			bar += 3;
		fprintf(stream, "  %10s  %12u  %.*s\n",
		        time_text((double)report->threshold_ns / 1000 * (double)(1u << i), text), cnt[i],
		        BH_MIN(bar, BAR_COLUMNS), "################################################");
	}
}

static void
print_thieves(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu, FILE *stream)
{
	char most[24];
	double elapsed_s = seconds(report, cpu);
	if (cpu->thief_cnt == 0)
		return;
	fprintf(stream, "\n  %-40s  %8s  %10s  %9s  %6s\n", "who had the core", "gaps", "us per s", "most", "share");
	for (uint32_t i = 0; i < BH_MIN(cpu->thief_cnt, THIEVES_SHOWN); i++) {
		const struct bh_noise_thief *thief = &cpu->thief[i];
		fprintf(stream, "  %-40.40s  %8llu  %10.1f  %9s  %5.1f%%\n", thief->name,
		        (unsigned long long)thief->gap_cnt, elapsed_s > 0 ? us(report, thief->tsc) / elapsed_s : 0,
		        time_text(us(report, thief->max_tsc), most), share(thief->tsc, cpu->stolen_tsc));
		if (i < 6)
			fprintf(stream, "      -> %s\n", bh_noise_advice(thief));
	}
	if (cpu->thief_cnt > THIEVES_SHOWN)
		fprintf(stream, "  ... and %u more (--json has all)\n", cpu->thief_cnt - THIEVES_SHOWN);
}

static void
print_counts(const struct bh_noise_cpu *cpu, FILE *stream)
{
	if (cpu->count_cnt > 0)
		fprintf(stream, "\n  /proc counted on this CPU meanwhile:\n");
	for (uint32_t i = 0; i < BH_MIN(cpu->count_cnt, COUNTS_SHOWN); i++)
		fprintf(stream, "  %10llu  %s\n", (unsigned long long)cpu->count[i].cnt, cpu->count[i].name);
	if (cpu->steal_ticks > 0)
		fprintf(stream, "  %10llu  ticks of steal time (the hypervisor's own word)\n",
		        (unsigned long long)cpu->steal_ticks);
	if (cpu->smi_known)
		fprintf(stream, "  %10llu  SMIs\n", (unsigned long long)cpu->smi_cnt);
}

void
bh_noise_text(const struct bh_noise_report *report, FILE *stream)
{
	for (uint32_t i = 0; i < report->cpu_cnt; i++) {
		const struct bh_noise_cpu *cpu = &report->cpu[i];
		fprintf(stream, "%sCPU %u (%s)\n", i > 0 ? "\n" : "", cpu->cpu,
		        cpu->isolated ? "isolated" : "not isolated");
		print_turns(report, cpu, stream);
		print_stolen(report, cpu, stream);
		print_histogram(report, cpu, stream);
		print_thieves(report, cpu, stream);
		print_counts(cpu, stream);
	}
	fprintf(stream, "\nnote: %s\n", report->trace_text);
	if (report->hypervisor[0] != '\0')
		fprintf(stream, "note: this is a guest (%s): the host's noise is in these figures\n",
		        report->hypervisor);
}

static void
print_ratio(const char *name, double first, double second, const char *unit, FILE *stream)
{
	fprintf(stream, "  %-24s  %12.1f  %12.1f %-6s  ", name, first, second, unit);
	if (second > 0)
		fprintf(stream, "%10.1f\n", first / second);
	else
		fprintf(stream, "%10s\n", first > 0 ? "all" : "-");
}

void
bh_noise_compare_text(const struct bh_noise_report *report, FILE *stream)
{
	static const double percent[] = {99, 99.9, 99.99, 99.999};
	const struct bh_noise_cpu *first = &report->cpu[0], *second = &report->cpu[1];
	char name[48];
	if (report->cpu_cnt < 2)
		return;
	fprintf(stream, "\n  %-24s  CPU %-8u  CPU %-8u         %10s\n", "compared", first->cpu, second->cpu, "ratio");
	for (size_t i = 0; i < BH_ARRAY_CNT(percent); i++) {
		snprintf(name, sizeof(name), "turn p%g", percent[i]);
		print_ratio(name, us(report, bh_hist_percentile(&first->turns, percent[i])),
		            us(report, bh_hist_percentile(&second->turns, percent[i])), "us", stream);
	}
	for (size_t i = 2; i < BH_ARRAY_CNT(percent) && report->traced; i++) {
		snprintf(name, sizeof(name), "  p%g, Linux's part", percent[i]);
		print_ratio(name, us(report, bh_noise_linux_percentile(report, first, percent[i])),
		            us(report, bh_noise_linux_percentile(report, second, percent[i])), "us", stream);
	}
	print_ratio("longest", us(report, first->turns.max), us(report, second->turns.max), "us", stream);
	print_ratio("stolen per second", us(report, first->stolen_tsc) / seconds(report, first),
	            us(report, second->stolen_tsc) / seconds(report, second), "us", stream);
	print_ratio("  of it by Linux", us(report, first->how_tsc[BH_NOISE_EVENT]) / seconds(report, first),
	            us(report, second->how_tsc[BH_NOISE_EVENT]) / seconds(report, second), "us", stream);
}
