/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's parts: options.c (texts and limits), signals.c, tool.c (programs of the host), kernel.c and fetch.c (the cached
 * Debian kernel), image.c (that kernel unpacked), modules.c (which of its modules go in), cpio.c (the archive format), libraries.c (what programs need),
 * initramfs.c (what goes in), qemu.c, drives.c and nics.c (the machine's arguments), folder.c (the temporary folder), session.c (while it
 * runs), streams.c, terminal.c, control.c (what the machine says and asks), qmp.c (what is asked of QEMU), get.c (what comes
 * out), lab.c (the order of it all).
 */
#ifndef LAB_INTERNAL_H
#define LAB_INTERNAL_H

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <termios.h>

#include "host/errors/errors.h"
#include "lab/lab.h"

#define BH_LAB_NS_PER_S UINT64_C(1000000000)

/* options.c */

/* bh_lab_check - what no single option can tell: lists, sums, limits; fills in what depends. Return: 0; -EINVAL (E201). */
BH_MUST_CHECK int bh_lab_check(struct bh_lab_options *options, struct bh_error *error);

/* signals.c */

struct bh_lab_signals {
	int fd;    /* -1: not open */
	int asked; /* the signal that asks to end; 0: none */
	bool window_changed;
	sigset_t mask_before;
	struct sigaction pipe_before;
};

BH_MUST_CHECK int bh_lab_signals_open(struct bh_lab_signals *out, struct bh_error *error);
void bh_lab_signals_close(struct bh_lab_signals *signals); /* also after an error of open */
void bh_lab_signals_take(struct bh_lab_signals *signals);
/* bh_lab_signals_check - Return: 0; -EINTR with E212 if one came that asks to end. */
BH_MUST_CHECK int bh_lab_signals_check(struct bh_lab_signals *signals, struct bh_error *error);
uint64_t bh_lab_now_ns(void);

/* tool.c */

/**
 * bh_lab_tool - run a program of the host and collect its standard output (at most 4 MiB; more is an error)
 * @out_text: NUL-terminated, from malloc, NULL after an error; NULL: the output goes nowhere
 * @package: which Debian package holds it, for the message
 * Ends it at a signal (E212) and after ten minutes.
 * Return: its exit code; -ENOENT not installed (E202); -EINTR; -ETIMEDOUT; -EIO.
 */
BH_MUST_CHECK int bh_lab_tool(struct bh_lab_signals *signals, const char *const *argv, const char *folder,
                              const char *package, char **out_text, struct bh_error *error);
/* bh_lab_tool_find - the full path of a program. Return: 0; -ENOENT with E202. */
BH_MUST_CHECK int bh_lab_tool_find(const char *name, const char *package, char *out_path, size_t path_bytes,
                                   struct bh_error *error);

/* kernel.c */

struct bh_lab_kernel {
	char version[64];
	char image[PATH_MAX];   /* what QEMU starts: vmlinux, unpacked; or vmlinuz */
	char packed[160];       /* why it is vmlinuz, which boots some seconds later; "" it is not */
	char modules[PATH_MAX]; /* .../lib/modules/VERSION */
};

/* bh_lab_kernel_find - options->kernel, or the cached one; fetched if there is none that is whole. */
BH_MUST_CHECK int bh_lab_kernel_find(struct bh_lab_signals *signals, const struct bh_lab_options *options,
                                     struct bh_lab_kernel *out, struct bh_error *error);
/* bh_lab_cache_list - write cache/VERSION/whole: each file with its size. Its presence means: all of it was written. */
BH_MUST_CHECK int bh_lab_cache_list(const char *folder);
/* bh_lab_cache_is_whole - every file of the list is there with its size. */
bool bh_lab_cache_is_whole(const char *folder);

/* image.c */

/* bh_lab_image_ready - take the unpacked image, or say in `packed` why there is none to be had. Return: false: unpack it. */
BH_MUST_CHECK bool bh_lab_image_ready(struct bh_lab_kernel *kernel);
/**
 * bh_lab_image_unpack - make the unpacked image beside the packed one and take it; the caller holds the cache's lock
 * Return: 0, also if it stays packed (`packed` says why); -EINTR (E212).
 */
