#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds three ways and runs every test; ends with "N passed, N failed[, N skipped]" and exits 1 if any failed.
#   build        gcc, everything: unit, component, simulator (1000 seeds), the wall
#   build-asan   gcc with AddressSanitizer and UBSan: all that runs hosted (unit, simulator)
#   build-clang  clang, warnings as errors: a build
set -u
cd "$(dirname "$0")/.."
sudo=${SUDO:-}
passed=0 failed=0 skipped=0
state=$(mktemp -d)
others=
trap '[ -z "$others" ] || kill -- "-$others" 2>/dev/null; rm -rf "$state"' EXIT

fail() {
  echo "FAILED: $*"
  failed=$((failed + 1))
}

# setup DIR OPTIONS... : configure and build, quietly unless it fails
build() {
  local dir=$1
  shift
  echo "== building $dir"
  [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >"$dir.log" 2>&1 || { cat "$dir.log"; rm -f "$dir.log"; return 1; }
  rm -f "$dir.log"
  ninja -C "$dir" --quiet
}

# run DIR OPTIONS... : run meson's tests and add its counts to ours
run() {
  local dir=$1 log
  shift
  log=$(mktemp)
  $sudo meson test -C "$dir" --no-rebuild --print-errorlogs "$@" 2>&1 | tee "$log"
  passed=$((passed + $(sed -n 's/^Ok: *\([0-9]*\) *$/\1/p' "$log" | tail -1)))
  skipped=$((skipped + $(sed -n 's/^Skipped: *\([0-9]*\) *$/\1/p' "$log" | tail -1)))
  for word in Fail Timeout 'Unexpected Pass'; do
    failed=$((failed + $(sed -n "s/^$word: *\([0-9]*\) *$/\1/p" "$log" | tail -1)))
  done
  rm -f "$log"
}

# build_others : the other two builds, one after the other, in time that nobody else wants; leaves a file for each that did well
build_others() {
  chrt --idle --pid 0 "$BASHPID"
  build build-asan -Db_sanitize=address,undefined -Db_lundef=false && touch "$state/asan"
  CC=clang build build-clang && touch "$state/clang"
}

build build || fail "build with gcc"
# Most tests wait, or keep one CPU busy: the compilers take the rest.
set -m # a process group of its own, for the trap
build_others >"$state/log" 2>&1 &
others=$!
set +m
[ "$failed" -gt 0 ] || run build
wait "$others"
others=
cat "$state/log"
export ASAN_OPTIONS=detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
[ -e "$state/asan" ] && run build-asan --suite unit --suite sim || fail "build with sanitizers"
[ -e "$state/clang" ] && passed=$((passed + 1)) || fail "build with clang"

if [ "$skipped" -gt 0 ]; then
  echo "$passed passed, $failed failed, $skipped skipped"
else
  echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
