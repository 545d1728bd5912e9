"""The prepare race: 1.5 GB of NetCDF-4 (deflate 4, shuffle, float32) to Zarr in the same chunks and codec, in tmpfs.

Rivals, each in a process of its own: xarray with dask; an expert's loop (h5py for chunk offsets, then per chunk pread,
libdeflate, unshuffle and c-blosc on a thread per core); and the bound, a C++ program that does nothing else. Every
output is compared with the source, and its size is reported: a faster codec that stores more is not faster.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import harness
import numpy as np

VARIABLES = ["u", "v", "t", "z"]
GRID = (361, 720)
EXPERT = r"""
import ctypes, os, sys
from concurrent.futures import ThreadPoolExecutor
import h5py, numcodecs, numpy as np, zarr
source, out, level, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
deflate = ctypes.CDLL("libdeflate.so.0")
deflate.libdeflate_alloc_decompressor.restype = ctypes.c_void_p
deflate.libdeflate_zlib_decompress.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p,
                                               ctypes.c_size_t, ctypes.c_void_p]
numcodecs.blosc.use_threads = False
group = zarr.open_group(out, mode="w", zarr_format=2)
tasks = []
with h5py.File(source) as file:
    for name in file:
        v = file[name]
        compressor = numcodecs.Blosc("zstd", level, numcodecs.Blosc.SHUFFLE) if v.ndim == 3 else None
        a = group.create_array(name, shape=v.shape, chunks=v.chunks or v.shape, dtype=v.dtype, compressors=compressor, fill_value=None)
        a.attrs["_ARRAY_DIMENSIONS"] = ["time", "lat", "lon"] if v.ndim == 3 else [name]
        if v.ndim != 3:
            a[:] = v[:]
            continue
        for i in range(v.id.get_num_chunks()):
            c = v.id.get_chunk_info(i)
            key = ".".join(str(o // s) for o, s in zip(c.chunk_offset, v.chunks))
            tasks.append((f"{out}/{name}/{key}", c.byte_offset, c.size, v.chunks, compressor))
fd = os.open(source, os.O_RDONLY)
def work(part):
    state = deflate.libdeflate_alloc_decompressor()
    for path, offset, size, shape, compressor in part:
        count = int(np.prod(shape))
        shuffled = np.empty(count * 4, "u1")
        stored = os.pread(fd, size, offset)
        assert deflate.libdeflate_zlib_decompress(state, stored, size, shuffled.ctypes.data, shuffled.size, None) == 0
        plain = np.ascontiguousarray(shuffled.reshape(4, count).T).view("f4").reshape(shape)
        with open(path, "wb") as target:
            target.write(compressor.encode(plain))
with ThreadPoolExecutor(threads) as pool:
    list(pool.map(work, [tasks[i::threads] for i in range(threads)]))
zarr.consolidate_metadata(out)
"""
DASK = r"""
import sys
import dask, numcodecs, xarray as xr
source, out, level, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with dask.config.set(scheduler="threads", num_workers=threads), xr.open_dataset(source, chunks={}) as data:
    codec = numcodecs.Blosc("zstd", level, numcodecs.Blosc.SHUFFLE)
    for v in data.variables.values():
        v.encoding.clear()
    data.to_zarr(out, zarr_format=2, encoding={n: {"compressors": (codec,)} for n in data.data_vars})
"""


def generate(path: Path, size_mb: int) -> None:
    """Smooth fields that move, of 14 significant bits, as reanalyses unpack to."""
    import netCDF4

    steps = max(2, round(size_mb * 1e6 / (4 * len(VARIABLES) * GRID[0] * GRID[1])))
    rng = np.random.default_rng(0)
    y, x = np.linspace(0, np.pi, GRID[0])[:, None], np.linspace(0, 2 * np.pi, GRID[1], endpoint=False)
    waves = [(rng.integers(1, 9), rng.integers(1, 9), rng.normal(), rng.uniform(0, 6)) for _ in range(12)]
    with netCDF4.Dataset(path, "w") as out:
        out.createDimension("time", steps)
        out.createDimension("lat", GRID[0])
        out.createDimension("lon", GRID[1])
        t = out.createVariable("time", "f8", ("time",))
        t.units, t[:] = "hours since 2000-01-01", np.arange(steps) * 6.0
        for i, name in enumerate(VARIABLES):
            v = out.createVariable(name, "f4", ("time", "lat", "lon"), zlib=True, complevel=4, shuffle=True, chunksizes=(1, *GRID))
            for step in range(steps):
                field = sum(a * np.sin(m * y + 0.01 * step) * np.cos(n * x + p + i + 0.05 * step) for m, n, a, p in waves)
                v[step] = np.round(field * 1024) / 1024


def chunk_list(source: Path, out: Path) -> None:
    import h5py

    with h5py.File(source) as file, open(out, "w") as lines:
        for name in VARIABLES:
            for i in range(file[name].id.get_num_chunks()):
                chunk = file[name].id.get_chunk_info(i)
                lines.write(f"{chunk.byte_offset} {chunk.size} {4 * int(np.prod(file[name].chunks))}\n")


def folder_bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def same_values(source: Path, out: Path) -> bool:
    import xarray as xr

    with xr.open_dataset(source) as a, xr.open_zarr(out) as b:
        last = a.sizes["time"] - 1
        return all(np.array_equal(a[v][step], b[v][step]) for v in VARIABLES for step in (0, last // 2, last))


def contenders(work: Path, level: int, threads: int) -> dict[str, list]:
    recipe = work / "recipe.yaml"
    recipe.write_text(f"source: {work / 'in.nc'}\nvariables: [{', '.join(VARIABLES)}]\ncodec: blosc-zstd:{level}\n")
    python = [sys.executable, "-c"]
    arguments = [str(work / "in.nc"), str(work / "out"), str(level), str(threads)]
    return {
        "seamount prepare": [harness.SEAMOUNT, "prepare", recipe, "--to", f"file://{work / 'out'}", "--threads", threads],
        "expert's loop (libdeflate, c-blosc)": [*python, EXPERT, *arguments],
        "xarray + dask": [*python, DASK, *arguments],
        "bound: nothing but the codecs": [harness.BUILD / "bench/prepare_bound", work / "in.nc", work / "chunks.txt",
                                          work / "out", level, threads],
    }


def measure(run: harness.Run, name: str, command: list, work: Path, level: int) -> None:
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    if name.startswith("bound"):
        out.mkdir()
    harness.wait_quiet()
    before, start = harness.cpu_seconds(), time.monotonic()
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    cpu = harness.cpu_seconds() - before
    if not name.startswith("bound") and not same_values(work / "in.nc", out):
        raise SystemExit(f"{name}: its output is not what the source holds")
    run.row(f"{name}, clevel {level}", seconds=seconds, machine_cpu_s=cpu, stored_mb=folder_bytes(out) / 1e6)


def race(arguments: argparse.Namespace) -> None:
    conditions = {"source_mb": arguments.size_mb, "threads": arguments.threads, "where": arguments.where}
    run = harness.Run("prepare", conditions)
    with harness.scratch(arguments.where) as work:
        generate(work / "in.nc", arguments.size_mb)
        chunk_list(work / "in.nc", work / "chunks.txt")
        for level in (3, 1):
            for name, command in contenders(work, level, arguments.threads).items():
                if arguments.only and arguments.only not in name:
                    continue
                for _ in range(arguments.repeat):
                    measure(run, name, command, work, level)
    if not arguments.dry:
        run.write()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=1500, help="of decoded source data")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--where", default="/dev/shm")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--only", help="only contenders whose name holds this")
    parser.add_argument("--dry", action="store_true", help="print, but write no run")
    race(parser.parse_args())
