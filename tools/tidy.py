#!/usr/bin/env python3
"""Runs clang-tidy over the project's sources: tools/tidy.py BUILD_DIRECTORY.

A file that passed is not looked at again until it, a project header it includes, or .clang-tidy changes: passes are
kept by content hash in the user's cache directory. Exits 1 when any file has a finding.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "seamount-tidy"
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def closure(path: Path, seen: dict[Path, bytes]) -> dict[Path, bytes]:
    """The file and every project header it reaches, with their contents."""
    if path not in seen and path.is_file():
        seen[path] = path.read_bytes()
        for name in INCLUDE.findall(seen[path].decode("utf-8")):
            closure(ROOT / "src" / name, seen)
    return seen


def fingerprint(path: Path) -> str:
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for file, content in sorted(closure(path, {}).items()):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + content + b"\0")
    return digest.hexdigest()


def check(path: Path, build: Path) -> str | None:
    """What clang-tidy found, or None."""
    stamp = CACHE / fingerprint(path)
    if stamp.exists():
        return None
    # The build's flags are g++'s; clang does not know all of its warnings.
    command = ["clang-tidy-14", "--quiet", "--warnings-as-errors=*", "--extra-arg=-Wno-unknown-warning-option",
               f"-p={build}", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return run.stdout + "\n".join(line for line in run.stderr.splitlines() if "warnings" not in line)
    stamp.touch()
    return None


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    CACHE.mkdir(parents=True, exist_ok=True)
    commands = json.loads((build / "compile_commands.json").read_text())
    files = sorted({Path(entry["file"]) for entry in commands})
    # Tests are held to warnings and formatting only: their macros trip half of the checks.
    sources = [f for f in files if f.is_relative_to(ROOT / "src") and not f.stem.endswith("_test")]
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for findings in pool.map(lambda f: check(f, build), sources):
            if findings:
                failed += 1
                print(findings, flush=True)
    print(f"clang-tidy: {len(sources)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
