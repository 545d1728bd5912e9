#!/usr/bin/env bash
# Runs each fuzz target for a while from its corpus: tools/fuzz.sh [SECONDS each, default 30]. Findings go to fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
mkdir -p fuzz/findings
for target in build/fuzz/fuzz/*_fuzz; do
  name=$(basename "$target" _fuzz)
  work=$(mktemp -d)
  echo "fuzz: $name for $seconds s"
  "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=0 \
    -artifact_prefix="fuzz/findings/$name-" "$work" "fuzz/corpus/$name" 2>"$work.log" || { tail -40 "$work.log"; exit 1; }
  tail -1 "$work.log"
  rm -rf "$work" "$work.log"
done