BH_MUST_CHECK int bh_lab_image_unpack(struct bh_lab_signals *signals, struct bh_lab_kernel *kernel,
                                      struct bh_error *error);

/* fetch.c */

/* bh_lab_fetch - download Debian's kernel and unpack it as cache/VERSION. The caller holds the cache's lock. */
BH_MUST_CHECK int bh_lab_fetch(struct bh_lab_signals *signals, const char *cache, struct bh_error *error);

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

/* libraries.c */

/**
 * bh_lab_is_dynamic - a program with a dynamic linker, or a shared library; not a static or static-pie program, nor any other file
 */
bool bh_lab_is_dynamic(const char *path);
/* bh_lab_libraries - what ldd printed: calls emit with each library's path. Return: 0; -ENOENT: out_missing says which line. */
BH_MUST_CHECK int bh_lab_libraries(char *ldd_text, int (*emit)(void *context, const char *path), void *context,
                                   const char **out_missing);

/* initramfs.c */

BH_MUST_CHECK int bh_lab_initramfs(struct bh_lab_signals *signals, const struct bh_lab_options *options,
                                   const struct bh_lab_kernel *kernel, const char *path, struct bh_error *error);

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

/* streams.c */

enum bh_lab_stream {
	BH_LAB_OUT,
	BH_LAB_ERR,
	BH_LAB_CTL,
	BH_LAB_CONSOLE,
	BH_LAB_QMP,
	BH_LAB_TTY,
	BH_LAB_GET, /* and one more per --get */
	BH_LAB_STREAMS_MAX = BH_LAB_GET + BH_LAB_GETS_MAX,
};

struct bh_lab_relay {
	int from; /* our end of the socket pair; -1: ended */
	int to;   /* -1: nowhere */
	bool reader_gone;
	uint64_t byte_cnt; /* that came */
	size_t start, end; /* of what is held, because `to` took no more */
	char held[65536];
};

/* bh_lab_relay_poll - what to wait for. */
struct pollfd bh_lab_relay_poll(const struct bh_lab_relay *relay);
/* bh_lab_relay_pull - one read; nothing may be held. Return: how many bytes are in held now. */
ssize_t bh_lab_relay_pull(struct bh_lab_relay *relay);
/* bh_lab_relay_push - write what is held, as far as that does not block. */
void bh_lab_relay_push(struct bh_lab_relay *relay);
bool bh_lab_relay_holds(const struct bh_lab_relay *relay);

/* terminal.c: the person's, in raw mode while the shell runs */

struct bh_lab_terminal {
	bool raw;
	bool escape; /* Ctrl-A came */
	struct termios before;
};

void bh_lab_terminal_open(struct bh_lab_terminal *terminal);
void bh_lab_terminal_close(struct bh_lab_terminal *terminal);
/* bh_lab_terminal_keys - pass what was typed on. Return: true if the machine is to end: Ctrl-A x, or the terminal went away. */
bool bh_lab_terminal_keys(struct bh_lab_terminal *terminal, int tty_fd);
/* bh_lab_terminal_window - the window's size, for the control port. Return: false if there is none. */
bool bh_lab_terminal_window(const struct bh_lab_terminal *terminal, char *out_line, size_t line_bytes);

/* qemu.c, drives.c */

struct bh_lab_machine {
	struct bh_lab_options options;
	struct bh_lab_signals signals;
	struct bh_lab_kernel kernel;
	struct bh_lab_folder folder;
	char qemu[PATH_MAX];
	char accel[16];      /* what is used */
	char accel_why[128]; /* and why */
	uint32_t stream_cnt;
	struct bh_lab_relay stream[BH_LAB_STREAMS_MAX];
	int qemu_fd[BH_LAB_STREAMS_MAX]; /* the other ends */
	char **argv;                     /* NULL-terminated, from malloc */
	size_t argv_cnt, own_cnt;        /* own: without those of --qemu */
	int log_fd;                      /* what QEMU prints; -1: not open */
	pid_t pid;
	pid_t tar_pid[BH_LAB_GETS_MAX];
};

