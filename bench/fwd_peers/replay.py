# SPDX-License-Identifier: Apache-2.0
"""No other core: both ports of both programs replay one capture without end, 64-byte frames to one destination of each
route in random order, and what is sent is thrown away. DPDK's net_pcap (infinite_rx) copies each frame from memory into a
buffer, as does our pcap port."""
import json
import random
import re
import socket
import statistics
import struct
import sys
import time

from peers import ROUTES, SIDES, SPACE, STATION, end, l3fwd_start, router_start

CONF = """[cell]
app = fwd
cpus = 1
arena = 64M
[port p0]
backend = pcap
file = {folder}/replay.pcap
timing = fast
loop = 0
[port p1]
backend = pcap
file = {folder}/replay.pcap
timing = fast
loop = 0
[fwd]
mode = router
"""


def ones_sum(header):
    words = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return ~words & 0xFFFF


def capture_write(path):
    routes = ROUTES[:]
    random.Random(1).shuffle(routes)
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n, route in enumerate(routes):
            network = struct.unpack("!I", socket.inet_aton(route.split("/")[0]))[0]
            ip = struct.pack("!BBHHHBBHII", 0x45, 0, 46, 0, 0, 64, 17, 0, 0xC6120001 + n % 200, network + 1 + n % 50)
            ip = ip[:10] + struct.pack("!H", ones_sum(ip)) + ip[12:]
            frame = bytes.fromhex(STATION.replace(":", "") + "0200000000990800") + ip
            frame += struct.pack("!HHHH", 1000 + n, 2000, 26, 0) + bytes(18)
            out.write(struct.pack("<IIII", 0, n, len(frame), len(frame)) + frame)


def sent_by_l3fwd():
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as telemetry:
        telemetry.connect(f"/var/run/dpdk/{SPACE}/dpdk_telemetry.v2")
        telemetry.recv(1024)
        cnt = 0
        for port in range(2):
            telemetry.send(f"/ethdev/stats,{port}".encode())
            cnt += json.loads(telemetry.recv(16384))["/ethdev/stats"]["opackets"]
    return cnt


def l3fwd_measure(options, folder):
    process = l3fwd_start(folder, [f"net_pcap{i},rx_pcap={folder}/replay.pcap,infinite_rx=1" for i in range(2)])
    time.sleep(4)
    if process.poll() is not None:
        sys.exit(f"bench/fwd_peers: l3fwd does not start:\n{end(process)[-1500:]}")
    rates, before, before_s = [], sent_by_l3fwd(), time.monotonic()
    for _ in range(options.windows):
        time.sleep(1)
        now, now_s = sent_by_l3fwd(), time.monotonic()
        rates.append((now - before) / (now_s - before_s) / 1e6)
        before, before_s = now, now_s
    process.send_signal(2)
    said = end(process)
    if options.verbose:
        print(said[-1500:])
    return rates


def router_measure(options, folder):
    """From its own line of each second, once it has all routes."""
    said = end(router_start(folder, options.build, CONF.format(folder=folder), f"{options.windows + 5}s"))
    if options.verbose:
        print(said)
    rates = [float(rate) for rate in re.findall(r"forwarded (\S+) Mpps .* routes 1\d\d\d \+ \d+  dropped 0\n", said)]
    if len(rates) < options.windows:
        sys.exit(f"bench/fwd_peers: the router does not forward all:\n{said[-2500:]}")
    return rates[-options.windows:]


def compare(options, folder):
    capture_write(f"{folder}/replay.pcap")
    runs = {side: [] for side in SIDES}
    for side in ("l3fwd", "router", "router", "l3fwd") * options.rounds:
        runs[side] += (router_measure if side == "router" else l3fwd_measure)(options, folder)
    middle = [statistics.median(runs[side]) for side in SIDES]
    print("one core, a capture of 1000 frames replayed by both ports; Mpps, medians (lowest..highest) x seconds")
    print(f"{'':31}{SIDES[0]:>28}{SIDES[1]:>28}{'ratio':>8}")
    text = [f"{mid:.2f} ({min(runs[side]):.2f}..{max(runs[side]):.2f}) x{len(runs[side])}" for side, mid in zip(SIDES, middle)]
    print(f"{'replay':31}{text[0]:>28}{text[1]:>28}{middle[1] / middle[0]:8.2f}", flush=True)
    return [{"case": "replay", "ratio": middle[1] / middle[0], "mpps": runs}]
