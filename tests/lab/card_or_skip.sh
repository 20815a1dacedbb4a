#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# card_or_skip.sh CARD COMMAND...: run the command, or say that this QEMU has no such card and why the test is skipped (77).
card=${1%%,*}
shift
if ! qemu-system-x86_64 -device "$card,help" 2>/dev/null | grep -q netdev=; then
	echo "SKIP: $(qemu-system-x86_64 --version 2>&1 | head -n 1) has no $card" \
		"(QEMU 8.0 brought igb; Debian 12 has 10.0 in bookworm-backports)"
	exit 77
fi
exec "$@"