BH_MUST_CHECK int bh_lab_accel_choose(struct bh_lab_machine *machine, struct bh_error *error);
/* bh_lab_nics_check - whether this QEMU has the models. Return: 0; -ENODEV (E216). */
BH_MUST_CHECK int bh_lab_nics_check(struct bh_lab_machine *machine, struct bh_error *error);
BH_MUST_CHECK int bh_lab_qemu_arguments(struct bh_lab_machine *machine, struct bh_error *error);
BH_MUST_CHECK int bh_lab_qemu_start(struct bh_lab_machine *machine, struct bh_error *error);
/* One more argument; too many, or no memory, shows at the end of bh_lab_qemu_arguments. */
BH_PRINTF(2, 3) void bh_lab_add(struct bh_lab_machine *machine, const char *format, ...);
/* bh_lab_slot - make the slot of the idx-th device. Return: its properties "bus=..." for -device, in a static buffer. */
const char *bh_lab_slot(struct bh_lab_machine *machine, unsigned idx);
/* bh_lab_device - the -device argument of a drive or card that the lab made, or NULL. */
const char *bh_lab_device(const struct bh_lab_machine *machine, const char *id);
/* bh_lab_nics - the cards' arguments (nics.c) */
void bh_lab_nics(struct bh_lab_machine *machine);
BH_MUST_CHECK int bh_lab_drives(struct bh_lab_machine *machine, struct bh_error *error);

/* get.c: one tar per --get unpacks what the machine packs */

BH_MUST_CHECK int bh_lab_get_start(struct bh_lab_machine *machine, struct bh_error *error);
/* bh_lab_get_finish - after the last byte, or for the machine's sake without it: wait for the tars. */
BH_MUST_CHECK int bh_lab_get_finish(struct bh_lab_machine *machine, struct bh_error *error);

/* session.c */

BH_MUST_CHECK int bh_lab_session(struct bh_lab_machine *machine, int *out_exit_code, struct bh_error *error);

/* control.c: lines of the control port, see lab/init/protocol.h */

struct bh_lab_control {
	bool ready; /* the machine said hello */
	bool ended;
	int exit_code;
	uint64_t out_cnt, err_cnt; /* bytes that each stream has in all, known when it ended */
	uint64_t get_cnt[BH_LAB_GETS_MAX];
	char ask[160];  /* a request for QEMU, to be sent; "" none */
	char line[128]; /* LAB_LINE_BYTES */
	size_t used;
};

/* bh_lab_control_take - what the machine sent. Return: 0; -EPROTO it broke the protocol. */
BH_MUST_CHECK int bh_lab_control_take(struct bh_lab_control *control, uint32_t get_cnt, const char *bytes,
                                      size_t byte_cnt);

#define BH_LAB_LEAVING_MAX (BH_LAB_NVMES_MAX + BH_LAB_NICS_MAX)

/* qmp.c: QEMU's own protocol, for the only requests that the lab passes on */

struct bh_lab_qmp {
	bool waiting;                         /* for the answer to a request */
	char asked[16];                       /* the device of that request, if it is to leave */
	char leaving[BH_LAB_LEAVING_MAX][16]; /* asked to leave, and not gone yet: its guest takes its time */
	bool skipping;
	char line[4096];
	size_t used;
};

/* bh_lab_qmp_sent - that request is on its way: note what it asks for. */
void bh_lab_qmp_sent(struct bh_lab_qmp *qmp, const char *line);
/* bh_lab_qmp_is_leaving - unplugged, but still there: QEMU would mix it up with one that is plugged now. */
bool bh_lab_qmp_is_leaving(const struct bh_lab_qmp *qmp, const char *id);
/**
 * bh_lab_qmp_request - the JSON text of "unplug ID", "plug ID", "link-up ID" or "link-down ID"
 * @device: the -device argument that the lab made for ID
 * Return: from malloc; NULL if it is none of them, or `device` is NULL.
 */
char *bh_lab_qmp_request(const char *line, const char *device);
/* bh_lab_qmp_take - what QEMU sent. Return: true when out_answer ("ok", "error TEXT") is the answer to the request. */
bool bh_lab_qmp_take(struct bh_lab_qmp *qmp, const char *bytes, size_t byte_cnt, char *out_answer, size_t answer_bytes);

#endif
