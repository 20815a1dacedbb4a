/* SPDX-License-Identifier: Apache-2.0 */
/**
 * For test programs that run as root inside of the lab's machine: shell commands with a deadline, PCI functions, the kernel's log.
 * What cannot even be tried fails the running test.
 */
#ifndef TESTS_LAB_INSIDE_H
#define TESTS_LAB_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/component/command.h"

/* inside_run - a shell command line; at most 60 s. Free the result with command_result_free. */
__attribute__((format(printf, 2, 3))) void inside_run(struct command_result *out, const char *format, ...);

/* inside_run_for - the same with a deadline of its own. */
__attribute__((format(printf, 3, 4))) void inside_run_for(struct command_result *out, int timeout_ms,
                                                          const char *format, ...);

/* inside_ok - the same; it must end with 0, and what it prints is not looked at. */
__attribute__((format(printf, 1, 2))) void inside_ok(const char *format, ...);

/* inside_find - the address of the idx-th function whose class starts so ("0x0108"); fails the test if there is none. */
const char *inside_find(const char *class, unsigned idx, char address[16]);

/* inside_group - a function's IOMMU group; -1 none. */
int inside_group(const char *address);

/* inside_bind - to a driver by driver_override ("" for none at all), read back. */
void inside_bind(const char *address, const char *driver);

/* inside_command_register - of a function's configuration space, read past VFIO; 0xffff: it is gone. */
uint16_t inside_command_register(const char *address);

/* inside_wait_quiet - wait until nobody is a bus master there, at most timeout_ms. Return: whether it came true. */
bool inside_wait_quiet(const char *address, int timeout_ms);

/* inside_wait_gone - until sysfs has no such function. */
bool inside_wait_gone(const char *address, int timeout_ms);

/* inside_iommu_faults - how many faults the kernel logged since it started. */
unsigned inside_iommu_faults(void);

uint64_t inside_now_ms(void);

#endif
