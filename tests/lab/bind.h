/* SPDX-License-Identifier: Apache-2.0 */
/**
 * test_bind's parts: its machine's drives and cards, what stands where, and the tests of other files (bind_disks.c, bind_cards.c).
 */
#ifndef TESTS_LAB_BIND_H
#define TESTS_LAB_BIND_H

#include "tests/lab/inside.h"

extern char bind_drive[3][16], bind_card[2][16]; /* their addresses */

/* bind_disk_of, bind_interface_of - the name of its disk or interface, waited for; in a buffer that some later calls use again */
const char *bind_disk_of(const char *address);
const char *bind_interface_of(const char *address);
/* bind_read_state - "DRIVER OVERRIDE journal", or "no journal"; bind_state_is - it is that */
void bind_read_state(const char *address, char out[160]);
void bind_state_is(const char *address, const char *want);
/* bind_refused - bind refuses with exit code 4, names the reason and the evidence, and changes nothing; `devices` says the same */
void bind_refused(const char *address, const char *reason, const char *evidence);
/* bind_overridden - with every reason named (apart by spaces) it is taken, and says what it overrode */
void bind_overridden(const char *address, const char *reasons);
/* bind_given_back - unbind, and that driver has it again */
void bind_given_back(const char *address, const char *driver);
/* bind_wipe - zeroes where a drive's signatures stand */
void bind_wipe(const char *address);

void test_mounted(void **state);
void test_mounted_elsewhere(void **state);
void test_swap(void **state);
void test_device_mapper(void **state);
void test_md(void **state);
void test_lvm(void **state);
void test_btrfs(void **state);
void test_open(void **state);
void test_card_and_back(void **state);
void test_default_route(void **state);
void test_bond_bridge_vlan(void **state);
void test_virtio_card(void **state);
void test_ssh_session(void **state);

#endif
