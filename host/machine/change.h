/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One thing of the machine that can be changed and put back: how it is read, compared, written, and said in shell.
 *
 * Values are texts, from malloc. NULL is the value of what is not there (a file, a control group). `root` is "" for this
 * machine, a folder in tests.
 */
#ifndef HOST_MACHINE_CHANGE_H
#define HOST_MACHINE_CHANGE_H

#include <stdio.h>

#include "host/device/device.h"
#include "host/device/sysfs.h"

#define BH_PARTITION_GROUP    "/sys/fs/cgroup/bulkhead"
#define BH_CHANGE_VALUE_MAX   (UINT32_C(1) << 20)
#define BH_CHANGE_WHY_BYTES   160
#define BH_CHANGE_STAGE_BYTES 16

enum bh_change_kind {
	BH_CHANGE_SYS = 0,        /* a file of sysfs, procfs or cgroupfs; one line */
	BH_CHANGE_GROUP = 1,      /* a control group's folder: "present" or not there */
	BH_CHANGE_CONTROLLER = 2, /* cpuset in a cgroup.subtree_control: "on" or "off" */
	BH_CHANGE_FILE = 3,       /* a whole file on a disk: outlives a reboot */
	BH_CHANGE_DEVICE = 4,     /* a PCI address: its driver, "" none */
	BH_CHANGE_IRQBALANCE = 5, /* the list of CPUs that a running irqbalance leaves alone */
	BH_CHANGE_SLICE =
	        6, /* the CPUs that systemd gives a slice or scope until it is shut down; NULL: as its unit says */
	BH_CHANGE_KINDS = 7,
};

/* One step of a plan. */
struct bh_change {
	enum bh_change_kind kind;
	char path[BH_SYS_PATH_BYTES]; /* of a device: its address */
	char *now;                    /* when the plan was made */
	char *want;
	char stage[BH_CHANGE_STAGE_BYTES]; /* "cpus", "irqs", "kernel", "memory", "power", "devices", "boot" */
	char why[BH_CHANGE_WHY_BYTES];
	bool optional;  /* where the kernel refuses, that is told, and the rest goes on */
	bool generated; /* `want` is made when its turn comes: GRUB's configuration */
};

/* "sys", "group", ...: stable words of the journal and of JSON. */
const char *bh_change_kind_name(enum bh_change_kind kind);
/* Return: 0; -EINVAL no such word. */
BH_MUST_CHECK int bh_change_kind_parse(const char *name, enum bh_change_kind *out);

/* bh_change_outlives_boot - whether what was written is still there after a reboot. */
bool bh_change_outlives_boot(enum bh_change_kind kind);

/**
 * bh_change_read - the value that stands there; of a list of choices, the one in brackets
 * Return: 0, also with *out == NULL for a file or group that is not there; -ENOENT of a kernel's file: this machine does not have
 * it; -ENODEV the device is gone; -EFBIG; another negative errno.
 */
BH_MUST_CHECK int bh_change_read(const char *root, enum bh_change_kind kind, const char *path, char **out);

/**
 * bh_change_write - make the value stand there; reading it back is the caller's
 * A disk's file is replaced as a whole and flushed, its folder as well; NULL removes it.
 * Return: 0 or a negative errno; `error` is filled for devices, irqbalance and slices only.
 */
BH_MUST_CHECK int bh_change_write(const char *root, enum bh_change_kind kind, const char *path, const char *value,
                                  struct bh_error *error);

/* bh_change_is_slow - whether it may read back as before for some seconds: irqbalance takes a list at its next turn. */
bool bh_change_is_slow(enum bh_change_kind kind);

/* bh_change_tidy - what a write that was killed half-way has left beside a disk's file. */
void bh_change_tidy(const char *root, enum bh_change_kind kind, const char *path);

/* bh_change_same - whether two values mean the same: lists and masks of CPUs as sets. */
bool bh_change_same(enum bh_change_kind kind, const char *path, const char *a, const char *b);

/* bh_change_shell - the commands that it equals, each on a line, ended by a newline. */
void bh_change_shell(FILE *out, enum bh_change_kind kind, const char *path, const char *value);

/* What unit tests replace: a made-up machine has no kernel that fills a new group. */
struct bh_change_ops {
	int (*make_group)(const char *path);
	int (*remove_group)(const char *path);
	int (*write)(const char *path, const char *text); /* of BH_CHANGE_SYS */
	int (*write_slice)(const char *root, const char *name, const char *list, struct bh_error *error);
	/* GRUB's configuration, from the files that stand there now; params "": without ours. */
	int (*generate)(const char *root, const char *params, char **out_cfg, struct bh_error *error);
};
extern const struct bh_change_ops *bh_change_ops;
extern const struct bh_change_ops bh_change_ops_linux;

#endif
