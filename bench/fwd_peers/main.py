#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The router cell against DPDK's l3fwd in the same place: one core between two vhost-user ports of one testpmd, which on
the other core makes 64-byte frames to 64,000 destinations (flowgen) and counts what comes back. 1000 routes, half of them
to each port: l3fwd has room for 1024. Interleaved A B B A, in windows that say how near the cores were. Needs root, the packages dpdk-dev, dpdk-doc and libdpdk-dev
(l3fwd is built from its source in dpdk-doc), and hugepages (it reserves them and gives them back)."""
import argparse, glob, json, os, shutil, statistics, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "two_core"))
import windows

HUGEPAGES = "/proc/sys/vm/nr_hugepages"
WANTED = 600
SOURCE = "/usr/share/dpdk/examples"
ROUTES = [f"10.253.{i // 4}.{i % 4 * 64}/26" for i in range(1000)]
SPACE = f"bh-peers-{os.getpid()}"
STATION = "00:01:02:03:04:01"  # where flowgen sends to
SIDES = ("l3fwd", "router")
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


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def l3fwd_build(folder):
    """From the package's own source. One change: no checksum offload, which virtio-user does not have."""
    if not os.path.isdir(f"{SOURCE}/l3fwd"):
        sys.exit("bench/fwd_peers: no source of l3fwd: apt-get install dpdk-dev dpdk-doc libdpdk-dev")
    shutil.copytree(f"{SOURCE}/l3fwd", f"{folder}/l3fwd")
    with open(f"{folder}/l3fwd/main.c") as file:
        text = file.read().replace(".offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM,", ".offloads = 0,")
    with open(f"{folder}/l3fwd/main.c", "w") as file:
        file.write(text)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libdpdk"], capture_output=True, text=True, check=True)
    files = [name for name in glob.glob(f"{folder}/l3fwd/*.c") if not name.endswith("_route_parse.c")]
    run("cc", "-w", "-O3", "-march=native", "-DALLOW_EXPERIMENTAL_API", f"-I{SOURCE}/common", "-o",
        f"{folder}/l3fwd.bin", *files, *flags.stdout.split())
    with open(f"{folder}/v4.cfg", "w") as rules:
        rules.writelines(f"R{route} {i % 2}\n" for i, route in enumerate(ROUTES))
    with open(f"{folder}/v6.cfg", "w") as rules:
        rules.write("R2001:0200:0000:0000:0000:0000:0000:0000/64 0\n")
    return f"{folder}/l3fwd.bin"


def popen(*command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def eal(folder, name, core, vdevs):
    common = ["-m", "256", "--huge-dir", f"{folder}/huge", "--iova-mode=va", "--single-file-segments", "--no-pci",
              "--file-prefix", name]
    return [*core, *common, *(f"--vdev={vdev}" for vdev in vdevs)]


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


def front_l3fwd(folder, ring, program):
    packed = 1 if ring == "packed" else 0
    vdevs = [f"net_virtio_user{i},path={folder}/v{i}.sock,queues=1,queue_size=256,packed_vq={packed}" for i in range(2)]
    return popen(program, *eal(folder, "bh-front", ["-l", "1"], vdevs), "--", "-p", "3", "--parse-ptype",
                 "--config=(0,0,1),(1,0,1)", "--lookup=lpm", f"--rule_ipv4={folder}/v4.cfg",
                 f"--rule_ipv6={folder}/v6.cfg")


def front_router(folder, ring, build):
    with open(f"{folder}/cell.conf", "w") as conf:
        conf.write(CONF.format(folder=folder, ring=ring))
    run("ip", "netns", "exec", SPACE, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    front = popen("ip", "netns", "exec", SPACE, f"{build}/bulkhead", "run", f"{folder}/cell.conf", "--duration", "60s")
    until = time.monotonic() + 20
    while subprocess.run(["ip", "-n", SPACE, "link", "show", "p1"], capture_output=True).returncode != 0:
        if front.poll() is not None or time.monotonic() > until:
            sys.exit(f"bench/fwd_peers: the router does not start:\n{front.stdout.read()[-1500:]}")
        time.sleep(0.1)
    time.sleep(2)  # its ports give their addresses to the TAPs when they are open
    lines = []
    for i in range(2):
        lines += [f"link set p{i} address {STATION}", f"link set p{i} up", f"addr add 10.{i + 1}.0.1/24 dev p{i}",
                  f"neigh add 10.{i + 1}.0.2 lladdr 02:00:00:00:00:0{i + 1} dev p{i} nud permanent"]
    lines += [f"route add {route} via 10.{i % 2 + 1}.0.2" for i, route in enumerate(ROUTES)]
    subprocess.run(["ip", "-n", SPACE, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
    return front


def end(process, last=None):
    try:
        return process.communicate(last, timeout=20)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def measure(side, ring, options, program, folder):
    """[(label, Mpps that come back)] of one start of both programs, and the median of what was offered."""
    back = back_start(folder)
    front = front_router(folder, ring, options.build) if side == "router" else front_l3fwd(folder, ring, program)
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


def compare(options, program, folder):
    rows = []
    print("1000 routes, 64,000 destinations, 64-byte frames, one core; Mpps that come back, medians (lowest..highest) x windows")
    windows.title(SIDES)
    for ring in ("split", "packed"):
        runs, offered = {side: [] for side in SIDES}, {side: [] for side in SIDES}
        for side in ("l3fwd", "router", "router", "l3fwd") * options.rounds:
            back, sent = measure(side, ring, options, program, folder)
            runs[side] += back
            offered[side].append(sent)
        rows += windows.table(ring, runs, SIDES)
        print(f"{'':24}offered" + "".join(f"{statistics.median(offered[side]):28.2f}" for side in SIDES), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=1, help="of A B B A")
    parser.add_argument("--windows", type=int, default=4, help="of each start")
    parser.add_argument("--seconds", type=float, default=1, help="of a window")
    parser.add_argument("--verbose", action="store_true", help="what the programs say at their end")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    with open(HUGEPAGES) as file:
        before = file.read()
    folder = tempfile.mkdtemp(prefix="bulkhead-peers-")
    os.mkdir(f"{folder}/huge")
    program = l3fwd_build(folder)
    with open(HUGEPAGES, "w") as file:
        file.write(str(WANTED))
    run("mount", "-t", "hugetlbfs", "none", f"{folder}/huge")
    run("ip", "netns", "add", SPACE)
    try:
        rows = compare(options, program, folder)
    finally:
        subprocess.run(["ip", "netns", "del", SPACE])
        subprocess.run(["umount", f"{folder}/huge"])
        shutil.rmtree(folder)
        with open(HUGEPAGES, "w") as file:
            file.write(before)
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"rows": rows}, out, indent=1)


main()
