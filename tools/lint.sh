#!/usr/bin/env bash
# Formatting and clang-tidy, over what git tracks. `make format` mends the first.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.cc' '*.h' | xargs clang-format-14 --dry-run --Werror
echo "lint: formatting is clean"
.venv/bin/python tools/tidy.py build/release
