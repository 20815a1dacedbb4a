/* SPDX-License-Identifier: Apache-2.0 */
/* The page's lower half: what was tried on side A, the machine, the commands. */
#include <string.h>

#include "host/compare/html.h"

static void
tuning_row(const struct bh_session *session, const struct bh_run *run, FILE *stream)
{
	char text[64], rate[24], p50[24], p99[24];
	bool fast = run->variant_idx == session->best_iops[run->case_idx];
	bool low = run->variant_idx == session->best_p99[run->case_idx];
	fprintf(stream, "<tr><td>");
	bh_html_text(stream, bh_html_case_title(text, sizeof(text), session, &session->cases[run->case_idx]));
	fprintf(stream, "</td><td>");
	bh_html_text(stream, bh_way_name(session, run->variant_idx));
	fprintf(stream, "</td>");
	if (run->ok) {
		fprintf(stream,
		        "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td>%s</td></tr>\n",
		        bh_text_rate(rate, sizeof(rate), run->figures.iops),
		        bh_text_ns(p50, sizeof(p50), bh_lat_percentile(&run->figures.hist, 50)),
		        bh_text_ns(p99, sizeof(p99), bh_lat_percentile(&run->figures.hist, 99)),
		        fast && low ? "<b>kept: best at both</b>"
		        : fast      ? "<b>kept: highest rate</b>"
		        : low       ? "<b>kept: lowest p99</b>"
		                    : "");
		return;
	}
	fprintf(stream, "<td colspan=\"4\" class=\"none\">did not work: ");
	bh_html_text(stream, run->why_not);
	fprintf(stream, "</td></tr>\n");
}

void
bh_html_tuning(const struct bh_session *session, FILE *stream)
{
	fprintf(stream,
	        "<h2>What Linux was given to win</h2>\n<p>Before the pairs, every %s "
	        "was tried for %.1f s in each case%s. The one with the highest rate and the one with the lowest p99 "
	        "went into the pairs; the better figure of the two counts for Linux, throughput and latency each "
	        "on its own.</p>\n<div class=\"scroll\"><table><tr><th>Case</th><th>Way</th><th "
	        "class=\"n\">%s</th><th class=\"n\">p50</th><th class=\"n\">p99</th><th></th></tr>\n",
	        session->subject->ways_about, (double)session->tune_ns / 1e9,
	        session->tune_ns >= BH_TRY_TWICE_NS ? ", those near the best twice" : "", session->subject->rate_unit);
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		if (session->run[i].round == 0)
			tuning_row(session, &session->run[i], stream);
	}
	fprintf(stream, "</table></div>\n");
	if (session->restore.entry_cnt == 0)
		return;
	fprintf(stream,
	        "<details><summary>%s</summary>\n"
	        "<div class=\"scroll\"><table><tr><th>File</th><th>Before</th><th>During</th><th></th></tr>\n",
	        session->subject->settings_about);
	for (uint32_t i = 0; i < session->restore.entry_cnt; i++) {
		const struct bh_restore_entry *entry = &session->restore.entry[i];
		fprintf(stream, "<tr><td><code>");
		bh_html_text(stream, entry->path);
		fprintf(stream, "</code></td><td>");
		bh_html_text(stream, entry->before);
		fprintf(stream, "</td><td>");
		bh_html_text(stream, entry->why_not[0] == '\0' ? entry->set : entry->before);
		fprintf(stream, "</td><td>");
		if (entry->why_not[0] != '\0')
			bh_html_format(stream, "%s not possible: %s", entry->set, entry->why_not);
		fprintf(stream, "</td></tr>\n");
	}
	fprintf(stream, "</table></div></details>\n");
}

static void
fact(FILE *stream, const char *name, const char *value)
{
	fprintf(stream, "<dt>%s</dt><dd>", name);
	bh_html_text(stream, value[0] != '\0' ? value : "none");
	fprintf(stream, "</dd>\n");
}

void
bh_html_machine(const struct bh_session *session, FILE *stream)
{
	const struct bh_machine *machine = &session->machine;
	char text[256];
	const char *key;
	json_t *value;
	fprintf(stream, "<h2>Machine and versions</h2>\n<dl>\n");
	session->subject->device_text(session, text, sizeof(text));
	fact(stream, "Device", text);
	snprintf(text, sizeof(text), "%s%s%s", bh_machine_kind_name(machine->kind),
	         machine->hypervisor[0] != '\0' ? ", CPUID says " : "", machine->hypervisor);
	fact(stream, "Machine", text);
	snprintf(text, sizeof(text), "%s %s", machine->vendor, machine->product);
	fact(stream, "Maker", strcmp(text, " ") == 0 ? "" : text);
	snprintf(text, sizeof(text), "%s, %u online; both sides ran on CPU %u%s", machine->cpu_model, machine->cpu_cnt,
	         session->cpu, session->cpu_isolated ? ", isolated" : ", not isolated");
	fact(stream, "CPU", text);
	snprintf(text, sizeof(text), "%s, %s", machine->kernel, machine->kernel_version);
	fact(stream, "Kernel", text);
	fact(stream, "Command line", machine->cmdline);
	fact(stream, "Clock source", machine->clocksource);
	snprintf(text, sizeof(text), "isolated %s, nohz_full %s, governor %s, idle driver %s",
	         machine->isolated[0] != '\0' ? machine->isolated : "none",
	         machine->nohz_full[0] != '\0' ? machine->nohz_full : "none",
	         machine->governor[0] != '\0' ? machine->governor : "none",
	         machine->idle_driver[0] != '\0' ? machine->idle_driver : "none");
	fact(stream, "CPU set-up", text);
	session->subject->tools_text(session, text, sizeof(text));
	fact(stream, "Programs", text);
	fprintf(stream, "</dl>\n<details><summary>Mitigations</summary>\n<dl>\n");
	json_object_foreach(machine->mitigations, key, value)
	{
		fprintf(stream, "<dt>");
		bh_html_text(stream, key);
		fprintf(stream, "</dt><dd>");
		bh_html_text(stream, json_string_value(value));
		fprintf(stream, "</dd>\n");
	}
	fprintf(stream, "</dl></details>\n");
}

/* One command per case and side is enough: the rounds repeat it. */
void
bh_html_commands(const struct bh_session *session, FILE *stream)
{
	char text[64];
	fprintf(stream,
	        "<h2>Commands</h2>\n<p>As they ran; every run's own command is in <code>report.json</code>. %s</p>\n"
	        "<details><summary>Show them</summary>\n",
	        session->subject->commands_about);
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		const struct bh_run *run = &session->run[i];
		if (run->round != 1)
			continue;
		fprintf(stream, "<h3><span class=\"%s\">%s</span> ", run->side == BH_SIDE_LINUX ? "a" : "b",
		        run->side == BH_SIDE_LINUX ? "A" : "B");
		bh_html_text(stream, bh_html_case_title(text, sizeof(text), session, &session->cases[run->case_idx]));
		fprintf(stream, "</h3>\n<pre>");
		bh_html_text(stream, run->command);
		fprintf(stream, "</pre>\n");
	}
	fprintf(stream, "</details>\n");
}
