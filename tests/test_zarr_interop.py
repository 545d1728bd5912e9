"""Zarr against zarr-python, xarray and numcodecs, in both directions.

Our side is build/*/src/zarr/zarr_probe, which reads and writes arrays in a plain folder. The product of data types, codecs,
fill values, shapes, formats and sharding is sampled with a seed that is printed; SEAMOUNT_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

ROOT = Path(__file__).resolve().parent.parent
PROBE = os.environ.get("SEAMOUNT_ZARR_PROBE", str(ROOT / "build/release/src/zarr/zarr_probe"))
SEED = int(os.environ.get("SEAMOUNT_SEED", random.SystemRandom().randrange(2**31)))
SAMPLES = 60

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
DTYPES = ["bool", *INTEGERS, *FLOATS, *COMPLEX]


def probe(*args) -> str:
    done = subprocess.run([PROBE, *map(str, args)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def probe_fails(*args) -> str:
    done = subprocess.run([PROBE, *map(str, args)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, (done.returncode, done.stderr)
    return done.stderr


def read_ours(folder: Path, path: str, scratch: Path, box=None) -> tuple[np.ndarray, dict]:
    """The elements and the v3 form of the metadata, as our module reads them."""
    arguments = [] if box is None else [numbers(box[0]), numbers(box[1])]
    metadata = json.loads(probe("read", folder, path, scratch, *arguments))
    shape = metadata["shape"] if box is None else box[1]
    return np.fromfile(scratch, dtype=metadata["data_type"]).reshape(shape), metadata


def numbers(values) -> str:
    return ",".join(map(str, values)) or "-"


def random_elements(rng: np.random.Generator, shape, dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        info = np.iinfo(dtype)
        wide = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        return wide if rng.random() < 0.5 else (wide % 10).astype(dtype)
    smooth = np.cumsum(rng.normal(size=shape).ravel()).reshape(shape)
    values = smooth.astype(dtype) if kind == "f" else (smooth + 1j * rng.normal(size=shape)).astype(dtype)
    if values.size:
        values.flat[rng.integers(values.size)] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
    return values


def fill_values(dtype: str) -> list:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return [False, True]
    if kind in "iu":
        return [0, int(np.iinfo(dtype).max), int(np.iinfo(dtype).min)]
    floats = [0.0, -1.5, float("nan"), float("inf"), float("-inf"), float(np.finfo(dtype).max), 1e-6]
    return floats if kind == "f" else [complex(a, b) for a, b in zip(floats, reversed(floats), strict=True)]


SHAPES = [((), ()), ((10,), (4,)), ((7, 9), (3, 4)), ((6, 4), (6, 4)), ((5, 6, 7), (2, 3, 7)), ((0, 5), (1, 5)), ((1, 1, 2, 3), (1, 2, 2, 2))]


def v3_codecs(rnd: random.Random, dtype: str) -> dict:
    """zarr.create_array's keywords for a random v3 chain."""
    size = np.dtype(dtype).itemsize
    compressors = rnd.choice(
        [
            [],
            [zarr.codecs.ZstdCodec(level=rnd.choice([0, 1, 5]), checksum=rnd.random() < 0.5)],
            [zarr.codecs.GzipCodec(level=rnd.choice([0, 1, 6]))],
            *[
                [
                    zarr.codecs.BloscCodec(
                        cname=cname,
                        clevel=rnd.choice([0, 1, 5, 9]),
                        shuffle=rnd.choice(["noshuffle", "shuffle", "bitshuffle"]),
                        typesize=size,
                        blocksize=rnd.choice([0, 0, 256, 4096]),
                    )
                ]
                for cname in ["lz4", "zstd", "zlib", "blosclz", "lz4hc"]
            ],
            [zarr.codecs.GzipCodec(level=1), zarr.codecs.ZstdCodec(level=1)],
        ]
    )
    compressors = [*compressors, zarr.codecs.Crc32cCodec()] if rnd.random() < 0.4 else compressors
    return {"compressors": compressors or None}


