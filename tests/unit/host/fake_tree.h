/* SPDX-License-Identifier: Apache-2.0 */
/* A folder below /tmp that stands for a machine: /sys, /proc, /dev, /run. */
#ifndef TESTS_UNIT_HOST_FAKE_TREE_H
#define TESTS_UNIT_HOST_FAKE_TREE_H

#include <bulkhead/types.h>

/* fake_tree_make - an empty one; fake_tree_remove takes all of it away. */
void fake_tree_make(char root[64]);
void fake_tree_remove(const char *root);

/* Each makes the folders above what it writes, and replaces what stands there. */
BH_PRINTF(3, 4) void fake_file(const char *root, const char *path, const char *format, ...);
void fake_bytes(const char *root, const char *path, const void *bytes, size_t cnt);
void fake_folder(const char *root, const char *path);
void fake_link(const char *root, const char *path, const char *target);
void fake_gone(const char *root, const char *path);
/* fake_text - a file's content, "" if there is none; valid until the next call. */
const char *fake_text(const char *root, const char *path);

/* fake_pci - one function: vendor, device, class, driver ("" none), IOMMU group (-1 none), node 0. */
void fake_pci(const char *root, const char *address, unsigned vendor, unsigned device, unsigned class,
              const char *driver, int group);

#endif
