#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two hosts, each a network namespace, and a router cell between them that Linux's own commands configure. Nothing
# outside of the three namespaces changes, and they are gone at the end.
set -eu
build=$1
router=bh-demo-router a=bh-demo-a b=bh-demo-b

clean() {
	for space in $router $a $b; do ip netns del $space 2>/dev/null || true; done
}

if ! ip netns add $router; then
	echo "left out: no network namespace can be made here (see above); the router needs them only for this demo"
	exit 0
fi
trap clean EXIT
for space in $a $b; do ip netns add $space; done
ip link add ea netns $router type veth peer name e0 netns $a
ip link add eb netns $router type veth peer name e0 netns $b
for link in ea eb; do ip -n $router link set $link up; done
ip netns exec $router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
n=1
for space in $a $b; do
	ip -n $space link set e0 up
	ip -n $space addr add 10.$n.0.2/24 dev e0
	ip -n $space route add default via 10.$n.0.1
	n=$((n + 1))
done

echo "\$ ip netns exec $router $build/bulkhead run examples/router.conf --duration 10s"
ip netns exec $router "$build/bulkhead" run examples/router.conf --duration 10s &
cell=$!
for _ in $(seq 50); do
	ip -n $router link show p1 >/dev/null 2>&1 && break
	sleep 0.1
done
sleep 1.5
for n in 1 2; do
	echo "\$ ip -n $router addr add 10.$n.0.1/24 dev p$((n - 1))"
	ip -n $router addr add 10.$n.0.1/24 dev p$((n - 1))
done
echo "\$ ip netns exec $a ping -i 0.2 -c 20 10.2.0.2"
ip netns exec $a ping -i 0.2 -c 20 10.2.0.2 | tail -n 3
wait $cell
