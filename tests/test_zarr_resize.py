"""Arrays that grow and shrink, in turns by us and by zarr-python."""

from __future__ import annotations

import random

import numpy as np
import pytest
import zarr
from test_zarr_interop import SEED, numbers, probe, read_ours


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("zarr_format", "shards"), [(2, None), (3, None), (3, (6, 8))])
def test_in_turns_with_zarr_python(tmp_path, zarr_format, shards):
    rnd = random.Random(SEED)
    options = {"shards": shards} if shards else {}
    zarr.create_array(tmp_path / "z", name="a", shape=(5, 7), chunks=(3, 4), dtype="i4", fill_value=-1, zarr_format=zarr_format,
                      attributes={"units": "K"}, **options)
    expected = np.full((5, 7), -1, "i4")
    for turn in range(24):
        where = f"SEAMOUNT_SEED={SEED} turn {turn}"
        array = zarr.open_array(tmp_path / "z", path="a", mode="r+")
        axis = rnd.randrange(2)
        more = list(expected.shape)
        more[axis] = rnd.randrange(1, 6)
        added = np.arange(1000 * turn, 1000 * turn + more[0] * more[1], dtype="i4").reshape(more)
        if turn % 3 == 0:
            array.append(added, axis=axis)
            expected = np.append(expected, added, axis)
        elif turn % 3 == 1:
            added.tofile(tmp_path / "in")
            probe("append", tmp_path / "z", "a", axis, tmp_path / "in")
            expected = np.append(expected, added, axis)
        else:
            smaller = [rnd.randrange(1, size + 1) for size in expected.shape]
            probe("resize", tmp_path / "z", "a", numbers(smaller))
            expected = expected[: smaller[0], : smaller[1]]
            array = zarr.open_array(tmp_path / "z", path="a", mode="r+")
            np.testing.assert_array_equal(array[...], expected, err_msg=where)
            larger = [size + rnd.randrange(5) for size in smaller]
            array.resize(larger)  # zarr-python shows whatever lies beyond the edge
            grown = np.full(larger, -1, "i4")
            grown[: smaller[0], : smaller[1]] = expected
            expected = grown
        ours, metadata = read_ours(tmp_path / "z", "a", tmp_path / "out")
        np.testing.assert_array_equal(ours, expected, err_msg=where)
        np.testing.assert_array_equal(zarr.open_array(tmp_path / "z", path="a", mode="r")[...], expected, err_msg=where)
        assert metadata["attributes"] == {"units": "K"}
