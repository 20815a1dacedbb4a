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
        {NULL, 0, NULL, NULL},
};
