#!/usr/bin/env python3
"""The files race: what people do with a mounted folder besides reading one big file.

  PYTHONPATH=bench .venv/bin/python bench/files_race.py [--only ROW,ROW] [--program NAME=PATH …] [--no-rivals]

Lines: A has no delay; B has a round trip of 30 ms and 50 MB/s a connection; rows that say so have another round trip.
A write counts until its close returned, since by then it is to be durable in the bucket. Every row begins with a fresh
mount, an empty cache folder and a dropped page cache, and objects that the server has in memory. `--program` races other
builds of this project beside the one in build/release, in the same run and over the same server.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import mounts

BUCKET = "files"
FILE_BYTES = 30_000
MIB = 1 << 20
# What a first notebook cell imports; as `pip install --target` lays it out.
PACKAGES = ("numpy", "pandas", "xarray", "scipy")


def write_big(folder: Path, arguments) -> dict:
    size = arguments.size_mib * MIB
    block = os.urandom(MIB)
    start = time.monotonic()
    with open(folder / "written.bin", "wb", buffering=0) as file:
        for _ in range(arguments.size_mib):
            file.write(block)
    seconds = time.monotonic() - start
    return {"mb_per_s": size / seconds / 1e6, "seconds": seconds}


def write_files(folder: Path, arguments, writers: int) -> dict:
    target = folder / f"written-by-{writers}"
    target.mkdir()
    content = os.urandom(FILE_BYTES)

    def write(number: int) -> None:
        with open(target / f"{number:05}.bin", "wb", buffering=0) as file:
            file.write(content)

    start = time.monotonic()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(arguments.files)))
    seconds = time.monotonic() - start
    return {"files_per_s": arguments.files / seconds, "seconds": seconds}


def read_files(folder: Path, arguments) -> dict:
    start = time.monotonic()
    count = 0
    for entry in sorted(os.scandir(folder / "small"), key=lambda e: e.name):
        if len(Path(entry.path).read_bytes()) != FILE_BYTES:
            raise RuntimeError(f"{entry.path} is not whole")
        count += 1
    seconds = time.monotonic() - start
    if count != arguments.files:
        raise RuntimeError(f"{count} files of {arguments.files}")
    return {"files_per_s": count / seconds, "seconds": seconds}


def map_file(folder: Path, arguments) -> dict:
    size = arguments.size_mib // 2 * MIB
    start = time.monotonic()
    with open(folder / "half.bin", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        for offset in range(0, size, mmap.PAGESIZE):
            mapped[offset]
    seconds = time.monotonic() - start
    return {"mb_per_s": size / seconds / 1e6, "seconds": seconds}


def list_folder(folder: Path, arguments) -> dict:
    def once() -> float:
        start = time.monotonic()
        out = subprocess.run(["ls", "-l", "--time-style=+%s", folder / "many"], check=True, capture_output=True, text=True)
        seconds = time.monotonic() - start
        if out.stdout.count("\n") != arguments.entries + 1:
            raise RuntimeError(f"{out.stdout.count(chr(10))} lines")
        return seconds

    first = once()
    return {"first_s": first, "again_s": once()}


def random_reads(folder: Path, arguments) -> dict:
    size = arguments.size_mib // 2 * MIB
    rng = random.Random(1)
    length = 256 << 10
    fd = os.open(folder / "half.bin", os.O_RDONLY)
    start = time.monotonic()
    for _ in range(arguments.reads):
        if len(os.pread(fd, length, rng.randrange(0, (size - length) >> 12) << 12)) != length:
            raise RuntimeError("a short read")
    seconds = time.monotonic() - start
    os.close(fd)
    return {"mb_per_s": arguments.reads * length / seconds / 1e6, "seconds": seconds}


def import_packages(folder: Path, arguments) -> dict:
    def once() -> float:
        start = time.monotonic()
        subprocess.run([sys.executable, "-S", "-B", "-c", "import " + ", ".join(PACKAGES)], check=True,
                       env={"PYTHONPATH": str(folder / "site"), "PATH": os.environ["PATH"]})
        return time.monotonic() - start

    first = once()
    return {"first_s": first, "again_s": once()}


# name: (what is measured, round trip in ms, bytes per second and connection)
B_RATE = 50_000_000
ROWS = {
    "B write": (write_big, 30, B_RATE),
    "B small files, 1 writer": (lambda folder, a: write_files(folder, a, 1), 30, B_RATE),
    "B small files, 16 writers": (lambda folder, a: write_files(folder, a, 16), 30, B_RATE),
    "B small files read back": (read_files, 30, B_RATE),
    "B mmap": (map_file, 30, B_RATE),
    "B ls -l": (list_folder, 30, B_RATE),
    "200 ms ls -l": (list_folder, 200, B_RATE),
    "20 ms import": (import_packages, 20, B_RATE),
    "A write": (write_big, 0, 0),
    "A random 256 KiB": (random_reads, 0, 0),
}


def fill(server: str, key: Path, work: Path, arguments) -> None:
    """The objects that are read: half.bin, small/, many/, and the packages under site/."""
    bucket = harness.storage_client(server, key).bucket(BUCKET)
    half = work / "half.bin"
    half.write_bytes(os.urandom(MIB) * (arguments.size_mib // 2))
    bucket.blob("half.bin").upload_from_filename(str(half))
    half.unlink()
    content = os.urandom(FILE_BYTES)
    names = [(f"small/{i:05}.bin", content) for i in range(arguments.files)]
    names += [(f"many/{i:06}.txt", b"x") for i in range(arguments.entries)]
    if any("import" in row for row in arguments.rows):
        site = arguments.site or work / "site"
        if not site.exists():
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", site, *PACKAGES], check=True)
        names += [(f"site/{path.relative_to(site)}", path) for path in site.rglob("*")
                  if path.is_file() and path.suffix != ".pyc"]

    def put(item) -> None:
        name, data = item
        bucket.blob(name).upload_from_string(data if isinstance(data, bytes) else data.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, names))


def contestants(arguments, port: int, cache: Path, folder: Path) -> dict[str, list]:
    programs = {"seamount": harness.SEAMOUNT} | dict(p.split("=", 1) for p in arguments.program)
    commands = {name: mounts.seamount_command(Path(path), BUCKET, port, folder, "--cache-dir", cache)
                for name, path in programs.items()}
    return commands if arguments.no_rivals else commands | mounts.rival_commands(BUCKET, port, cache, folder)


def measure(run: harness.Run, row: str, name: str, port: int, work: Path, arguments) -> None:
    cache, folder = work / "cache", work / "mnt"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    harness.drop_page_cache()
    harness.warm(work / "served")
    harness.wait_quiet(patience_s=arguments.patience_s)
    with mounts.mounted(contestants(arguments, port, cache, folder)[name], folder) as process:
        with harness.Meter() as meter:
            figures = ROWS[row][0](folder, arguments)
        run.row(f"{row}: {name}", **figures, peak_memory_mib=harness.peak_memory_bytes(process.pid) / MIB,
                **meter.figures())


def clear_written(bucket) -> None:
    for blob in [*bucket.list_blobs(prefix="written")]:
        blob.delete()


def race(arguments: argparse.Namespace) -> None:
    run = harness.Run("files", {"size_mib": arguments.size_mib, "files": arguments.files, "file_bytes": FILE_BYTES,
                                "entries": arguments.entries, "reads": arguments.reads})
    with harness.scratch() as work, harness.served(work / "served", [BUCKET]) as server_port:
        key = work / "served/admin-key.json"
        server = f"http://127.0.0.1:{server_port}"
        fill(server, key, work, arguments)
        bucket = harness.storage_client(server, key).bucket(BUCKET)
        for row in arguments.rows:
            with harness.delayed(server_port, ROWS[row][1], ROWS[row][2] or 10_000_000_000) as line:
                port = line if ROWS[row][1] else server_port
                for name in contestants(arguments, port, work, work):
                    for _ in range(arguments.repeat):
                        try:
                            measure(run, row, name, port, work, arguments)
                        except (mounts.NotMounted, OSError, RuntimeError, subprocess.CalledProcessError) as failure:
                            print(f"  {row}: {name}: failed: {failure}")
                        clear_written(bucket)
    run.write()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=640)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--reads", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--patience-s", type=float, default=60, help="longest wait for a quiet machine before each row")
    parser.add_argument("--only", help="rows whose names hold one of these, separated by commas")
    parser.add_argument("--program", action="append", default=[], metavar="NAME=PATH", help="another build to race")
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--site", type=Path, help="a folder of installed packages, instead of installing them")
    parsed = parser.parse_args()
    wanted = parsed.only.split(",") if parsed.only else [""]
    parsed.rows = [row for row in ROWS if any(w in row for w in wanted)]
    race(parsed)
