#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cell's cross-connect against DPDK's testpmd in the same place: the front end of a vhost-user link, one core, sending
back what the same testpmd back end on the other core sends. Interleaved A B B A; frames a second as the back end counts
them. Needs root, dpdk-dev and hugepages (it reserves them and gives them back)."""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time

HUGEPAGES = "/proc/sys/vm/nr_hugepages"
HUGE_DIR = tempfile.mkdtemp(prefix="bulkhead-huge-")
WANTED = 500
CONF = """[cell]
app = xconnect
cpus = 1
[port p0]
backend = vhost-user
socket = {socket}
ring = {ring}
[xconnect]
a = p0
b = p0
burst = {burst}
"""


def testpmd(core, name, vdev, *options):
    return subprocess.Popen(
        ["dpdk-testpmd", "--lcores", f"0@{core},1@{core}", "-m", "256", "--huge-dir", HUGE_DIR, "--iova-mode=va", "--single-file-segments", "--no-pci", "--file-prefix", name, "--vdev", vdev,
         "--", "-i", "--nb-cores=1", "--forward-mode=io", "--total-num-mbufs=4096", *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def say(process, *lines):
    process.stdin.write("".join(line + "\n" for line in lines))
    process.stdin.flush()


def stop(process, *last):
    """Its output. A testpmd that does not quit is ended."""
    try:
        return process.communicate("".join(line + "\n" for line in last), timeout=20)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def front_cell(folder, socket, ring, burst, build):
    with open(f"{folder}/cell.conf", "w") as conf:
        conf.write(CONF.format(socket=socket, ring=ring, burst=burst))
    return subprocess.Popen([f"{build}/bulkhead", "run", f"{folder}/cell.conf", "--duration", "60s"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def front_testpmd(socket, ring, burst):
    packed = 1 if ring == "packed" else 0
    process = testpmd(1, "bh-front", f"net_virtio_user0,path={socket},queues=1,queue_size=256,packed_vq={packed}",
                      f"--burst={burst}")
    say(process, "start")
    return process


def measure(side, ring, burst, build, seconds):
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/vhost.sock"
        back = testpmd(0, "bh-back", f"net_vhost0,iface={socket},queues=1", f"--burst={burst}")
        while not os.path.exists(socket):
            if back.poll() is not None:
                sys.exit(f"bench/vhost: testpmd does not start:\n{back.stdout.read()[-1500:]}")
            time.sleep(0.1)
        front = front_cell(folder, socket, ring, burst, build) if side == "cell" else front_testpmd(socket, ring, burst)
        time.sleep(4)
        say(back, f"start tx_first {1 if burst == 1 else 4}")
        time.sleep(1)
        say(back, "show port stats 0")
        time.sleep(seconds)
        say(back, "show port stats 0")
        time.sleep(0.3)
        said = stop(back, "stop", "quit")
        if side == "cell":
            front.send_signal(2)
            stop(front)
        else:
            stop(front, "stop", "quit")
    rates = [int(rate) for rate in re.findall(r"Rx-pps:\s+(\d+)", said)]
    if len(rates) < 2 or rates[1] == 0:
        sys.exit(f"bench/vhost: nothing goes round with {side}, {ring}:\n{said[-1500:]}")
    return rates[1] / 1e6


parser = argparse.ArgumentParser()
parser.add_argument("--build", default="build")
parser.add_argument("--rounds", type=int, default=2, help="of A B B A")
parser.add_argument("--seconds", type=float, default=2)
parser.add_argument("--json")
options = parser.parse_args()
before = open(HUGEPAGES).read()
open(HUGEPAGES, "w").write(str(WANTED))
subprocess.run(["mount", "-t", "hugetlbfs", "none", HUGE_DIR], check=True)
rows = []
try:
    print("vhost-user, front end on one core, testpmd io behind it; Mpps, medians (lowest..highest)")
    print(f"{'ring':8}{'burst':>6}{'testpmd':>24}{'cell':>24}{'ratio':>8}")
    for ring in ("split", "packed"):
        for burst in (32, 1):
            runs = {"testpmd": [], "cell": []}
            for side in ("testpmd", "cell", "cell", "testpmd") * options.rounds:
                runs[side].append(measure(side, ring, burst, options.build, options.seconds))
            middle = {side: statistics.median(values) for side, values in runs.items()}
            rows.append({"ring": ring, "burst": burst, "mpps": runs, "ratio": middle["cell"] / middle["testpmd"]})
            text = {side: f"{middle[side]:.2f} ({min(v):.2f}..{max(v):.2f})" for side, v in runs.items()}
            print(f"{ring:8}{burst:6}{text['testpmd']:>24}{text['cell']:>24}{rows[-1]['ratio']:8.2f}", flush=True)
finally:
    subprocess.run(["umount", HUGE_DIR])
    os.rmdir(HUGE_DIR)
    open(HUGEPAGES, "w").write(before)
if options.json:
    with open(options.json, "w") as out:
        json.dump({"rows": rows}, out, indent=1)
