/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ndr/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/compare/program.h"
#include "host/compare/text.h"
#include "host/errors/errors.h"
#include "host/ndr/figures.h"

#define START_NS    UINT64_C(60000000000) /* a cell that takes longer than that to come and go is stuck */
#define NS_PER_S    1e9
#define OWN_SETS    7u
#define EXIT_NOTICE 3 /* frames arrived changed: a result */

struct command {
	const char *argv[2 * (OWN_SETS + BH_NDR_SETS_MAX) + 8];
	size_t cnt;
	char own[OWN_SETS][64];
	char hgrm[400];
};

static void
add_set(struct command *command, const char *set)
{
	command->argv[command->cnt++] = "--set";
	command->argv[command->cnt++] = set;
}

/* The trial's own sets stand last: they win over the user's. */
static void
command_make(const struct bh_ndr *ndr, const struct bh_ndr_order *order, struct command *command)
{
	const struct bh_ndr_options *options = ndr->options;
	*command = (struct command){.argv = {ndr->program, "run", options->config_path, "--json", "--quiet"}, .cnt = 5};
	for (uint32_t i = 0; i < options->set_cnt; i++)
		add_set(command, options->set[i]);
	snprintf(command->own[0], sizeof(command->own[0]), "pktgen.rate=%lu", order->load_pps);
	snprintf(command->own[1], sizeof(command->own[1]), "pktgen.size=%s", order->size);
	snprintf(command->own[2], sizeof(command->own[2]), "pktgen.time=%luns",
	         (uint64_t)(order->duration_s * NS_PER_S));
	snprintf(command->own[3], sizeof(command->own[3]), "pktgen.warm_up=%luns", options->warm_up_ns);
	snprintf(command->own[4], sizeof(command->own[4]), "pktgen.catch_up=%u", options->catch_up_cnt);
	snprintf(command->own[5], sizeof(command->own[5]), "pktgen.count=0");
	snprintf(command->own[6], sizeof(command->own[6]), "pktgen.link_wait=20s");
	for (size_t i = 0; i < OWN_SETS; i++)
		add_set(command, command->own[i]);
	if (order->hgrm != NULL) {
		bh_text_path(command->hgrm, sizeof(command->hgrm), "%s/%s", ndr->report_dir, order->hgrm);
		command->argv[command->cnt++] = "--hgrm";
		command->argv[command->cnt++] = command->hgrm;
	}
	command->argv[command->cnt] = NULL;
}

static int
failed(const struct command *command, int exit_code, const char *err_path, struct bh_error *error)
{
	char words[200] = "it said nothing", *line = bh_text_command(command->argv);
	bh_text_last_words(err_path, words, sizeof(words));
	int err = bh_error_set(error, "E373", -EIO, "a trial failed with exit code %d: %s; to repeat it: %.600s",
	                       exit_code, words, line != NULL ? line : "(no memory for its command)");
	free(line);
	return err;
}

static int
run_once(struct bh_ndr *ndr, const struct bh_ndr_order *order, struct bh_ndr_figures *out, char *out_raw,
         struct bh_error *error)
{
	struct command command;
	char out_path[400], err_path[420], *text = NULL;
	size_t bytes = 0;
	int exit_code = -1;
	uint64_t time_ns = (uint64_t)(order->duration_s * NS_PER_S);
	command_make(ndr, order, &command);
	snprintf(out_raw, 64, "raw/%03u-%.15s-%lu.json", ++ndr->run_cnt, order->size, order->load_pps);
	bh_text_path(out_path, sizeof(out_path), "%s/%s", ndr->report_dir, out_raw);
	bh_text_path(err_path, sizeof(err_path), "%s.err", out_path);
	int err = bh_program_run(command.argv, out_path, err_path, time_ns + ndr->options->warm_up_ns + START_NS,
	                         &exit_code);
	if (err == -EINTR)
		return bh_error_set(error, "E376", -EINTR, "stopped by a signal");
	if (err == -ETIMEDOUT)
		return bh_error_set(error, "E373", -EIO, "a trial did not end in time: %s", err_path);
	if (err != 0)
		return bh_error_set(error, "E373", err, "'%s' cannot be started: %s", command.argv[0], strerror(-err));
	if (exit_code != 0 && exit_code != EXIT_NOTICE)
		return failed(&command, exit_code, err_path, error);
	err = bh_text_read_all(out_path, BH_NDR_TEXT_MAX, &text, &bytes);
	if (err != 0)
		return bh_error_set(error, "E372", err, "%s cannot be read: %s", out_path, strerror(-err));
	err = bh_ndr_figures_parse(text, bytes, out, error);
	free(text);
	return err;
}

int
bh_ndr_trial_run(struct bh_ndr *ndr, const struct bh_ndr_order *order, struct bh_ndr_figures *out, char *out_raw,
                 struct bh_error *error)
{
	int err = run_once(ndr, order, out, out_raw, error);
	if (err == -EIO) {
		ndr->repeated_cnt++;
		if (ndr->options->progress != NULL)
			fprintf(ndr->options->progress, "%-5s once more: %s\n", order->size, error->text);
		err = run_once(ndr, order, out, out_raw, error);
	}
	if (err == 0 && out->corrupt != 0)
		ndr->corrupt_trial_cnt++;
	return err;
}
