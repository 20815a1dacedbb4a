/* SPDX-License-Identifier: Apache-2.0 */
/* Files of ours: whole and flushed, or not there. Each returns 0 or a negative errno. For host/ only. */
#ifndef HOST_DEVICE_FILE_H
#define HOST_DEVICE_FILE_H

#include <sys/types.h>

#include <bulkhead/types.h>

/* bh_file_folders - make the folders above and including path. */
BH_MUST_CHECK int bh_file_folders(const char *path, mode_t mode);
/* bh_file_put - write all of it at the descriptor's place, and flush. */
BH_MUST_CHECK int bh_file_put(int fd, const char *text, size_t len);
/*
 * bh_file_replace - through a temporary file beside it, whose name begins with a dot: nothing that runs or reads all of a folder
 * takes it for a file of its own. An existing file's mode is kept.
 */
BH_MUST_CHECK int bh_file_replace(const char *path, const char *text, mode_t mode);
/* bh_file_tidy - take away what a bh_file_replace that was killed half-way has left beside it. */
void bh_file_tidy(const char *path);
/* bh_file_remove - also if it is not there. */
BH_MUST_CHECK int bh_file_remove(const char *path);
/* bh_file_flush_folder - of a path: what was made or removed in it is on the disk. */
BH_MUST_CHECK int bh_file_flush_folder(const char *path);

/*
 * bh_text_sum - FNV-1a, 64 bits: for a text cut off or edited by hand, not against an enemy: our folders are root's.
 */
uint64_t bh_text_sum(const char *text, size_t len);

#endif
