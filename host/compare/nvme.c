/* SPDX-License-Identifier: Apache-2.0 */
/* Linux's NVMe driver against the cell: the words of the report, and how one run is made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/compare/nvme.h"
#include "host/compare/program.h"
#include "host/compare/text.h"

#define START_NS UINT64_C(60000000000) /* a program that takes longer than that to come and go is stuck */

static void
plan_command(const struct bh_session *session, const struct bh_run *run, uint64_t duration_ns, struct bh_words *words)
{
	const struct bh_case *which = &session->cases[run->case_idx];
	char config[300];
	if (run->side == BH_SIDE_LINUX) {
		bh_plan_fio(words, &bh_variants[run->variant_idx], which, &session->target, session->cpu, duration_ns);
		return;
	}
	bh_text_path(config, sizeof(config), "%s/cell.conf", session->report_dir);
	bh_plan_cell(words, session->program, config, which, duration_ns);
}

static void
take_figures(struct bh_run *run, const char *out_path, const char *err_path, int exit_code)
{
	struct bh_error error = {0};
	char *text = NULL, words[160] = "";
	size_t bytes = 0;
	int err = bh_text_read_all(out_path, BH_FIGURES_TEXT_MAX, &text, &bytes);
	if (err == 0)
		err = run->side == BH_SIDE_LINUX ? bh_figures_fio(text, bytes, &run->figures, &error)
		                                 : bh_figures_cell(text, bytes, &run->figures, &error);
	free(text);
	run->ok = err == 0 && exit_code == 0;
	if (run->ok)
		return;
	bh_text_last_words(err_path, words, sizeof(words));
	if (words[0] != '\0')
		snprintf(run->why_not, sizeof(run->why_not), "exit code %d: %s", exit_code, words);
	else
		snprintf(run->why_not, sizeof(run->why_not), "exit code %d: %.200s", exit_code,
		         error.text[0] != '\0' ? error.text : strerror(-err));
}

/* Return: 0; -ENOMEM. */
static int
run(struct bh_session *session, struct bh_run *run, uint64_t duration_ns)
{
	struct bh_words words = {0};
	char out_path[400], err_path[400];
	int exit_code = -1;
	plan_command(session, run, duration_ns, &words);
	run->command = words.failed ? NULL : bh_text_command((const char *const *)words.word);
	if (run->command == NULL) {
		bh_words_free(&words);
		return -ENOMEM;
	}
	bh_text_path(out_path, sizeof(out_path), "%s/%s", session->report_dir, run->raw);
	bh_text_path(err_path, sizeof(err_path), "%s.err", out_path);
	int err = bh_program_run((const char *const *)words.word, out_path, err_path,
	                         duration_ns + BH_RAMP_NS + START_NS, &exit_code);
	if (err == 0)
		take_figures(run, out_path, err_path, exit_code);
	else
		snprintf(run->why_not, sizeof(run->why_not), "%s",
		         err == -EINTR ? "stopped by a signal" : strerror(-err));
	bh_words_free(&words);
	return 0;
}

static const char *
way_name(uint32_t variant_idx)
{
	return variant_idx < bh_variant_cnt ? bh_variants[variant_idx].name : NULL;
}

static bool
fits(const struct bh_session *session, uint32_t case_idx, uint32_t variant_idx, const char **why_not)
{
	return bh_plan_fits(&bh_variants[variant_idx], &session->cases[case_idx], &session->target,
	                    session->options->quick, session->poll_queues, why_not);
}

static void
case_title(char *text, size_t text_bytes, const struct bh_case *which)
{
	const char *what = strcmp(which->pattern, "randread") == 0    ? "random reads"
	                   : strcmp(which->pattern, "randwrite") == 0 ? "random writes"
	                                                              : "70/30 reads/writes";
	snprintf(text, text_bytes, "%s %s, depth %u", which->block_bytes == 512 ? "512 B" : "4 KiB", what,
	         which->depth);
}

static void
device_text(const struct bh_session *session, char *text, size_t text_bytes)
{
	const struct bh_target *target = &session->target;
	snprintf(text, text_bytes, "%s, serial %s, firmware %s, namespace %u: %lu MiB in blocks of %u", target->model,
	         target->serial, target->firmware, target->nsid, target->size_bytes >> 20, target->lba_bytes);
}

static void
tools_text(const struct bh_session *session, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "bulkhead %s, fio %s", BH_VERSION, session->fio_version);
}

static json_t *
describe(const struct bh_session *session)
{
	return json_pack("{s:o, s:{s:s}}", "device", bh_target_json(&session->target), "versions", "fio",
	                 session->fio_version);
}

const struct bh_subject bh_subject_nvme = {
        .command = "bulkhead compare nvme",
        .heading = "Linux and the cell on the same NVMe device",
        .sides = "<b class=\"a\">A</b> is Linux's own NVMe driver, tuned to win. <b class=\"b\">B</b> is the cell: the "
                 "driver in user space behind the IOMMU, on the same CPU.",
        .rate_unit = "IOPS",
        .rate_heading = "I/Os per second",
        .latency_about =
                "From handing a request over to seeing its completion: fio's lat, and the cell's submit to poll",
        .ways_about = "way of driving the device from Linux",
        .settings_about = "Settings of the disk during the runs (put back afterwards)",
        .commands_about = "Side B needs the device bound to vfio-pci (<code>bulkhead bind</code>) and "
                          "<code>cell.conf</code>, which lies beside this page.",
        .emulator = "These are an emulator's figures: QEMU translates every instruction, so work of the CPU costs "
                    "many times "
                    "what it costs on hardware, while the device costs about the same. Whoever needs fewer "
                    "instructions for "
                    "an I/O wins by more than on hardware. Read them as: the comparison works, the device is shared "
                    "safely, "
                    "and this is the order of magnitude in this lab. They say nothing about a real drive.",
        .virtual_device =
                "The device is emulated: its latency is that of a program on the host. The figures say nothing "
                "about a "
                "real drive.",
        .lab_goals = true,
        .way_name = way_name,
        .fits = fits,
        .run = run,
        .judge = bh_nvme_judge,
        .case_title = case_title,
        .device_text = device_text,
        .tools_text = tools_text,
        .describe = describe,
};
