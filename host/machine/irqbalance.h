/* SPDX-License-Identifier: Apache-2.0 */
/**
 * irqbalance: which CPUs it keeps interrupts off, asked and told while it runs, over its socket.
 *
 * irqbalance (1.9.2 of Debian 12, and its versions from 1.2 on) listens on /run/irqbalance/irqbalancePID.sock, or, where it could
 * make no file, on an abstract address. It takes one message of root's per connection:
 *
 *   setup              answers `SLEEP seconds [IRQ ...] BANNED mask`
 *   settings cpus LIST the CPUs to leave alone, NULL: its own choice (isolated, nohz_full, or IRQBALANCE_BANNED_CPULIST)
 *
 * What it is told works from its next turn on, and each turn that begins with news sleeps for SLEEP seconds (10 unless set)
 * before it balances and answers again. Until then `setup` shows the list from before, or nobody answers; no interrupt is
 * moved meanwhile, so a ban that is taken is a ban. Who restores must therefore send the old list also when `setup` still shows the
 * old one: a ban of before may be on its way.
 *
 * root: "" this machine, a folder in tests. Only a socket that root (or the caller) listens on is believed; what it answers
 * is hostile input. No call waits longer than BH_IRQBALANCE_WAIT_NS, _within not longer than it is told; only an irqbalance
 * that begins a turn in the very moment between two messages is waited for up to 30 s: hanging up would end it.
 */
#ifndef HOST_MACHINE_IRQBALANCE_H
#define HOST_MACHINE_IRQBALANCE_H

#include "host/device/device.h"
#include "host/machine/cpus.h"

#define BH_IRQBALANCE_WAIT_NS UINT64_C(2000000000)

/**
 * bh_irqbalance_banned - the CPUs that it keeps interrupts off now
 * Return: 0; -ENOENT it does not run; -EOPNOTSUPP it runs without a socket (built without, or in another container);
 * -EPERM not root; -ETIMEDOUT no answer: it is in a turn, ask again later; -EPROTO an answer that makes no sense.
 */
BH_MUST_CHECK int bh_irqbalance_banned(const char *root, struct bh_cpus *out, struct bh_error *error);
BH_MUST_CHECK int bh_irqbalance_banned_within(const char *root, uint64_t wait_ns, struct bh_cpus *out,
                                              struct bh_error *error);

/**
 * bh_irqbalance_ban - make this its list, in place of the one before; the empty set leaves the choice to irqbalance
 * Return: 0 it shows exactly these CPUs; 1 it has taken the list (or it lies in its socket's queue) and shows it after its
 * next turn; -E2BIG the list is longer than it can take; errors as bh_irqbalance_banned.
 */
BH_MUST_CHECK int bh_irqbalance_ban(const char *root, const struct bh_cpus *cpus, struct bh_error *error);

#endif
