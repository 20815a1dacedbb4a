/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/device/bind.h"
#include "host/device/file.h"
#include "host/machine/cpus.h"
#include "host/machine/grub.h"
#include "host/machine/irqbalance.h"
#include "host/machine/slices.h"

static const char *const kind_name[BH_CHANGE_KINDS] = {
        [BH_CHANGE_SYS] = "sys",     [BH_CHANGE_GROUP] = "group",   [BH_CHANGE_CONTROLLER] = "controller",
        [BH_CHANGE_FILE] = "file",   [BH_CHANGE_DEVICE] = "device", [BH_CHANGE_IRQBALANCE] = "irqbalance",
        [BH_CHANGE_SLICE] = "slice",
};

const char *
bh_change_kind_name(enum bh_change_kind kind)
{
	return kind_name[kind];
}

int
bh_change_kind_parse(const char *name, enum bh_change_kind *out)
{
	for (unsigned i = 0; i < BH_CHANGE_KINDS; i++) {
		if (strcmp(kind_name[i], name) == 0) {
			*out = (enum bh_change_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool
bh_change_outlives_boot(enum bh_change_kind kind)
{
	return kind == BH_CHANGE_FILE;
}

static int
linux_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	/* One write: the kernel takes the value as a whole. An empty one needs a line's end to be a write at all. */
	const char *bytes = text[0] != '\0' ? text : "\n";
	ssize_t wrote = write(fd, bytes, strlen(bytes));
	int err = wrote < 0 ? -errno : (size_t)wrote == strlen(bytes) ? 0 : -EIO;
	close(fd);
	return err;
}

static int
linux_make_group(const char *path)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

static int
linux_remove_group(const char *path)
{
	return rmdir(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int
linux_generate(const char *root, const char *params, char **out_cfg, struct bh_error *error)
{
	return bh_grub_generate(root, NULL, params, out_cfg, error);
}

static int
linux_write_slice(const char *root, const char *name, const char *list, struct bh_error *error)
{
	struct bh_cpus cpus;
	int err = bh_cpus_parse_list(list != NULL ? list : "", &cpus);
	return err != 0 ? err : bh_slices_write(root, NULL, name, list != NULL ? &cpus : NULL, error);
}

const struct bh_change_ops bh_change_ops_linux = {linux_make_group, linux_remove_group, linux_write, linux_write_slice,
                                                  linux_generate};
const struct bh_change_ops *bh_change_ops = &bh_change_ops_linux;

/* ---- reading ---- */

static int
dup_text(const char *text, char **out)
{
	*out = strdup(text);
	return *out != NULL ? 0 : -ENOMEM;
}

/* "always [madvise] never" means madvise. */
static void
chosen(char *value)
{
	char *open = strchr(value, '['), *close = open != NULL ? strchr(open, ']') : NULL;
	if (close == NULL)
		return;
	*close = '\0';
	memmove(value, open + 1, strlen(open + 1) + 1);
}

static int
read_sys(const char *root, const char *path, char **out)
{
	char text[BH_CPUS_TEXT_BYTES];
	int err = bh_sys_read(text, sizeof(text), root, "%s", path);
	if (err != 0)
		return err;
	chosen(text);
	return dup_text(text, out);
}

static int
read_controller(const char *root, const char *path, char **out)
{
	char text[512], *at = text;
	int err = bh_sys_read(text, sizeof(text), root, "%s", path);
	if (err != 0)
		return err;
	for (char *word = strtok_r(text, " ", &at); word != NULL; word = strtok_r(NULL, " ", &at)) {
		if (strcmp(word, "cpuset") == 0)
			return dup_text("on", out);
	}
	return dup_text("off", out);
}

static int
read_file(const char *root, const char *path, char **out)
{
	int64_t len = bh_sys_load(out, root, "%s", path);
	if (len == -ENOENT) {
		*out = NULL;
		return 0;
	}
	if (len < 0)
		return (int)len;
	if (len > BH_CHANGE_VALUE_MAX || strlen(*out) != (size_t)len) { /* a zero byte: no text of ours */
		free(*out);
		*out = NULL;
		return len > BH_CHANGE_VALUE_MAX ? -EFBIG : -EINVAL;
	}
	return 0;
}

static int
read_device(const char *root, const char *address, char **out)
{
	struct bh_pci_device device;
	struct bh_error ignored;
	int err = bh_pci_read(root, address, &device, &ignored);
	return err != 0 ? err : dup_text(device.driver, out);
}

static int
read_irqbalance(const char *root, char **out)
{
	char list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus cpus;
	struct bh_error ignored;
	int err = bh_irqbalance_banned(root, &cpus, &ignored);
	return err != 0 ? err : dup_text(bh_cpus_list(&cpus, list), out);
}

static int
read_slice(const char *root, const char *name, char **out)
{
	char list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus cpus;
	struct bh_error ignored;
	bool is_set;
	int err = bh_slices_read(root, name, &is_set, &cpus, &ignored);
	return err != 0 || !is_set ? err : dup_text(bh_cpus_list(&cpus, list), out);
}

int
bh_change_read(const char *root, enum bh_change_kind kind, const char *path, char **out)
{
	*out = NULL;
	switch (kind) {
	case BH_CHANGE_SYS:
		return read_sys(root, path, out);
	case BH_CHANGE_GROUP:
		return bh_sys_exists(root, "%s", path) ? dup_text("present", out) : 0;
	case BH_CHANGE_CONTROLLER:
		return read_controller(root, path, out);
	case BH_CHANGE_FILE:
		return read_file(root, path, out);
	case BH_CHANGE_DEVICE:
		return read_device(root, path, out);
	case BH_CHANGE_IRQBALANCE:
		return read_irqbalance(root, out);
	case BH_CHANGE_SLICE:
		return read_slice(root, path, out);
	case BH_CHANGE_KINDS:
		break;
	}
	return -ENOENT;
}

/* ---- writing ---- */

static int
write_device(const char *root, const char *address, const char *driver, struct bh_error *error)
{
	if (driver != NULL && strcmp(driver, "vfio-pci") == 0)
		return bh_bind(root, address, NULL, error);
	return bh_unbind(root, address, error);
}

static int
write_irqbalance(const char *root, const char *list, struct bh_error *error)
{
	struct bh_cpus cpus;
	int err = bh_cpus_parse_list(list != NULL ? list : "", &cpus);
	if (err == 0)
		err = bh_irqbalance_ban(root, &cpus, error);
	return err > 0 ? 0 : err;
}

/* What lies in /etc/grub.d is run. */
static mode_t
mode_of(const char *path)
{
	return strncmp(path, "/etc/grub.d/", 12) == 0 ? 0755 : 0644;
}

int
bh_change_write(const char *root, enum bh_change_kind kind, const char *path, const char *value, struct bh_error *error)
{
	char full[BH_SYS_PATH_BYTES];
	int err = bh_sys_path(full, root, "%s", path);
	if (err != 0)
		return err;
	switch (kind) {
	case BH_CHANGE_SYS:
		return bh_change_ops->write(full, value != NULL ? value : "");
	case BH_CHANGE_GROUP:
		return value != NULL ? bh_change_ops->make_group(full) : bh_change_ops->remove_group(full);
	case BH_CHANGE_CONTROLLER:
		return bh_change_ops->write(full, value != NULL && strcmp(value, "on") == 0 ? "+cpuset" : "-cpuset");
	case BH_CHANGE_FILE:
		return value != NULL ? bh_file_replace(full, value, mode_of(path)) : bh_file_remove(full);
	case BH_CHANGE_DEVICE:
		return write_device(root, path, value, error);
	case BH_CHANGE_IRQBALANCE:
		return write_irqbalance(root, value, error);
	case BH_CHANGE_SLICE:
		return bh_change_ops->write_slice(root, path, value, error);
	case BH_CHANGE_KINDS:
		break;
	}
	return -ENOENT;
}

void
bh_change_tidy(const char *root, enum bh_change_kind kind, const char *path)
{
	char full[BH_SYS_PATH_BYTES];
	if (kind == BH_CHANGE_FILE && bh_sys_path(full, root, "%s", path) == 0)
		bh_file_tidy(full);
}

bool
bh_change_is_slow(enum bh_change_kind kind)
{
	return kind == BH_CHANGE_IRQBALANCE;
}

/* ---- comparing ---- */

static bool
ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);
	return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

static bool
is_list(const char *path)
{
	return ends_with(path, "_list") || ends_with(path, "/cpuset.cpus") || ends_with(path, "/watchdog_cpumask");
}

static bool
is_mask(const char *path)
{
	return ends_with(path, "/cpumask") || ends_with(path, "_affinity") || ends_with(path, "ps_cpus");
}

bool
bh_change_same(enum bh_change_kind kind, const char *path, const char *a, const char *b)
{
	struct bh_cpus first, second;
	if (a == NULL || b == NULL)
		return a == b;
	if (strcmp(a, b) == 0)
		return true;
	if (kind == BH_CHANGE_IRQBALANCE || kind == BH_CHANGE_SLICE || (kind == BH_CHANGE_SYS && is_list(path)))
		return bh_cpus_parse_list(a, &first) == 0 && bh_cpus_parse_list(b, &second) == 0 &&
		       bh_cpus_equal(&first, &second);
	if (kind == BH_CHANGE_SYS && is_mask(path))
		return bh_cpus_parse_mask(a, &first) == 0 && bh_cpus_parse_mask(b, &second) == 0 &&
		       bh_cpus_equal(&first, &second);
	return false;
}

/* ---- shell ---- */

static void
shell_file(FILE *out, const char *path, const char *value)
{
	if (value == NULL)
		fprintf(out, "rm %s\n", path);
	else
		fprintf(out, "cat > %s <<'END'\n%s%sEND\n", path, value, ends_with(value, "\n") ? "" : "\n");
}

void
bh_change_shell(FILE *out, enum bh_change_kind kind, const char *path, const char *value)
{
	switch (kind) {
	case BH_CHANGE_SYS:
		fprintf(out, "echo '%s' > %s\n", value != NULL ? value : "", path);
		break;
	case BH_CHANGE_GROUP:
		fprintf(out, "%s %s\n", value != NULL ? "mkdir" : "rmdir", path);
		break;
	case BH_CHANGE_CONTROLLER:
		fprintf(out, "echo %scpuset > %s\n", value != NULL && strcmp(value, "on") == 0 ? "+" : "-", path);
		break;
	case BH_CHANGE_FILE:
		shell_file(out, path, value);
		if (value != NULL && mode_of(path) == 0755)
			fprintf(out, "chmod 755 %s\n", path);
		break;
	case BH_CHANGE_DEVICE:
		fprintf(out, "bulkhead %s %s\n", value != NULL && strcmp(value, "vfio-pci") == 0 ? "bind" : "unbind",
		        path);
		break;
	case BH_CHANGE_IRQBALANCE:
		fprintf(out, "# irqbalance, by its socket: settings cpus %s\n", value != NULL ? value : "NULL");
		break;
	case BH_CHANGE_SLICE:
		fprintf(out, "systemctl set-property --runtime %s AllowedCPUs=%s\n", path, value != NULL ? value : "");
		break;
	case BH_CHANGE_KINDS:
		break;
	}
}
