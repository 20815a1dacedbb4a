/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/compare/owner.h"
#include "host/compare/program.h"
#include "host/compare/session.h"
#include "host/compare/text.h"
#include "host/errors/errors.h"

#define DURATION_MIN_NS UINT64_C(100000000)
#define DURATION_MAX_NS UINT64_C(600000000000)
#define PROVE_NS        UINT64_C(120000000000)

static int
check_options(const struct bh_compare_options *options, struct bh_error *error)
{
	if (options->round_cnt > BH_COMPARE_ROUNDS_MAX)
		return bh_error_set(error, "E180", -EINVAL, "--runs takes 1 to %u", BH_COMPARE_ROUNDS_MAX);
	if (options->duration_ns != 0 &&
	    (options->duration_ns < DURATION_MIN_NS || options->duration_ns > DURATION_MAX_NS))
		return bh_error_set(error, "E180", -EINVAL, "--duration takes 100ms to 600s for each run");
	if (options->rehearse != NULL && (options->destructive || options->prove))
		return bh_error_set(error, "E180", -EINVAL,
		                    "--rehearse has no device: leave --destructive and --prove away");
	if (geteuid() != 0)
		return bh_error_set(error, "E001", -EPERM,
		                    "compare needs root: it takes the device from Linux and starts a "
		                    "cell; run it with sudo");
	return 0;
}

static int
find_fio(struct bh_session *session, struct bh_error *error)
{
	static const char *const argv[] = {"fio", "--version", NULL};
	char out[320], err_path[320];
	int exit_code;
	bh_text_path(out, sizeof(out), "%s/raw/fio-version", session->report_dir);
	bh_text_path(err_path, sizeof(err_path), "%s.err", out);
	int err = bh_program_run(argv, out, err_path, PROVE_NS, &exit_code);
	if (err == 0 && exit_code == 0)
		err = bh_text_file(session->fio_version, sizeof(session->fio_version), out);
	if (err == -EINTR)
		return bh_error_set(error, "E185", -EINTR, "stopped by a signal");
	if (err != 0 || exit_code != 0)
		return bh_error_set(error, "E181", -ENOENT,
		                    "side A needs fio, and it does not run here (%s): apt-get install "
		                    "fio",
		                    err != 0 ? strerror(-err) : "it failed");
	unlink(out);
	unlink(err_path);
	return 0;
}

