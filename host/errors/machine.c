/* SPDX-License-Identifier: Apache-2.0 */
/* plan, apply, status, restore: E220 to E249. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_machine[] = {
        {"E220", USAGE, "the configuration names no CPUs, or some that are not there",
         "A partition needs CPUs of its own: [partition] cpus = LIST, or [cell] cpus = LIST (not auto). They must be "
         "online: /sys/devices/system/cpu/online lists them. Nothing was changed."},
        {"E221", FAILED, "the journal cannot be written or read",
         "/var/lib/bulkhead/journal holds what stood on the machine before each change, flushed to the disk before the "
         "change is made. Without it nothing is changed, and what was changed already is put back. See to it that the "
         "disk is writable and has room (df /var), and that the folder is root's."},
        {"E222", FAILED, "another version of bulkhead wrote the journal",
         "Its format may mean something else, so nothing is guessed. Run 'bulkhead restore' with the version that "
         "applied it (its first line names the format), then apply with this one."},
        {"E223", FAILED, "the journal is damaged",
         "A line's sum does not fit: the file was edited, or the disk lost something. Nothing is guessed from it. Each "
         "line 'change N KIND PATH BEFORE WANT' says what stood at PATH (BEFORE, percent-encoded): put those back by "
         "hand, or reboot, which undoes all of the live level, and remove the full level's file "
         "/etc/default/grub.d/90-bulkhead.cfg (then update-grub). Then remove /var/lib/bulkhead/journal."},
        {"E224", FAILED, "another bulkhead applies or restores",
         "One at a time: the lock is /run/bulkhead/lock, and the kernel gives it up when that process ends."},
        {"E225", REFUSED, "these CPUs must not be taken",
         "CPU 0 and the last CPU of Linux stay with Linux; a CPU that another cgroup partition holds is that one's; "
         "and "
         "where tuned or another manager sets the same values, one of the two has to stop. There is no override. "
         "Nothing was changed."},
        {"E226", ROOT, "this needs root",
         "Run it as root or with sudo. 'bulkhead plan' and 'bulkhead doctor' need no root."},
        {"E227", FAILED, "this machine has no cgroup v2 cpuset",
         "The live level isolates CPUs by a cgroup v2 partition (kernel 6.1 or later, the cpuset controller on v2). "
         "With systemd: boot with systemd.unified_cgroup_hierarchy=1. Without: mount -t cgroup2 none /sys/fs/cgroup. "
         "Or "
         "use level = full: isolcpus on the kernel's command line needs no cgroup. Nothing was changed."},
        {"E228", FAILED, "the machine's settings cannot be read",
         "/proc and /sys must be mounted and readable. Nothing was changed."},
        {"E229", FAILED, "another configuration is applied",
         "One configuration at a time: what it changed is in the journal. 'bulkhead status' shows it; 'bulkhead "
         "restore' puts it back; then apply the other one."},
        {"E230", FAILED, "a step failed, and everything was put back",
         "The kernel refused a write, or another value read back. All that this call had changed stands again as it "
         "did. The message names the file; 'bulkhead plan' shows the steps; dmesg may have the reason."},
        {"E231", FAILED, "something could not be put back",
         "The journal keeps what is left to do, and 'bulkhead restore' can be repeated when the cause is gone. The "
         "message names the file and the value that stood there, so that it can also be written by hand."},
        {"E232", FAILED, "ended by a signal", "Everything that this call had changed was put back."},
        {"E233", FAILED, "processes still run in the partition",
         "Cells (or your own programs in /sys/fs/cgroup/bulkhead) are still on the isolated CPUs. End them, then "
         "'bulkhead restore'. Nothing was changed."},
        {"E234", REBOOT, "a reboot is needed",
         "The full level's parameters are in the boot loader's configuration, or were printed for you to put there; "
         "they count from the next boot on. 'bulkhead status' then shows them as booted and effective."},
        {NULL, 0, NULL, NULL},
};
