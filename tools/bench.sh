#!/usr/bin/env bash
# The races, one after the other on a machine that should do nothing else; raw output goes to bench/runs/.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD/bench:$PWD/python
for race in mount files loader prepare; do
  .venv/bin/python "bench/${race}_race.py"
done
