#!/usr/bin/env bash
# Installs what a tier needs on Debian 12: tools/setup.sh build|test|bench. A second run with the same lists returns at once.
# Python packages go into .venv; nothing is installed into the system's Python.
set -euo pipefail
cd "$(dirname "$0")/.."
tier=${1:?usage: tools/setup.sh build|test|bench}

sudo_if_needed() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

case $tier in  # each tier holds the ones before it
  build) package_lists=(tools/packages-build.txt) ;;
  test) package_lists=(tools/packages-{build,test}.txt) ;;
  bench) package_lists=(tools/packages-{build,test,bench}.txt) ;;
  *) echo "setup: unknown tier '$tier' (build, test or bench)" >&2; exit 2 ;;
esac
mapfile -t packages < <(grep -hv '^#' "${package_lists[@]}")
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${#missing[@]} Debian packages (${missing[*]:0:4} …)"
  sudo_if_needed apt-get update -qq
  sudo_if_needed env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

stamp=.venv/.installed-$tier
wanted=$(cat tools/requirements-*.txt | sha256sum)
if [ ! -e "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
  echo "setup: installing Python packages into .venv"
  [ -x .venv/bin/python ] || /usr/bin/python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "tools/requirements-$tier.txt"
  echo "$wanted" > "$stamp"
fi
if [ "$tier" = bench ]; then tools/rivals.sh; fi