def v2_compressor(rnd: random.Random):
    return rnd.choice(
        [
            None,
            numcodecs.Zlib(level=1),
            numcodecs.GZip(level=1),
            numcodecs.Zstd(level=1),
            numcodecs.LZ4(),
            *[
                numcodecs.Blosc(cname=cname, clevel=rnd.choice([1, 5]), shuffle=rnd.choice([-1, 0, 1, 2]))
                for cname in ["lz4", "zstd", "zlib", "blosclz", "lz4hc"]
            ],
        ]
    )


def create_with_zarr_python(rnd: random.Random, folder: Path, name: str) -> zarr.Array:
    dtype = rnd.choice(DTYPES)
    shape, chunks = rnd.choice(SHAPES)
    fill = rnd.choice(fill_values(dtype))
    rank = len(shape)
    common = {"store": folder, "name": name, "shape": shape, "chunks": chunks, "fill_value": fill}
    if rnd.random() < 0.4:
        filters = [numcodecs.Shuffle(np.dtype(dtype).itemsize)] if rnd.random() < 0.3 else None
        return zarr.create_array(
            **common,
            zarr_format=2,
            dtype=np.dtype(dtype).newbyteorder(rnd.choice("<>")),
            order=rnd.choice("CF"),
            filters=filters,
            compressors=v2_compressor(rnd),
            chunk_key_encoding={"name": "v2", "separator": rnd.choice("./")},
            attributes={"_ARRAY_DIMENSIONS": [f"d{i}" for i in range(rank)], "long_name": "Ångström · 風"},
        )
    codecs = v3_codecs(rnd, dtype)
    if rank > 1 and rnd.random() < 0.3:
        codecs["filters"] = [zarr.codecs.TransposeCodec(order=rnd.sample(range(rank), rank))]
    if np.dtype(dtype).itemsize > 1 and rnd.random() < 0.2:
        codecs["serializer"] = zarr.codecs.BytesCodec(endian="big")
    if rank > 0 and rnd.random() < 0.4:
        factors = [rnd.choice([1, 2, 3]) for _ in shape]
        shards = tuple(c * f for c, f in zip(chunks, factors, strict=True))
        codecs["shards"] = {"shape": shards, "index_location": rnd.choice(["start", "end"])}
    return zarr.create_array(
        **common,
        zarr_format=3,
        dtype=dtype,
        chunk_key_encoding={"name": rnd.choice(["default", "v2"]), "separator": rnd.choice("./")},
        dimension_names=rnd.choice([None, [f"d{i}" for i in range(rank)], [None if i % 2 else "höhe" for i in range(rank)]]),
        attributes={"units": "m s-1", "nested": {"list": [1, 2.5, None, True, "x"]}},
        **codecs,
    )


