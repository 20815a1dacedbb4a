#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on a software device: a cell without system calls drives an NVMe device.
set -eu
build=$1
cd "$(dirname "$0")/.."
echo "bulkhead demo: a cell drives a software NVMe device for 10 seconds (examples/nvme-bench.conf)"
echo "\$ $build/bulkhead run examples/nvme-bench.conf --duration 10s"
exec "$build/bulkhead" run examples/nvme-bench.conf --duration 10s
