#!/usr/bin/env bash
# The release build's tests: C++ by CTest, Python by pytest. A skipped test fails unless tests/allowed_skips.txt has it.
set -euo pipefail
cd "$(dirname "$0")/.."
export SEAMOUNT_BINARY=$PWD/build/release/src/cli/seamount PYTHONPATH=$PWD/python
ctest --preset release --parallel 2 --output-on-failure --no-tests=error
.venv/bin/python -m pytest tests -q --timeout=600 -p no:cacheprovider "$@"
