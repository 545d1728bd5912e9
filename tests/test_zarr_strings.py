"""Text and bytes of variable length, in both directions: against zarr-python in formats 2 and 3, and xarray."""

from __future__ import annotations

import json
import random

import numcodecs
import numpy as np
import pytest
import seamount
import xarray
import zarr
from test_zarr_interop import SEED

pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE, CHUNKS = (7, 5), (3, 4)
WORDS = ["", "a", "Ωx", "風速z", "north\x00east", "e" * 3000, "åbc"]
COMPRESSORS = {
    2: [None, numcodecs.Blosc("zstd"), numcodecs.GZip(), numcodecs.LZ4(), numcodecs.Zlib(), numcodecs.BZ2()],
    3: [None, zarr.codecs.ZstdCodec(), zarr.codecs.GzipCodec(), zarr.codecs.BloscCodec(cname="lz4"),
        [zarr.codecs.ZstdCodec(checksum=True), zarr.codecs.Crc32cCodec()]],
}


def words(rnd: random.Random, shape: tuple[int, ...]) -> np.ndarray:
    chosen = [rnd.choice(WORDS) for _ in range(int(np.prod(shape)))]
    return np.array(chosen, dtype=object).reshape(shape)


def create(rnd: random.Random, path, number: int, text: bool = True, fill="?"):
    zarr_format = 2 + number % 2
    options = {"compressors": rnd.choice(COMPRESSORS[zarr_format])}
    if zarr_format == 2:
        options |= {"order": rnd.choice("CF"), "dtype": "string"}
    else:
        options |= {"dtype": "string" if text else "variable_length_bytes"}
        if rnd.random() < 0.5:
            options["shards"] = (6, 8)
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    return group.create_array("a", shape=SHAPE, chunks=CHUNKS, fill_value=fill, **options)


def box(rnd: random.Random) -> tuple[slice, ...]:
    starts = [rnd.randrange(size) for size in SHAPE]
    return tuple(slice(a, rnd.randrange(a + 1, size + 1)) for a, size in zip(starts, SHAPE))


@pytest.mark.parametrize("number", range(12))
def test_text_in_both_directions(tmp_path, number):
    rnd = random.Random(SEED + number)
    theirs = create(rnd, tmp_path, number)
    ours = seamount.open_array(f"file://{tmp_path}", "a", mode="r+")
    expected = np.full(SHAPE, "?", dtype=object)
    for turn in range(6):
        where, said = box(rnd), f"SEAMOUNT_SEED={SEED} number {number} turn {turn}"
        values = words(rnd, expected[where].shape)
        if turn % 2:
            theirs[where] = values
            ours = seamount.open_array(f"file://{tmp_path}", "a", mode="r+")  # what is kept of a shard's index is theirs now
        else:
            ours[where] = values
        expected[where] = values
        read = ours[...]
        assert read.dtype == np.dtypes.StringDType() and ours.dtype == read.dtype
        assert read.tolist() == expected.tolist(), said
        again = zarr.open_array(tmp_path, path="a", mode="r")
        assert again[...].tolist() == expected.tolist(), said
        part = box(rnd)
        assert ours[part].tolist() == expected[part].tolist(), said


@pytest.mark.parametrize("number", [1, 3])
def test_bytes_in_both_directions(tmp_path, number):
    rnd = random.Random(SEED + number)
    theirs = create(rnd, tmp_path, number, text=False, fill=b"\xff?")
    values = np.array([word.encode() + b"\xfe" for word in words(rnd, SHAPE).flat], dtype=object).reshape(SHAPE)
    theirs[:4] = values[:4]
    ours = seamount.open_array(f"file://{tmp_path}", "a", mode="r+")
    assert ours[...].tolist() == theirs[...].tolist() and ours.dtype == object
    ours[4:6] = values[4:6]
    again = zarr.open_array(tmp_path, path="a", mode="r")[...]
    assert again[:6].tolist() == values[:6].tolist() and again[6].tolist() == [b"\xff?"] * SHAPE[1]
    with pytest.raises(TypeError):
        ours[0, 0] = "text"


