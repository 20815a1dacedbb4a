# SPDX-License-Identifier: Apache-2.0
"""Windows of a testpmd that counts frames, each between two probes of how near the two cores are (design.md, "Measuring
on small shared machines"). Figures are compared with those of the same label only."""
import re
import statistics
import subprocess
import time

LABELS = ("near", "mixed", "far")


def probe(build):
    """Nanoseconds of a cache line's round trip. With the highest priority: both cores are polled on by others."""
    done = subprocess.run(["nice", "-n", "-20", f"{build}/bench/two-core", "--probe"], capture_output=True, text=True, check=True)
    return float(done.stdout)


def label(before_ns, after_ns):
    if max(before_ns, after_ns) < 150:
        return "near"
    return "far" if min(before_ns, after_ns) > 300 else "mixed"


def run(say, build, cnt, seconds, start, port="all"):
    """cnt windows of a testpmd that is stopped; say(line) tells it something. What it starts with: its own stop throws
    away what is under way. Returns the windows' labels; rates() finds their figures in what it printed."""
    labels = []
    for _ in range(cnt):
        before_ns = probe(build)
        say(start)
        time.sleep(0.5)
        say(f"show port stats {port}")
        time.sleep(seconds)
        say(f"show port stats {port}")
        time.sleep(0.2)
        say("stop")
        time.sleep(0.3)
        labels.append(label(before_ns, probe(build)))
    return labels


def rates(said, cnt, way="Rx", ports=1):
    """Millions a second of each window, over all ports: the second of the two figures of each port."""
    found = [int(rate) / 1e6 for rate in re.findall(rf"{way}-pps:\s+(\d+)", said)]
    if len(found) != 2 * cnt * ports:
        return []
    return [sum(found[(2 * i + 1) * ports:(2 * i + 2) * ports]) for i in range(cnt)]


def table(name, runs, sides):
    """Prints a line for each label, with a ratio where both sides have windows of it. runs: {side: [(label, rate)]}.
    Returns the lines as rows."""
    rows = []
    for at in LABELS:
        values = {side: [rate for was, rate in runs[side] if was == at] for side in sides}
        if not any(values.values()):
            continue
        middle = [statistics.median(values[side]) if values[side] else None for side in sides]
        text = [f"{mid:.2f} ({min(values[side]):.2f}..{max(values[side]):.2f}) x{len(values[side])}" if mid is not None else "-"
                for side, mid in zip(sides, middle)]
        ratio = None if None in middle else middle[1] / middle[0]
        print(f"{name:24}{at:7}{text[0]:>28}{text[1]:>28}" + (f"{ratio:8.2f}" if ratio else f"{'-':>8}"), flush=True)
        rows.append({"case": name, "cores": at, "ratio": ratio, "mpps": values})
    return rows


def title(sides):
    print(f"{'':24}{'cores':7}{sides[0]:>28}{sides[1]:>28}{'ratio':>8}")
