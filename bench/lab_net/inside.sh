#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs in the lab's machine (bench/lab_net/main.py starts it): a generator cell on the outer two of four cards, and between
# them the inner two, which forward by a cell, by tc's redirect, or by a bridge. Prints "RUN side kind" and pktgen's JSON.
rate=$1
seconds=$2
modprobe vfio-pci && modprobe vfio_iommu_type1 || exit 1
IP=/lab/ip
PCI=/sys/bus/pci/devices
card() { printf '0000:%02x:00.0' $(($1 + 1)); }

to_driver() {
	[ -e "$PCI/$1/driver" ] && echo "$1" >"$PCI/$1/driver/unbind"
	echo "$2" >"$PCI/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
}

config() { # FILE APP CPU A B
	cat >"$1" <<END
[cell]
app   = $2
cpus  = $3
arena = 64M
[port a]
backend = vfio
address = $4
[port b]
backend = vfio
address = $5
[$2]
END
}

measure() { # SIDE: throughput, then latency at a low rate
	for kind in flood latency; do
		echo "RUN $1 $kind"
		[ $kind = flood ] && with=0 || with=$rate
		bulkhead run /gen.conf --json --duration "${seconds}s" --set pktgen.rate=$with 2>/gen.err || cat /gen.err
	done
}

cell_side() {
	to_driver "$(card 1)" vfio-pci
	to_driver "$(card 2)" vfio-pci
	bulkhead run /dut.conf --quiet >/dut.out 2>&1 &
	pid=$!
	sleep 3
	measure cell
	kill -INT $pid
	wait $pid || cat /dut.out
}

# The kernel with what helps it: no throttling of interrupts, no offloads, each card's interrupts on an isolated CPU of its own.
linux_cards() {
	modprobe e1000e InterruptThrottleRate=0,0,0,0 2>/dev/null
	to_driver "$(card 1)" e1000e
	to_driver "$(card 2)" e1000e
	A=$(ls "$PCI/$(card 1)/net")
	B=$(ls "$PCI/$(card 2)/net")
	for i in $A $B; do
		/lab/ethtool -K "$i" gro off tso off gso off 2>/dev/null
		/lab/ethtool -G "$i" rx 4096 tx 4096 2>/dev/null
		/lab/ethtool -C "$i" rx-usecs 0 2>/dev/null
		$IP link set "$i" promisc on up
	done
	sleep 3
	cpu=2
	for i in $A $B; do
		for irq in $(grep "$i" /proc/interrupts | cut -d: -f1); do
			echo $cpu >"/proc/irq/$irq/smp_affinity_list" 2>/dev/null
		done
		cpu=1
	done
}

tc_side() {
	modprobe sch_ingress && modprobe act_mirred && modprobe cls_matchall || return
	for pair in "$A $B" "$B $A"; do
		set -- $pair
		/lab/tc qdisc add dev "$1" ingress
		/lab/tc filter add dev "$1" ingress matchall action mirred egress redirect dev "$2" || return
	done
	measure tc
	/lab/tc qdisc del dev "$A" ingress
	/lab/tc qdisc del dev "$B" ingress
}

bridge_side() {
	modprobe bridge && $IP link add br0 type bridge forward_delay 0 mcast_snooping 0 || return
	$IP link set "$A" master br0
	$IP link set "$B" master br0
	$IP link set br0 up
	sleep 1
	measure bridge
	$IP link del br0
}

echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
to_driver "$(card 0)" vfio-pci
to_driver "$(card 3)" vfio-pci
config /gen.conf pktgen 3 "$(card 0)" "$(card 3)"
printf 'tx = a\nrx = b\nsize = 64\ndrain = 500ms\n' >>/gen.conf
config /dut.conf xconnect 2 "$(card 1)" "$(card 2)"
printf 'a = a\nb = b\n' >>/dut.conf
cell_side
linux_cards
tc_side
bridge_side
echo "RUN end end"
