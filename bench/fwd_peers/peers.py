# SPDX-License-Identifier: Apache-2.0
"""What both comparisons with l3fwd start: DPDK's program, built from its package's source, and the router cell in a network
namespace, with the same 1000 routes."""
import contextlib
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

HUGEPAGES = "/proc/sys/vm/nr_hugepages"
WANTED = 600
SOURCE = "/usr/share/dpdk/examples"
ROUTES = [f"10.253.{i // 4}.{i % 4 * 64}/26" for i in range(1000)]  # by turns to each port; l3fwd has room for 1024
SPACE = f"bh-peers-{os.getpid()}"
STATION = "00:01:02:03:04:01"  # where all frames are sent to, as testpmd's flowgen does
SIDES = ("l3fwd", "router")


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def popen(*command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process, last=None):
    """What it said, all of it."""
    try:
        return process.communicate(last, timeout=20)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def l3fwd_build(folder):
    """From the package's own source. One change: no checksum offload, which neither virtio-user nor net_pcap has."""
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


def eal(folder, name, core, vdevs):
    common = ["-m", "256", "--huge-dir", f"{folder}/huge", "--iova-mode=va", "--single-file-segments", "--no-pci",
              "--file-prefix", name]
    return [*core, *common, *(f"--vdev={vdev}" for vdev in vdevs)]


def l3fwd_start(folder, vdevs):
    return popen(f"{folder}/l3fwd.bin", *eal(folder, SPACE, ["-l", "1"], vdevs), "--", "-p", "3", "--parse-ptype",
                 "--config=(0,0,1),(1,0,1)", "--lookup=lpm", f"--rule_ipv4={folder}/v4.cfg",
                 f"--rule_ipv6={folder}/v6.cfg")


def router_start(folder, build, config, duration):
    """The cell, with the routes in Linux's tables; it has them a moment later."""
    with open(f"{folder}/cell.conf", "w") as conf:
        conf.write(config)
    front = popen("ip", "netns", "exec", SPACE, f"{build}/bulkhead", "run", f"{folder}/cell.conf", "--duration", duration)
    until = time.monotonic() + 20
    while subprocess.run(["ip", "-n", SPACE, "link", "show", "p1"], capture_output=True).returncode != 0:
        if front.poll() is not None or time.monotonic() > until:
            front.kill()
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


@contextlib.contextmanager
def prepared():
    """A folder with l3fwd and hugepages, and a namespace that routes; all of it goes again."""
    with open(HUGEPAGES) as file:
        before = file.read()
    folder = tempfile.mkdtemp(prefix="bulkhead-peers-")
    try:
        l3fwd_build(folder)
        os.mkdir(f"{folder}/huge")
        with open(HUGEPAGES, "w") as file:
            file.write(str(WANTED))
        run("mount", "-t", "hugetlbfs", "none", f"{folder}/huge")
        run("ip", "netns", "add", SPACE)
        run("ip", "netns", "exec", SPACE, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield folder
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], stderr=subprocess.DEVNULL)
        subprocess.run(["umount", f"{folder}/huge"], stderr=subprocess.DEVNULL)
        shutil.rmtree(folder)
        with open(HUGEPAGES, "w") as file:
            file.write(before)