def fill_some(rnd: random.Random, array: zarr.Array, values: np.ndarray) -> np.ndarray:
    """Writes all of it, or the leading rows only, so that chunks are absent. Returns what should be read."""
    if array.ndim == 0 or rnd.random() < 0.6:
        array[...] = values
        return values
    rows = rnd.randrange(array.shape[0] + 1)
    array[:rows] = values[:rows]
    expected = np.full(array.shape, array.fill_value, dtype=values.dtype)
    expected[:rows] = values[:rows]
    return expected


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in value, NaNs of any kind included, and in the signs of zeros."""
    if a.dtype.kind not in "fc":
        return np.array_equal(a, b)
    parts = [(a.real, b.real), (a.imag, b.imag)] if a.dtype.kind == "c" else [(a, b)]
    return all(
        np.array_equal(x, y, equal_nan=True) and np.array_equal(np.signbit(x) & ~np.isnan(x), np.signbit(y) & ~np.isnan(y))
        for x, y in parts
    )


def description(array: zarr.Array, seed: int) -> str:
    return f"SEAMOUNT_SEED={SEED} sample {seed}: {array.metadata}"


@pytest.mark.filterwarnings("ignore")
def test_reads_what_zarr_python_writes(tmp_path):
    for sample in range(SAMPLES):
        rnd = random.Random(SEED + sample)
        rng = np.random.default_rng(SEED + sample)
        folder = tmp_path / str(sample)
        name = rnd.choice(["a", "группа/τ 風", "deep/er/x.y"])
        array = create_with_zarr_python(rnd, folder, name)
        dtype = np.dtype(array.dtype).newbyteorder("=").name
        expected = fill_some(rnd, array, random_elements(rng, array.shape, dtype))
        ours, metadata = read_ours(folder, name, tmp_path / "out")
        where = description(array, sample)
        assert metadata["data_type"] == dtype, where
        assert same(ours, expected), where
        origin = [rnd.randrange(n) if n else 0 for n in array.shape]
        part = [rnd.randrange(n - o + 1) if n else 0 for n, o in zip(array.shape, origin, strict=True)]
        box, _ = read_ours(folder, name, tmp_path / "out", (origin, part))
        slices = tuple(slice(o, o + n) for o, n in zip(origin, part, strict=True))
        assert same(box, expected[slices]), where
        if array.metadata.zarr_format == 2:
            assert metadata.get("dimension_names", []) == [f"d{i}" for i in range(array.ndim)], where
            assert metadata["attributes"] == {"long_name": "Ångström · 風"}, where
        else:
            assert metadata["attributes"] == {"units": "m s-1", "nested": {"list": [1, 2.5, None, True, "x"]}}, where


@pytest.mark.filterwarnings("ignore")
def test_zarr_python_reads_what_we_write(tmp_path):
    """The metadata document is zarr-python's, written again by us; elements and chunks are ours."""
    for sample in range(SAMPLES):
        rnd = random.Random(SEED + sample + 10_000)
        rng = np.random.default_rng(SEED + sample + 10_000)
        template_folder = tmp_path / f"template{sample}"
        template = create_with_zarr_python(rnd, template_folder, "a")
        v2 = template.metadata.zarr_format == 2
        dtype = np.dtype(template.dtype).newbyteorder("=").name
        values = random_elements(rng, template.shape, dtype)
        values.tofile(tmp_path / "in")
        folder = tmp_path / f"ours{sample}"
        document = template_folder / "a" / (".zarray" if v2 else "zarr.json")
        rows = values.shape[:1] if rnd.random() < 0.5 or not values.ndim else (rnd.randrange(values.shape[0] + 1),)
        values[: rows[0]].tofile(tmp_path / "in") if values.ndim else None
        part = [*rows, *values.shape[1:]]
        extra = [template_folder / "a" / ".zattrs"] if v2 else []
        probe("write", folder, "a", document, tmp_path / "in", numbers([0] * values.ndim), numbers(part), *extra)
        expected = values
        if values.ndim:
            expected = np.full(template.shape, template.fill_value, dtype=dtype)
            expected[: rows[0]] = values[: rows[0]]
        theirs = zarr.open_array(folder, path="a", mode="r")
        where = description(template, sample)
        assert same(np.asarray(theirs[...]).astype(dtype), expected), where
        assert theirs.metadata.to_dict().keys() == template.metadata.to_dict().keys(), where
        assert dict(theirs.attrs) == dict(template.attrs), where
        assert same(np.asarray(theirs.fill_value), np.asarray(template.fill_value)), where
        if v2:  # where numcodecs' automatic shuffle is written as what it means
            assert [c.codec_id for c in theirs.compressors] == [c.codec_id for c in template.compressors], where
            assert theirs.filters == template.filters, where
            assert theirs.order == (template.order if template.ndim > 1 else "C"), where
        else:
            assert theirs.metadata.codecs == template.metadata.codecs, where


def v3_document(**changes) -> dict:
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4],
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    }
    return document | changes


