#!/usr/bin/env bash
# Builds the rivals that Debian has not, or too old, into .rivals/: rclone (1.70 knows --vfs-read-chunk-streams) and
# gcsfuse. Needs Go 1.21 or newer, which fetches the toolchain they ask for by itself. Minutes, once. Without Go the mount
# race runs without them, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
rclone=github.com/rclone/rclone@v1.76.0
gcsfuse=github.com/googlecloudplatform/gcsfuse/v3@v3.13.0

mkdir -p .rivals
wanted=$(printf '%s\n' "$rclone" "$gcsfuse")
[ "$(cat .rivals/versions 2>/dev/null)" != "$wanted" ] || exit 0
go=$(command -v go || echo /usr/local/go/bin/go)
if ! "$go" version >/dev/null 2>&1 || ! GOTOOLCHAIN=local "$go" version | grep -qE 'go1\.(2[1-9]|[3-9][0-9])'; then
  echo "rivals: rclone and gcsfuse are left out: building them needs Go 1.21 or newer (https://go.dev/dl)" >&2
  exit 0
fi
built=yes
for module in "$rclone" "$gcsfuse"; do
  echo "rivals: building $module (some minutes, once)"
  if ! GOTOOLCHAIN=auto GOBIN=$PWD/.rivals "$go" install "$module" > .rivals/log 2>&1; then
    echo "rivals: left out: $module: $(tail -1 .rivals/log)" >&2
    built=no
  fi
done
if [ $built = yes ]; then echo "$wanted" > .rivals/versions; fi
