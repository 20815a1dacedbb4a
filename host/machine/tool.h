/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Running another program of the machine (grub-mkconfig, systemctl) to its end, its output kept. Private to host/machine.
 */
#ifndef HOST_MACHINE_TOOL_H
#define HOST_MACHINE_TOOL_H

#include <bulkhead/types.h>

#define BH_TOOL_FOLDERS    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define BH_TOOL_OUTPUT_MAX (UINT32_C(4) << 20)
#define BH_TOOL_SAID_BYTES 512

struct bh_tool {
	const char *folders;     /* where programs are found, with colons, and its PATH; NULL: BH_TOOL_FOLDERS */
	const char *work_folder; /* NULL: / */
	const char *input;       /* its standard input; NULL: none */
	uint64_t wait_ns;        /* then it and what it started are killed */
};

/* bh_tool_find - whether a program of that name (without a slash) is there; its path to out. Return: 0; -ENOENT. */
BH_MUST_CHECK int bh_tool_find(const struct bh_tool *tool, const char *name, char *out, size_t out_bytes);

/**
 * bh_tool_run - start argv[0], found as above, and wait for its end and for the end of its output
 * @out: its standard output, terminated, from malloc; NULL: not kept. Hostile as any input; it may hold zeroes
 * @said: the last line of its standard error, printable
 *
 * It gets our environment but for PATH, a process group of its own, no signal blocked, and SIGKILL if we end.
 * Return: its exit code, 128 + N if signal N ended it; -ENOENT no such program; -ETIMEDOUT; -EFBIG more output than
 * BH_TOOL_OUTPUT_MAX; the error of a call.
 */
BH_MUST_CHECK int bh_tool_run(const struct bh_tool *tool, const char *const *argv, char **out,
                              char said[BH_TOOL_SAID_BYTES]);

#endif
