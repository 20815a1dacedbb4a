#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""In the lab, on the same two e1000e cards: a cell's cross-connect against Linux's tc redirect and bridge.

A generator cell on two more cards sends 64-byte frames through them: as fast as it can (what comes out is the rate), then
--rate frames a second (what each one takes, from send to receive). All sides in one boot, --rounds times, in turn.
"""
import argparse
import json
import re
import subprocess
import sys

CARDS = ["e1000e,hub=0", "e1000e,hub=0", "e1000e,hub=1", "e1000e,hub=1"]
TOOLS = ["/bin/ip:/lab/ip", "/sbin/ethtool:/lab/ethtool", "/sbin/tc:/lab/tc", "bench/lab_net/inside.sh:/bench.sh"]
SIDES = ["cell", "tc", "bridge"]


def boot(args):
    command = [args.build + "/bulkhead", "lab", "run", "--hugepages", "80"]
    for card in CARDS:
        command += ["--nic", card]
    for tool in TOOLS:
        command += ["--copy", tool]
    command += ["--", "sh", "/bench.sh", str(args.rate), str(args.seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"lab-net: the machine ended with {done.returncode}; its message stands above")
    return done.stdout


def parse(text):
    """[(side, kind, application's report)]"""
    parts = re.split(r"^RUN (\S+) (\S+)$", text, flags=re.M)
    runs = []
    for side, kind, body in zip(parts[1::3], parts[2::3], parts[3::3]):
        start = body.find("{")
        if start < 0 and side != "end":
            sys.exit(f"lab-net: no result of {side}, {kind}:\n{body}")
        if side != "end":
            app = json.JSONDecoder().raw_decode(body[start:])[0]["app"]
            app.pop("latency_histogram", None)
            runs.append((side, kind, app))
    if parts[-3:-1] != ["end", "end"]:
        sys.exit("lab-net: the run in the machine did not get to its end")
    return runs


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def summary(runs):
    result = {}
    for side in SIDES:
        flood = [app for name, kind, app in runs if name == side and kind == "flood"]
        slow = [app for name, kind, app in runs if name == side and kind == "latency"]
        result[side] = {
            "received_kpps": median([app["received_mpps"] * 1e3 for app in flood]),
            "p50_us": median([app["latency_ns"]["p50"] / 1e3 for app in slow]),
            "p99_us": median([app["latency_ns"]["p99"] / 1e3 for app in slow]),
            "lost_at_rate": sum(app["lost"] for app in slow),
        }
    linux_kpps = max(result[side]["received_kpps"] for side in SIDES[1:])
    linux_p99 = min(result[side]["p99_us"] for side in SIDES[1:])
    result["rate_times"] = result["cell"]["received_kpps"] / linux_kpps
    result["p99_times_lower"] = linux_p99 / result["cell"]["p99_us"]
    return result


def table(result, rate):
    print(f"{'':8} {'out, kpps':>10} {'p50, us':>10} {'p99, us':>10}   at {rate} frames a second, send to receive")
    for side in SIDES:
        row = result[side]
        print(f"{side:8} {row['received_kpps']:10.1f} {row['p50_us']:10.1f} {row['p99_us']:10.1f}   lost {row['lost_at_rate']}")
    print(f"cell / best of Linux: {result['rate_times']:.1f} times the rate (3 wanted), "
          f"p99 {result['p99_times_lower']:.1f} times lower (5 wanted)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build directory")
    parser.add_argument("--rounds", type=int, default=3, help="boots")
    parser.add_argument("--rate", type=int, default=1000, help="frames a second of the latency runs")
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--json", metavar="FILE", help="all runs and the summary")
    args = parser.parse_args()
    runs = []
    for _ in range(args.rounds):
        runs += parse(boot(args))
    result = summary(runs)
    table(result, args.rate)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"summary": result, "rate": args.rate,
                       "runs": [{"side": s, "kind": k, "report": a} for s, k, a in runs]}, file, indent=1)


main()
