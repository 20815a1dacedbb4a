#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main jobs on software devices: a cell without system calls drives an NVMe device, then four network cards.
set -eu
build=$1
cd "$(dirname "$0")/.."

part() {
	echo "$1"
	echo "\$ $build/bulkhead run $2 --duration 10s"
	"$build/bulkhead" run "$2" --duration 10s
}

part "bulkhead demo, 1 of 2: a cell drives a software NVMe device for 10 seconds" examples/nvme-bench.conf
echo
part "bulkhead demo, 2 of 2: generator, wire, cross-connect, wire, sink, a million frames a second" examples/pktgen.conf
