/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/partition.h"

#include <stdlib.h>
#include <string.h>

#include "apps/apps.h"
#include "cli/cli.h"
#include "host/errors/errors.h"

int
partition_fail(const char *command, const struct bh_error *error)
{
	fflush(stdout);
	fprintf(stderr, "bulkhead %s: %s (BH-%s)\n", command, error->text, error->id);
	return bh_error_exit_code(error);
}

int
partition_plan(const char *command, const char *path, const char *level, struct bh_plan *out)
{
	static struct bh_wants wants; /* large; one thread */
	struct bh_error error = {0};
	if (level != NULL && strcmp(level, "live") != 0 && strcmp(level, "full") != 0) {
		fprintf(stderr, "bulkhead %s: --level %s: expected live or full\n", command, level);
		return BH_EXIT_USAGE;
	}
	int err = bh_wants_load(path, bh_apps, bh_app_cnt, &wants, &error);
	if (err == 0 && level != NULL)
		wants.level = strcmp(level, "full") == 0 ? BH_LEVEL_FULL : BH_LEVEL_LIVE;
	if (err == 0)
		err = bh_plan_make("", &wants, out, &error);
	return err == 0 ? 0 : partition_fail(command, &error);
}

static const char *
value_text(enum bh_change_kind kind, const char *value)
{
	if (value == NULL)
		return "(not there)";
	if (kind == BH_CHANGE_FILE)
		return "(a file)";
	return value[0] != '\0' ? value : "(empty)";
}

/* From malloc; NULL: no memory. */
static char *
shell_of(const struct bh_change *change)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&text, &bytes);
	if (stream == NULL)
		return NULL;
	if (change->generated)
		fprintf(stream, "grub-mkconfig -o %s\n", change->path);
	else
		bh_change_shell(stream, change->kind, change->path, change->want);
	fclose(stream);
	return text;
}

static void
print_change(const struct bh_change *change, unsigned number)
{
	char *text = shell_of(change);
	printf("%4u  %s", number, text != NULL ? text : "\n");
	printf("        # was: %s; %s%s\n", value_text(change->kind, change->now), change->why,
	       change->optional ? " (left out where the kernel refuses)" : "");
	free(text);
}

void
partition_print_plan(const struct bh_plan *plan, bool all)
{
	const char *stage = "";
	char cpus[BH_CPUS_TEXT_BYTES], host[BH_CPUS_TEXT_BYTES];
	unsigned number = 0, same_cnt = 0;
	printf("CPUs %s for cells, %s for Linux; level %s\n", bh_cpus_list(&plan->wants.cpus, cpus),
	       bh_cpus_list(&plan->host, host), plan->wants.level == BH_LEVEL_FULL ? "full" : "live");
	for (uint32_t i = 0; i < plan->change_cnt; i++) {
		const struct bh_change *change = &plan->change[i];
		bool same = bh_change_same(change->kind, change->path, change->now, change->want);
		same_cnt += same;
		if (same && !all)
			continue;
		if (strcmp(stage, change->stage) != 0)
			printf("\n%s\n", change->stage);
		stage = change->stage;
		print_change(change, ++number);
	}
	printf("\n");
	for (uint32_t i = 0; i < plan->note_cnt; i++)
		printf("note: %s\n", plan->note[i]);
	printf("%u to change, %u as wanted already", bh_plan_pending(plan), same_cnt);
	if (plan->reboot)
		printf("; the kernel's command line counts from the next boot on");
	printf("\n");
}

static json_t *
value_json(const char *value)
{
	return value != NULL ? json_string(value) : json_null();
}

json_t *
partition_plan_json(const struct bh_plan *plan)
{
	char cpus[BH_CPUS_TEXT_BYTES], host[BH_CPUS_TEXT_BYTES];
	json_t *list = json_array(), *notes = json_array();
	for (uint32_t i = 0; i < plan->change_cnt; i++) {
		const struct bh_change *change = &plan->change[i];
		char *shell = shell_of(change);
		json_array_append_new(list,
		                      json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:b, s:s, s:s}", "stage", change->stage,
		                                "kind", bh_change_kind_name(change->kind), "path", change->path, "now",
		                                value_json(change->now), "want", value_json(change->want), "pending",
		                                !bh_change_same(change->kind, change->path, change->now, change->want),
		                                "optional", change->optional, "why", change->why, "shell",
		                                shell != NULL ? shell : ""));
		free(shell);
	}
	for (uint32_t i = 0; i < plan->note_cnt; i++)
		json_array_append_new(notes, json_string(plan->note[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:b}", "configuration", plan->wants.path, "level",
	                 plan->wants.level == BH_LEVEL_FULL ? "full" : "live", "cpus",
	                 bh_cpus_list(&plan->wants.cpus, cpus), "host_cpus", bh_cpus_list(&plan->host, host), "changes",
	                 list, "notes", notes, "kernel_parameters", plan->parameters, "needs_reboot", plan->reboot);
}

void
partition_tell(void *context, const struct bh_step_told *step)
{
	struct partition_teller *teller = context;
	const bool quiet = step->result == BH_STEP_SAME || step->result == BH_STEP_DONE || step->result == BH_STEP_BACK;
	if (teller->steps != NULL) {
		json_array_append_new(teller->steps,
		                      json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s}", "stage", step->stage, "kind",
		                                bh_change_kind_name(step->kind), "path", step->path, "before",
		                                value_json(step->before), "want", value_json(step->want), "result",
		                                bh_step_result_name(step->result), "text", step->text));
		return;
	}
	if (quiet && !teller->verbose)
		return;
	printf("%-7s  %-7s  %s", step->stage, bh_step_result_name(step->result), step->path);
	if (strcmp(step->stage, "restore") == 0 && step->result == BH_STEP_BACK)
		printf(" = %s", value_text(step->kind, step->before));
	else if (step->result == BH_STEP_LEFT)
		printf(" = %s (we wrote %s, before that it was %s)", value_text(step->kind, step->now),
		       value_text(step->kind, step->want), value_text(step->kind, step->before));
	else if (step->result == BH_STEP_DONE)
		printf(" = %s (was %s)", value_text(step->kind, step->want), value_text(step->kind, step->before));
	printf("%s%s\n", step->text[0] != '\0' ? ": " : "", step->text);
}

int
partition_print_json(json_t *json)
{
	int err = json_dumpf(json, stdout, JSON_INDENT(2));
	json_decref(json);
	return err == 0 && printf("\n") > 0 && fflush(stdout) == 0 ? BH_EXIT_OK : BH_EXIT_FAILED;
}