@pytest.mark.parametrize(
    ("dtype", "spelling", "expected"),
    [
        ("float32", "0x7fc00001", np.uint32(0x7FC00001).view(np.float32)),
        ("float16", "0x7e00", np.float16("nan")),
        ("float64", "0x7ff8000000000000", np.float64("nan")),
        ("float32", 9.969209968386869e36, np.float32(9.96921e36)),
        ("float32", 1, np.float32(1)),
        ("complex64", [1, "NaN"], np.complex64(complex(1, float("nan")))),
        ("complex128", ["0x7ff8000000000000", "-Infinity"], np.complex128(complex(float("nan"), float("-inf")))),
        ("bool", True, np.bool_(True)),
        ("int64", -(2**63), np.int64(-(2**63))),
        ("uint64", 2**64 - 1, np.uint64(2**64 - 1)),
    ],
)
def test_fill_values_in_every_spelling(tmp_path, dtype, spelling, expected):
    codecs = [{"name": "bytes"}] if np.dtype(dtype).itemsize == 1 else v3_document()["codecs"]
    document = v3_document(data_type=dtype, fill_value=spelling, codecs=codecs)
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "zarr.json").write_text(json.dumps(document))
    ours, metadata = read_ours(tmp_path, "z", tmp_path / "out")
    assert ours.tobytes() == np.full(4, expected, dtype).tobytes()
    # What we write back means the same to zarr-python.
    document["fill_value"] = metadata["fill_value"]
    (tmp_path / "z" / "zarr.json").write_text(json.dumps(document))
    assert zarr.open_array(tmp_path / "z", mode="r")[...].tobytes() == ours.tobytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codecs": []}, '"codecs" is empty'),
        ({"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "pcodec"}]}, "pcodec"),
        ({"data_type": "float23"}, "did you mean"),
        ({"fill_value": "nope"}, "fill_value"),
        ({"chunk_grid": {"name": "rectilinear", "configuration": {}}}, "rectilinear"),
        ({"storage_transformers": [{"name": "x"}]}, "storage_transformers"),
        ({"surprise": {"name": "x"}}, "surprise"),
        ({"shape": [2**63]}, "shape"),
        ({"shape": [-1]}, "shape"),
        ({"dimension_names": ["a", "b"]}, "dimension_names"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2**40]}}}, "4 GiB"),
    ],
)
def test_bad_metadata_is_refused_by_name(tmp_path, changes, words):
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "zarr.json").write_text(json.dumps(v3_document(**changes)))
    message = probe_fails("read", tmp_path, "z", tmp_path / "out")
    assert words in message
    assert "'z'" in message


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("around", [False, True])
def test_shards_within_shards_and_codecs_around_them(tmp_path, around):
    inner = zarr.codecs.ShardingCodec(chunk_shape=(2, 3), codecs=[zarr.codecs.BytesCodec(), zarr.codecs.ZstdCodec()])
    outer = zarr.codecs.ShardingCodec(chunk_shape=(4, 6), codecs=[inner], index_location="start")
    values = np.arange(20 * 13, dtype="f4").reshape(20, 13)
    values[4:8] = 7  # whole inner shards, and chunks within others, hold the fill value
    array = zarr.create(store=tmp_path, path="theirs", shape=values.shape, chunks=(8, 12), dtype="f4", fill_value=7,
                        zarr_format=3, codecs=[outer, zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()] if around else [outer],
                        config={"write_empty_chunks": False})
    array[...] = values
    ours, metadata = read_ours(tmp_path, "theirs", tmp_path / "out")
    assert np.array_equal(ours, values)
    part, _ = read_ours(tmp_path, "theirs", tmp_path / "out", ([3, 2], [6, 9]))
    assert np.array_equal(part, values[3:9, 2:11])
    assert metadata["codecs"] == json.loads((tmp_path / "theirs" / "zarr.json").read_text())["codecs"]
    values.tofile(tmp_path / "in")
    probe("write", tmp_path, "ours", tmp_path / "theirs" / "zarr.json", tmp_path / "in")
    assert np.array_equal(zarr.open_array(tmp_path / "ours", mode="r")[...], values)


