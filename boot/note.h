/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The ELF note by which the supervisor knows a cell: owner BH_BOOT_NOTE_NAME, type BH_BOOT_NOTE_TYPE, and 4 bytes:
 * the version of the boot page that the cell understands. For assembler, too.
 */
#ifndef BOOT_NOTE_H
#define BOOT_NOTE_H

#define BH_BOOT_NOTE_NAME       "bulkhead"
#define BH_BOOT_NOTE_NAME_BYTES 9 /* with its NUL */
#define BH_BOOT_NOTE_TYPE       0x626b6864
#define BH_BOOT_NOTE_VERSION    4

#endif
