/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/utsname.h>

#include "cli/run_report.h"
#include "host/observe/log.h"

static void
print_cpus(FILE *stream, const struct bh_boot_page *page)
{
	for (uint32_t i = 0; i < page->core_cnt; i++)
		fprintf(stream, "%s%u", i == 0 ? "" : ",", page->cpu[i]);
}

void
run_report_intro(FILE *stream, const struct bh_run_config *config, const struct bh_cell *cell)
{
	const struct bh_boot_page *page = bh_cell_page(cell);
	fprintf(stream, "cell %s (pid %d) runs on CPU ", config->name, bh_cell_pid(cell));
	print_cpus(stream, page);
	fprintf(stream, ", tsc %.3f GHz; Ctrl-C drains and ends it\n", (double)page->tsc_hz / 1e9);
	fflush(stream);
}

/* Milliseconds from the command's start to the first I/O; negative: there was none. */
static double
first_io_ms(const struct run_report *out, const struct bh_app_report *report, const void *report_state)
{
	uint64_t tsc = report != NULL ? report->first_io_tsc(report_state) : 0;
	if (tsc <= out->start_tsc || out->tsc_hz == 0)
		return -1;
	return (double)(tsc - out->start_tsc) * 1e3 / (double)out->tsc_hz;
}

static void
print_counter(void *context, const char *name, const char *unit, uint32_t kind, uint64_t sum)
{
	if (sum != 0 && kind == BH_METRIC_COUNTER)
		fprintf(context, "  %-40s %lu %s\n", name, sum, unit);
}

static void
print_isolation(FILE *stream, const struct bh_isolation *isolation)
{
	if (!isolation->valid) {
		fprintf(stream, "wall       not looked at: the cell ended too soon\n");
		return;
	}
	fprintf(stream,
	        "wall       Seccomp %u, NoNewPrivs %u, CapEff %lx, CapBnd %lx, uid %u, %u open files, "
	        "%lu voluntary and %lu involuntary switches\n",
	        isolation->seccomp, isolation->no_new_privs, isolation->cap_eff, isolation->cap_bnd, isolation->uid,
	        isolation->open_fds, isolation->voluntary_switches, isolation->involuntary_switches);
}

static void
print_registers(FILE *stream, const struct bh_registers *r)
{
	fprintf(stream, "  rip %016lx rsp %016lx rbp %016lx rflags %lx\n", r->rip, r->rsp, r->rbp, r->rflags);
	fprintf(stream, "  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	fprintf(stream, "  rsi %016lx rdi %016lx r8  %016lx r9  %016lx\n", r->rsi, r->rdi, r->r8, r->r9);
	fprintf(stream, "  r10 %016lx r11 %016lx r12 %016lx r13 %016lx\n", r->r10, r->r11, r->r12, r->r13);
	fprintf(stream, "  r14 %016lx r15 %016lx\n", r->r14, r->r15);
}

static void
print_lines(FILE *stream, const char *head, const char *text)
{
	for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		fprintf(stream, "%s%.*s\n", head, (int)len, text);
	}
}

void
run_report_table(FILE *stream, const struct run_report *out, const struct bh_cell *cell,
                 const struct bh_app_report *report, const void *report_state, bool verbose)
{
	const struct bh_cell_result *result = &out->result;
	double first_ms = first_io_ms(out, report, report_state);

	fputc('\n', stream);
	if (report != NULL)
		report->table(report_state, stream);
	print_isolation(stream, &result->isolation);
	fprintf(stream, "memory     arena %lu MiB in pages of %lu KiB, heap %lu MiB, %s\n",
	        result->memory.arena_bytes >> 20, result->memory.page_size_bytes >> 10, result->memory.heap_bytes >> 20,
	        result->memory.locked ? "locked" : "NOT locked");
	fprintf(stream, "start      cell running after %.1f ms", (double)result->times.running_ns / 1e6);
	if (first_ms >= 0)
		fprintf(stream, ", first I/O after %.1f ms", first_ms);
	fprintf(stream, "\noutcome    %s\n", bh_outcome_name(result->outcome));
	if (result->registers_valid)
		print_registers(stream, &result->registers);
	if (verbose)
		print_lines(stream, "reset      ", result->reset_log);
	if (verbose)
		bh_view_each_counter(bh_cell_view(cell), print_counter, stream);
	if (bh_log_dropped(bh_cell_view(cell)) > 0)
		fprintf(stream, "log        %lu records dropped by the cell: its ring was full\n",
		        bh_log_dropped(bh_cell_view(cell)));
}

