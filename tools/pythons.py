#!/usr/bin/env python3
"""Fetches a Python of each minor version that wheels are for and Debian 12 lacks: tools/pythons.py FOLDER

Prints a line for each: the path of its program. They are python-build-standalone's, as the Go module go-embed-python
carries them: its proxy is one of few places that keep them under a name which never changes its content. What was
fetched is compared with the sums below.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import urllib.request
import zipfile
from pathlib import Path

MODULE = "https://proxy.golang.org/github.com/kluctl/go-embed-python/@v"
BUILDS = {  # version of the module: SHA-256 of what the proxy serves
    "v0.0.0-3.12.8-20241219-1":
        "e2d64f3cac3eb7a2f879217a7e03fb36b7fb405073c33947964f01a360564a91",
    "v0.0.0-3.13.1-20241219-1":
        "709cd4f40171c6aeaa59a7537bf27230d11b71b8b6e1b2c57c633275ce5c4977",
    "v0.0.0-3.14.6-20260610-1":
        "fa0d4ee2e90380a416d767e98ba500ce38d12f221eeb7af10cbe01fede77ee3a",
}
INSIDE = "/python/internal/data/linux-amd64/"


def fetch(version: str, expected: str) -> zipfile.ZipFile:
    with urllib.request.urlopen(f"{MODULE}/{version}.zip", timeout=300) as answer:
        content = answer.read()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SystemExit(f"pythons: {MODULE}/{version}.zip has the SHA-256 {found}, expected {expected}")
    return zipfile.ZipFile(io.BytesIO(content))


def unpack(archive: zipfile.ZipFile, into: Path) -> None:
    start = next(name for name in archive.namelist() if INSIDE in name).split(INSIDE)[0] + INSIDE
    files = json.loads(archive.read(start + "files.json"))["files"]
    for entry in files:
        path = into / entry["name"]
        if entry["perm"] & 1 << 31:  # Go's mark of a folder
            path.mkdir(parents=True, exist_ok=True)
        elif "symlink" in entry:
            path.symlink_to(entry["symlink"])
        else:
            path.write_bytes(content_of(archive, start + entry["name"]))
            path.chmod(entry["perm"] & 0o777)


def content_of(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError:
        return gzip.decompress(archive.read(name + ".gz"))


def main() -> None:
    folder = Path(sys.argv[1])
    for version, expected in BUILDS.items():
        number = version.split("-")[1]
        home = folder / number
        if not (home / "complete").exists():
            unpack(fetch(version, expected), home)
            (home / "complete").touch()
        print(home / "bin" / f"python{number.rsplit('.', 1)[0]}")


if __name__ == "__main__":
    main()
