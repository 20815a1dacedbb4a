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
echo "== ports in the lab: a cell against Linux on the same emulated cards"
bench/lab_net/main.py --build "$build" --json "$out/lab-net.json"
echo "raw data: $out"
