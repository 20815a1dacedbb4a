#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD SOURCE: installs below a folder of its own, runs what is there, has systemd check the units, and uninstalls.
set -eu
build=$1 source=$2
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

DESTDIR=$dest meson install -C "$build" --no-rebuild --quiet
bin=$(find "$dest" -type f -path '*/bin/bulkhead')
cell=$(find "$dest" -type f -path '*/lib/bulkhead/apps/nvme-bench.cell')
[ -x "$bin" ] && [ -x "$cell" ] || fail "no program, or no cell"
cmp "$cell" "$build/apps/nvme-bench.cell" || fail "the cell was changed on its way"
[ -n "$(find "$dest" -path '*/doc/bulkhead/architecture.md')" ] || fail "no pages"
# The cell is found from where the program lies.
if [ "$(id -u)" = 0 ]; then
  (cd / && "$bin" run "$source/examples/nvme-bench.conf" --quiet --duration 100ms --set device.nvme0.size=16M \
    --set cell.pages=normal) || fail "an installed program does not run"
fi

# systemd's own judgement, with a program that is there.
units=$dest/verify
mkdir "$units"
for unit in $(find "$dest" -name 'bulkhead*.service'); do
  grep -q '@' "$unit" && grep -E '@(bin|doc)dir@' "$unit" && fail "$unit is not filled in"
  sed "s,=[^=]*/bulkhead \(run\|apply\|restore\),=$build/bulkhead \1," "$unit" >"$units/$(basename "$unit")"
done
[ "$(ls "$units" | wc -l)" = 3 ] || fail "three units are wanted: $(ls "$units")"
for unit in bulkhead@cell.service bulkhead-partition@cell.service bulkhead-restore.service; do
  # Words about units of the machine itself are not ours.
  said=$(SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify --man=no "$units/$unit" 2>&1 | grep bulkhead || true)
  [ -z "$said" ] || fail "systemd-analyze verify $unit: $said"
done
# The check can fail.
sed -i 's/^Restart=.*/Restart=sometimes/' "$units/bulkhead@.service"
SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify --man=no "$units/bulkhead@cell.service" 2>&1 | grep -q bulkhead@ ||
  fail "systemd-analyze finds no mistake"
rm -r "$units"

: >"$(dirname "$cell")/somebody-elses.cell"
DESTDIR=$dest "$source/tools/uninstall.sh" "$build" >/dev/null
left=$(find "$dest" -type f)
[ "$(basename "$left")" = somebody-elses.cell ] || fail "left after uninstall: $left"
echo "installed, verified, uninstalled"