def test_bytes_of_format_2(tmp_path):
    """zarr-python 3 cannot make them; numcodecs can."""
    values = np.array([b"", b"a\x00", b"\xff" * 40], dtype=object)
    (tmp_path / "a").mkdir()
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "a/.zarray").write_text(json.dumps({
        "zarr_format": 2, "shape": [5], "chunks": [3], "dtype": "|O", "fill_value": None, "order": "C",
        "filters": [{"id": "vlen-bytes"}], "compressor": {"id": "zstd", "level": 1}}))
    (tmp_path / "a/0").write_bytes(numcodecs.Zstd(1).encode(numcodecs.VLenBytes().encode(values)))
    array = seamount.open_array(f"file://{tmp_path}", "a", mode="r+")
    assert array[...].tolist() == [*values, b"", b""]
    array[3:] = [b"x", b"yz"]
    stored = numcodecs.VLenBytes().decode(numcodecs.Zstd(1).decode((tmp_path / "a/1").read_bytes()))
    assert stored.tolist() == [b"x", b"yz", b""]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_xarray_writes_for_names(tmp_path, zarr_format):
    names = np.array(["Zürich", "Ny-Ålesund", ""], dtype=object)
    dataset = xarray.Dataset({"t": ("station", [1.0, 2.0, 3.0])}, coords={"station": names})
    dataset.to_zarr(tmp_path / "z", zarr_format=zarr_format)
    group = seamount.open_group(f"file://{tmp_path}/z", mode="r+")
    assert sorted(group) == ["station", "t"]
    assert group["station"][...].tolist() == names.tolist()
    assert group["station"][[2, 0]].tolist() == ["", "Zürich"]
    for name, added in [("station", ["Base"]), ("t", [4.0])]:
        group[name].append(added)
    again = xarray.open_zarr(tmp_path / "z")
    assert again.station.values.tolist() == [*names, "Base"] and again.t.values.tolist() == [1, 2, 3, 4]


def test_longer_and_shorter(tmp_path):
    rnd = random.Random(SEED)
    for number in range(4):
        path = tmp_path / str(number)
        create(rnd, path, number)
        array = seamount.open_array(f"file://{path}", "a", mode="r+")
        values = words(rnd, SHAPE)
        array[...] = values
        array.resize(4, 3)
        array.resize((9, 5))
        expected = np.full((9, 5), "?", dtype=object)
        expected[:4, :3] = values[:4, :3]
        assert array.append(values[:, :5]) == (16, 5)
        expected = np.append(expected, values, 0)
        assert array[...].tolist() == expected.tolist() == zarr.open_array(path, path="a", mode="r")[...].tolist()


def test_what_is_damaged_or_not_text_is_said(tmp_path):
    group = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    group.create_array("a", shape=(3,), chunks=(3,), dtype="string", compressors=None)[...] = np.array(["x", "yy", "z"], dtype=object)
    chunk = tmp_path / "a/c/0"
    whole = chunk.read_bytes()
    for damaged, message in [
        (whole[:-1], "element 2 says it has 1 bytes, and 0 are left"),
        (whole + b"\0", "1 bytes follow"),
        (b"\4" + whole[1:], "there are 4, but the chunk shape says 3"),
        (whole[:3], "their number is missing"),
        (whole[:7], "they end before element 0"),
        (whole[:4] + b"\xff\xff\xff\xff" + whole[8:], "element 0 says it has 4294967295 bytes"),
        (whole[:8] + b"\xff" + whole[9:], "element 0 is not valid UTF-8"),
    ]:
        chunk.write_bytes(damaged)
        with pytest.raises(OSError, match="c/0") as raised:
            seamount.read(f"file://{tmp_path}", "a")
        assert message in str(raised.value)
    array = seamount.open_array(f"file://{tmp_path}", "a", mode="r+")
    with pytest.raises(UnicodeEncodeError):
        array[...] = np.array(["\ud800"] * 3, dtype=object)
    with pytest.raises(ValueError, match="a"):
        seamount.Loader(f"file://{tmp_path}", ["a"])


@pytest.mark.parametrize(("document", "message"), [
    ({"codecs": [{"name": "bytes"}]}, '"vlen-utf8" does'),
    ({"codecs": [{"name": "vlen-bytes"}]}, '"vlen-utf8" does'),
    ({"data_type": "variable_length_bytes"}, '"vlen-bytes" does'),
    ({"data_type": "int32", "fill_value": 0}, "encodes elements of variable length, not int32"),
    ({"codecs": [{"name": "numcodecs.delta", "configuration": {"dtype": "<i4"}}, {"name": "vlen-utf8"}]}, "cannot stand there"),
])
def test_codecs_that_do_not_belong_there(tmp_path, document, message):
    group = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    group.create_array("a", shape=(3,), chunks=(3,), dtype="string", compressors=None)
    path = tmp_path / "a/zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | document))
    with pytest.raises(ValueError, match="codec") as raised:
        seamount.open_array(f"file://{tmp_path}", "a")
    assert message in str(raised.value)


@pytest.mark.parametrize("codec", ["pickle", "json2", "msgpack2", "categorize", "vlen-array"])
def test_other_objects_are_refused_by_name(tmp_path, codec):
    (tmp_path / "a").mkdir()
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "a/.zarray").write_text(json.dumps({
        "zarr_format": 2, "shape": [5], "chunks": [3], "dtype": "|O", "fill_value": None, "order": "C",
        "filters": [{"id": codec}], "compressor": None}))
    with pytest.raises(ValueError, match=f'"{codec}" is not supported'):
        seamount.open_array(f"file://{tmp_path}", "a")
