/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the switch is told, and may be told anew while it runs: a block of memory that the host half writes and every
 * core of the cell reads between two bursts. Both halves include this.
 *
 *	host half:  fwd_switch_settings_default(&wanted, port_cnt); ... if (fwd_switch_settings_check(&wanted) == 0)
 *	            fwd_switch_settings_publish(block, &wanted);
 *	cell:       struct fwd_switch_options.settings = block; fwd_switch_turn() does the rest
 *
 * `generation` is odd while the block is being written and two larger afterwards. A core that sees another one than it
 * has copies the block, checks that the generation stood still meanwhile, and then uses the copy. It never waits: a block
 * that is being written is looked at again in the next turn.
 */
#ifndef APPS_FWD_SWITCH_SETTINGS_H
#define APPS_FWD_SWITCH_SETTINGS_H

#include "apps/fwd/table.h"

#define FWD_SWITCH_VLAN_MAX      4094u /* 0 and 4095 are reserved: IEEE 802.1Q, 9.6 */
#define FWD_SWITCH_AGEING_S      300u  /* IEEE 802.1Q, table 8-6: 10 to 1,000,000 seconds */
#define FWD_SWITCH_AGEING_S_MIN  10u
#define FWD_SWITCH_AGEING_S_MAX  1000000u
#define FWD_SWITCH_STORM_PPS_MAX 100000000u

/* What is sent to more than one port, and can be limited: frames a second, by the port where they come in. */
enum fwd_storm {
	FWD_STORM_BROADCAST = 0,
	FWD_STORM_MULTICAST,
	FWD_STORM_UNICAST, /* to an address that was not learned */
	FWD_STORM_CNT,
};

struct fwd_switch_port {
	uint16_t native_vlan; /* of untagged frames, in and out; FWD_NO_VLAN: untagged frames are dropped */
	uint16_t pad;
	uint32_t mac_max;                  /* most addresses learned here; 0: no limit */
	uint32_t storm_pps[FWD_STORM_CNT]; /* 0: no limit */
	uint32_t pad1;
};

struct fwd_switch_settings {
	uint64_t generation;
	uint32_t vlan_aware; /* 0: tags are data, all ports are one network, and no other field about VLANs is used */
	uint32_t ageing_s;
	struct fwd_switch_port port[FWD_PORTS_MAX];
	uint8_t member[FWD_VLAN_CNT]; /* bit n: port n carries this VLAN; tagged, unless it is its native one */
};

_Static_assert(FWD_PORTS_MAX == 8, "a bit of a byte for each port");
_Static_assert(sizeof(struct fwd_switch_settings) % sizeof(uint64_t) == 0, "copied by words");

/* Why the switch dropped a frame: counters "<port>.drop_<name>" of the port where it came in. */
enum fwd_switch_reason {
	FWD_SWITCH_SHORT = 0,       /* ends within its Ethernet header or VLAN tag */
	FWD_SWITCH_BAD_SOURCE,      /* its source address is zero or a group */
	FWD_SWITCH_RESERVED,        /* to 01:80:c2:00:00:0x, which no bridge passes on (802.1Q, 8.6.3) */
	FWD_SWITCH_VLAN,            /* of a VLAN that the port does not carry */
	FWD_SWITCH_SAME_PORT,       /* to a station on the port that it came from */
	FWD_SWITCH_NO_PORT,         /* no other port carries its VLAN */
	FWD_SWITCH_STORM_BROADCAST, /* beyond storm_pps */
	FWD_SWITCH_STORM_MULTICAST,
	FWD_SWITCH_STORM_UNICAST,
	FWD_SWITCH_REASON_CNT,
};

#define FWD_SWITCH_REASON_NAMES                                                                                        \
	{                                                                                                              \
		"short", "bad_source", "reserved", "vlan", "same_port", "no_port", "storm_broadcast",                  \
		        "storm_multicast", "storm_unicast",                                                            \
	}

/*
 * Counters of the whole switch, on the core where it happened.
 *
 * What adds up, at any moment when nothing is in a ring:
 *	rx_pkts of all ports  = forward + flood + the sum of <port>.drop_* above
 *	frames given to ports = forward + flood + copy - the sum of <port>.drop_tx_full
 */
