#!/usr/bin/env bash
# The C++ tests of a sanitizer build: tools/sanitize.sh asan|tsan.
set -euo pipefail
cd "$(dirname "$0")/.."
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1
ctest --preset "${1:?usage: tools/sanitize.sh PRESET}" --parallel 2 --output-on-failure --no-tests=error
