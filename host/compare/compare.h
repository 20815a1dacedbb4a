/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Linux against the cell, on one NVMe device, alternating in one run: A is the kernel's driver tuned to win, B the cell.
 *
 * Takes the device from Linux and gives it back (bind.h) between the sides; whatever it changes stands in a journal below
 * /run/bulkhead/compare first and is put back at the end, also after a failure or a signal. After a kill -9 the next compare,
 * or bh_compare_restore, puts it back. Root only. One thread; one comparison per process (signal handlers are its own).
 */
#ifndef HOST_COMPARE_COMPARE_H
#define HOST_COMPARE_COMPARE_H

#include <bulkhead/types.h>
#include <stdio.h>

#include "host/device/device.h"

struct bh_app;

#define BH_COMPARE_ROUNDS_MAX 20u
#define BH_COMPARE_FILES_MAX  2u

struct bh_compare_options {
	const char *address;    /* of the PCI function, or "auto": the only NVMe device that nothing speaks against */
	const char *report_dir; /* made if missing; NULL: bulkhead-compare-TIME in the working folder */
	const char *serial;     /* --destructive: the device's serial number; NULL: asked for on a terminal */
	const char *rehearse;   /* not NULL: A on this file, B on a software device; no verdict comes of it */
	uint32_t round_cnt;     /* A B pairs; 0: 3 */
	uint64_t duration_ns;   /* of each run; 0: 5 s, or 1.5 s with quick */
	uint32_t nsid;          /* namespace; 0: 1 */
	int cpu;                /* both sides run on it; -1: the last isolated CPU, else the last */
	bool quick;             /* 4 KiB random reads at depths 1 and 32, and the 512-byte reference */
	bool destructive;       /* writes too */
	bool prove;             /* also runs `bulkhead prove-iommu` on the device */
	bool quiet;             /* no line per run */
	FILE *progress;         /* lines while it runs */
	/* net on cards: side B's configurations (one of xconnect, one of fwd, or one of both), and the generator's */
	const char *file[BH_COMPARE_FILES_MAX];
	uint32_t file_cnt; /* 0: on veth pairs */
	const char *generator;
	uint64_t latency_pps;     /* frames a second while latency is measured; 0: net.h's */
	const struct bh_app *app; /* to read the configurations with */
	size_t app_cnt;
};

enum bh_compare_verdict { BH_COMPARE_NOT_MEASURED = 0, BH_COMPARE_MISSED = 1, BH_COMPARE_MET = 2 };

struct bh_compare_outcome {
	char report_dir[256];
	uint32_t run_cnt, failed_cnt; /* of the pairs' runs; tuning tries are not counted */
	enum bh_compare_verdict go;   /* all criteria met; one missed; else not measured */
	bool interrupted;
};

/**
 * bh_compare_nvme - the whole comparison and its report
 * @out: filled as far as it came; report_dir is "" if no report was written
 *
 * A run that fails is in the report and the comparison goes on; the verdict is not `met` then. The table goes to `table`.
 * Return: 0; -EINVAL options (E180); -ENOENT fio is missing (E181); -EPERM refused: guards of bind.h, serial number (E182,
 * E183); -ENODEV no such device, no namespace (E184); -EINTR a signal ended it, the report holds what there was (E185); -EIO
 * report, sysfs or a back end.
 */
BH_MUST_CHECK int bh_compare_nvme(const struct bh_compare_options *options, FILE *table, struct bh_compare_outcome *out,
                                  struct bh_error *error);

/**
 * bh_compare_net - Linux's forwarding against the cell, on veth pairs that this makes or on two cards: docs/compare.md, "Networks"
 *
 * Of the options: report_dir, round_cnt, duration_ns, cpu, quick, quiet, progress, file and what follows. Cards go back to the drivers
 * that they had, also after a failure or a signal; after a kill -9, bh_compare_net_restore or the next comparison does it.
 * Return: 0; -EINVAL (E180, E381, E382, E383) and what bh_config_load says; -EPERM a card is in use (E384), not root (E001);
 * -EINTR (E185); -EIO the ports could not be made (E380) or the report not written.
 */
BH_MUST_CHECK int bh_compare_net(const struct bh_compare_options *options, FILE *table, struct bh_compare_outcome *out,
                                 struct bh_error *error);

/* bh_compare_net_restore - give back what an ended comparison left taken. Return: 0, also if nothing; -EIO (E187). */
BH_MUST_CHECK int bh_compare_net_restore(struct bh_error *error);

/**
 * bh_compare_restore - put back what an ended comparison left changed
 * Return: 0, also if there was nothing; -EIO a value could not be put back (named).
 */
BH_MUST_CHECK int bh_compare_restore(const char *address, struct bh_error *error);

#endif
