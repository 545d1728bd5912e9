"""The Zarr race: a whole array of 763 MB, float32 fields, written to and read from tmpfs by each engine, in three layouts.

Layouts: raw chunks of 2 MB; the same with blosc (lz4, shuffle); those in shards of 16, by all in format 3. Rivals:
zarr-python, zarr-python with the codec pipeline of zarrs, TensorStore. The bound reads (or makes) each object with one
system call, decodes it with c-blosc and copies it, with a thread per core, and knows nothing of Zarr. Each turn is a
process of its own, warmed up on a small array; contestants take turns, in an order drawn anew for each round: where memory
is given back to a host, who comes after whom decides what fresh pages cost. Every contestant reads what zarr-python wrote, and
what each wrote is read back and compared once.

zarrs comes from PyPI:  .venv/bin/pip install --no-deps --target .rivals/python zarrs
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import numpy as np

SHAPE, CHUNK, SHARD = (184, 720, 1440), (8, 180, 360), (8, 720, 1440)
LAYOUTS = ["raw", "blosc", "sharded"]

# Each: read(folder) and write(folder, values), of the array "a" in it, whose metadata are there.
CONTESTANTS = {
    "zarr-python": r"""
import zarr
def read(folder): return zarr.open_array(folder + "/a", mode="r")[...]
def write(folder, values): zarr.open_array(folder + "/a", mode="r+")[...] = values
""",
    "zarrs": r"""
import zarr
zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
def read(folder): return zarr.open_array(folder + "/a", mode="r")[...]
def write(folder, values): zarr.open_array(folder + "/a", mode="r+")[...] = values
""",
    "tensorstore": r"""
import tensorstore as ts
def store(folder): return ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": folder + "/a/", "file_io_sync": False}}).result()
def read(folder): return store(folder).read().result()
def write(folder, values): store(folder).write(values).result()
""",
    "seamount": r"""
import seamount
def read(folder): return seamount.open_array("file://" + folder, "a")[...]
def write(folder, values): seamount.open_array("file://" + folder, "a", mode="r+")[...] = values
""",
    "bound": r"""
