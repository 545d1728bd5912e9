#!/usr/bin/env bash
# Uses the wheels in dist/ with every Python that they are for, each in an environment that has nothing else, with the
# oldest NumPy that the Python has, as from outside a checkout: prepares data, loads them, and reads them from a server.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONPATH SEAMOUNT_BINARY SEAMOUNT_PYTHON
root=$PWD work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$root/.venv/bin:$PATH
declare -A numpy=([3.11]=1.24.0 [3.12]=1.26.0 [3.13]=2.1.0 [3.14]=2.3.3)

python tools/pythons.py "$root/build/pythons" > "$work/pythons"
echo "$root/.venv/bin/python" >> "$work/pythons"
# A pip that knows the newest Python; it runs from its own wheel, in an environment without one.
pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "pip>=25"
pip=$(echo "$work"/pip-*.whl)/pip
python tools/try_wheel.py make "$work/wind.nc"
while read -r python; do
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  env=$work/$version
  "$python" -m venv --without-pip "$env"
  "$env/bin/python" "$pip" install --quiet --disable-pip-version-check --no-warn-script-location \
    --find-links dist seamount "numpy==${numpy[$version]}"
  mkdir "$work/run-$version"
  (cd "$work" && PATH=$env/bin:/usr/bin:/bin "$env/bin/python" "$root/tools/try_wheel.py" use wind.nc "run-$version")
done < "$work/pythons"

env=$work/3.13
"$env/bin/python" "$pip" install --quiet --disable-pip-version-check --no-warn-script-location xarray "zarr>=3" fsspec
(cd "$work" && "$env/bin/python" "$root/tools/try_wheel.py" others run-3.13)
