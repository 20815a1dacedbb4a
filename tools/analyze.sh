#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Static analysis: a gcc build with -fanalyzer, then clang-tidy's bug finders over every file that the build compiles.
set -eu
cd "$(dirname "$0")/.."
[ -f build-analyze/build.ninja ] || meson setup build-analyze -Dc_args=-fanalyzer -Dwerror=true >/dev/null
ninja -C build-analyze --quiet
git ls-files '*.c' | xargs clang-tidy --quiet -p build-analyze \
  --checks='-*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-clang-analyzer-security.insecureAPI.*' \
  --warnings-as-errors='*'
