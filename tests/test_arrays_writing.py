"""Arrays written to from Python, and every kind of index: against NumPy, by random indices."""

from __future__ import annotations

import random

import numpy as np
import pytest
import seamount
import zarr
from test_zarr_interop import SEED

pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE, CHUNKS = (13, 6, 9), (4, 3, 2)
TYPES = ["<f4", ">i2", "|b1", "<M8[ns]", "<U3", "|S4", "<c8", [("a", "<i4"), ("b", "|S2")]]


def arrays(path, dtype, number: int):
    """(ours, NumPy's) with the same values."""
    zarr_format = 2 if number % 3 == 0 or np.dtype(dtype).names else 3
    options = {"shards": (8, 6, 4)} if number % 3 == 1 and zarr_format == 3 else {}
    if np.dtype(dtype).names:
        options["compressors"] = None
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.create_array("a", shape=SHAPE, chunks=CHUNKS, dtype=dtype, **options)
    native = np.dtype(dtype).newbyteorder("=")
    return seamount.open_array(f"file://{path}", "a", mode="r+"), np.zeros(SHAPE, native)


def some(rnd: random.Random, count: int, dtype: np.dtype) -> np.ndarray:
    values = np.array([rnd.randrange(2 if dtype == bool else 99) for _ in range(count)])
    return np.array([(v, str(v)) for v in values], dtype) if dtype.names else values.astype(dtype)


def slice_of(rnd: random.Random, size: int) -> slice:
    ends = [rnd.choice([None, rnd.randrange(-size - 2, size + 3)]) for _ in range(2)]
    return slice(*ends, rnd.choice([None, None, 1, 2, 3, -1, -4]))


def numbers_of(rnd: random.Random, size: int, shape) -> np.ndarray:
    return np.array([rnd.randrange(-size, size) for _ in range(int(np.prod(shape)))], dtype=int).reshape(shape)


def part_of(rnd: random.Random, size: int, shape) -> object:
    kind = rnd.randrange(6)
    if kind == 0:
        return rnd.randrange(-size, size)
    if kind == 1:
        return numbers_of(rnd, size, shape)
    if kind == 2:
        return numbers_of(rnd, size, shape).tolist() if rnd.random() < 0.5 else np.int64(rnd.randrange(size))
    return slice_of(rnd, size)


def key_of(rnd: random.Random) -> object:
    if rnd.random() < 0.08:
        return np.array([rnd.random() < 0.2 for _ in range(int(np.prod(SHAPE)))]).reshape(SHAPE)
    shape = rnd.choice([(3,), (1,), (2, 2), (0,)])
    parts = [part_of(rnd, size, shape) for size in SHAPE]
    if rnd.random() < 0.1:
        parts[0] = np.array([rnd.random() < 0.5 for _ in range(SHAPE[0])])
    if rnd.random() < 0.4:
        at = rnd.randrange(3)
        parts[at:] = [...]
    for _ in range(rnd.choice([0, 0, 1, 2])):
        parts.insert(rnd.randrange(len(parts) + 1), None)
    return tuple(parts) if len(parts) != 1 or rnd.random() < 0.5 else parts[0]


def outcome(f):
    try:
        return f()
    except IndexError:
        return IndexError


@pytest.mark.parametrize("number", range(len(TYPES)))
def test_any_index_as_numpy(tmp_path, number):
    rnd = random.Random(SEED + number)
    ours, truth = arrays(tmp_path, TYPES[number], number)
    truth[...] = some(rnd, truth.size, truth.dtype).reshape(SHAPE)
    ours[...] = truth
    for turn in range(60):
        key = key_of(rnd)
        said = f"SEAMOUNT_SEED={SEED} number {number} turn {turn}: {key!r}"
        expected, got = outcome(lambda: truth[key]), outcome(lambda: ours[key])
        if expected is IndexError or got is IndexError:
            assert got is expected, said
            continue
        assert np.shape(got) == np.shape(expected) and np.asarray(got).dtype == np.asarray(expected).dtype, said
        assert np.asarray(got).tobytes() == np.ascontiguousarray(expected).tobytes(), said
        if turn % 3 or not np.size(expected):
            continue
        if np.unique(np.arange(truth.size).reshape(SHAPE)[key]).size < np.size(expected):
            continue  # which of two values for one element wins is nobody's promise
        values = some(rnd, np.size(expected), truth.dtype).reshape(np.shape(expected))
        ours[key] = truth[key] = values
        assert ours[...].tobytes() == truth.tobytes(), said
    theirs = zarr.open_array(tmp_path, path="a", mode="r")[...]
    assert theirs.astype(truth.dtype).tobytes() == truth.tobytes()


