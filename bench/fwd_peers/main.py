#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The router cell against DPDK's l3fwd on one core, with 1000 routes by turns to both ports: a capture replayed (replay.py),
and between two vhost-user ports of a testpmd on the other core (vhost.py). Interleaved A B B A. Needs root, the packages
dpdk-dev, dpdk-doc and libdpdk-dev (l3fwd is built from its source in dpdk-doc), and hugepages (it reserves them and gives
them back)."""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "two_core"))
import peers
import replay
import vhost

WAYS = {"replay": replay.compare, "vhost": vhost.compare}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", choices=WAYS)
    parser.add_argument("--rounds", type=int, default=1, help="of A B B A")
    parser.add_argument("--windows", type=int, default=4, help="of each start")
    parser.add_argument("--seconds", type=float, default=1, help="of a window (vhost)")
    parser.add_argument("--verbose", action="store_true", help="what the programs say at their end")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    rows = []
    with peers.prepared() as folder:
        for way in [options.only] if options.only else WAYS:
            rows += WAYS[way](options, folder)
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"rows": rows}, out, indent=1)


main()
