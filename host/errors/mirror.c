/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder beside Linux: E355 to E364. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_mirror[] = {
        {"E355", FAILED, "routes and neighbours of Linux cannot be followed",
         "A netlink socket could not be opened, or could not join the groups that carry changes. The message says what "
         "the system said; in a container, run in a network namespace of its own with CAP_NET_ADMIN."},
        {"E356", FAILED, "the kernel's tables could not be read in time",
         "They are read once before the first packet is forwarded. Another program may hold the kernel's networking "
         "lock: see whether `ip route` answers."},
        {"E357", FAILED, "a thread of the forwarder's host half could not be started",
         "The message says what the system said."},
        {"E358", FAILED, "the TAP of a port cannot be opened",
         "The message says at which step. Device or resource busy: another program has it. Invalid argument: an "
         "interface of that name is there and is no TAP; name another one with `mirror = NAME` in [fwd PORT]. No such "
         "file: load the module tun (modprobe tun)."},
        {"E359", ROOT, "the TAP of a port needs root", "Run it as root: sudo bulkhead run ..."},
        {"E360", FAILED, "the TAP of a port could not be set up",
         "Its MAC address, its MTU or its state could not be set; the message says which and why."},
        {0},
};
