/* SPDX-License-Identifier: Apache-2.0 */
/**
 * systemd's top-level groups (system.slice, user.slice, machine.slice, init.scope): which CPUs each may use.
 *
 * Where systemd is the first process, it owns these groups, and writes their cpuset.cpus anew when a unit changes. So it is told:
 * `systemctl set-property --runtime NAME AllowedCPUs=LIST`, which it keeps as the file
 * /run/systemd/system.control/NAME.d/50-AllowedCPUs.conf (init.scope:
 * /run/systemd/transient) until the machine goes down.
 *
 * root: "" this machine, a folder in tests. folders: where systemctl is found, with colons; NULL: the usual ones.
 */
#ifndef HOST_MACHINE_SLICES_H
#define HOST_MACHINE_SLICES_H

#include "host/device/device.h"
#include "host/device/sysfs.h"
#include "host/machine/cpus.h"

#define BH_SLICES_WAIT_NS UINT64_C(2000000000) /* for the group's file, after systemctl */
#define BH_SLICES_TOOL_NS UINT64_C(10000000000)

/* bh_slices_managed - whether systemd is the first process here (sd_booted(3)). */
bool bh_slices_managed(const char *root);

/**
 * bh_slices_list - the slices and scopes below the root of cgroup v2; `out` is to be freed
 * Return: 0, none where systemd does not manage them; errors as bh_sys_list.
 */
BH_MUST_CHECK int bh_slices_list(const char *root, struct bh_sys_names *out, struct bh_error *error);

/**
 * bh_slices_read - what set-property --runtime has set
 * @out: the list as it stands in systemd's file, "" an empty one; *out_set: false: there is no such file
 * Return: 0; -EINVAL a name that is none, or a file that makes no sense; errors of reading.
 */
BH_MUST_CHECK int bh_slices_read(const char *root, const char *name, bool *out_set, struct bh_cpus *out,
                                 struct bh_error *error);

/**
 * bh_slices_write - make it so, and wait until the group's cpuset.cpus says so
 * @cpus: NULL: as without the run-time setting: its file is removed, and what stands in /etc or the unit counts again
 * Return: 0; -ENOENT no systemctl; -EIO systemctl failed, its words in error; -ETIMEDOUT the group does not follow; -EINVAL.
 */
BH_MUST_CHECK int bh_slices_write(const char *root, const char *folders, const char *name, const struct bh_cpus *cpus,
                                  struct bh_error *error);

#endif
