#!/usr/bin/env python3
"""A model of one file, saved and restored as versions: the first, one with a changed layer, one without a change.

Rivals: rclone and `seamount cp`, which send the file as it is. Bound: reading the file and its SHA-256, by one thread.
The server is `seamount serve` on this machine, which makes each object durable; files are in the page cache, since the
disk is the server's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import harness
import numpy as np

LAYER = 16 << 20  # what is trained further
HEADER = 100  # bytes that the header of the file becomes longer by


def write_model(path: Path, size: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    with open(path, "wb") as file:
        for _ in range(size >> 24):
            file.write(draw.bytes(1 << 24))


def change_a_layer(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + LAYER] = np.random.default_rng(99).bytes(LAYER)
    path.write_bytes(bytes(HEADER) + content)


def sha256(path: Path) -> None:
    with open(path, "rb") as file:
        hashlib.file_digest(file, "sha256")


class Race:
    def __init__(self, run: harness.Run, folder: Path, port: int, size: int) -> None:
        self.run, self.folder, self.size = run, folder, size
        self.endpoint = f"http://127.0.0.1:{port}"
        self.model = folder / "model"

    def seamount(self, *arguments) -> str:
        command = [harness.SEAMOUNT, *arguments, "--anonymous", "--endpoint", self.endpoint]
        return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout

    def row(self, name: str, work, **more) -> None:
        with harness.Meter() as meter:
            told = work()
        if told:
            report = json.loads(told)
            more["sent_mb" if "sent_bytes" in report else "fetched_mb"] = report.get("sent_bytes", report.get("fetched_bytes")) / 1e6
        self.run.row(name, seconds=meter.seconds, mb_per_s=self.size / 1e6 / meter.seconds, **meter.figures(), **more)

    def save(self, name: str) -> str:
        return self.seamount("version", "save", self.model, "gs://bench/versions", name, "--json")

    def restore(self, name: str, to: Path) -> str:
        return self.seamount("version", "restore", "gs://bench/versions", name, to, "--json")

    def rclone(self, *arguments: str) -> None:
        remote = f":gcs,anonymous=true,endpoint='{self.endpoint}/storage/v1/':"
        command = [harness.rival("rclone"), *(part.replace("REMOTE:", remote) for part in arguments)]
        subprocess.run(command, check=True, capture_output=True)

    def round(self, number: int) -> None:
        self.model.mkdir()
        file, back = self.model / "model.safetensors", self.folder / "back"
        write_model(file, self.size, number)
        self.row("bound: read and SHA-256, one thread", lambda: sha256(file))
        self.row("seamount cp, up", lambda: self.seamount("cp", file, f"gs://bench/plain/{number}") and None)
        self.row("version save, the first", lambda: self.save(f"{number}-first"))
        self.row("version save, nothing changed", lambda: self.save(f"{number}-same"))
        self.row("version restore", lambda: self.restore(f"{number}-first", back))
        assert (back / file.name).read_bytes() == file.read_bytes()
        self.row("version restore, all is there", lambda: self.restore(f"{number}-first", back))
        self.row("seamount cp, down", lambda: self.seamount("cp", f"gs://bench/plain/{number}", self.folder / "plain") and None)
        if harness.rival("rclone"):
            self.row("rclone, up", lambda: self.rclone("copyto", str(file), f"REMOTE:bench/rclone/{number}"))
            self.row("rclone, down", lambda: self.rclone("copyto", f"REMOTE:bench/rclone/{number}", str(self.folder / "rclone")))
        change_a_layer(file)
        self.row("version save, one layer changed", lambda: self.save(f"{number}-layer"))
        shutil.rmtree(self.model)
        shutil.rmtree(back)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = options.size_mib << 20
    conditions = {"model": f"one file of {options.size_mib} MiB, random", "changed layer": f"{LAYER >> 20} MiB in the middle, "
                  f"the header {HEADER} bytes longer", "rclone": "is there" if harness.rival("rclone") else "is not there"}  # fmt: skip
    run = harness.Run("versions", conditions)
    with harness.scratch() as folder, harness.served(folder / "served", ["bench"]) as port:
        race = Race(run, folder, port, size)
        for number in range(options.rounds):
            race.round(number)
    run.write()


if __name__ == "__main__":
    main()
