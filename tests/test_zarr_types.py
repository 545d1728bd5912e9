"""Data types that are no plain numbers, in both directions: against zarr-python in formats 2 and 3, and TensorStore."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import seamount
import tensorstore as ts
import zarr
from test_zarr_interop import SEED, numbers, probe, probe_fails, v3_document

SHAPE, CHUNKS = (7, 5), (3, 4)
TYPES = ["<M8[ns]", ">M8[D]", "<M8[25s]", "<m8[h]", "<U3", ">U2", "|S5", "|S1", "|V3",
         [("u", "<f4"), ("ok", "|b1"), ("name", "|S3"), ("when", "<M8[s]")], [("a", ">i2"), ("b", ">c8")]]


def elements(dtype: np.dtype, seed: int) -> np.ndarray:
    """Random values, some of them zero, in the machine's byte order."""
    rng = np.random.default_rng(seed)
    native = dtype.newbyteorder("=")
    if native.names:
        whole = np.zeros(SHAPE, native)
        for i, name in enumerate(native.names):
            whole[name] = elements(native[name], seed + i)
        return whole
    words = np.array(["", "a", "Ωx", "風速z", "ab", "åbc"])
    if native.kind == "U":
        return rng.choice(words, SHAPE).astype(native)
    if native.kind == "S":
        return rng.choice([b"", b"a", b"xy\x00z", b"\xff12345"], SHAPE).astype(native)
    if native.kind == "V":
        return rng.integers(0, 255, (*SHAPE, native.itemsize), "u1").view(native)[..., 0]
    if native.kind in "Mm":
        return rng.integers(-(10**6), 10**6, SHAPE).view(native)
    return rng.integers(0, 2, SHAPE).astype(native)


def fills(dtype: np.dtype) -> list:
    if dtype.kind == "M":
        return [np.datetime64("NaT", np.datetime_data(dtype)), np.datetime64(5, np.datetime_data(dtype))]
    if dtype.kind == "m":
        return [np.timedelta64(-7, np.datetime_data(dtype))]
    return {"U": ["", "xΩ"], "S": [b"", b"q"]}.get(dtype.kind, [None])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_types_against_zarr_python(tmp_path, dtype, zarr_format):
    dtype = np.dtype(dtype)
    if dtype.names and zarr_format == 3:  # zarr-python stores the other order, and does not say so
        dtype = dtype.newbyteorder("=")
    rnd = random.Random(SEED)
    for number, fill in enumerate(fills(dtype)):
        values = elements(dtype, SEED)
        options = {} if fill is None else {"fill_value": fill}
        if dtype.kind == "V":  # where zarr-python can neither shard nor, with times in it, compress
            options["compressors"] = None
        elif zarr_format == 3 and number == 0:
            options["shards"] = (6, 8)
        if zarr_format == 2:
            options["order"] = rnd.choice("CF")
        theirs, ours = tmp_path / f"theirs{number}", tmp_path / f"ours{number}"
        array = zarr.create_array(theirs, name="a", shape=SHAPE, chunks=CHUNKS, dtype=dtype, zarr_format=zarr_format, **options)
        array[:5] = values[:5]
        expected = array[...].astype(dtype.newbyteorder("="))
        metadata = json.loads(probe("read", theirs, "a", tmp_path / "out"))
        read = (tmp_path / "out").read_bytes()
        assert read == expected.tobytes(), (SEED, fill, metadata["fill_value"])
        values[:5].tofile(tmp_path / "in")
        document = theirs / "a" / (".zarray" if zarr_format == 2 else "zarr.json")
        probe("write", ours, "a", document, tmp_path / "in", "0,0", numbers((5, SHAPE[1])))
        again = zarr.open_array(ours, path="a", mode="r")
        native = dtype.newbyteorder("=")
        assert (again.dtype if zarr_format == 2 else again.dtype.newbyteorder("=")) == (dtype if zarr_format == 2 else native)
        assert again[...].astype(dtype.newbyteorder("=")).tobytes() == expected.tobytes(), (SEED, fill)
        assert np.array(again.fill_value, native).tobytes() == np.array(array.fill_value, native).tobytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_python_gets_them_as_numpy_has_them(tmp_path, dtype):
    dtype = np.dtype(dtype)
    values = elements(dtype, SEED)
    group = zarr.open_group(tmp_path, mode="w", zarr_format=2)
    group.create_array("a", shape=SHAPE, chunks=CHUNKS, dtype=dtype, compressors=None)[...] = values
    read = seamount.read(f"file://{tmp_path}", "a")
    assert read.dtype == dtype.newbyteorder("=") and read.shape == SHAPE
    assert read.tobytes() == values.tobytes()
    with pytest.raises(Exception, match="a"):
        seamount.Loader(f"file://{tmp_path}", ["a"])


