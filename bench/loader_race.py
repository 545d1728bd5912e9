#!/usr/bin/env python3
"""The loader race: shuffled minibatches of windows from Zarr in a bucket, over a slow line, by layout.

  PYTHONPATH=bench:python .venv/bin/python bench/loader_race.py [--layout 8] [--only seamount] [--times 1024]

A sample is a window of 4 times x 2 variables x 180 x 360 float32, batches have 16, standardised, in block shuffle; the
data are blosc-lz4. Every contestant (loader_contestants.py) reads the same samples, in the same order where it can be
told one, in a process of its own, once; a batch counts when it is a standardised float32 array. The bound is
loader_bound: libcurl, c-blosc and the copies, on all cores, from the same server over the same line.

--rivals-python names another Python for rivals that are not installed in this one ("chroot /srv/trixie /env/bin/python"
will do); a rival that is nowhere is reported so.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shlex
import struct
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import numpy as np
from loader_contestants import BATCH, CONTESTANTS, FIELD, MEAN, STD, VARIABLES, WINDOW

BUCKET = "race"
# Chunk and shard length along time.
LAYOUTS = {"1": (1, None), "8": (8, None), "32": (32, None), "shards of 64": (8, 64)}
# The bound is the better of few connections and many.
BOUND_CONNECTIONS = (16, 64)


def write_layout(folder: Path, times: int, layout: str) -> None:
    """Smooth travelling waves with noise, which lz4 halves, as it does reanalysis fields."""
    import zarr

    chunk, shard = LAYOUTS[layout]
    group = zarr.create_group(folder, overwrite=True)
    rng = np.random.default_rng(7)
    y, x = np.meshgrid(np.linspace(0, np.pi, FIELD[0]), np.linspace(0, 2 * np.pi, FIELD[1]), indexing="ij")
    step = shard or max(chunk, 32)
    for v, name in enumerate(VARIABLES):
        array = group.create_array(
            name, shape=(times, *FIELD), dtype="f4", chunks=(chunk, *FIELD), shards=shard and (shard, *FIELD),
            dimension_names=("time", "lat", "lon"),
            compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
            attributes={"seamount": {"normalize": {"mean": MEAN, "std": STD}}})
        for begin in range(0, times, step):
            t = np.arange(begin, min(times, begin + step))[:, None, None]
            wave = np.sin((2 + v) * y + t / 9) * np.cos(3 * x - t / 5) + 0.02 * rng.standard_normal((len(t), *FIELD))
            array[begin : begin + step] = np.round((MEAN + STD * wave) * 256) / 256


def upload(port: int, folder: Path, prefix: str) -> int:
    """Sends every file to the public bucket; returns the bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]

    def send(part: list[Path]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for path in part:
            name = urllib.parse.quote(f"{prefix}/{path.relative_to(folder)}", safe="")
            connection.request("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", path.read_bytes())
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"uploading {path}: {response.status} {body[:200]!r}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, [files[i::8] for i in range(8)]))
    return sum(path.stat().st_size for path in files)


def epoch_order(url: str) -> list[int]:
    """The sample numbers in the order in which Seamount hands them out."""
    import seamount

    loader = seamount.Loader(url, VARIABLES, inputs=range(1 - WINDOW, 1), batch_size=BATCH, shuffle="block")
    return [int(i) for batch in loader for i in batch.index]


def bound_plan(folder: Path, prefix: str, layout: str, order: list[int], port: int) -> str:
    """What loader_bound reads: every chunk once, in the order of first use, with the places it is copied to."""
    chunk, shard = LAYOUTS[layout]
    elements = FIELD[0] * FIELD[1]
    copies: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    for i, sample in enumerate(order):
        batch, place = divmod(i, BATCH)
        for window in range(WINDOW):
            time = sample + 1 - WINDOW + window
            for v, name in enumerate(VARIABLES):
                offset = ((place * WINDOW + window) * len(VARIABLES) + v) * elements
                copies.setdefault((name, time // chunk), []).append((time % chunk, batch, offset))
    words = [elements, 3, BATCH * WINDOW * len(VARIABLES) * elements, 4 * chunk * elements, MEAN, 1 / STD, len(copies)]
    for (name, row), places in copies.items():
        key, start, size = f"{name}/c/{row}/0/0", 0, 0
        if shard:
            in_shard = shard // chunk
            key = f"{name}/c/{row // in_shard}/0/0"
            index = (folder / key).read_bytes()[-16 * in_shard - 4 :]  # then a checksum
            start, size = struct.unpack_from("<QQ", index, 16 * (row % in_shard))
        quoted = urllib.parse.quote(f"{prefix}/{key}", safe="")
        words += [f"http://127.0.0.1:{port}/storage/v1/b/{BUCKET}/o/{quoted}?alt=media", start, size, len(places)]
        words += [number for place in places for number in place]
    return " ".join(map(str, words))


def measure_bound(run: harness.Run, label: str, plan: str, samples: int) -> None:
    for connections in BOUND_CONNECTIONS:
        harness.wait_quiet()
        before = harness.cpu_seconds()
        done = subprocess.run([harness.BUILD / "bench/loader_bound", str(connections), str(os.cpu_count())], input=plan,
                              capture_output=True, text=True, check=True)
        figures = json.loads(done.stdout)
        run.row(f"{label}, {connections} connections", samples_per_s=samples / figures["seconds"], **figures,
                all_cpu_seconds=harness.cpu_seconds() - before)


def measure(run: harness.Run, name: str, label: str, url: str, endpoint: str, order: list[int],
            arguments: argparse.Namespace) -> None:
    program = str(Path(__file__).with_name("loader_contestants.py"))
    options = [program, name, "--url", url, "--endpoint", endpoint, "--memory", arguments.memory]
    pythons = [[sys.executable], *([shlex.split(arguments.rivals_python)] if arguments.rivals_python else [])]
    for python in pythons:
        harness.wait_quiet()
        before = harness.cpu_seconds()
        done = subprocess.run([*python, *options], input=json.dumps(order), capture_output=True, text=True)
        figures = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
        if "absent" not in figures:
            break
    if "absent" in figures:
        run.row(label, not_there=figures["absent"])
    elif done.returncode != 0:
        run.row(label, failed=done.stderr.strip().splitlines()[-1:])
    else:
        run.row(label, **figures, all_cpu_seconds=harness.cpu_seconds() - before,
                stats=json.loads(done.stderr.strip().splitlines()[-1]) if name == "seamount" else None)


def race(arguments: argparse.Namespace) -> None:
    run = harness.Run("loader", {"window": [WINDOW, len(VARIABLES), *FIELD], "batch": BATCH, "times": arguments.times,
                                 "round_trip_ms": arguments.rtt_ms, "mb_per_s_per_connection": arguments.rate_mb,
                                 "memory": arguments.memory, "layouts": LAYOUTS})
    with harness.scratch() as work, harness.served(work / "served", [BUCKET]) as server_port:
        for layout in LAYOUTS:
            if arguments.layout and arguments.layout != layout:
                continue
            folder, prefix = work / "data.zarr", f"{layout.replace(' ', '-')}.zarr"
            write_layout(folder, arguments.times, layout)
            stored = upload(server_port, folder, prefix)
            order = epoch_order(f"file://{folder}")
            run.row(f"{layout}: stored", mib=stored / 2**20, samples=len(order))
            with harness.delayed(server_port, arguments.rtt_ms, int(arguments.rate_mb * 1e6)) as port:
                for _ in range(arguments.repeat):
                    measure_bound(run, f"{layout}: bound", bound_plan(folder, prefix, layout, order, port), len(order))
                    for name in CONTESTANTS:
                        if arguments.only and arguments.only not in name:
                            continue
                        measure(run, name, f"{layout}: {name}", f"gs://{BUCKET}/{prefix}",
                                f"http://127.0.0.1:{port}", order, arguments)
    run.write()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1024, help="length of the data set: 518 kB each, decoded")
    parser.add_argument("--rtt-ms", type=float, default=10)
    parser.add_argument("--rate-mb", type=float, default=100, help="MB/s of each connection")
    parser.add_argument("--memory", default="256MiB", help="Seamount's budget")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--layout", choices=LAYOUTS)
    parser.add_argument("--only", help="only contestants whose name holds this")
    parser.add_argument("--rivals-python", help="command of another Python, for rivals that this one has not")
    race(parser.parse_args())


if __name__ == "__main__":
    main()