import itertools, json, struct
from concurrent.futures import ThreadPoolExecutor
import numcodecs
numcodecs.blosc.use_threads = False
blosc = numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE)
def plan(folder):
    metadata = json.load(open(folder + "/a/zarr.json"))
    codecs = metadata["codecs"]
    outer = chunk = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    if codecs[0]["name"] == "sharding_indexed":
        chunk = codecs[0]["configuration"]["chunk_shape"]
    packed = codecs[-1]["name"] != "bytes"
    grid = [range(s // c) for s, c in zip(metadata["shape"], outer)]
    units = [(folder + "/a/c/" + "/".join(map(str, at)), [i * c for i, c in zip(at, outer)]) for at in itertools.product(*grid)]
    return metadata["shape"], units, packed, outer, chunk
def parts(origin, outer, chunk):
    for at in itertools.product(*(range(o // c) for o, c in zip(outer, chunk))):
        yield tuple(slice(a + i * c, a + (i + 1) * c) for a, i, c in zip(origin, at, chunk))
def each(work, units):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, units))
def read(folder):
    shape, units, packed, outer, chunk = plan(folder)
    into = np.empty(shape, "f4")
    def work(unit):
        path, origin = unit
        with open(path, "rb", buffering=0) as file:
            data = memoryview(file.read())
        places = list(parts(origin, outer, chunk))
        index = np.frombuffer(data[-16 * len(places) - 4 : -4], "<u8").reshape(-1, 2) if outer != chunk else [(0, len(data))]
        for (start, size), place in zip(index, places):
            part = data[int(start) : int(start) + int(size)]
            into[place] = np.frombuffer(blosc.decode(part) if packed else part, "f4").reshape(chunk)
    each(work, units)
    return into
def write(folder, values):
    shape, units, packed, outer, chunk = plan(folder)
    for path, _ in units:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    def work(unit):
        path, origin = unit
        data = [np.ascontiguousarray(values[place]) for place in parts(origin, outer, chunk)]
        data = [blosc.encode(part) if packed else part for part in data]
        if outer != chunk:
            ends = np.cumsum([0, *map(len, data)])
            index = np.stack([ends[:-1], np.diff(ends)], 1).astype("<u8").tobytes()
            data += [index, numcodecs.checksum32.CRC32C(location="end").encode(index)[-4:]]
        with open(path, "wb", buffering=0) as file:
            for part in data:
                file.write(part)
    each(work, units)
""",
}

TURN = r"""
import json, os, resource, sys, time
import numpy as np
{contestant}
action, folder, small, source = sys.argv[1:]
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
def timed(action, folder, values):
    before, start = cpu(), time.perf_counter()
    result = read(folder) if action == "read" else write(folder, values)
    return time.perf_counter() - start, cpu() - before, result
values = np.load(source, mmap_mode="r") if source else None
warm = np.ones((16, 720, 1440), "f4")
timed(action, small, warm)
if action == "write":
    values = np.array(values)
seconds, used, result = timed(action, folder, values)
same = bool(np.array_equal(result, np.load(source, mmap_mode="r"))) if action == "read" and source else True
print(json.dumps({{"seconds": seconds, "process_cpu_s": used, "same": same}}))
"""


def create(folder: Path, layout: str, shape=SHAPE):
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=3)
    codec = None if layout == "raw" else zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=4)
    return group.create_array("a", shape=shape, chunks=CHUNK, dtype="f4", compressors=codec,
                              shards=SHARD if layout == "sharded" else None)


def fields() -> np.ndarray:
    """Smooth fields that move, of 14 significant bits, as reanalyses unpack to."""
    y, x = np.linspace(0, np.pi, SHAPE[1], dtype="f4")[:, None], np.linspace(0, 2 * np.pi, SHAPE[2], endpoint=False, dtype="f4")
    rng = np.random.default_rng(0)
    values = np.empty(SHAPE, "f4")
    for t in range(SHAPE[0]):
        field = 280 + 30 * np.sin(y) * np.cos(3 * x + 0.1 * t) + rng.normal(0, 0.4, SHAPE[1:]).astype("f4")
        values[t] = np.round(field * 64) / 64
    return values


def turn(name: str, action: str, folder: Path, small: Path, source: Path) -> dict:
    paths = [str(harness.ROOT / "python"), str(harness.RIVALS / "python"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run([sys.executable, "-c", TURN.format(contestant="import os\n" + CONTESTANTS[name]), action, folder, small, source],
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}, {action}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def race(run: harness.Run, layout: str, names: list[str], actions: list[str], rounds: int, root: Path, source: Path) -> None:
    import zarr

    if "read" in actions:
        values = np.load(source, mmap_mode="r")
        create(root / "read", layout)[...] = values
        create(root / "small", layout, (16, *SHAPE[1:]))[...] = 1
    drawn = random.Random(layout)
    for number in range(rounds):
        for action in actions:
            for name in drawn.sample(names, len(names)):
                folder, small = root / "read", root / "small"
                if action == "write":
                    folder, small = root / "write", root / "small-write"
                    create(folder, layout), create(small, layout, (16, *SHAPE[1:]))
                with harness.Meter() as meter:
                    figures = turn(name, action, folder, small, source)
                size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
                same = figures.pop("same")
                if action == "write" and number == 0:
                    same = np.array_equal(zarr.open_array(folder / "a", mode="r")[...], np.load(source, mmap_mode="r"))
                if not same:
                    raise SystemExit(f"{name}, {action}, {layout}: not what was written")
                run.row(f"{action} {layout}: {name}", **figures, stored_mb=size,
                        others_cpu_percent=meter.figures()["others_cpu_percent"])
                if action == "write":
                    shutil.rmtree(folder), shutil.rmtree(small)
    for folder in ("read", "small"):
        shutil.rmtree(root / folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layouts", nargs="*", default=LAYOUTS, choices=LAYOUTS)
    parser.add_argument("--actions", nargs="*", default=["read", "write"], choices=["read", "write"])
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=list(CONTESTANTS))
    parser.add_argument("--scratch", default="/dev/shm")
    options = parser.parse_args()
    conditions = {"megabytes": round(np.prod(SHAPE) * 4 / 1e6), "chunk": CHUNK, "shard": SHARD, "codec": "blosc lz4 5 shuffle",
                  "scratch": options.scratch, "rounds": options.rounds}
    run = harness.Run("zarr", conditions)
    with harness.scratch(options.scratch) as root:
        np.save(root / "source.npy", fields())
        for layout in options.layouts:
            race(run, layout, options.only, options.actions, options.rounds, root, root / "source.npy")
    run.write()


if __name__ == "__main__":
    main()
