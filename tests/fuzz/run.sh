#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A fuzz entry by coverage, with clang's libFuzzer, AddressSanitizer and UBSan: tests/fuzz/run.sh [SECONDS]
# pktgen's parser; the others are run from seeds, by their tests and by hand: build-asan/tests/fuzz/fuzz_NAME COUNT SEED
set -eu
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE \
  -Iinclude -I. -Itests/hosted/include \
  tests/fuzz/fuzz_pktgen_frame.c apps/pktgen/cell/arp.c apps/pktgen/cell/frame.c -o "$out/pktgen"
cd "$out"
./pktgen -max_total_time="${1:-300}" -max_len=1024
