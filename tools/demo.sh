#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main jobs on software devices: a cell without system calls drives an NVMe device, then four network cards, then
# routes between two hosts.
set -eu
build=$1
cd "$(dirname "$0")/.."

part() {
	echo "$1"
	echo "\$ $build/bulkhead run $2 --duration 10s"
	"$build/bulkhead" run "$2" --duration 10s
}

part "bulkhead demo, 1 of 3: a cell drives a software NVMe device for 10 seconds" examples/nvme-bench.conf
echo
part "bulkhead demo, 2 of 3: generator, wire, cross-connect, wire, sink, a million frames a second" examples/pktgen.conf
echo
echo "bulkhead demo, 3 of 3: a router cell between two hosts, its addresses and routes from Linux"
tools/demo_router.sh "$build"
