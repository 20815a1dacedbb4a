/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's parts: options.c (texts), tool.c (programs of the host), kernel.c (the cached Debian kernel), modules.c (which of its
 * modules go in), cpio.c (the archive format), initramfs.c (what goes in), qemu.c (the machine's arguments), folder.c (the
 * temporary folder), session.c (streams, control, end), control.c (what the machine asks), lab.c (the order of it all).
 */
#ifndef LAB_INTERNAL_H
#define LAB_INTERNAL_H

#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

#include "host/errors/errors.h"
#include "lab/lab.h"

/* tool.c */

/**
 * bh_lab_tool - run a program of the host and collect its standard output (at most max_bytes; more is an error)
 * @out_text: NUL-terminated, from malloc; NULL: goes nowhere
 * @package: which Debian package holds it, for the message
 * Return: its exit code; -ENOENT not installed (E202); -EIO.
 */
BH_MUST_CHECK int bh_lab_tool(const char *const *argv, const char *folder, const char *package, char **out_text,
                              struct bh_error *error);
/* bh_lab_tool_find - the full path of a program. Return: 0; -ENOENT with E202. */
BH_MUST_CHECK int bh_lab_tool_find(const char *name, const char *package, char *out_path, size_t path_bytes,
                                   struct bh_error *error);

/* kernel.c */

struct bh_lab_kernel {
	char version[64];
	char image[PATH_MAX];   /* vmlinuz */
	char modules[PATH_MAX]; /* .../lib/modules/VERSION */
};

BH_MUST_CHECK int bh_lab_kernel_find(const char *cache, struct bh_lab_kernel *out, struct bh_error *error);

/* cpio.c: the newc format (Linux: Documentation/driver-api/early-userspace/buffer-format.rst) */

struct bh_lab_cpio {
	FILE *file;
	uint32_t inode;
	char **seen; /* names that are in, sorted as they came */
	size_t seen_cnt;
};

BH_MUST_CHECK int bh_lab_cpio_open(const char *path, struct bh_lab_cpio *out);
/* Each takes the path inside without a leading slash; parents are added; a name that is in already is left out. */
BH_MUST_CHECK int bh_lab_cpio_dir(struct bh_lab_cpio *cpio, const char *name);
BH_MUST_CHECK int bh_lab_cpio_file(struct bh_lab_cpio *cpio, const char *name, const char *from);
BH_MUST_CHECK int bh_lab_cpio_text(struct bh_lab_cpio *cpio, const char *name, const void *text, size_t bytes);
BH_MUST_CHECK int bh_lab_cpio_link(struct bh_lab_cpio *cpio, const char *name, const char *target);
/* Ends the archive and closes the file, also after an error. */
BH_MUST_CHECK int bh_lab_cpio_close(struct bh_lab_cpio *cpio);

/* modules.c */

/**
 * bh_lab_modules - the files that these modules need, themselves included, from the text of modules.dep
 * @names: NULL-terminated, without .ko; one that the kernel lacks (or has built in) is left out
 * @emit: called once per file, with the path below lib/modules/VERSION
 * Return: 0, or what emit returned first.
 */
BH_MUST_CHECK int bh_lab_modules(const char *dep_text, const char *const *names,
                                 int (*emit)(void *context, const char *file), void *context);

/* initramfs.c */

BH_MUST_CHECK int bh_lab_initramfs(const struct bh_lab_options *options, const struct bh_lab_kernel *kernel,
                                   const char *path, struct bh_error *error);

/* folder.c */

struct bh_lab_folder {
	char path[PATH_MAX];
	int lock_fd;
};

/* bh_lab_folder_make - a new one; also removes those of labs that were killed. */
BH_MUST_CHECK int bh_lab_folder_make(struct bh_lab_folder *out, struct bh_error *error);
void bh_lab_folder_remove(struct bh_lab_folder *folder, bool keep);
void bh_lab_remove_tree(const char *path);
BH_MUST_CHECK int bh_lab_make_dirs(const char *path);

/* qemu.c */

enum bh_lab_stream {
	BH_LAB_OUT,
	BH_LAB_ERR,
	BH_LAB_CTL,
	BH_LAB_CONSOLE,
	BH_LAB_QMP,
	BH_LAB_TTY,
	BH_LAB_GET, /* and one more per --get */
	BH_LAB_STREAMS_MAX = BH_LAB_GET + BH_LAB_LIST_MAX,
};

struct bh_lab_machine {
	const struct bh_lab_options *options;
	struct bh_lab_kernel kernel;
	struct bh_lab_folder folder;
	char qemu[PATH_MAX];
	char accel[16];      /* what is used */
	char accel_why[128]; /* and why */
	uint32_t stream_cnt;
	int host_fd[BH_LAB_STREAMS_MAX], qemu_fd[BH_LAB_STREAMS_MAX]; /* socket pairs */
	char **argv;                                                  /* NULL-terminated, from malloc */
	size_t argv_cnt;
	int log_fd; /* what QEMU prints; 0: not open */
	pid_t pid;
	pid_t tar_pid[BH_LAB_LIST_MAX];
};

BH_MUST_CHECK int bh_lab_accel_choose(struct bh_lab_machine *machine, struct bh_error *error);
BH_MUST_CHECK int bh_lab_qemu_arguments(struct bh_lab_machine *machine, struct bh_error *error);
BH_MUST_CHECK int bh_lab_qemu_start(struct bh_lab_machine *machine, struct bh_error *error);

/* session.c */

BH_MUST_CHECK int bh_lab_session(struct bh_lab_machine *machine, int *out_exit_code, struct bh_error *error);

/* control.c: lines of the control port, see lab/init/protocol.h */

struct bh_lab_control {
	bool ready; /* the machine said hello */
	bool ended;
	int exit_code;
	char line[256];
	size_t used;
};

/* bh_lab_control_take - what the machine sent; asks QEMU where it wants a device unplugged. Return: 0; -EPROTO. */
BH_MUST_CHECK int bh_lab_control_take(struct bh_lab_machine *machine, struct bh_lab_control *control, const char *bytes,
                                      size_t byte_cnt);

#endif
