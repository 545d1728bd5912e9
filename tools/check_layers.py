#!/usr/bin/env python3
"""Holds every #include under src/ to the module DAG of ARCHITECTURE.md; exits 1 and names each include that breaks it.

A module may include itself and what ALLOWED gives it, with everything that those may include. Two more rules: headers
include no third-party header (they stay in .cc files), and test code (x_test.cc, testing/) may not be included by
code that ships.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ALLOWED = {
    "base": [],
    "exec": ["base"],
    "net": ["exec"],
    "auth": ["net"],
    "store": ["exec"],
    "gcs": ["auth", "store"],
    "stores": ["gcs"],
    "server": ["gcs", "net"],
    "vfs": ["store"],
    "fuse": ["vfs"],
    "zarr": ["store"],
    "source": ["store"],
    "prepare": ["source", "zarr"],
    "loader": ["zarr"],
    "cloud": ["auth"],
    "cli": ["server", "stores", "fuse", "prepare", "loader", "cloud"],
}
# Third-party prefixes as they are written in includes; a header that needs one belongs behind an interface.
THIRD_PARTY = ("nlohmann/", "boost/", "curl/", "sqlite3", "spdlog/", "fmt/", "yaml-cpp/", "CLI/", "fuse", "hdf5", "H5",
               "zstd", "lz4", "libdeflate", "blosc", "openssl/", "pugixml", "muParser", "zlib")
# Made for headers: declarations alone.
FORWARD_DECLARATIONS = ("nlohmann/json_fwd.hpp",)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def reach(module: str) -> set[str]:
    """The module with all that it may include, directly or not."""
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(ALLOWED[name])
    return seen


def is_test_code(path: Path) -> bool:
    return path.stem.endswith("_test") or "testing" in path.parts


def problems(src: Path):
    for path in sorted([*src.rglob("*.h"), *src.rglob("*.cc")]):
        relative = path.relative_to(src)
        module = relative.parts[0]
        if module not in ALLOWED:
            yield f"{relative}: '{module}' is no module (tools/check_layers.py lists them)"
            continue
        reachable = reach(module)
        for quote, target in INCLUDE.findall(path.read_text(encoding="utf-8")):
            first = target.split("/")[0]
            if quote == '"':
                if first in ALLOWED and first not in reachable:
                    yield f"{relative}: includes {target}, but {module} may only include {', '.join(sorted(reachable))}"
                elif first not in ALLOWED:
                    yield f"{relative}: includes \"{target}\"; write the path from src/"
                if "/testing/" in target and not is_test_code(relative):
                    yield f"{relative}: includes test code {target}"
            elif target in FORWARD_DECLARATIONS:
                continue
            elif path.suffix == ".h" and target.startswith(THIRD_PARTY) and not is_test_code(relative):
                yield f"{relative}: third-party <{target}> in a header; keep it in a .cc file"


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    found = list(problems(root / "src"))
    for line in found:
        print(line)
    if not found:
        print("layers: every include under src/ follows the DAG")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
