#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cycles, nanoseconds and instructions a frame of the switch, by addresses, ports and VLANs."""
import argparse, json, re, subprocess, tempfile

COUNTED_FRAMES = 200000
RUNS = 5
CASES = [{}, {"macs": 100}, {"macs": 100000}, {"ports": 2}, {"ports": 8}, {"vlans": 1}, {"vlans": 8}, {"burst": 1}]


def arguments_of(case):
    return [word for name, value in case.items() for word in (f"--{name}", str(value))]


def count(program, arguments):
    """Instructions inside of fwd_switch_turn, the benchmark's two queue functions included, by callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=fwd_switch_turn",
                   f"--callgrind-out-file={folder}/out", program, *arguments, "--frames", str(COUNTED_FRAMES), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1)) / json.loads(done.stdout)["frames"]


def time(program, arguments, frames):
    """The median of some runs."""
    runs = [json.loads(subprocess.run([program, *arguments, "--frames", str(frames), "--json"], capture_output=True,
                                      text=True, check=True).stdout) for _ in range(RUNS)]
    return sorted(runs, key=lambda run: run["cycles_per_frame"])[RUNS // 2]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--build", default="build")
parser.add_argument("--frames", type=int, default=10000000)
parser.add_argument("--json", metavar="FILE")
options = parser.parse_args()
program = f"{options.build}/bench/fwd-switch"
rows = []
print(f"{'addresses':>10}{'ports':>7}{'VLANs':>7}{'burst':>7}{'instructions':>14}{'cycles':>9}{'ns':>7}")
for case in CASES:
    row = time(program, arguments_of(case), options.frames)
    row["instructions_per_frame"] = count(program, arguments_of(case))
    rows.append(row)
    print(f"{row['macs']:10}{row['ports']:7}{row['vlans']:7}{row['burst']:7}{row['instructions_per_frame']:14.1f}"
          f"{row['cycles_per_frame']:9.1f}{row['ns_per_frame']:7.1f}", flush=True)
if options.json:
    with open(options.json, "w", encoding="utf-8") as out:
        json.dump({"rows": rows}, out, indent=1)
