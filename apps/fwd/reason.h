/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What becomes of a frame that the router does not forward, and why: one counter each, "fwd.<name>", on the core where
 * it happened; and each that is not Linux's own frame again by the port where it came in (drop_tx_full: where it should
 * have gone out), "fwd<port's number>.<name>". Both halves include this.
 *
 * What adds up, at any moment when nothing is in a ring:
 *	rx_pkts of all ports      = fwd.forward4 + fwd.forward6 + fwd.punt_* + fwd.drop_* but fwd.drop_tx_full
 *	frames handed to ports    = fwd.forward4 + fwd.forward6 - fwd.drop_tx_full
 *	so: in minus forwarded    = fwd.punt_* + fwd.drop_*
 *	frames taken from Linux   = fwd.from_linux + fwd.lost_*
 */
#ifndef APPS_FWD_REASON_H
#define APPS_FWD_REASON_H

#include <bulkhead/types.h>

enum fwd_reason {
	/* To Linux, which it is for. Limited by [fwd] punt_rate. */
	FWD_PUNT_ARP = 0,   /* ARP */
	FWD_PUNT_NOT_IP,    /* neither IP nor ARP: LLDP, STP, ... */
	FWD_PUNT_MULTICAST, /* multicast and broadcast, of Ethernet or IP; ND is among it */
	FWD_PUNT_LOCAL,     /* an address of this machine, or link-local */
	/* To Linux, which forwards it, or answers with ICMP. Limited by [fwd] error_rate. */
	FWD_PUNT_GLEAN,       /* the neighbour's MAC address is not known */
	FWD_PUNT_TTL,         /* TTL or hop limit 0 or 1 */
	FWD_PUNT_MTU,         /* longer than the MTU of the way out */
	FWD_PUNT_OPTIONS,     /* IPv4 options, IPv6 hop-by-hop header */
	FWD_PUNT_NO_ROUTE,    /* no route */
	FWD_PUNT_UNREACHABLE, /* `ip route add unreachable` */
	FWD_PUNT_PROHIBIT,    /* `ip route add prohibit` */
	FWD_PUNT_NOT_ROUTER,  /* forwarding is off (sysctl net.ipv4.conf.IF.forwarding, net.ipv6...) */
	FWD_PUNT_CNT,
	/* Gone. */
	FWD_DROP_SHORT = FWD_PUNT_CNT, /* ends within its Ethernet or IP header */
	FWD_DROP_NOT_FOR_US,           /* another station's MAC address */
	FWD_DROP_VLAN,                 /* of a VLAN without an interface here */
	FWD_DROP_VERSION,              /* IP version is not what the EtherType says */
	FWD_DROP_HEADER_LENGTH,        /* IPv4 header length below 5 words, or beyond the packet */
	FWD_DROP_LENGTH,               /* IP length below its header's, or beyond the frame */
	FWD_DROP_CHECKSUM,             /* IPv4 header checksum */
	FWD_DROP_MARTIAN_SOURCE,       /* RFC 1812 5.3.7, RFC 4291 2.5.3, 2.7: as Linux */
	FWD_DROP_MARTIAN_DESTINATION,  /* likewise */
	FWD_DROP_BLACKHOLE,            /* `ip route add blackhole` */
	FWD_DROP_DOWN,                 /* the way out is down, or its port is not there */
	FWD_DROP_TX_FULL,              /* routed, and the outgoing port's ring had no room */
	FWD_DROP_PUNT_RATE,            /* was for Linux, beyond [fwd] punt_rate */
	FWD_DROP_ERROR_RATE,           /* was for Linux, beyond [fwd] error_rate */
	FWD_DROP_PUNT_FULL,            /* was for Linux, the ring had no room */
	FWD_DROP_PUNT_LONG,            /* was for Linux, longer than a slot */
	FWD_DROP_END,
	/* Of Linux's own frames. */
	FWD_LOST_BAD = FWD_DROP_END, /* a length or port that cannot be */
	FWD_LOST_NO_BUFFER,          /* the pool was empty */
	FWD_LOST_TX_FULL,            /* the port's ring had no room */
	FWD_REASON_CNT,
};

#define FWD_REASON_NAMES                                                                                               \
	{                                                                                                              \
		"punt_arp", "punt_not_ip", "punt_multicast", "punt_local", "punt_glean", "punt_ttl", "punt_mtu",       \
		        "punt_options", "punt_no_route", "punt_unreachable", "punt_prohibit", "punt_not_router",       \
		        "drop_short", "drop_not_for_us", "drop_vlan", "drop_version", "drop_header_length",            \
		        "drop_length", "drop_checksum", "drop_martian_source", "drop_martian_destination",             \
		        "drop_blackhole", "drop_down", "drop_tx_full", "drop_punt_rate", "drop_error_rate",            \
		        "drop_punt_full", "drop_punt_long", "lost_bad", "lost_no_buffer", "lost_tx_full",              \
	}

/* Besides: counters of what went its way. */
#define FWD_COUNTER_FORWARD4   "fwd.forward4"
#define FWD_COUNTER_FORWARD6   "fwd.forward6"
#define FWD_COUNTER_FROM_LINUX "fwd.from_linux"

#endif
