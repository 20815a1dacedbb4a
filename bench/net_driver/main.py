#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions and nanoseconds a frame of the cross-connect and of the switch, driver to driver, for each ring (virtio's two, and the 82599's) and burst."""
import argparse, json, re, subprocess, tempfile

FRAMES = 200000


def count(program, arguments):
    """Instructions inside of the turn, all that it calls included, by callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=xconnect_turn",
                   "--toggle-collect=fwd_switch_turn",
                   f"--callgrind-out-file={folder}/out", program, *arguments, "--frames", str(FRAMES)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    frames = int(done.stdout.split()[0])
    collected = re.search(r"Collected : (\d+)", done.stderr)
    return int(collected.group(1)) / frames


def time(program, arguments):
    runs = [float(subprocess.run([program, *arguments, "--frames", "20000000"], capture_output=True, text=True,
                                 check=True).stdout.split()[1]) for _ in range(5)]
    return sorted(runs)


parser = argparse.ArgumentParser()
parser.add_argument("--build", default="build")
parser.add_argument("--json")
options = parser.parse_args()
program = f"{options.build}/bench/net-driver"
rows = []
print("cross-connect, and the switch between 10,000 stations; 60-byte frames, driver to driver (one rx and one tx a frame)")
print(f"{'ring':8}{'mode':10}{'burst':>6}{'instructions':>14}{'ns (median of 5)':>18}")
for ring in ("split", "packed", "82599"):
    for mode, burst in (("forward", 32), ("macswap", 32), ("forward", 1), ("switch", 32)):
        arguments = ["--ring", ring, "--mode", mode, "--burst", str(burst)]
        row = {"ring": ring, "mode": mode, "burst": burst, "instructions": count(program, arguments),
               "ns": time(program, arguments)}
        rows.append(row)
        print(f"{ring:8}{mode:10}{burst:6}{row['instructions']:14.1f}{row['ns'][2]:18.1f}", flush=True)
if options.json:
    with open(options.json, "w") as out:
        json.dump({"rows": rows}, out, indent=1)
