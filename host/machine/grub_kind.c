/* SPDX-License-Identifier: Apache-2.0 */
/* Which boot loader it is. The variable LoaderInfo (systemd's Boot Loader Interface) is the truth where a loader sets it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/sysfs.h"
#include "host/machine/grub.h"

#define LOADER_INFO "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

static const struct {
	const char *path, *name;
} mark[] = {
        {"/boot/loader/loader.conf", "systemd-boot"},
        {"/boot/efi/loader/loader.conf", "systemd-boot"},
        {"/efi/loader/loader.conf", "systemd-boot"},
        {"/boot/extlinux/extlinux.conf", "extlinux"},
        {"/boot/syslinux/syslinux.cfg", "syslinux"},
        {"/boot/efi/EFI/refind/refind.conf", "rEFInd"},
        {"/boot/refind_linux.conf", "rEFInd"},
        {"/boot/limine.conf", "Limine"},
        {"/etc/lilo.conf", "LILO"},
        {"/boot/firmware/config.txt", "the Raspberry Pi firmware"},
};

/* Four bytes of attributes, then UTF-16. Return: whether it is set. */
static bool
loader_info(const char *root, char out[BH_GRUB_NAME_BYTES])
{
	char *text;
	int64_t bytes = bh_sys_load(&text, root, "%s", LOADER_INFO);
	size_t used = 0;
	if (bytes < 0)
		return false;
	for (int64_t i = 4; i + 1 < bytes && used + 1 < BH_GRUB_NAME_BYTES && text[i] != '\0'; i += 2)
		out[used++] = text[i + 1] == 0 ? text[i] : '?';
	out[used] = '\0';
	bh_sys_clean(out);
	free(text);
	return used > 0;
}

enum bh_boot_kind
bh_grub_kind(const char *root, char name[BH_GRUB_NAME_BYTES])
{
	bool grub = bh_sys_exists(root, "%s", bh_grub_cfg_path(root));
	if (loader_info(root, name))
		return grub && strncmp(name, "GRUB", 4) == 0 ? BH_BOOT_GRUB : BH_BOOT_OTHER;
	snprintf(name, BH_GRUB_NAME_BYTES, "GRUB");
	if (grub)
		return BH_BOOT_GRUB;
	for (size_t i = 0; i < BH_ARRAY_CNT(mark); i++) {
		if (bh_sys_exists(root, "%s", mark[i].path)) {
			snprintf(name, BH_GRUB_NAME_BYTES, "%s", mark[i].name);
			return BH_BOOT_OTHER;
		}
	}
	snprintf(name, BH_GRUB_NAME_BYTES, "none found");
	return BH_BOOT_NONE;
}

const char *
bh_grub_advice(const char *root, const char *params, char *out, size_t out_bytes)
{
	char name[BH_GRUB_NAME_BYTES];
	enum bh_boot_kind kind = bh_grub_kind(root, name);
	if (kind == BH_BOOT_NONE)
		snprintf(out, out_bytes,
		         "no boot loader of this machine was found (a container, or a kernel that is given from "
		         "outside); add to "
		         "the kernel's command line where it is set: %s",
		         params);
	else if (strncmp(name, "systemd-boot", 12) == 0)
		snprintf(out, out_bytes,
		         "%s starts this machine and is not touched: append to the one line of /etc/kernel/cmdline, "
		         "then run "
		         "'kernel-install add $(uname -r) /boot/vmlinuz-$(uname -r)'; or append to the 'options' line "
		         "of a copy "
		         "of the entry in loader/entries/: %s",
		         name, params);
	else
		snprintf(out, out_bytes,
		         "%s starts this machine and is not touched: add to the kernel's command line in a copy of its "
		         "entry, "
		         "so that the old one stays: %s",
		         name, params);
	return out;
}
