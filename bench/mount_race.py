#!/usr/bin/env python3
"""The mount race: a cold sequential read of one big object, and cold random reads of 256 KiB, over a slow line.

  PYTHONPATH=bench .venv/bin/python bench/mount_race.py [--size-mib 1024] [--rtt-ms 30] [--rate-mb 50] [--only NAME]

Rivals are those that tools/rivals.sh has built or that are on PATH (rclone, gcsfuse), each with its defaults and with
what makes it fastest here; the bound is plain ranged GETs in the same run. Cold means a fresh mount, an empty cache
folder and a dropped page cache; only what the server serves is read into memory again, since its disk is no part of the
race.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

import harness
import mounts

BUCKET = "race"


def mount_commands(port: int, cache: Path, folder: Path) -> dict[str, list]:
    ours = {"seamount": ["--cache-dir", cache, "--cache-size", "4G"], "seamount without disk cache": ["--cache-size", "0"]}
    return {name: mounts.seamount_command(harness.SEAMOUNT, BUCKET, port, folder, *options)
            for name, options in ours.items()} | mounts.rival_commands(BUCKET, port, cache, folder)


def sequential(path: Path) -> float:
    """Seconds to read the file in 1 MiB reads."""
    fd = os.open(path, os.O_RDONLY)
    buffer = bytearray(1 << 20)
    start = time.monotonic()
    while os.readv(fd, [buffer]):
        pass
    seconds = time.monotonic() - start
    os.close(fd)
    return seconds


def random_reads(path: Path, size: int, count: int, seed: int) -> list[float]:
    """Milliseconds of each read of 256 KiB at a random 4 KiB boundary of its own region."""
    rng = random.Random(seed)
    offsets = [rng.randrange(0, (size - (256 << 10)) >> 12) << 12 for _ in range(count)]
    fd = os.open(path, os.O_RDONLY)
    times = []
    for offset in offsets:
        start = time.monotonic()
        got = os.pread(fd, 256 << 10, offset)
        times.append((time.monotonic() - start) * 1e3)
        assert len(got) == 256 << 10
    os.close(fd)
    return times


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def race(arguments: argparse.Namespace) -> None:
    size = arguments.size_mib << 20
    run = harness.Run("mount", {"object_mib": arguments.size_mib, "round_trip_ms": arguments.rtt_ms,
                                "mb_per_s_per_connection": arguments.rate_mb, "reads": arguments.reads})
    with harness.scratch() as work, harness.served(work / "served", [BUCKET]) as server_port:
        upload(server_port, work, size)
        url = "http://127.0.0.1:{}/storage/v1/b/" + BUCKET + "/o/big.bin?alt=media"
        bound(run, "server alone, 16 ranged GETs", url.format(server_port), size, 16)
        with harness.delayed(server_port, arguments.rtt_ms, int(arguments.rate_mb * 1e6)) as port:
            for connections in (16, 32, 64):
                bound(run, f"{connections} plain ranged GETs", url.format(port), size, connections)
            for name in mount_commands(port, work, work):
                if arguments.only and arguments.only not in name:
                    continue
                try:
                    for _ in range(arguments.repeat):
                        measure(run, name, port, work, size, arguments)
                except mounts.NotMounted as failure:
                    if name.startswith("seamount"):
                        raise
                    print(f"  {name}: left out: {failure}")
    run.write()


def measure(run: harness.Run, name: str, port: int, work: Path, size: int, arguments: argparse.Namespace) -> None:
    folder = work / "mnt"

    def fresh():
        # Earlier ones stay to the end: ext4 makes files slowly for minutes where a thousand were just deleted.
        cache = Path(tempfile.mkdtemp(prefix="cache-", dir=work))
        harness.drop_page_cache()
        harness.warm(work / "served")
        return mounts.mounted(mount_commands(port, cache, folder)[name], folder)

    harness.wait_quiet()
    with fresh() as process:
        os.stat(folder / "big.bin")
        with harness.Meter() as meter:
            seconds = sequential(folder / "big.bin")
        run.row(name + ", sequential", mb_per_s=size / seconds / 1e6, seconds=seconds,
                process_cpu_s=harness.process_cpu(process.pid),
                peak_memory_mib=harness.peak_memory_bytes(process.pid) / 2**20, **meter.figures())
    with fresh() as process:
        os.stat(folder / "big.bin")
        with harness.Meter() as meter:
            times = random_reads(folder / "big.bin", size, arguments.reads, seed=1)
        run.row(name + ", random 256 KiB", median_ms=median(times), p90_ms=sorted(times)[int(len(times) * 0.9)],
                peak_memory_mib=harness.peak_memory_bytes(process.pid) / 2**20, **meter.figures())


def bound(run: harness.Run, name: str, url: str, size: int, connections: int) -> None:
    harness.wait_quiet()
    with harness.Meter() as meter:
        out = subprocess.run([harness.BUILD / "bench/ranged_gets", url, str(size), str(4 << 20), str(connections)],
                             check=True, capture_output=True, text=True)
    seconds = json.loads(out.stdout)["seconds"]
    run.row(name, mb_per_s=size / seconds / 1e6, seconds=seconds, **meter.figures())


def upload(port: int, work: Path, size: int) -> None:
    big = work / "big.bin"
    with open(big, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    client = harness.storage_client(f"http://127.0.0.1:{port}", work / "served/admin-key.json")
    client.bucket(BUCKET).blob("big.bin").upload_from_filename(str(big))
    big.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rtt-ms", type=float, default=30)
    parser.add_argument("--rate-mb", type=float, default=50)
    parser.add_argument("--reads", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the tables show their median")
    parser.add_argument("--only", help="only mounts whose name holds this")
    race(parser.parse_args())