def test_a_corrupt_chunk_within_two_shards_is_named(tmp_path):
    inner = zarr.codecs.ShardingCodec(chunk_shape=(1,), codecs=[zarr.codecs.BytesCodec(), zarr.codecs.Crc32cCodec()])
    outer = zarr.codecs.ShardingCodec(chunk_shape=(2,), codecs=[inner])
    array = zarr.create(store=tmp_path, path="u", shape=(4,), chunks=(4,), dtype="f4", zarr_format=3, codecs=[outer])
    array[...] = np.arange(1, 5)
    shard = tmp_path / "u/c/0"
    damaged = bytearray(shard.read_bytes())
    damaged[8] ^= 1  # in the second chunk
    shard.write_bytes(damaged)
    message = probe_fails("read", tmp_path, "u", tmp_path / "out")
    assert message.startswith("DataLoss") and "u/c/0" in message and "chunk 1 within" in message and "CRC32C" in message


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_corrupt_chunk_is_named(tmp_path, zarr_format):
    array = zarr.create_array(tmp_path, name="u", shape=(8,), chunks=(4,), dtype="f4", zarr_format=zarr_format)
    array[...] = np.arange(8)
    chunk = tmp_path / "u" / ("1" if zarr_format == 2 else "c/1")
    chunk.write_bytes(chunk.read_bytes()[:-3])
    message = probe_fails("read", tmp_path, "u", tmp_path / "out")
    assert message.startswith("DataLoss")
    assert str(chunk.relative_to(tmp_path)) in message


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_xarray_opens_a_consolidated_group_of_ours(tmp_path, zarr_format):
    folder = tmp_path / "ours"
    template = xr.Dataset(
        {"uwnd": (("time", "lat"), np.arange(12, dtype="f4").reshape(4, 3), {"units": "m/s"})},
        coords={"lat": [10.0, 20.0, 30.0], "time": np.arange("2001-01", "2001-05", dtype="M8[M]").astype("M8[ns]")},
        attrs={"title": "winds"},
    )
    template.to_zarr(tmp_path / "theirs", zarr_format=zarr_format, consolidated=False)
    probe("group", folder, "", zarr_format, '{"title":"winds"}')
    for name in ["uwnd", "lat", "time"]:
        v2 = zarr_format == 2
        document = tmp_path / "theirs" / name / (".zarray" if v2 else "zarr.json")
        read_ours(tmp_path / "theirs", name, tmp_path / "elements")
        shape = template[name].shape
        extra = [tmp_path / "theirs" / name / ".zattrs"] if v2 else []
        probe("write", folder, name, document, tmp_path / "elements", numbers([0] * len(shape)), numbers(shape), *extra)
    probe("consolidate", folder, "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # e.g. about metadata that is not consolidated
        with xr.open_zarr(folder, consolidated=True, chunks=None) as ours:
            xr.testing.assert_identical(ours.load(), template)
    members = zarr.open_consolidated(folder).metadata.consolidated_metadata.metadata
    assert sorted(members) == ["lat", "time", "uwnd"]


def test_refuses_to_overwrite(tmp_path):
    probe("group", tmp_path / "z", "g", 3, "{}")
    assert probe_fails("group", tmp_path / "z", "g", 2, "{}").startswith("PreconditionFailed")


@pytest.mark.parametrize("cname", ["lz4", "zstd"])
@pytest.mark.parametrize("kind", ["smooth", "noise", "constant", "ramp"])
def test_numcodecs_decodes_our_blosc_frames_of_many_blocks(tmp_path, cname, kind):
    rng = np.random.default_rng(SEED)
    size = 700_001  # several blocks and a shorter last one
    values = {
        "smooth": np.sin(np.linspace(0, 50, size)).astype("f4"),
        "noise": rng.bytes(4 * size),
        "constant": np.full(size, 1.25, "f4"),
        "ramp": np.arange(size, dtype="i4").view("f4"),
    }[kind]
    elements = np.frombuffer(values, "f4")
    codec = {"name": "blosc", "configuration": {"cname": cname, "clevel": 1, "shuffle": "shuffle", "typesize": 4, "blocksize": 0}}
    document = v3_document(
        shape=[size],
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [size]}},
        codecs=[*v3_document()["codecs"], codec],
    )
    (tmp_path / "meta").write_text(json.dumps(document))
    elements.tofile(tmp_path / "in")
    probe("write", tmp_path / "z", "a", tmp_path / "meta", tmp_path / "in")
    frame = (tmp_path / "z/a/c/0").read_bytes()
    assert numcodecs.Blosc().decode(frame) == elements.tobytes()
    assert len(frame) <= elements.nbytes + 16
    if kind != "noise":
        theirs = numcodecs.Blosc(cname=cname, clevel=1, shuffle=1).encode(elements)
        assert len(frame) < 1.1 * len(theirs), (len(frame), len(theirs))
