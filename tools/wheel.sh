#!/usr/bin/env bash
# Builds the wheels into dist/: the extension and the command, for every Linux with glibc 2.35 (Ubuntu 22.04) or newer;
# checks them, and uses one in a fresh environment. Two wheels: for Python 3.11, which Debian 12 has, and in the stable
# ABI for every Python from 3.12 on, which takes no more of a newer Python than its headers.
#
# Libraries are linked statically where Debian has them so. Its libcurl brings along LDAP, Kerberos, SSH and GnuTLS, so
# Debian's source of it is built here with nothing but HTTP.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONPATH SEAMOUNT_BINARY SEAMOUNT_PYTHON  # a checkout's would be tried in the wheel's place
say() { echo "wheel: $*"; }
# The compiler by the name that the development build uses: the compiler cache tells names apart.
export CXX=c++ PATH=$PWD/.venv/bin:$PATH
deps=$PWD/build/wheel-deps
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# apt_from TYPE SUITE COMMAND…: apt-get with a list of sources of its own, in the present folder.
apt_from() {
  mkdir -p lists/partial
  cat > own.sources <<SOURCES
Types: $1
URIs: ${SEAMOUNT_DEBIAN_MIRROR:-http://deb.debian.org/debian}
Suites: $2
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
  local options=(-qq -o "Dir::Etc::sourcelist=$PWD/own.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$PWD/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=)
  apt-get "${options[@]}" update
  apt-get "${options[@]}" "${@:3}"
}

curl_prefix=$deps/curl/prefix
if [ ! -f "$curl_prefix/lib/libcurl.a" ]; then
  say "building Debian's libcurl with nothing but HTTP (once)"
  rm -rf "$deps/curl" && mkdir -p "$deps/curl"
  (
    cd "$deps/curl"
    apt_from deb-src "bookworm bookworm-updates" source --download-only curl
    dpkg-source --no-check -x curl_*.dsc source > unpack.log
    cmake -S source -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
      -DBUILD_SHARED_LIBS=OFF -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF -DHTTP_ONLY=ON \
      -DCURL_USE_OPENSSL=ON -DCURL_USE_LIBSSH2=OFF -DCURL_USE_LIBPSL=OFF -DCURL_DISABLE_LDAP=ON -DUSE_NGHTTP2=OFF \
      -DUSE_LIBIDN2=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DCMAKE_INSTALL_PREFIX="$curl_prefix" > configure.log
    ninja -C build install > build.log
  )
fi

headers=$deps/python/files/usr/include
if [ ! -d "$headers" ]; then
  say "fetching the headers of Python 3.13, for the stable ABI (once)"
  rm -rf "$deps/python" && mkdir -p "$deps/python"
  (
    cd "$deps/python"
    apt_from deb trixie download libpython3.13-dev
    dpkg-deb -x libpython3.13-dev_*.deb files
  )
fi

say "building the wheel for Python 3.11, command and extension"
pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$work" . \
  --config-settings=build-dir=build/wheel-static --config-settings=cmake.define.SEAMOUNT_STATIC=ON "--config-settings=cmake.define.CURL_DIR=$curl_prefix/lib/cmake/CURL"

say "building the extension for Python 3.12 and later"
cmake -S . -B build/wheel-abi3 -G Ninja -DCMAKE_BUILD_TYPE=Release -DSEAMOUNT_PYTHON=ON -DSEAMOUNT_TESTS=OFF \
  -DSEAMOUNT_FUZZ=OFF -DSEAMOUNT_STATIC=ON -DCURL_DIR="$curl_prefix/lib/cmake/CURL" \
  -DSEAMOUNT_ABI3_HEADERS="$headers" -DPython_EXECUTABLE="$PWD/.venv/bin/python" > "$work/configure.log"
ninja -C build/wheel-abi3 _core > "$work/build.log" || { tail -n 40 "$work/build.log"; exit 1; }
python tools/stable_abi_wheel.py "$work"/*-cp311-*.whl build/wheel-abi3/python/_core.abi3.so

say "bundling what cannot be linked statically"
rm -f dist/*.whl
for wheel in "$work"/*.whl; do
  auditwheel repair --plat manylinux_2_35_x86_64 --wheel-dir dist "$wheel" > "$work/repair.log" 2>&1 \
    || { cat "$work/repair.log"; exit 1; }
done
python tools/check_wheel.py dist/*.whl

# From outside the checkout, in an environment that has nothing else: the package, the command, and both together.
say "trying the one for this Python in a fresh environment"
python -m venv "$work/fresh"
"$work/fresh/bin/pip" install --quiet --disable-pip-version-check --find-links dist seamount
cd "$work"
fresh/bin/python -c '
import sys, seamount
assert seamount.__file__.startswith(sys.prefix), f"{seamount.__file__} is not the wheel"
print("wheel: seamount", seamount.__version__, "imports")'
fresh/bin/seamount --version
fresh/bin/seamount help --man > seamount.1
cmp seamount.1 fresh/share/man/man1/seamount.1
{ fresh/bin/seamount doctor --cache-dir "$work" || true; } | grep '^ok *python '  # the rest is about this machine
ls -l "$OLDPWD"/dist
