/* SPDX-License-Identifier: Apache-2.0 */
/**
 * GRUB: the full level's kernel parameters, through files of ours only, and a menu that keeps the way back.
 *
 *   /etc/default/grub.d/90-bulkhead.cfg  adds the parameters to GRUB_CMDLINE_LINUX_DEFAULT
 *   /etc/grub.d/45_bulkhead              a submenu: the same kernels without them (executable)
 *
 * The submenu is made from the machine's own 10_linux each time update-grub runs, so it also holds kernels that come later;
 * a copy of the old grub.cfg would name kernels that are gone. Recovery entries have neither before nor after
 * GRUB_CMDLINE_LINUX_DEFAULT. Nothing here writes a file: the caller's journal does, in this order: both files, then
 * bh_grub_generate's text to bh_grub_cfg_path.
 *
 * root: "" this machine, a folder in tests.
 */
#ifndef HOST_MACHINE_GRUB_H
#define HOST_MACHINE_GRUB_H

#include "host/device/device.h"

#define BH_GRUB_DROPIN_PATH  "/etc/default/grub.d/90-bulkhead.cfg"
#define BH_GRUB_ENTRY_PATH   "/etc/grub.d/45_bulkhead"
#define BH_GRUB_ENTRY_MODE   0755
#define BH_GRUB_PARAMS_BYTES 1024
#define BH_GRUB_TEXT_BYTES   2048
#define BH_GRUB_NAME_BYTES   48
#define BH_GRUB_GENERATE_NS  UINT64_C(60000000000)

enum bh_boot_kind {
	BH_BOOT_NONE = 0, /* none that we know: a container, or a kernel booted from outside */
	BH_BOOT_GRUB = 1,
	BH_BOOT_OTHER = 2, /* printed, not touched */
};

/* bh_grub_kind - which boot loader starts this machine; its name as a person would say it. */
enum bh_boot_kind bh_grub_kind(const char *root, char name[BH_GRUB_NAME_BYTES]);

/* bh_grub_advice - what to do by hand with another boot loader, in one or two sentences. Return: out. */
const char *bh_grub_advice(const char *root, const char *params, char *out, size_t out_bytes);

/* bh_grub_cfg_path - "/boot/grub/grub.cfg" or "/boot/grub2/grub.cfg": which of them is there; the first if neither. */
const char *bh_grub_cfg_path(const char *root);

/**
 * bh_grub_params_check - parameters with one blank between, of letters, digits and _ . , : = / + @ -
 *
 * So they mean the same to a shell, to GRUB's script and to the kernel, quoted or not.
 * Return: 0; -EINVAL; -E2BIG from BH_GRUB_PARAMS_BYTES on.
 */
BH_MUST_CHECK int bh_grub_params_check(const char *params, struct bh_error *error);

/* The two files' texts. Return: 0; errors of bh_grub_params_check; -E2BIG it does not fit into out. */
BH_MUST_CHECK int bh_grub_dropin_text(const char *params, char *out, size_t out_bytes, struct bh_error *error);
const char *bh_grub_entry_text(void);

/**
 * bh_grub_generate - what grub-mkconfig makes of the files that stand there now, checked, not installed
 * @params:  that its Linux entries must have; "": that none of ours may be in it (restore)
 * @folders: where its programs are found, with colons; NULL: the usual ones
 * @out_cfg: from malloc
 *
 * Checked by grub-script-check and by bh_grub_check. Runs as part of this machine; a made-up root is its working folder.
 * Return: 0; -ENOENT grub-mkconfig or grub-script-check is missing; -ETIMEDOUT after BH_GRUB_GENERATE_NS; -EIO one of
 * them failed; -EINVAL as bh_grub_check.
 */
BH_MUST_CHECK int bh_grub_generate(const char *root, const char *folders, const char *params, char **out_cfg,
                                   struct bh_error *error);

/**
 * bh_grub_check - what a configuration's text holds
 *
 * With params: every entry of 10_linux but the recovery ones has them, there is at least one, and the submenu of
 * 45_bulkhead has one or more, all without them. With "": there is no submenu, and no trace of the drop-in.
 * Return: 0; -EINVAL with the first line that is not so.
 */
BH_MUST_CHECK int bh_grub_check(const char *params, const char *cfg, struct bh_error *error);
bool bh_grub_has(const char *params, const char *cfg);

#endif
