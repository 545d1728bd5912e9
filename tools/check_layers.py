#!/usr/bin/env python3
"""Holds every #include under src/ to the module DAG of ARCHITECTURE.md; exits 1 and names each include that breaks it.

A module may include itself and what ALLOWED gives it, with everything that those may include. More rules: headers
include no third-party header (they stay in .cc files); test code (x_test.cc, testing/) may not be included by code that
ships; within a module files follow one another too. A file here is x.h with x.cc, and with its parts x_y.h and x_y.cc:
two files that need each other are one idea in two places.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ALLOWED = {
    "base": [],
    "nd": ["base"],
    "cf": ["nd"],
    "exec": ["base"],
    "net": ["exec"],
    "auth": ["net"],
    "store": ["exec"],
    "versions": ["store"],
    "gcs": ["auth", "store"],
    "web": ["net", "store"],
    "stores": ["gcs", "web"],
    "server": ["gcs", "net"],
    "vfs": ["store"],
    "fuse": ["vfs"],
    "zarr": ["store", "nd"],
    "source": ["store", "cf", "zarr"],
    "loader": ["zarr", "cf"],
    "layout": ["loader"],
    "prepare": ["source", "zarr", "layout"],
    "cost": ["base"],
    "cloud": ["gcs", "cost"],
    "cli": ["server", "stores", "fuse", "prepare", "loader", "cloud", "versions"],
}
# Third-party prefixes as they are written in includes; a header that needs one belongs behind an interface.
THIRD_PARTY = ("nlohmann/", "boost/", "curl/", "sqlite3", "spdlog/", "fmt/", "yaml-cpp/", "CLI/", "fuse", "hdf5", "H5",
               "zstd", "lz4", "libdeflate", "blosc", "openssl/", "pugixml", "muParser", "zlib", "bzlib",
               "lzma")
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


def file_of(path: Path, stems: set[str]) -> str:
    """What a source belongs to: the shortest of x, x_y, x_y_z beside it that exists."""
    words = path.stem.split("_")
    for count in range(1, len(words)):
        whole = path.with_name("_".join(words[:count])).as_posix()
        if whole in stems:
            return whole
    return path.with_suffix("").as_posix()


def includes_of_files(src: Path) -> dict[str, set[str]]:
    """Which files each file includes, tests aside."""
    paths = [p.relative_to(src) for p in [*src.rglob("*.h"), *src.rglob("*.cc")]]
    paths = [p for p in paths if not is_test_code(p)]
    stems = {p.with_suffix("").as_posix() for p in paths}
    graph: dict[str, set[str]] = {}
    for path in paths:
        mine = graph.setdefault(file_of(path, stems), set())
        for quote, target in INCLUDE.findall((src / path).read_text(encoding="utf-8")):
            if quote == '"' and (src / target).exists():
                mine.add(file_of(Path(target), stems))
    for name, targets in graph.items():
        targets.discard(name)
    return graph


def circles(graph: dict[str, set[str]]):
    """One circle for each file that some depth-first walk meets again."""
    state: dict[str, int] = {}

    def walk(name: str, path: list[str]):
        state[name] = 1
        for target in sorted(graph.get(name, ())):
            if state.get(target) == 1:
                yield [*path[path.index(target):], target]
            elif target not in state:
                yield from walk(target, [*path, target])
        state[name] = 2

    for name in sorted(graph):
        if name not in state:
            yield from walk(name, [name])


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    found = list(problems(root / "src"))
    found += ["files go in a circle: " + " → ".join(circle) for circle in circles(includes_of_files(root / "src"))]
    for line in found:
        print(line)
    if not found:
        print("layers: every include under src/ follows the DAG, and no files go in a circle")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
