#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every benchmark, one after the other: tables on the terminal, JSON beside the build. Nothing else should run meanwhile.
set -eu
build=$1
cd "$(dirname "$0")/.."
out=$build/bench-results
mkdir -p "$out"
echo "== core, one CPU"
"$build/bench/micro" --json "$out/micro.json"
echo "== NVMe driver, the device's own time taken off"
"$build/bench/nvme-driver" --json "$out/nvme-driver.json"
echo "== NVMe model alone"
"$build/bench/nvme-model" --json "$out/nvme-model.json"
echo "== nvme-bench against the software device on the other core, all included"
"$build/bench/two-core" --build "$build" --runs "${RUNS:-5}" --json "$out/nvme-bench.json"
echo "== cross-connect, driver to driver: instructions and ns a frame"
bench/net_driver/main.py --build "$build" --json "$out/net-driver.json"
echo "== switch between random stations, ports that cost nothing"
bench/fwd/switch.py --build "$build" --json "$out/fwd-switch.json"
echo "== router alone, full tables: cycles a packet"
for family in 4 6; do
	prefixes=1000000
	[ $family = 4 ] || prefixes=250000
	"$build/bench/fwd-router" --family $family --prefixes $prefixes --json >"$out/fwd-router-$family.json"
	cat "$out/fwd-router-$family.json"
done
echo "== router with its drivers, two CPUs: latency at 1 M frames/s"
for app in router xconnect; do
	"$build/bench/fwd-latency" --app $app --json >"$out/$app-latency.json"
	cat "$out/$app-latency.json"
done
echo "== full tables from netlink into the router's (in a network namespace of its own)"
"$build/bench/fwd-routes" --json >"$out/fwd-routes.json"
cat "$out/fwd-routes.json"
echo "== over vhost-user, against testpmd and against l3fwd in the same place (needs the packages dpdk-dev, dpdk-doc, libdpdk-dev)"
bench/vhost/main.py --build "$build" --json "$out/vhost.json"
bench/fwd_peers/main.py --build "$build" --json "$out/fwd-peers.json"
echo "== ports in the lab: a cell against Linux on the same emulated cards"
bench/lab_net/main.py --build "$build" --json "$out/lab-net.json"
echo "raw data: $out"