/* From a terminal only: a serial number that stands in a script was not typed for this device. */
static int
ask_serial(const struct bh_session *session, struct bh_error *error)
{
	char line[80] = "";
	const struct bh_target *target = &session->target;
	if (!session->options->destructive)
		return 0;
	if (session->options->serial != NULL)
		return bh_target_check_serial(target, session->options->serial, error);
	if (!isatty(STDIN_FILENO))
		return bh_target_check_serial(target, NULL, error);
	fprintf(stderr,
	        "All data on %s (%s, %lu MiB) will be lost. Type its serial number to go on: ", target->block_path,
	        target->model, target->size_bytes >> 20);
	if (fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return bh_target_check_serial(target, line, error);
}

static int
stop_error(struct bh_error *error)
{
	return bh_error_set(error, "E185", -EINTR,
	                    "stopped by a signal: the device was given back, and the report holds "
	                    "what was measured until then");
}

static void
prove(struct bh_session *session)
{
	const char *argv[] = {session->program, "prove-iommu", session->target.address, "--json", NULL};
	char out[320], err_path[320];
	int exit_code = -1;
	char *text = NULL;
	size_t bytes = 0;
	bh_text_path(out, sizeof(out), "%s/prove-iommu.json", session->report_dir);
	bh_text_path(err_path, sizeof(err_path), "%s.err", out);
	bh_session_say(session, "prove   bulkhead prove-iommu %s: about a minute\n", session->target.address);
	int err = bh_program_run(argv, out, err_path, PROVE_NS, &exit_code);
	if (err == 0)
		err = bh_text_read_all(out, BH_FIGURES_TEXT_MAX, &text, &bytes);
	bh_proof_read(&session->proof, text != NULL ? text : "", bytes, err == 0 ? exit_code : -1);
	free(text);
	if (strstr(session->proof.text, "INTERRUPTS") != NULL)
		bh_session_note(
		        session,
		        "prove-iommu: the device could raise an interrupt that is not its own here, or that stayed "
		        "unclear; see prove-iommu.json and docs/prove-iommu.md");
}

static int
rounds(struct bh_session *session, struct bh_error *error)
{
	int err = 0;
	for (uint32_t round = 1; round <= session->round_cnt && err == 0; round++) {
		err = bh_owner_to_linux(session, error);
		if (err == 0)
			err = bh_round_linux(session, round);
		if (err == 0)
			err = bh_owner_to_cell(session, error);
		if (err == 0)
			err = bh_round_cell(session, round);
	}
	if (err == 0 && session->options->prove)
		prove(session);
	return err;
}

static int
measure_all(struct bh_session *session, struct bh_error *error)
{
	char config[300];
	bh_text_path(config, sizeof(config), "%s/cell.conf", session->report_dir);
	int err = bh_plan_cell_config(config, &session->target, session->cpu);
	if (err != 0)
		return bh_error_set(error, "E188", err, "cannot write %s: %s", config, strerror(-err));
	err = bh_owner_begin(session, error);
	if (err == 0)
		err = bh_tune(session);
	if (err == 0)
		err = rounds(session, error);
	if (err == -EINTR || bh_program_stopped()) {
		session->interrupted = true;
		return stop_error(error);
	}
	if (err == -ENOMEM && error->text[0] == '\0')
		return bh_error_set(error, "E188", err, "no memory for the comparison's figures");
	return err;
}

static int
open_target(struct bh_session *session, struct bh_error *error)
{
	const struct bh_compare_options *options = session->options;
	char address[BH_PCI_ADDRESS_BYTES];
	int err;
	if (options->rehearse != NULL)
		return bh_target_open_file(&session->target, options->rehearse, error);
	if (strcmp(options->address, "auto") == 0)
		err = bh_target_find(address, error);
	else if ((err = bh_pci_address_parse(options->address, address)) != 0)
		err = bh_error_set(error, "E180", err,
		                   "'%s' is not a PCI address such as 0000:01:00.0; 'bulkhead devices' "
		                   "lists them",
		                   options->address);
	if (err != 0)
		return err;
	return bh_target_open(&session->target, address, options->nsid != 0 ? options->nsid : 1, error);
}

/* Everything up to the first change of the machine. */
static int
prepare(struct bh_session *session, struct bh_error *error)
{
	int err = bh_session_settings(session, error);
	if (err == 0)
		err = open_target(session, error);
	if (err == 0)
		err = ask_serial(session, error);
	if (err == 0)
		err = bh_session_report_dir(session, error);
	if (err == 0)
		err = find_fio(session, error);
	if (err == 0)
		session->case_cnt = bh_plan_cases(session->options, &session->target, session->cases);
	return err;
}

/* Measures, gives back whatever happened, reports. The first thing that went wrong is what is returned. */
static int
run_session(struct bh_session *session, FILE *table, struct bh_compare_outcome *out, struct bh_error *error)
{
	double start_s = bh_session_now_s();
	struct bh_error later = {0};
	int err = prepare(session, error);
	if (err != 0)
		return err;
	err = measure_all(session, error);
	int back = bh_owner_give_back(session, &later);
	if (err != 0)
		session->failure = *error;
	else if (back != 0)
		session->failure = later;
	session->seconds = bh_session_now_s() - start_s;
	out->interrupted = session->interrupted;
	if (session->run_cnt > 0) {
		struct bh_error broken = {0};
		int report_err = bh_session_report(session, table, out, &broken);
		if (err == 0 && back == 0 && report_err != 0) {
			*error = broken;
			return report_err;
		}
	}
	if (err == 0 && back != 0)
		*error = later;
	return err != 0 ? err : back;
}

int
bh_compare_nvme(const struct bh_compare_options *options, FILE *table, struct bh_compare_outcome *out,
                struct bh_error *error)
{
	memset(out, 0, sizeof(*out));
	int err = check_options(options, error);
	if (err != 0)
		return err;
	struct bh_session *session = bh_session_new(&bh_subject_nvme, options);
	if (session == NULL)
		return bh_error_set(error, "E188", -ENOMEM, "no memory for the comparison");
	session->linux_holds = true;
	if (err == 0)
		err = bh_program_catch_signals();
	if (err == 0) {
		err = run_session(session, table, out, error);
		bh_program_release_signals();
	}
	bh_session_free(session);
	return err;
}

int
bh_compare_restore(const char *address, struct bh_error *error)
{
	char full[BH_PCI_ADDRESS_BYTES];
	if (bh_pci_address_parse(address, full) != 0)
		return bh_error_set(error, "E180", -EINVAL, "'%s' is not a PCI address such as 0000:01:00.0", address);
	return bh_owner_restore(full, error);
}