static json_t *
isolation_json(const struct bh_isolation *isolation)
{
	if (!isolation->valid)
		return json_null();
	return json_pack("{s:i, s:I, s:i, s:I, s:I, s:i, s:i, s:I, s:I}", "seccomp", (int)isolation->seccomp,
	                 "seccomp_filters", (json_int_t)isolation->seccomp_filters, "no_new_privs",
	                 (int)isolation->no_new_privs, "cap_eff", (json_int_t)isolation->cap_eff, "cap_bnd",
	                 (json_int_t)isolation->cap_bnd, "uid", (int)isolation->uid, "open_fds",
	                 (int)isolation->open_fds, "voluntary_switches", (json_int_t)isolation->voluntary_switches,
	                 "involuntary_switches", (json_int_t)isolation->involuntary_switches);
}

static json_t *
memory_json(const struct bh_memory_facts *memory)
{
	return json_pack("{s:I, s:I, s:I, s:b}", "arena_bytes", (json_int_t)memory->arena_bytes, "heap_bytes",
	                 (json_int_t)memory->heap_bytes, "page_size", (json_int_t)memory->page_size_bytes, "locked",
	                 memory->locked);
}

static json_t *
start_json(const struct run_report *out, const struct bh_app_report *report, const void *report_state)
{
	const struct bh_start_times *times = &out->result.times;
	json_t *start = json_pack("{s:f, s:f, s:f, s:f}", "memory_ms", (double)times->memory_ns / 1e6, "devices_ms",
	                          (double)times->devices_ns / 1e6, "exec_ms", (double)times->exec_ns / 1e6,
	                          "running_ms", (double)times->running_ns / 1e6);
	double first_ms = first_io_ms(out, report, report_state);
	json_object_set_new(start, "first_io_ms", first_ms < 0 ? json_null() : json_real(first_ms));
	return start;
}

static json_t *
lines_json(const char *text)
{
	json_t *lines = json_array();
	for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		json_array_append_new(lines, json_stringn(text, len));
	}
	return lines;
}

static json_t *
versions_json(void)
{
	struct utsname name;
	uname(&name);
	return json_pack("{s:s, s:i, s:s, s:s}", "bulkhead", BH_VERSION, "boot_page", (int)BH_BOOT_VERSION, "kernel",
	                 name.release, "compiler", __VERSION__);
}

static json_t *
failure_json(const struct bh_cell_result *result)
{
	if (result->error.text[0] == '\0')
		return json_null();
	json_t *failure = json_pack("{s:s, s:s, s:i}", "id", result->error.id, "text", result->error.text, "core",
	                            (int)result->core_idx);
	if (result->signal_number != 0)
		json_object_set_new(failure, "signal", json_integer(result->signal_number));
	if (result->outcome == BH_OUTCOME_CRASHED)
		json_object_set_new(failure, "address", json_integer((json_int_t)result->fault_addr));
	if (result->symbol[0] != '\0')
		json_object_set_new(failure, "symbol", json_string(result->symbol));
	if (result->outcome == BH_OUTCOME_SYSCALL)
		json_object_set_new(failure, "syscall", json_string(result->syscall_name));
	return failure;
}

static void
add_counter(void *context, const char *name, const char *unit, uint32_t kind, uint64_t sum)
{
	if (kind == BH_METRIC_COUNTER)
		json_object_set_new(context, name, json_integer((json_int_t)sum));
}

void
run_report_json(FILE *stream, const struct run_report *out, const struct bh_run_config *config,
                const struct bh_cell *cell, const struct bh_app_report *report, const void *report_state, int exit_code)
{
	const struct bh_boot_page *page = bh_cell_page(cell);
	const struct bh_cell_result *result = &out->result;
	json_t *app = report != NULL ? report->json(report_state) : json_null();
	json_t *cpus = json_array(), *counters = json_object();
	json_t *seconds = json_object_get(app, "seconds");

	for (uint32_t i = 0; i < page->core_cnt; i++)
		json_array_append_new(cpus, json_integer(page->cpu[i]));
	bh_view_each_counter(bh_cell_view(cell), add_counter, counters);
	json_t *root = json_pack("{s:s, s:s, s:i, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:O, s:o, s:o, s:I, s:I, s:o}",
	                         "cell", config->name, "outcome", bh_outcome_name(result->outcome), "exit_code",
	                         exit_code, "failure", failure_json(result), "seconds",
	                         seconds != NULL ? json_number_value(seconds)
	                                         : (double)(result->times.end_ns - result->times.running_ns) / 1e9,
	                         "cpus", cpus, "app", app, "isolation", isolation_json(&result->isolation), "memory",
	                         memory_json(&result->memory), "start", start_json(out, report, report_state),
	                         "warnings", out->warnings, "counters", counters, "versions", versions_json(),
	                         "log_dropped", (json_int_t)bh_log_dropped(bh_cell_view(cell)), "log_refused",
	                         (json_int_t)out->log_bad_cnt, "reset", lines_json(result->reset_log));
	json_object_set_new(root, "reloads",
	                    json_pack("{s:I, s:I}", "taken", (json_int_t)result->reload_cnt, "refused",
	                              (json_int_t)result->reload_refused_cnt));
	json_dumpf(root, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
	fputc('\n', stream);
	json_decref(root);
}
