#!/usr/bin/env bash
# Configures (once) and builds a preset: tools/build.sh release|debug|asan|tsan|fuzz. Prints little unless it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: tools/build.sh PRESET}
log=build/$preset.log
mkdir -p build
start=$SECONDS

# Tests are built where the test tier was installed; a newcomer's demo needs none of them.
tests=OFF
[ -e /usr/include/gtest/gtest.h ] && [ -e .venv/.installed-test ] && tests=ON
if [ ! -e "build/$preset/build.ninja" ] || ! grep -q "SEAMOUNT_TESTS:BOOL=$tests" "build/$preset/CMakeCache.txt"; then
  cmake --preset "$preset" -DSEAMOUNT_TESTS=$tests -DSEAMOUNT_FUZZ=$tests >"$log" 2>&1 || { cat "$log"; exit 1; }
fi
if [ -t 2 ]; then
  ninja -C "build/$preset"
else
  ninja -C "build/$preset" >"$log" 2>&1 || { grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$log" | tail -60; exit 1; }
fi
if [ $((SECONDS - start)) -gt 5 ]; then echo "build: $preset ready after $((SECONDS - start)) s"; fi