def test_outer_indices_as_zarr_python(tmp_path):
    rnd = random.Random(SEED)
    ours, truth = arrays(tmp_path, "<f4", 1)
    theirs = zarr.open_array(tmp_path, path="a", mode="r+")
    for turn in range(60):
        parts = [part_of(rnd, size, (rnd.randrange(1, 5),)) for size in SHAPE]
        parts = [slice(None, None, abs(p.step or 1)) if isinstance(p, slice) else p for p in parts]  # zarr-python's
        if rnd.random() < 0.2:
            parts[1] = np.array([True, False, True, True, False, False])
        key = tuple(parts[: rnd.randrange(1, 4)])
        said = f"SEAMOUNT_SEED={SEED} turn {turn}: {key!r}"
        expected = theirs.oindex[tuple(np.asarray(p) if isinstance(p, list) else p for p in key)]
        np.testing.assert_array_equal(ours.oindex[key], expected, err_msg=said)
        indices = [np.arange(size)[part].ravel() for size, part in zip(SHAPE, (*key, *[slice(None)] * 3))]
        if any(np.unique(index).size < index.size for index in indices):
            continue
        values = np.random.default_rng(turn).random(np.shape(expected), "f4")
        ours.oindex[key] = values
        truth[np.ix_(*indices)] = values.reshape([index.size for index in indices])
        np.testing.assert_array_equal(theirs[...], truth, err_msg=said)


def test_an_index_reads_the_chunks_that_it_needs_and_no_others(tmp_path):
    ours, truth = arrays(tmp_path, "<f4", 2)
    ours[...] = 1.0
    for path in (tmp_path / "a/c/1").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    assert ours[[0, 12, 3], 2, 1].tolist() == [1, 1, 1] and ours.oindex[[0, 12]].shape == (2, 6, 9)
    with pytest.raises(OSError, match="c/1/"):
        ours[[0, 5]]


def test_shapes_change_as_zarr_pythons(tmp_path):
    ours, truth = arrays(tmp_path, "<f4", 1)
    zarr.consolidate_metadata(tmp_path)
    ours[...] = truth = np.random.default_rng(SEED).random(SHAPE, "f4")
    assert ours.append(truth[:3]) == (16, 6, 9)
    ours.resize(9, 6, 12)
    expected = np.zeros((9, 6, 12), "f4")
    expected[:, :, :9] = truth[:9]
    np.testing.assert_array_equal(ours[...], expected)
    assert ours.shape == (9, 6, 12) == zarr.open_consolidated(tmp_path)["a"].shape
    np.testing.assert_array_equal(zarr.open_consolidated(tmp_path)["a"][...], expected)
    for call, message in [
        (lambda: ours.append(np.zeros((2, 6, 9), "f4")), r"expected \('any', 6, 12\)"),
        (lambda: ours.append(np.zeros((2, 6, 12), "f4"), axis=3), "no axis 3"),
        (lambda: ours.resize(4, 4), "another rank"),
        (lambda: ours.resize(4, -1, 3), "expected 0 or more"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    assert ours.shape == (9, 6, 12)


def test_who_opened_it_for_reading_does_not_write(tmp_path):
    arrays(tmp_path, "<f4", 1)
    array = seamount.open_group(f"file://{tmp_path}")["a"]
    for call in (lambda: array.append([1]), lambda: array.resize(1, 2, 3), lambda: array.__setitem__(0, 1)):
        with pytest.raises(ValueError, match=r"'a' is open for reading: open it with mode='r\+'"):
            call()
    with pytest.raises(ValueError, match="mode is 'w'"):
        seamount.open_group(f"file://{tmp_path}", mode="w")
    packed = zarr.open_group(tmp_path, mode="r+").create_array("p", shape=(3,), dtype="i2", attributes={"scale_factor": 0.1})
    packed[...] = 5
    with pytest.raises(ValueError, match="scale_factor"):
        seamount.open_array(f"file://{tmp_path}", "p", mode="r+")[0] = 1.0


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_grows_by_resize_is_not_taken_for_lost(tmp_path, zarr_format):
    group = zarr.open_group(tmp_path, mode="w", zarr_format=zarr_format)
    group.create_array("a", shape=(4,), chunks=(2,), dtype="f4", fill_value=7, attributes={"seamount": {"every_object": True}})[...] = 1
    array = seamount.open_array(f"file://{tmp_path}", "a", mode="r+")
    array.append([2, 3])
    (tmp_path / "a" / ("0" if zarr_format == 2 else "c/0")).unlink()
    with pytest.raises(OSError, match="missing_chunks"):
        seamount.read(f"file://{tmp_path}", "a")
    array.resize(8)
    assert seamount.read(f"file://{tmp_path}", "a", raw=True).tolist() == [7, 7, 1, 1, 2, 3, 7, 7]
