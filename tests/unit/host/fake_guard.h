/* SPDX-License-Identifier: Apache-2.0 */
/* What the guards of bind find on the machine of fake_kernel.h. */
#ifndef TESTS_UNIT_HOST_FAKE_GUARD_H
#define TESTS_UNIT_HOST_FAKE_GUARD_H

#include "tests/unit/host/fake_kernel.h"

/* Of the last check. */
extern struct bh_bind_finding guard_finding[BH_BIND_FINDINGS_MAX];

/* guard_check - all guards of a function, each finding printed. Return: how many, or a negative errno. */
int guard_check(const char *address);

/* guard_only - exactly one finding: this reason, with this in its evidence; else the test fails. */
void guard_only(const char *address, const char *reason, const char *evidence);

#endif
