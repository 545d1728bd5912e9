#!/usr/bin/env bash
# Builds the wheel into dist/: the extension and the command, with the shared libraries they need, for every Linux with
# glibc 2.35 (Ubuntu 22.04) or newer; checks it, and uses it in a fresh environment.
set -euo pipefail
cd "$(dirname "$0")/.."
# The compiler by the name that the development build uses: the compiler cache tells names apart.
export CXX=c++ PATH=$PWD/.venv/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$work" .
rm -f dist/*.whl
auditwheel repair --plat manylinux_2_35_x86_64 --wheel-dir dist "$work"/*.whl
python tools/check_wheel.py dist/*.whl

python -m venv "$work/fresh"
"$work/fresh/bin/pip" install --quiet --disable-pip-version-check dist/*.whl
cd "$work"
fresh/bin/python -c 'import seamount; print("wheel: seamount", seamount.__version__, "imports")'
fresh/bin/seamount --version
