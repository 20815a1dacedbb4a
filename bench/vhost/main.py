#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cell's cross-connect against DPDK's testpmd in the same place: the front end of a vhost-user link, one core, sending
back what the same testpmd back end on the other core sends. Interleaved A B B A; frames a second as the back end counts
them, in windows that say how near the cores were. Neither side offloads checksums. Needs root, dpdk-dev and hugepages
(it reserves them and gives them back)."""
import argparse, json, os, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "two_core"))
import windows

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
offload = no
[xconnect]
a = p0
b = p0
burst = {burst}
mode = {mode}
"""
CASES = [("io", 32), ("macswap", 32), ("io", 1)]
SIDES = ("testpmd", "cell")



def testpmd(core, name, mode, vdev, *options):
    return subprocess.Popen(
        ["dpdk-testpmd", "--lcores", f"0@{core},1@{core}", "-m", "256", "--huge-dir", HUGE_DIR, "--iova-mode=va", "--single-file-segments", "--no-pci", "--file-prefix", name, "--vdev", vdev,
         "--", "-i", "--nb-cores=1", f"--forward-mode={mode}", "--total-num-mbufs=4096", *options],
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


def front_cell(folder, socket, ring, mode, burst, build):
    with open(f"{folder}/cell.conf", "w") as conf:
        conf.write(CONF.format(socket=socket, ring=ring, burst=burst, mode=mode if mode == "macswap" else "forward"))
    return subprocess.Popen([f"{build}/bulkhead", "run", f"{folder}/cell.conf", "--duration", "100s"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def front_testpmd(socket, ring, mode, burst):
    packed = 1 if ring == "packed" else 0
    process = testpmd(1, "bh-front", mode, f"net_virtio_user0,path={socket},queues=1,queue_size=256,packed_vq={packed}",
                      f"--burst={burst}")
    say(process, "start")
    return process


def measure(side, ring, mode, burst, options):
    """[(label, Mpps)] of one start of both programs."""
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/vhost.sock"
        back = testpmd(0, "bh-back", "io", f"net_vhost0,iface={socket},queues=1", f"--burst={burst}")
        while not os.path.exists(socket):
            if back.poll() is not None:
                sys.exit(f"bench/vhost: testpmd does not start:\n{back.stdout.read()[-1500:]}")
            time.sleep(0.1)
        front = (front_cell(folder, socket, ring, mode, burst, options.build) if side == "cell"
                 else front_testpmd(socket, ring, mode, burst))
        time.sleep(4)
        labels = windows.run(lambda line: say(back, line), options.build, options.windows, options.seconds,
                             f"start tx_first {1 if burst == 1 else 4}", 0)
        said = stop(back, "quit")
        if side == "cell":
            front.send_signal(2)
            front_said = stop(front)
        else:
            front_said = stop(front, "stop", "quit")
    rates = windows.rates(said, options.windows)
    if not rates or 0 in rates:
        sys.exit(f"bench/vhost: nothing goes round with {side}, {ring}, {mode}:\n{front_said[-1500:]}\n{said[-2500:]}")
    return list(zip(labels, rates))


def compare(options):
    rows = []
    print("vhost-user, front end on one core, testpmd io behind it; Mpps, medians (lowest..highest) x windows")
    windows.title(SIDES)
    for ring in ("split", "packed"):
        for mode, burst in CASES:
            runs = {side: [] for side in SIDES}
            for side in ("testpmd", "cell", "cell", "testpmd") * options.rounds:
                runs[side] += measure(side, ring, mode, burst, options)
            rows += windows.table(f"{ring} {mode} burst {burst}", runs, SIDES)
    return rows


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--build", default="build")
parser.add_argument("--rounds", type=int, default=1, help="of A B B A")
parser.add_argument("--windows", type=int, default=4, help="of each start")
parser.add_argument("--seconds", type=float, default=1, help="of a window")
parser.add_argument("--json")
options = parser.parse_args()
with open(HUGEPAGES) as file:
    before = file.read()
with open(HUGEPAGES, "w") as file:
    file.write(str(WANTED))
subprocess.run(["mount", "-t", "hugetlbfs", "none", HUGE_DIR], check=True)
try:
    rows = compare(options)
finally:
    subprocess.run(["umount", HUGE_DIR])
    os.rmdir(HUGE_DIR)
    with open(HUGEPAGES, "w") as file:
        file.write(before)
if options.json:
    with open(options.json, "w") as out:
        json.dump({"rows": rows}, out, indent=1)
