#!/usr/bin/env bash
# Python of another Debian root, which sees this checkout:  rivals_python.sh ROOT ARGUMENTS…
# (bench/README.md says how ROOT is made.) The mounts are in a namespace of their own, and gone with the program.
set -euo pipefail
root=$1
shift
repository=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$root$repository"
exec unshare --mount bash -c '
  root=$1 repository=$2
  shift 2
  mount --bind "$repository" "$root$repository"
  mount --rbind /dev "$root/dev"
  mount -t proc proc "$root/proc"
  exec chroot "$root" /env/bin/python "$@"' bash "$root" "$repository" "$@"
