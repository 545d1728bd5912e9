"""Zarr against TensorStore, in both directions: formats 2 and 3, sharded, over data types, codecs, byte orders, fill
values, chunk keys and memory orders, sampled with a seed that is printed; SEAMOUNT_SEED repeats a run.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import tensorstore as ts
from test_zarr_interop import DTYPES, SEED, SHAPES, numbers, probe, random_elements, read_ours, same

SAMPLES = 60


def v3_fill(rnd: random.Random, dtype: str):
    kind, bits = np.dtype(dtype).kind, 8 * np.dtype(dtype).itemsize
    if kind == "b":
        return rnd.choice([False, True])
    if kind in "iu":
        info = np.iinfo(dtype)
        return rnd.choice([0, int(info.min), int(info.max)])
    payload = {16: "0x7e01", 32: "0x7fc00001", 64: "0x7ff8000000000001"}
    floats = [0.0, -2.5, "NaN", "Infinity", "-Infinity"]
    if kind == "f":
        return rnd.choice([*floats, payload[bits]])
    return [rnd.choice(floats), rnd.choice([*floats, payload[bits // 2]])]


def v3_bytes_codecs(rnd: random.Random, dtype: str) -> list[dict]:
    size = np.dtype(dtype).itemsize
    blosc = {"cname": rnd.choice(["lz4", "lz4hc", "zstd", "zlib", "blosclz"]), "clevel": rnd.choice([1, 5, 9]),
             "shuffle": rnd.choice(["noshuffle", "shuffle", "bitshuffle"]), "typesize": size, "blocksize": 0}
    codecs = rnd.choice([
        [],
        [{"name": "gzip", "configuration": {"level": rnd.choice([1, 6])}}],
        [{"name": "zstd", "configuration": {"level": rnd.choice([1, 5])}}],
        [{"name": "blosc", "configuration": blosc}],
        [{"name": "blosc", "configuration": blosc}],
    ])
    return [*codecs, *([{"name": "crc32c"}] if rnd.random() < 0.4 else [])]


def v3_chain(rnd: random.Random, dtype: str, rank: int) -> list[dict]:
    chain = []
    if rank > 1 and rnd.random() < 0.4:
        chain.append({"name": "transpose", "configuration": {"order": rnd.sample(range(rank), rank)}})
    endian = {"configuration": {"endian": rnd.choice(["little", "big"])}} if np.dtype(dtype).itemsize > 1 else {}
    return [*chain, {"name": "bytes", **endian}, *v3_bytes_codecs(rnd, dtype)]


def sharded(rnd: random.Random, chunks: list[int], inner: list[dict]) -> dict:
    index = [{"name": "bytes", "configuration": {"endian": rnd.choice(["little", "little", "big"])}}]
    return {"name": "sharding_indexed",
            "configuration": {"chunk_shape": chunks, "codecs": inner,
                              "index_codecs": [*index, *([{"name": "crc32c"}] if rnd.random() < 0.7 else [])],
                              "index_location": rnd.choice(["start", "end"])}}


def v3_metadata(rnd: random.Random) -> dict:
    dtype = rnd.choice(DTYPES)
    shape, chunks = map(list, rnd.choice(SHAPES))
    codecs = v3_chain(rnd, dtype, len(shape))
    levels = rnd.choice([0, 0, 1, 1, 2]) if shape else 0
    for level in range(levels):
        codecs = [sharded(rnd, chunks, codecs)]
        if len(shape) > 1 and rnd.random() < 0.2 and level == 0:
            order = rnd.sample(range(len(shape)), len(shape))
            inner = [0] * len(shape)
            for place, axis in enumerate(order):
                inner[axis] = chunks[place]
            chunks = inner
            codecs = [{"name": "transpose", "configuration": {"order": order}}, *codecs]
        chunks = [c * rnd.choice([1, 2, 3]) for c in chunks]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": rnd.choice(["default", "v2"]), "configuration": {"separator": rnd.choice("./")}},
        "fill_value": v3_fill(rnd, dtype),
        "codecs": codecs,
        "attributes": {"units": "K", "list": [1, None, "x"]},
        "dimension_names": rnd.choice([[f"d{i}" for i in range(len(shape))], [None] * len(shape)]),
    }


def v2_metadata(rnd: random.Random) -> dict:
    dtype = rnd.choice([d for d in DTYPES if not d.startswith("complex")])
    shape, chunks = map(list, rnd.choice([s for s in SHAPES if 0 not in s[0]]))
    compressor = rnd.choice([
        None,
        {"id": "zlib", "level": 3},
        {"id": "gzip", "level": 3},
        {"id": "zstd", "level": 3},
        {"id": "blosc", "cname": rnd.choice(["lz4", "lz4hc", "zstd", "zlib", "blosclz"]), "clevel": 5,
         "shuffle": rnd.choice([-1, 0, 1, 2]), "blocksize": 0},
    ])
    type_ = np.dtype(dtype)
    order = "|" if type_.itemsize == 1 else rnd.choice("<>")
    fill = v3_fill(rnd, dtype)
    return {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": f"{order}{type_.kind}{type_.itemsize}",
            "fill_value": None if isinstance(fill, str) and fill.startswith("0x") else rnd.choice([None, fill]),
            "order": rnd.choice("CF") if len(shape) > 1 else "C", "compressor": compressor, "filters": None,
            "dimension_separator": rnd.choice("./")}


def spec(folder: Path, metadata: dict) -> dict:
    driver = "zarr3" if metadata["zarr_format"] == 3 else "zarr"
    return {"driver": driver, "kvstore": {"driver": "file", "path": f"{folder}/a/"}, "metadata": metadata}


def fill_of(metadata: dict, folder: Path, tmp_path: Path) -> np.ndarray:
    """One element: what TensorStore reads where nothing was written."""
    empty = ts.open(spec(folder, metadata), create=True, open=True).result()
    return np.asarray(empty[...].read().result()).ravel()


def cases(offset: int):
    for sample in range(SAMPLES):
        rnd = random.Random(SEED + offset + sample)
        metadata = v3_metadata(rnd) if rnd.random() < 0.7 else v2_metadata(rnd)
        dtype = metadata["data_type"] if metadata["zarr_format"] == 3 else np.dtype(metadata["dtype"]).newbyteorder("=").name
        values = random_elements(np.random.default_rng(SEED + offset + sample), tuple(metadata["shape"]), dtype)
        # Rows that are written; the rest stays absent.
        rows = values.shape[0] if values.ndim and rnd.random() < 0.6 else rnd.randrange(values.shape[0] + 1) if values.ndim else 0
        yield sample, metadata, values, rows, f"SEAMOUNT_SEED={SEED} sample {sample}: {json.dumps(metadata)}"


def test_reads_what_tensorstore_writes(tmp_path):
    for sample, metadata, values, rows, where in cases(20_000):
        folder = tmp_path / str(sample)
        theirs = ts.open(spec(folder, metadata), create=True).result()
        if values.ndim:
            theirs[:rows].write(values[:rows]).result()
        else:
            theirs.write(values).result()
        expected = np.asarray(theirs.read().result())
        assert same(expected[:rows] if values.ndim else expected, values[:rows] if values.ndim else values), where
        ours, _ = read_ours(folder, "a", tmp_path / "out")
        assert same(ours, expected.astype(ours.dtype)), where


def test_tensorstore_reads_what_we_write(tmp_path):
    for sample, metadata, values, rows, where in cases(30_000):
        empty = fill_of(metadata, tmp_path / f"empty{sample}", tmp_path)
        folder = tmp_path / f"ours{sample}"
        (tmp_path / "meta").write_text(json.dumps(metadata))
        part = [rows, *values.shape[1:]] if values.ndim else []
        (values[:rows] if values.ndim else values).tofile(tmp_path / "in")
        probe("write", folder, "a", tmp_path / "meta", tmp_path / "in", numbers([0] * values.ndim), numbers(part))
        expected = values
        if values.ndim:
            expected = np.concatenate([values[:rows].ravel(), empty[values[:rows].size :].astype(values.dtype)]).reshape(values.shape)
        # What we wrote as metadata is opened without being told what to expect.
        plain = {k: v for k, v in spec(folder, metadata).items() if k != "metadata"}
        theirs = np.asarray(ts.open(plain, open=True).result().read().result())
        assert same(theirs.astype(values.dtype), expected), where