def test_a_linked_folder_of_chunks_is_not_read_as_absent(tmp_path):
    zarr.open_group(tmp_path / "z", mode="w").create_array("a", shape=(4,), chunks=(2,), dtype="f4")[...] = 1
    (tmp_path / "z/a/c").rename(tmp_path / "elsewhere")
    (tmp_path / "z/a/c").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="symbolic link"):
        seamount.read(f"file://{tmp_path}/z", "a")


@pytest.mark.parametrize(("driver", "endian"), [("zarr3", "little"), ("zarr3", "big"), ("zarr", "little")])
def test_bfloat16_against_tensorstore(tmp_path, driver, endian):
    metadata = {"shape": list(SHAPE), "fill_value": 1.5}
    if driver == "zarr3":
        metadata |= {"data_type": "bfloat16", "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(CHUNKS)}},
                     "codecs": [{"name": "bytes", "configuration": {"endian": endian}}]}
    else:
        metadata |= {"dtype": "bfloat16", "chunks": list(CHUNKS), "compressor": None}
    store = lambda name: {"driver": driver, "kvstore": {"driver": "file", "path": str(tmp_path / name / "a")}}  # noqa: E731
    theirs = ts.open(store("theirs") | {"metadata": metadata}, create=True).result()
    values = np.random.default_rng(SEED).normal(size=SHAPE).astype(theirs.dtype.numpy_dtype)
    theirs[:5].write(values[:5]).result()
    expected = theirs.read().result()
    probe("read", tmp_path / "theirs", "a", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == expected.tobytes()
    values[:5].tofile(tmp_path / "in")
    document = tmp_path / "theirs/a" / ("zarr.json" if driver == "zarr3" else ".zarray")
    probe("write", tmp_path / "ours", "a", document, tmp_path / "in", "0,0", numbers((5, SHAPE[1])))
    assert ts.open(store("ours")).result().read().result().tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["|O", "<U0", "<M8[fortnight]", "|U3", [["a", [["b", "<f4"]]]], [["a", "<f4", [2]]], [],
                                   [["a", "<f4"], ["b", ">f4"]], "<f3", ""])
def test_types_of_format_2_that_are_not_supported_are_named(tmp_path, dtype):
    document = {"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": dtype, "fill_value": None, "order": "C", "filters": None, "compressor": None}
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / ".zarray").write_text(json.dumps(document))
    message = probe_fails("read", tmp_path, "z", tmp_path / "out")
    assert "not supported" in message and (f'"{dtype}"' if isinstance(dtype, str) else "field") in message


@pytest.mark.parametrize("dtype", ["strings", "complex_bfloat16", "r12", "int4"])
def test_types_of_format_3_that_are_not_supported_are_named(tmp_path, dtype):
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "zarr.json").write_text(json.dumps(v3_document(data_type={"name": dtype, "configuration": {}})))
    message = probe_fails("read", tmp_path, "z", tmp_path / "out")
    assert f'"{dtype}" is not supported' in message
