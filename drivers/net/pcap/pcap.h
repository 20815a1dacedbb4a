/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The pcap port: receives what a capture file holds, as it came or as fast as it is taken, and sends into a file. The
 * files are the supervisor's; see <bulkhead/abi/pcap.h>.
 */
#ifndef DRIVERS_NET_PCAP_H
#define DRIVERS_NET_PCAP_H

#include <bulkhead/abi/pcap.h>

#include "drivers/net/net.h"

extern const struct bh_port_driver bh_pcap_driver;

#endif
