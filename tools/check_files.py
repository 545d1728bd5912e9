#!/usr/bin/env python3
"""Holds what git tracks to two rules of the house; exits 1 and names what breaks them.

Length: no source file of more than 500 lines, but what TABLES lists with its reason.
Circles: no two modules of the Python package that reach each other by import, imports for types alone included. (Those
of src/ by #include are check_layers.py's.)
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from check_layers import circles

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 500
SOURCES = (".cc", ".h", ".py", ".sh", ".cmake", ".md")
# Files that are tables, which splitting would only scatter: path → what is in it.
TABLES: dict[str, str] = {"docs/api.md": "the docstrings of the package, by tools/api_reference.py"}
# Files that wait to be split: path → lines it may have until then.
WAITING: dict[str, int] = {}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def too_long(paths: list[Path]):
    for path in paths:
        if path.suffix not in SOURCES or str(path) in TABLES:
            continue
        lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        allowed = WAITING.get(str(path), MOST_LINES)
        if lines > allowed:
            yield f"{path}: {lines} lines, expected at most {allowed}"


def imports(path: Path, package: Path):
    """Modules of the package that a file imports, types included, as paths without suffix."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            base = folder / node.module.replace(".", "/") if node.module else folder
            yield base
            yield from (base / alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package.name:
            base = package.parent / node.module.replace(".", "/")
            yield base
            yield from (base / alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (package.parent / alias.name.replace(".", "/") for alias in node.names)


def python_graph(paths: list[Path]) -> dict[str, set[str]]:
    package = Path("python/seamount")
    sources = [path for path in paths if path.is_relative_to(package) and path.suffix == ".py"]
    name = lambda path: str(path.parent if path.name == "__init__.py" else path.with_suffix(""))  # noqa: E731
    graph: dict[str, set[str]] = {name(path): set() for path in sources}
    for path in sources:
        found = {str(target) for target in imports(path, package)} & graph.keys()
        # A package is what its parts make it; that they lie in it is no circle.
        graph[name(path)] |= {other for other in found if other != name(path) and not name(path).startswith(other + "/")}
    return graph


def main() -> int:
    paths = tracked()
    problems = list(too_long(paths))
    problems += ["modules go in a circle: " + " → ".join(circle) for circle in circles(python_graph(paths))]
    for line in problems:
        print(line)
    if not problems:
        print(f"files: none over {MOST_LINES} lines that is no table, and no modules go in a circle")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
