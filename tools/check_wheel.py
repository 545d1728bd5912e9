#!/usr/bin/env python3
"""Checks that wheels run where they should: tools/check_wheel.py dist/*.whl

For every ELF file inside: no symbol newer than glibc 2.35 or GLIBCXX 3.4.30 (Ubuntu 22.04, which hosted notebooks run),
no bundled libstdc++ (a newer one would ask for a newer glibc), no other bundled library than those that cannot be linked
statically, no search path into this machine, and no shared library that is neither in the wheel nor in a bare Ubuntu
22.04 with Python. Exits 1 and names each finding.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NEWEST = {"GLIBC": (2, 35), "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (12, 0, 0)}
# In every Ubuntu 22.04 image with Python: glibc itself, the compiler's runtime, zlib.
PRESENT = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libresolv.so.2",
           "ld-linux-x86-64.so.2", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"}
# What the wheel may bring along: Debian's blosc and bzip2, whose static libraries are not position-independent, with
# blosc's codecs; what Debian has as shared libraries only; and muParser's OpenMP.
BUNDLED = {"libblosc", "liblz4", "libzstd", "libsnappy", "libbz2", "libfmt", "libspdlog", "libmuparser", "libgomp"}
VERSION = re.compile(r"\b(GLIBCXX|GLIBC|CXXABI|GCC)_([0-9.]+)\b")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def findings(path: Path, bundled: set[str]):
    """What is wrong with one ELF file, as text. bundled: the libraries that come with it."""
    for line in run("objdump", "-T", str(path)).splitlines():
        if "*UND*" not in line:
            continue
        for name, version in VERSION.findall(line):
            if tuple(map(int, version.split("."))) > NEWEST[name]:
                yield f"needs {name}_{version} for {line.split()[-1]}: newest allowed {NEWEST[name]}"
    for line in run("objdump", "-p", str(path)).splitlines():
        words = line.split()
        if words[:1] == ["NEEDED"] and words[1] not in PRESENT | bundled:
            yield f"needs {words[1]}, which neither the wheel nor a bare Ubuntu 22.04 has"
        if words[:1] in (["RPATH"], ["RUNPATH"]) and not words[1].startswith("$ORIGIN"):
            yield f"has the search path {words[1]} of the machine that built it"


def check(wheel: Path) -> list[str]:
    problems = []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(folder)
        bundled = {Path(name).name for name in names if ".libs/" in name}
        for name in names:
            path = Path(folder, name)
            if "libstdc++" in name:
                problems.append(f"{wheel.name}: {name} is bundled: use the machine's")
            elif ".libs/lib" in name and Path(name).name.split("-")[0] not in BUNDLED:
                problems.append(f"{wheel.name}: {name} is bundled: link it statically")
            if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
                problems += [f"{wheel.name}: {name} {finding}" for finding in sorted(set(findings(path, bundled)))]
        for needed in ("seamount/__init__.py", "seamount/py.typed", "seamount/bin/seamount"):
            if needed not in names:
                problems.append(f"{wheel.name}: {needed} is not in it")
        if not any(name.startswith("seamount/_core") and name.endswith(".so") for name in names):
            problems.append(f"{wheel.name}: the extension seamount/_core is not in it")
    return problems


def main() -> int:
    wheels = [Path(argument) for argument in sys.argv[1:]]
    if not wheels:
        print(__doc__, file=sys.stderr)
        return 2
    problems = [problem for wheel in wheels for problem in check(wheel)]
    print("\n".join(problems) if problems else f"wheel: {', '.join(w.name for w in wheels)} runs on glibc 2.35")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