#define FWD_SWITCH_COUNTER_FORWARD   "fwd.switch_forward"   /* frames for one port */
#define FWD_SWITCH_COUNTER_FLOOD     "fwd.switch_flood"     /* frames for all ports of their VLAN */
#define FWD_SWITCH_COUNTER_COPY      "fwd.switch_copy"      /* copies made of these */
#define FWD_SWITCH_COUNTER_NO_BUFFER "fwd.switch_no_buffer" /* copies not made: the pool was empty */
#define FWD_SWITCH_COUNTER_LEARN     "fwd.mac_learned"
#define FWD_SWITCH_COUNTER_MOVE      "fwd.mac_moved"        /* from one port to another: a host moved, or a loop */
#define FWD_SWITCH_COUNTER_FULL      "fwd.mac_full"         /* frames whose source found no room in the table */
#define FWD_SWITCH_COUNTER_LIMIT     "fwd.mac_limit"        /* frames whose source was beyond its port's mac_max */
#define FWD_SWITCH_COUNTER_AGED      "fwd.mac_aged"         /* not heard of for ageing_s */
#define FWD_SWITCH_COUNTER_FLUSHED   "fwd.mac_flushed"      /* their port's link went down */
#define FWD_SWITCH_GAUGE_MACS        "fwd.macs"             /* in the table; core 0's */
#define FWD_SWITCH_COUNTER_TAKEN     "fwd.settings_taken"   /* new settings in use, once for each core */
#define FWD_SWITCH_COUNTER_REFUSED   "fwd.settings_refused" /* new settings that cannot be: the old ones stay */
#define FWD_SWITCH_DROP_TX_FULL      "drop_tx_full"         /* <port>.: its ring had no room */

/* fwd_switch_settings_default - one network of port_cnt ports, without VLANs and limits */
BH_INLINE void
fwd_switch_settings_default(struct fwd_switch_settings *settings, uint32_t port_cnt)
{
	*settings = (struct fwd_switch_settings){.ageing_s = FWD_SWITCH_AGEING_S};
	for (uint32_t i = 0; i < port_cnt && i < FWD_PORTS_MAX; i++) {
		settings->port[i].native_vlan = 1;
		settings->member[1] |= (uint8_t)(1u << i);
	}
}

BH_INLINE int
fwd_switch_port_check(const struct fwd_switch_settings *settings, uint32_t port_idx)
{
	const struct fwd_switch_port *port = &settings->port[port_idx];
	if (port->native_vlan > FWD_SWITCH_VLAN_MAX)
		return -BH_EINVAL;
	if (port->native_vlan != FWD_NO_VLAN && (settings->member[port->native_vlan] >> port_idx & 1) == 0)
		return -BH_EINVAL;
	for (uint32_t i = 0; i < FWD_STORM_CNT; i++) {
		if (port->storm_pps[i] > FWD_SWITCH_STORM_PPS_MAX)
			return -BH_EINVAL;
	}
	return 0;
}

/**
 * fwd_switch_settings_check - either side, of its own copy
 * Return: 0; -BH_EINVAL a number out of its range, members of VLAN 0 or 4095, or a native VLAN without its port.
 */
BH_INLINE BH_MUST_CHECK int
fwd_switch_settings_check(const struct fwd_switch_settings *settings)
{
	if (settings->ageing_s < FWD_SWITCH_AGEING_S_MIN || settings->ageing_s > FWD_SWITCH_AGEING_S_MAX ||
	    settings->member[FWD_NO_VLAN] != 0 || settings->member[FWD_SWITCH_VLAN_MAX + 1] != 0)
		return -BH_EINVAL;
	for (uint32_t i = 0; i < FWD_PORTS_MAX; i++) {
		if (fwd_switch_port_check(settings, i) != 0)
			return -BH_EINVAL;
	}
	return 0;
}

/* fwd_switch_settings_publish - the one writer: make these the block's, under the next generation. Host half. */
BH_INLINE void
fwd_switch_settings_publish(struct fwd_switch_settings *block, const struct fwd_switch_settings *settings)
{
	const uint64_t *from = (const uint64_t *)(const void *)settings;
	uint64_t *to = (uint64_t *)(void *)block;
	uint64_t generation = (block->generation | 1) + 1;
	__atomic_store_n(&block->generation, generation - 1, __ATOMIC_SEQ_CST);
	for (size_t i = 1; i < sizeof(*settings) / sizeof(*to); i++)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELEASE);
	__atomic_store_n(&block->generation, generation, __ATOMIC_RELEASE);
}

/**
 * fwd_switch_settings_take - a copy of the block, checked
 * Return: 0; -BH_EAGAIN it is being written, look again later; -BH_EINVAL as fwd_switch_settings_check. `out` has what
 * was read in each case, and of -BH_EAGAIN that is worth nothing.
 */
BH_INLINE BH_MUST_CHECK int
fwd_switch_settings_take(const struct fwd_switch_settings *block, struct fwd_switch_settings *out)
{
	const uint64_t *from = (const uint64_t *)(const void *)block;
	uint64_t *to = (uint64_t *)(void *)out;
	uint64_t generation = __atomic_load_n(&block->generation, __ATOMIC_ACQUIRE);
	if ((generation & 1) != 0)
		return -BH_EAGAIN;
	for (size_t i = 1; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&block->generation, __ATOMIC_ACQUIRE) != generation)
		return -BH_EAGAIN;
	out->generation = generation;
	return fwd_switch_settings_check(out);
}

#endif
