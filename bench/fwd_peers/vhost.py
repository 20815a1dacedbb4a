# SPDX-License-Identifier: Apache-2.0
"""Between two vhost-user ports of one testpmd, which on the other core makes 64-byte frames to 64,000 destinations
(flowgen) and counts what comes back. In windows that say how near the cores were."""
import os
import statistics
import sys
import time

import windows
from peers import SIDES, eal, end, l3fwd_start, popen, router_start

CONF = """[cell]
app = fwd
cpus = 1
arena = 64M
[port p0]
backend = vhost-user
socket = {folder}/v0.sock
ring = {ring}
offload = no
[port p1]
backend = vhost-user
socket = {folder}/v1.sock
ring = {ring}
offload = no
[fwd]
mode = router
"""


def back_start(folder):
    vdevs = [f"net_vhost{i},iface={folder}/v{i}.sock,queues=1" for i in range(2)]
    back = popen("dpdk-testpmd", *eal(folder, "bh-back", ["--lcores", "0@0,1@0"], vdevs), "--", "-i", "--nb-cores=1",
                 "--forward-mode=flowgen", "--flowgen-flows=64000", "--port-topology=paired", "--burst=32",
                 "--total-num-mbufs=8192")
    until = time.monotonic() + 30
    while not all(os.path.exists(f"{folder}/v{i}.sock") for i in range(2)):
        if back.poll() is not None or time.monotonic() > until:
            back.kill()
            sys.exit(f"bench/fwd_peers: testpmd does not start:\n{back.stdout.read()[-1500:]}")
        time.sleep(0.1)
    return back


def front_start(side, ring, options, folder):
    if side == "router":
        return router_start(folder, options.build, CONF.format(folder=folder, ring=ring), "60s")
    packed = 1 if ring == "packed" else 0
    return l3fwd_start(folder, [f"net_virtio_user{i},path={folder}/v{i}.sock,queues=1,queue_size=256,packed_vq={packed}"
                                for i in range(2)])


def measure(side, ring, options, folder):
    """[(label, Mpps that come back)] of one start of both programs, and the median of what was offered."""
    back = back_start(folder)
    front = front_start(side, ring, options, folder)
    time.sleep(4)

    def say(line):
        back.stdin.write(line + "\n")
        back.stdin.flush()

    labels = windows.run(say, options.build, options.windows, options.seconds, "start")
    said = end(back, "quit\n")
    front.send_signal(2)
    front_said = end(front)
    if options.verbose:
        print(side, front_said[-1500:], said[-2500:])
    rates = {way: windows.rates(said, options.windows, way, 2) for way in ("Rx", "Tx")}
    if not rates["Rx"] or 0 in rates["Rx"]:
        sys.exit(f"bench/fwd_peers: nothing comes back from {side}, {ring}:\n{front_said[-2500:]}\n{said[-1500:]}")
    return list(zip(labels, rates["Rx"])), statistics.median(rates["Tx"])


def compare(options, folder):
    rows = []
    print("vhost-user, a testpmd on the other core makes 64,000 flows; Mpps that come back, medians (lowest..highest) x windows")
    windows.title(SIDES)
    for ring in ("split", "packed"):
        runs, offered = {side: [] for side in SIDES}, {side: [] for side in SIDES}
        for side in ("l3fwd", "router", "router", "l3fwd") * options.rounds:
            back, sent = measure(side, ring, options, folder)
            runs[side] += back
            offered[side].append(sent)
        rows += windows.table(ring, runs, SIDES)
        print(f"{'':24}offered" + "".join(f"{statistics.median(offered[side]):28.2f}" for side in SIDES), flush=True)
    return rows
