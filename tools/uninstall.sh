#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# uninstall.sh BUILD: removes what `meson install` of that build folder puts below $DESTDIR and its prefix, and nothing else.
set -eu
meson introspect --installed "$1" | python3 -c '
import json, os, sys
dest = os.environ.get("DESTDIR", "")
prefix = sys.argv[1]
folders = set()
def remove(path):
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
        print("removed", path)
for source, path in json.load(sys.stdin).items():
    path = dest + path
    if os.path.isdir(source):  # a folder: only what our own holds
        for at, _, names in os.walk(source):
            there = os.path.normpath(os.path.join(path, os.path.relpath(at, source)))
            folders.add(there)
            for name in names:
                remove(os.path.join(there, name))
    else:
        remove(path)
        folders.add(os.path.dirname(path))
# Ours only, when nothing of somebody else is in them.
for folder in sorted(folders | {os.path.dirname(f) for f in folders}, key=len, reverse=True):
    if "/bulkhead" in folder and os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
' prefix
