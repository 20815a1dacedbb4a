/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Small files and links of sysfs and proc, read as hostile input: bounded, one line, printable. For host/ only.
 *
 * Each path is a root ("" for this machine, a folder in tests) and a format. A path too long is -ENAMETOOLONG; otherwise a
 * negative errno of the call that failed. Names that come out of a folder are single components: no '/', no "." or "..".
 */
#ifndef HOST_DEVICE_SYSFS_H
#define HOST_DEVICE_SYSFS_H

#include <bulkhead/types.h>

#define BH_SYS_NAME_BYTES 64
#define BH_SYS_PATH_BYTES 512
#define BH_SYS_NAMES_MAX  65536u
#define BH_SYS_FILE_MAX   (UINT32_C(16) << 20)
#define BH_SYS_TEXT_BYTES 256
#define BH_SYS_LINE_BYTES 4096 /* the longest line that is read: a kernel's command line, a list of 1024 CPUs */

/* A folder's entries, sorted, without those that start with a dot and those whose name is too long. */
struct bh_sys_names {
	char (*name)[BH_SYS_NAME_BYTES];
	size_t cnt;
};

BH_PRINTF(3, 4) int bh_sys_path(char out[BH_SYS_PATH_BYTES], const char *root, const char *format, ...);

/* bh_sys_read - a file's first line; bytes that are not printable become '?'. Return: 0; -E2BIG it does not fit. */
BH_PRINTF(4, 5) int bh_sys_read(char *out, size_t out_bytes, const char *root, const char *format, ...);

/* bh_sys_read_number - a decimal or 0x number, up to max. Return: 0; -EINVAL none, or a larger one. */
BH_PRINTF(4, 5) int bh_sys_read_number(uint64_t *out, uint64_t max, const char *root, const char *format, ...);

/* bh_sys_link_name - the last component of where a link points. Return: 0; -ENOENT no link; -E2BIG. */
BH_PRINTF(4, 5) int bh_sys_link_name(char *out, size_t out_bytes, const char *root, const char *format, ...);

/* bh_sys_exists - whether the path leads somewhere. */
BH_PRINTF(2, 3) bool bh_sys_exists(const char *root, const char *format, ...);

/* bh_sys_list - a folder's entries; `out` is to be freed. Return: 0; -E2BIG more than BH_SYS_NAMES_MAX. */
BH_PRINTF(3, 4) int bh_sys_list(struct bh_sys_names *out, const char *root, const char *format, ...);
void bh_sys_names_free(struct bh_sys_names *names);

/* bh_sys_load - a whole file, terminated, from malloc. Return: its length; -EFBIG more than BH_SYS_FILE_MAX. */
BH_PRINTF(3, 4) int64_t bh_sys_load(char **out, const char *root, const char *format, ...);

/* bh_sys_clean - make a text printable in place. */
void bh_sys_clean(char *text);

#endif
