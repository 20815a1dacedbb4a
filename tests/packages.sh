#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packages.sh SOURCE: what tools/packages.sh leaves of the machine, with Debian's programs replaced by ours in a folder of our own.
set -eu
tool=$1/tools/packages.sh
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
fail() { echo "FAILED: $*"; cat "$here/said" 2>/dev/null; exit 1; }
mkdir "$here/bin" "$here/installed"
export HERE="$here" POLICY="$here/policy-rc.d" SYSTEMD="$here/systemd" PATH="$here/bin:$PATH"

program() { printf '#!/bin/sh\n' >"$here/bin/$1"; cat >>"$here/bin/$1"; chmod 755 "$here/bin/$1"; }
program id <<'END'
echo 0
END
program sudo <<'END'
echo "sudo $*" >>"$HERE/calls"; exit 9
END
# frrish brings a daemon, plain brings none.
program dpkg-query <<'END'
for last; do :; done
case "$1" in
-W) [ -e "$HERE/installed/$last" ] && echo 'ii ' ;;
-L) [ "$last" = plain ] || echo "/lib/systemd/system/$last.service" ;;
esac
END
# As a package does when it is set up: asks the policy for itself, and for a daemon that runs already.
program apt-get <<'END'
echo "apt-get $*" >>"$HERE/calls"
case "$*" in *update*) exit 0 ;; esac
for last; do :; done
code=0; "$POLICY" --quiet "$last" start 5 || code=$?; echo "new $code" >>"$HERE/calls"
code=0; "$POLICY" ours.service restart || code=$?; echo "running $code" >>"$HERE/calls"
[ ! -e "$HERE/killed" ] || { kill -9 $PPID; sleep 1; }
[ ! -e "$HERE/terminated" ] || kill -TERM $PPID
[ ! -e "$HERE/broken" ] || exit 100
touch "$HERE/installed/$last" "$HERE/enabled"
END
program systemctl <<'END'
echo "systemctl $*" >>"$HERE/calls"
case "$*" in
*is-active*ours.service) exit 0 ;;
*is-active*) exit 3 ;;
*is-enabled*) [ -e "$HERE/enabled" ] && echo enabled ;;
*disable*) rm "$HERE/enabled" ;;
esac
END
own_policy() { printf '#!/bin/sh\necho "asked $*" >>"$HERE/calls"\nexit 101\n' >"$POLICY"; chmod 750 "$POLICY"; }
state() { ls -l --time-style=full-iso "$here" | grep policy-rc || true; cat "$POLICY" 2>/dev/null || true; }
reset() { rm -rf "$here/calls" "$here/said" "$here/installed"/* "$here/enabled" "$POLICY"*; rm -f "$here/broken" "$here/killed" "$here/terminated"; }
has() { grep -q -- "$1" "$here/calls" || { cat "$here/calls"; fail "no '$1'"; }; }
install() { code=0; "$tool" "$@" >"$here/said" 2>&1 || code=$?; }

# All is there: nothing is asked of anybody, and no root is needed.
touch "$here/installed/plain"
install plain
[ "$code" = 0 ] && [ ! -e "$here/calls" ] && [ ! -s "$here/said" ] || fail "it installs what is there"

# Whatever becomes of the installation, the policy is what it was: none, or the machine's own.
for end in "" broken terminated; do
  for before in none own; do
    reset
    [ $before = none ] || own_policy
    [ -z "$end" ] || touch "$here/$end"
    was=$(state)
    install frrish
    [ "$(state)" = "$was" ] || fail "'$end': another policy than before"
    case "$end" in "") want=0 ;; broken) want=100 ;; terminated) want=143 ;; esac
    [ "$code" = $want ] || fail "'$end': exit code $code"
    has "apt-get install -y -qq --no-install-recommends frrish"
    has "new 101"
  done
done

# Killed: the next call brings back what was there.
reset
own_policy
was=$(state)
touch "$here/killed"
install frrish
[ "$(state)" != "$was" ] || fail "the kill came too late to show anything"
rm "$here/killed"
install frrish
[ "$code" = 0 ] && [ "$(state)" = "$was" ] || fail "what a killed one left is still there"

# What runs may be restarted, if the machine's own policy has nothing against it. Only a systemd tells what runs.
reset
install frrish
has "running 101"
mkdir "$SYSTEMD"
reset
own_policy
install frrish
has "asked ours.service restart"
has "running 101"
reset
install frrish
has "running 104"
has "new 101"

# It is not started at boot, and that is said; a package that brings none is left alone.
has "disable frrish.service"
grep -q "frrish.service, which frrish brought, is not started at boot" "$here/said" || fail "it does not say so"
reset
install plain
! grep -q disable "$here/calls" || fail "something was disabled"

# Not root: one sudo, which is told what it is for.
reset
echo 'echo 1000' | program id
install plain
[ "$code" = 9 ] && grep -q "about to install these Debian packages: plain" "$here/said" || fail "not root: $code"
has "sudo TOLD=yes POLICY=$POLICY SYSTEMD=$SYSTEMD .*packages.sh plain"
echo "packages: ok"
