/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Four cards on two wires: Linux drives the outer ones (end 0 in this network namespace, end 1 in the namespace "far"), a
 * cross-connect (or router) in a cell the inner ones. So Linux's own drivers are the peer of the ports under test.
 *
 *	end 0  eth (10.0.0.1) === hub 0 === p0 [ cell ] p1 === hub 1 === eth (10.0.0.2)  end 1
 *
 * Needs iproute2's ip as /lab/ip, ethtool as /lab/ethtool, and iperf3 on the PATH (--copy).
 */
#ifndef TESTS_LAB_WIRE_H
#define TESTS_LAB_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

struct wire_end {
	char address[16]; /* PCI */
	char name[32];    /* of the interface */
};

struct wire {
	struct wire_end end[2];
	char port[2][16]; /* PCI addresses of p0 and p1 */
	bool router;      /* the cell is the forwarder; before wire_set_up */
	pid_t cell;
	json_t *result; /* of the last cell: "app" of its report */
};

/* wire_set_up - bind the inner cards to vfio-pci, name the outer ones, no address yet, links administratively down */
void wire_set_up(struct wire *wire);

/* wire_cell_start - the cell, with that MTU and more for its section; returns when both ports are open and have their links */
void wire_cell_start(struct wire *wire, unsigned mtu_bytes, const char *more);

/* wire_cell_stop - ask it to end; it must end well. wire->result holds what it counted. */
void wire_cell_stop(struct wire *wire);

/* wire_cell_end - end the cell of a test that has failed, and show its log; nothing if there is none */
void wire_cell_end(struct wire *wire);

/* wire_up, wire_down - addresses and links of both ends */
void wire_up(struct wire *wire, unsigned mtu_bytes);
void wire_down(struct wire *wire);

/* wire_ping - end 0 pings `to` until one answer came, at most timeout_s. Return: whether it came. */
int wire_ping(const char *to, unsigned bytes, unsigned timeout_s);

/* wire_linux - a statistic of an end ("rx_packets") as Linux counts it */
uint64_t wire_linux(const struct wire *wire, unsigned end, const char *name);

/* wire_count - a figure of a port in the result: "rx_pkts"; wire_drop: "rx_too_long" */
uint64_t wire_count(const struct wire *wire, const char *port, const char *name);
uint64_t wire_drop(const struct wire *wire, const char *port, const char *reason);
uint64_t wire_drops(const struct wire *wire, const char *port, const char *prefix);

#endif
