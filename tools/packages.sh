#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packages.sh PACKAGE... : installs those Debian packages that are missing, after saying which. Needs root only if some are.
#
# Some bring a daemon (frr, irqbalance, radvd), which Debian starts at once and at every boot. The tests start what they need
# themselves, in namespaces of their own; so no daemon is started that did not run before (policy-rc.d, for the time of the
# installation; one that the machine has is kept, asked, and put back), and none that came with the packages is enabled.
set -eu
policy=${POLICY:-/usr/sbin/policy-rc.d} # elsewhere in the test of this script, as the next
systemd=${SYSTEMD:-/run/systemd/system} # is there while systemd runs the machine
kept=$policy.bulkhead-kept
mark="by bulkhead's tools/packages.sh"

missing=$(for package in "$@"; do
  dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || echo "$package"
done)
[ -n "$missing" ] || exit 0
[ -n "${TOLD:-}" ] || echo "bulkhead: about to install these Debian packages:" $missing
[ "$(id -u)" = 0 ] || exec sudo TOLD=yes POLICY="$policy" SYSTEMD="$systemd" "$0" "$@"

put_back() {
  if [ -e "$kept" ] || [ -L "$kept" ]; then
    mv -f "$kept" "$policy"
  elif grep -qs "$mark" "$policy"; then
    rm -f "$policy"
  fi
}

# Of a run that was killed; then this one's.
put_back
trap put_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
new=$policy.bulkhead-new
cat >"$new" <<END
#!/bin/sh
# For the time of an installation, $mark: what runs may go on and be restarted, nothing else is started.
for name in "\$@"; do
  case \$name in -*) ;; *) break ;; esac
done
[ -d "$systemd" ] && systemctl is-active --quiet "\$name" || exit 101
[ ! -x "$kept" ] || exec "$kept" "\$@"
exit 104
END
chmod 755 "$new"
if [ -e "$policy" ] || [ -L "$policy" ]; then cp -a "$policy" "$kept"; fi
mv -f "$new" "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing

command -v systemctl >/dev/null || exit 0
for package in $missing; do
  [ "$package" != systemd ] || continue
  for unit in $(dpkg-query -L "$package" | sed -n 's,^\(/usr\)\?/lib/systemd/system/\([^/@]*\.service\)$,\2,p'); do
    [ "$(systemctl is-enabled "$unit" 2>/dev/null || true)" = enabled ] || continue
    systemctl --quiet disable "$unit"
    echo "bulkhead: $unit, which $package brought, is not started at boot ('systemctl enable $unit' changes that)"
  done
done
