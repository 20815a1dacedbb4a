/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The `bulkhead` program: one file per subcommand, each with one entry point that takes its own argv.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

enum bh_exit {
	BH_EXIT_OK = 0,
	BH_EXIT_FAILED = 1,
	BH_EXIT_USAGE = 2,
	BH_EXIT_NOT_MET = 3,
	BH_EXIT_REFUSED = 4,
	BH_EXIT_REBOOT = 5,
	BH_EXIT_ROOT = 6,
};

/* argv[0] is the subcommand's name. Return: an exit code of enum bh_exit. */
int cmd_run(int argc, char **argv);
int cmd_softdev(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_lab(int argc, char **argv);
int cmd_prove_iommu(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_bind(int argc, char **argv);
int cmd_unbind(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_apply(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_ndr(int argc, char **argv);
int cmd_noise(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_explain(int argc, char **argv);

/* cli_report_copy - report.json of a report's folder, as it was written, on standard output. Return: 0; a negative errno. */
int cli_report_copy(const char *report_dir);

#endif
