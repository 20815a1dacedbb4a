/* SPDX-License-Identifier: Apache-2.0 */
/* What else manages the machine: irqbalance, GRUB, systemd: E265 to E269. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_units[] = {
        {"E265", FAILED, "irqbalance cannot be asked",
         "irqbalance moves interrupts between CPUs every few seconds, and would move them back onto isolated ones. It "
         "is told over "
         "its socket (/run/irqbalance/irqbalancePID.sock) which CPUs to leave alone. It answers between its turns "
         "only; one takes "
         "up to its interval, 10 s unless --interval says otherwise. Without it nothing moves interrupts: "
         "`systemctl stop irqbalance`."},
        {"E266", FAILED, "GRUB's tools are missing or fail",
         "The full level puts the kernel's parameters into a drop-in of GRUB's and has grub-mkconfig make the menu "
         "anew, checked by "
         "grub-script-check: Debian's package grub-common. Nothing of the menu was changed. The live level needs no "
         "boot loader."},
        {"E267", FAILED, "GRUB's new configuration does not pass",
         "It is made and checked before it replaces the old one: its syntax, that each normal Linux entry has the "
         "parameters, "
         "and that the submenu 'Linux without the parameters of bulkhead' boots the same kernels as before. "
         "The message has the first line that is not so. The menu that stands there was not changed."},
        {"E268", FAILED, "the service manager does not answer",
         "Under systemd a cell says when it is ready, alive and stopping, and its slices are restricted to the host's "
         "CPUs by "
         "'systemctl set-property --runtime'. The message has the manager's words; 'systemctl status' shows whether it "
         "runs. "
         "Without systemd none of it is needed."},
        {"E269", USAGE, "kernel parameters with characters that are not allowed",
         "They pass through a shell script, GRUB's script and the kernel's command line; only characters that mean the "
         "same to "
         "all three are let through."},
        {NULL, 0, NULL, NULL},
};
