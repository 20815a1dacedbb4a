/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/grub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/sysfs.h"
#include "host/errors/errors.h"
#include "host/machine/tool.h"

#define CHECK_NS UINT64_C(10000000000)

static const char entry_text[] =
        "#!/bin/sh\n"
        "# Written by 'bulkhead apply', removed by 'bulkhead restore': the way back. The same kernels, booted without\n"
        "# the parameters of /etc/default/grub.d/90-bulkhead.cfg.\n"
        "set -e\n"
        "[ -n \"$BULKHEAD_PARAMETERS\" ] || exit 0\n"
        "case \"$GRUB_CMDLINE_LINUX_DEFAULT\" in\n"
        "*\"$BULKHEAD_PARAMETERS\"*) ;;\n"
        "*) exit 0 ;;\n"
        "esac\n"
        "before=\"${GRUB_CMDLINE_LINUX_DEFAULT%%\"$BULKHEAD_PARAMETERS\"*}\"\n"
        "after=\"${GRUB_CMDLINE_LINUX_DEFAULT#*\"$BULKHEAD_PARAMETERS\"}\"\n"
        "GRUB_CMDLINE_LINUX_DEFAULT=\"$before$after\"\n"
        "GRUB_DISABLE_SUBMENU=true\n"
        "GRUB_DISABLE_RECOVERY=true\n"
        "export GRUB_CMDLINE_LINUX_DEFAULT GRUB_DISABLE_SUBMENU GRUB_DISABLE_RECOVERY\n"
        "echo \"submenu 'Linux without the parameters of bulkhead' \\$menuentry_id_option 'bulkhead-without' {\"\n"
        "# Its functions stand above already, and a submenu may not define any.\n"
        "\"${0%/*}/10_linux\" 2>/dev/null | sed -n '/^menuentry /,$p'\n"
        "echo \"}\"\n";

int
bh_grub_params_check(const char *params, struct bh_error *error)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,:=/+@-";
	size_t len = strlen(params);
	if (len >= BH_GRUB_PARAMS_BYTES)
		return bh_error_set(error, "E269", -E2BIG,
		                    "%zu characters of kernel parameters are more than the %d that are allowed", len,
		                    BH_GRUB_PARAMS_BYTES - 1);
	for (const char *at = params;; at++) {
		size_t word = strspn(at, good);
		at += word;
		if (word == 0 || (*at != ' ' && *at != '\0'))
			return bh_error_set(
			        error, "E269", -EINVAL,
			        "kernel parameters hold letters, digits and _ . , : = / + @ - with one blank "
			        "between, and these do not, from character %zu on",
			        (size_t)(at - params) + 1);
		if (*at == '\0')
			return 0;
	}
}

int
bh_grub_dropin_text(const char *params, char *out, size_t out_bytes, struct bh_error *error)
{
	int err = bh_grub_params_check(params, error);
	if (err != 0)
		return err;
	int used = snprintf(out, out_bytes,
	                    "# Written by 'bulkhead apply'; 'bulkhead restore' removes it. A shell script, read by "
	                    "grub-mkconfig.\n"
	                    "BULKHEAD_PARAMETERS=\" %s\"\n"
	                    "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT$BULKHEAD_PARAMETERS\"\n"
	                    "export BULKHEAD_PARAMETERS\n",
	                    params);
	if (used < 0 || (size_t)used >= out_bytes)
		return bh_error_set(error, "E269", -E2BIG, "no room for the text of " BH_GRUB_DROPIN_PATH);
	return 0;
}

const char *
bh_grub_entry_text(void)
{
	return entry_text;
}

const char *
bh_grub_cfg_path(const char *root)
{
	static const char grub2[] = "/boot/grub2/grub.cfg", grub[] = "/boot/grub/grub.cfg";
	return !bh_sys_exists(root, grub) && bh_sys_exists(root, grub2) ? grub2 : grub;
}

static int
tool_missing(const char *name, struct bh_error *error)
{
	return bh_error_set(
	        error, "E266", -ENOENT,
	        "%s is not installed, and GRUB's menu cannot be made without it: apt-get install grub-common", name);
}

static int
tool_failed(const char *name, int code, const char *said, struct bh_error *error)
{
	if (code == -ETIMEDOUT)
		return bh_error_set(error, "E266", code, "%s did not end within %d s", name,
		                    (int)(BH_GRUB_GENERATE_NS / UINT64_C(1000000000)));
	if (code < 0)
		return bh_error_set(error, "E266", code, "%s cannot be run: %s", name, strerror(-code));
	return bh_error_set(error, "E266", -EIO, "%s failed (exit code %d): %.300s", name, code,
	                    said[0] != '\0' ? said : "it does not say why");
}

static int
script_check(struct bh_tool tool, const char *name, const char *cfg, struct bh_error *error)
{
	char said[BH_TOOL_SAID_BYTES];
	tool.input = cfg;
	tool.wait_ns = CHECK_NS;
	int code = bh_tool_run(&tool, (const char *const[]){name, NULL}, NULL, said);
	if (code > 0)
		return bh_error_set(error, "E267", -EINVAL, "GRUB's new configuration is not valid (%s): %.300s", name,
		                    said);
	return code == 0 ? 0 : tool_failed(name, code, said, error);
}

int
bh_grub_generate(const char *root, const char *folders, const char *params, char **out_cfg, struct bh_error *error)
{
	static const char *const make[] = {"grub-mkconfig", "grub2-mkconfig"};
	static const char *const check[] = {"grub-script-check", "grub2-script-check"};
	struct bh_tool tool = {
	        .folders = folders, .work_folder = root[0] != '\0' ? root : NULL, .wait_ns = BH_GRUB_GENERATE_NS};
	char path[BH_SYS_PATH_BYTES], said[BH_TOOL_SAID_BYTES];
	*out_cfg = NULL;
	int at = bh_tool_find(&tool, make[0], path, sizeof(path)) == 0 ? 0 : 1;
	if (bh_tool_find(&tool, make[at], path, sizeof(path)) != 0)
		return tool_missing(make[0], error);
	if (bh_tool_find(&tool, check[at], path, sizeof(path)) != 0)
		return tool_missing(check[at], error);
	int code = bh_tool_run(&tool, (const char *const[]){make[at], NULL}, out_cfg, said);
	if (code == 0)
		code = script_check(tool, check[at], *out_cfg, error);
	else
		code = tool_failed(make[at], code, said, error);
	if (code == 0)
		code = bh_grub_check(params, *out_cfg, error);
	if (code == 0)
		return 0;
	free(*out_cfg);
	*out_cfg = NULL;
	return code;
}
