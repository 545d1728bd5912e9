"""Codecs of numcodecs and of zarr-python 3, in both directions: what one side encodes the other decodes.

In format 2 the oracle is numcodecs itself, one chunk at a time; in format 3 it is zarr-python, which has the same codecs
as "numcodecs.…". Where zarr-python does not read what it wrote itself (filters with big-endian bytes, or beside a
transposition) there is nothing to compare with. Blosc with snappy is held against c-blosc in codecs_test.cc: numcodecs'
wheels come without it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs as v3
from test_zarr_interop import SEED, probe, probe_fails

RNG = np.random.default_rng(SEED)
SMOOTH = 1000 + np.cumsum(RNG.normal(size=777)) / 10
FILTERS = [
    (">f4", {"id": "delta", "dtype": ">f4"}),
    ("<f8", {"id": "delta", "dtype": "<f8", "astype": "<f4"}),
    ("<f2", {"id": "delta", "dtype": "<f2"}),
    (">i2", {"id": "delta", "dtype": ">i2", "astype": "<i4"}),
    ("<i8", {"id": "delta", "dtype": "<i8", "astype": "<i2"}),
    ("|u1", {"id": "delta", "dtype": "|u1"}),
    ("<f4", {"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": 10, "offset": 1000}),
    (">f8", {"id": "fixedscaleoffset", "dtype": ">f8", "astype": ">u2", "scale": 0.25, "offset": -3.5}),
    ("<f8", {"id": "fixedscaleoffset", "dtype": "<f8", "astype": "<f4", "scale": 10.5, "offset": 7}),
    ("<i4", {"id": "fixedscaleoffset", "dtype": "<i4", "astype": "<i2", "scale": 1, "offset": 1000}),
    ("<f8", {"id": "quantize", "digits": 1, "dtype": "<f8", "astype": "<f4"}),
    ("<f4", {"id": "quantize", "digits": -1, "dtype": "<f4"}),
    ("<f2", {"id": "quantize", "digits": 0, "dtype": "<f2"}),
    ("<f4", {"id": "bitround", "keepbits": 7}),
    ("<f8", {"id": "bitround", "keepbits": 0}),
    ("<f2", {"id": "bitround", "keepbits": 10}),
    ("<f8", {"id": "astype", "decode_dtype": "<f8", "encode_dtype": ">f2"}),
    ("<u8", {"id": "astype", "decode_dtype": "<u8", "encode_dtype": "<f8"}),
    ("<f4", {"id": "astype", "decode_dtype": "<f4", "encode_dtype": "|i1"}),
    ("|b1", {"id": "packbits"}),
    ("<f4", {"id": "shuffle", "elementsize": 4}),
]
COMPRESSORS = [
    {"id": "bz2", "level": 1},
    {"id": "lzma", "format": 1, "check": -1, "preset": 1, "filters": None},
    {"id": "lzma", "format": 2, "check": -1, "preset": 0, "filters": None},
    {"id": "lzma", "format": 3, "check": -1, "preset": None, "filters": [{"id": 33, "preset": 1}]},
    {"id": "adler32"},
    {"id": "adler32", "location": "end"},
    {"id": "crc32"},
    {"id": "crc32c"},
    {"id": "crc32c", "location": "start"},
    {"id": "fletcher32"},
    {"id": "jenkins_lookup3", "initval": 5},
    {"id": "base64"},
]


def values_of(dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return SMOOTH % 1 < 0.5
    with np.errstate(all="ignore"):
        return SMOOTH.astype("i8").astype(dtype) if kind in "iu" else SMOOTH.astype(dtype)


def v2_array(folder: Path, dtype: str, size: int, filters, compressor) -> None:
    (folder / "a").mkdir(parents=True)
    document = {"zarr_format": 2, "shape": [size], "chunks": [size], "dtype": dtype, "fill_value": None, "order": "C",
                "filters": filters or None, "compressor": compressor}
    (folder / "a/.zarray").write_text(json.dumps(document))


def read_v2(folder: Path, dtype: str, scratch: Path) -> np.ndarray:
    probe("read", folder, "a", scratch)
    return np.fromfile(scratch, np.dtype(dtype).newbyteorder("="))


def codec_name(config) -> str:
    return "-".join(str(value) for value in config.values() if not isinstance(value, list))


def encoded_by(codecs, values: np.ndarray) -> bytes:
    data = values
    for codec in codecs:
        data = numcodecs.get_codec(codec).encode(data)
    return numcodecs.compat.ensure_bytes(data)


def decoded_by(codecs, data, dtype: str) -> np.ndarray:
    for codec in reversed(codecs):
        data = numcodecs.get_codec(codec).decode(data)
    return np.frombuffer(numcodecs.compat.ensure_bytes(data), dtype).astype(np.dtype(dtype).newbyteorder("="))


CASES = [(dtype, [config]) for dtype, config in FILTERS]
CASES += [("<f4", [config]) for config in COMPRESSORS]
CASES += [("<f8", [{"id": "fixedscaleoffset", "dtype": "<f8", "astype": "<i4", "scale": 100, "offset": 1000},
                   {"id": "delta", "dtype": "<i4", "astype": "<i2"}, {"id": "shuffle", "elementsize": 2}, {"id": "bz2", "level": 9}])]


@pytest.mark.parametrize(("dtype", "codecs"), CASES, ids=lambda case: case if isinstance(case, str) else "+".join(map(codec_name, case)))
def test_format_2_against_numcodecs(tmp_path, dtype, codecs):
    values = values_of(dtype)
    filters, compressor = codecs, None
    if len(codecs) == 4 or codecs[0] in COMPRESSORS:
        filters, compressor = codecs[:-1], codecs[-1]
    v2_array(tmp_path / "theirs", dtype, values.size, filters, compressor)
    chunk = encoded_by(codecs, values)
    (tmp_path / "theirs/a/0").write_bytes(chunk)
    expected = decoded_by(codecs, chunk, dtype)
    ours = read_v2(tmp_path / "theirs", dtype, tmp_path / "out")
    np.testing.assert_array_equal(ours, expected, err_msg=f"SEAMOUNT_SEED={SEED}")

    values.astype(values.dtype.newbyteorder("=")).tofile(tmp_path / "in")
    probe("write", tmp_path / "ours", "a", tmp_path / "theirs/a/.zarray", tmp_path / "in")
    back = decoded_by(codecs, (tmp_path / "ours/a/0").read_bytes(), dtype)
    np.testing.assert_array_equal(back, expected, err_msg=f"SEAMOUNT_SEED={SEED}")
    written = zarr.open_array(tmp_path / "ours", path="a", mode="r")  # the document means the same
    np.testing.assert_array_equal(written[...], expected)


V3_FILTERS = [
    ("float64", [v3.FixedScaleOffset(dtype="float64", astype="int16", scale=10, offset=1000), v3.Delta(dtype="int16")]),
    ("float32", [v3.Delta(dtype="float32", astype="float64")]),
    ("float32", [v3.Quantize(digits=2, dtype="float32")]),
    ("float32", [v3.BitRound(keepbits=5)]),
    ("float64", [v3.AsType(encode_dtype="float32", decode_dtype="float64")]),
    ("int32", [v3.Delta(dtype="int32")]),
]
V3_COMPRESSORS = [
    [v3.BZ2(level=3)], [v3.LZMA(preset=1)], [v3.Zlib(level=2), v3.CRC32()], [v3.LZ4(), v3.Adler32()],
    [v3.Shuffle(elementsize=4), v3.Fletcher32()], [v3.JenkinsLookup3()], [v3.CRC32C(location="start")],
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("dtype", "filters", "compressors", "endian"),
                         [(d, f, [zarr.codecs.ZstdCodec()], "little") for d, f in V3_FILTERS]
                         + [("float32", [], c, "big") for c in V3_COMPRESSORS])
def test_format_3_against_zarr_python(tmp_path, dtype, filters, compressors, endian):
    values = values_of(dtype)[:770].reshape(70, 11)
    array = zarr.create_array(tmp_path / "theirs", name="a", shape=values.shape, chunks=(20, 6), dtype=dtype, filters=filters,
                              compressors=compressors, serializer=zarr.codecs.BytesCodec(endian=endian))
    array[...] = values
    expected = array[...]
    probe("read", tmp_path / "theirs", "a", tmp_path / "out")
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out", dtype).reshape(values.shape), expected)
    values.tofile(tmp_path / "in")
    probe("write", tmp_path / "ours", "a", tmp_path / "theirs/a/zarr.json", tmp_path / "in")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "ours", path="a", mode="r")[...], expected)


def v3_array(folder: Path, dtype: str, codecs: list, chunk: bytes, size: int) -> None:
    document = {"zarr_format": 3, "node_type": "array", "shape": [size], "data_type": dtype,
                "fill_value": [0, 0] if dtype == "complex64" else 0,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [size]}},
                "chunk_key_encoding": {"name": "default"}, "codecs": codecs, "attributes": {}}
    (folder / "a/c").mkdir(parents=True)
    (folder / "a/zarr.json").write_text(json.dumps(document))
    (folder / "a/c/0").write_bytes(chunk)


def test_scale_offset_and_cast_value(tmp_path):
    """As the registry of Zarr extensions defines them: (in − offset) · scale, then the cast."""
    codecs = [{"name": "scale_offset", "configuration": {"offset": 5, "scale": 10}},
              {"name": "cast_value", "configuration": {"data_type": "uint8", "out_of_range": "clamp", "rounding": "nearest-even"}},
              "bytes"]
    stored = np.array([0, 1, 200, 255], "u1")
    v3_array(tmp_path / "theirs", "float32", codecs, stored.tobytes(), 4)
    probe("read", tmp_path / "theirs", "a", tmp_path / "out")
    expected = stored.astype("f4") / np.float32(10) + np.float32(5)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out", "f4"), expected)
    np.array([5, 5.149, 1e9, -3], "f4").tofile(tmp_path / "in")
    probe("write", tmp_path / "ours", "a", tmp_path / "theirs/a/zarr.json", tmp_path / "in")
    assert list((tmp_path / "ours/a/c/0").read_bytes()) == [0, 1, 255, 0]
    codecs[1]["configuration"]["out_of_range"] = "error"
    v3_array(tmp_path / "strict", "float32", codecs, stored.tobytes(), 4)
    assert "out of the range" in probe_fails("write", tmp_path / "x", "a", tmp_path / "strict/a/zarr.json", tmp_path / "in")


NAMES = [("bz2", "numcodecs.bz2", {"level": 1}), ("zlib", "numcodecs.zlib", {}), ("lzma", "numcodecs.lzma", {"preset": 1}),
         ("lz4", "https://codec.zarrs.dev/bytes_to_bytes/lz4", {}), ("fletcher32", "https://codec.zarrs.dev/bytes_to_bytes/fletcher32", {}),
         ("adler32", "numcodecs.adler32", {}), ("jenkins_lookup3", "numcodecs.jenkins_lookup3", {"initval": 5}), ("shuffle", "numcodecs.shuffle", {"elementsize": 4}),
         ("zstd", "numcodecs.zstd", {"level": 1}), ("gzip", "numcodecs.gzip", {}), ("crc32", "numcodecs.crc32", {})]


@pytest.mark.parametrize(("codec", "other", "configuration"), NAMES, ids=[name for name, _, _ in NAMES])
def test_format_3_with_and_without_the_prefix(tmp_path, codec, other, configuration):
    values = values_of("<f4")
    chunk = numcodecs.get_codec({"id": codec, **configuration}).encode(values)
    for folder, name in (("one", codec), ("other", other)):
        v3_array(tmp_path / folder, "float32", ["bytes", {"name": name, "configuration": configuration}], bytes(chunk), values.size)
        probe("read", tmp_path / folder, "a", tmp_path / "out")
        np.testing.assert_array_equal(np.fromfile(tmp_path / "out", "<f4"), values)


@pytest.mark.parametrize(("codec", "astype"), [("delta", "<i4"), ("astype", None), ("bitround", None)])
def test_filters_of_format_3_without_the_prefix(tmp_path, codec, astype):
    values = np.arange(50, dtype="<i4") ** 2 if codec == "delta" else values_of("<f4")
    configuration = {"delta": {"dtype": "<i4", "astype": astype}, "astype": {"encode_dtype": "<f8", "decode_dtype": "<f4"},
                     "bitround": {"keepbits": 9}}[codec]
    chunk = numcodecs.get_codec({"id": codec, **configuration}).encode(values.copy())
    v3_array(tmp_path, values.dtype.name, [{"name": codec, "configuration": configuration}, "bytes"], np.asarray(chunk).tobytes(), values.size)
    probe("read", tmp_path, "a", tmp_path / "out")
    expected = numcodecs.get_codec({"id": codec, **configuration}).decode(chunk)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out", values.dtype), np.asarray(expected).view(values.dtype))


def bits_of(values: np.ndarray, first: int, last: int, padding: str) -> bytes:
    """packbits as zarr-extensions defines it, one bit at a time."""
    parts = values.view(values.real.dtype)  # complex numbers are two
    width = 8 * parts.itemsize
    bits = np.unpackbits(parts.view("u1").reshape(-1, parts.itemsize), axis=1, bitorder="little").reshape(-1, width)
    packed = np.packbits(bits[:, first : last + 1].ravel(), bitorder="little").tobytes()
    unused = bytes([8 * len(packed) - len(parts) * (last - first + 1)])
    return unused + packed if padding == "first_byte" else packed + unused if padding == "last_byte" else packed


@pytest.mark.parametrize("padding", ["none", "first_byte", "last_byte"])
@pytest.mark.parametrize(("dtype", "first", "last"), [("bool", 0, 0), ("int16", 0, 11), ("int16", 3, 9), ("uint32", 5, 5), ("int64", 1, 62),
                                                      ("uint64", 0, 63), ("float32", 12, 31), ("complex64", 0, 31), ("int8", 0, 4)])
def test_packbits_of_format_3(tmp_path, dtype, first, last, padding):
    count = 77
    if dtype == "bool":
        values = RNG.random(count) < 0.5
    elif dtype == "complex64":
        values = (RNG.normal(size=count) + 1j * RNG.normal(size=count)).astype(dtype)
    else:
        # Only bits that survive; signed ones fill up from last_bit.
        size = np.dtype(dtype).itemsize
        kept = RNG.integers(0, 2 ** (last - first + 1), count, dtype="u8").astype(object)
        if dtype.startswith("int"):
            kept = [k - 2 ** (last - first + 1) if k >> (last - first) else k for k in kept]
        values = np.array([(int(k) << first) % 2 ** (8 * size) for k in kept], f"u{size}").view(dtype)
    configuration = {"padding_encoding": padding} | ({} if dtype == "bool" else {"first_bit": first, "last_bit": last})
    chunk = bits_of(values, first, last, padding)
    v3_array(tmp_path / "theirs", dtype, [{"name": "packbits", "configuration": configuration}], chunk, count)
    probe("read", tmp_path / "theirs", "a", tmp_path / "out")
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out", values.view("u1").dtype), values.view("u1"), err_msg=f"SEAMOUNT_SEED={SEED}")
    values.tofile(tmp_path / "in")
    probe("write", tmp_path / "ours", "a", tmp_path / "theirs/a/zarr.json", tmp_path / "in")
    assert (tmp_path / "ours/a/c/0").read_bytes() == chunk
    (tmp_path / "theirs/a/c/0").write_bytes(chunk[:-1])
    assert "packed bits" in probe_fails("read", tmp_path / "theirs", "a", tmp_path / "out")


@pytest.mark.parametrize(("codec", "word"), [({"id": "pickle", "protocol": 4}, "unpickling"), ({"id": "categorize"}, "categorize"),
                                             ({"id": "pcodec", "level": 8}, "pcodec"), ({"id": "json2"}, "json2")])
def test_what_is_not_supported_is_named(tmp_path, codec, word):
    v2_array(tmp_path, "<f4", 4, [], codec)
    message = probe_fails("read", tmp_path, "a", tmp_path / "out")
    assert word in message and '"compressor"' in message and "not supported" in message


@pytest.mark.parametrize("codec", [c for c in COMPRESSORS if c["id"] != "base64" and c.get("format") != 2],
                         ids=codec_name)
def test_damage_is_noticed(tmp_path, codec):
    """Every byte that is cut off, and a flipped bit where the codec has a checksum."""
    values = values_of("<f4")
    whole = encoded_by([codec], values)
    v2_array(tmp_path, "<f4", values.size, [], codec)
    damaged = [whole[:-1], whole[:3], b""]
    if codec.get("format") != 3:
        damaged.append(whole[:100] + bytes([whole[100] ^ 4]) + whole[101:])
    for chunk in damaged:
        (tmp_path / "a/0").write_bytes(chunk)
        message = probe_fails("read", tmp_path, "a", tmp_path / "out")
        assert message.startswith("DataLoss") and "a/0" in message
