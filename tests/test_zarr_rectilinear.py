"""Chunks and shards that differ in size, as zarr-python 3.4 wrote them (rectilinear.zip, made by make_rectilinear.py): the
zarr-python beside these tests does not know them yet."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import seamount

VALUES = np.arange(11 * 18, dtype="int32").reshape(11, 18) * 7 + 3


@pytest.fixture
def root(tmp_path):
    zipfile.ZipFile(Path(__file__).parent / "rectilinear.zip").extractall(tmp_path)
    return tmp_path


def expected(name: str) -> np.ndarray:
    if name == "chunks":
        return VALUES
    if name == "beyond":
        return VALUES[:, :3].repeat(2, axis=0)[:10]
    shards = VALUES[:10].copy()
    shards[4:6] = -1  # never written
    return shards


@pytest.mark.parametrize("name", ["chunks", "shards", "beyond"])
def test_reads_what_zarr_python_wrote(root, name):
    array = seamount.open_group(str(root))[name]
    values = expected(name)
    np.testing.assert_array_equal(array[:], values)
    for start in range(len(values)):
        for stop in range(start + 1, len(values) + 1):
            np.testing.assert_array_equal(array[start:stop, 1::2], values[start:stop, 1::2])


def test_reads_text(root):
    assert list(seamount.open_group(str(root))["text"][:]) == ["a", "bb", "", "Nebel über 北", "z"]


def test_what_needs_chunks_of_one_size_says_so(root):
    with pytest.raises(ValueError, match="'chunks' has chunks that differ in size"):
        seamount.Loader(str(root), ["chunks"], sample_dim="time", normalize=False)
    array = seamount.open_group(str(root), mode="r+")["chunks"]
    with pytest.raises(ValueError, match=r"'chunks' has a rectilinear chunk grid, which is read only"):
        array[0] = 1
    with pytest.raises(ValueError, match="another shape needs a regular one"):
        array.resize((12, 18))
    np.testing.assert_array_equal(array[:], VALUES)
