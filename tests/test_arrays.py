"""Groups and arrays read from Python, against NumPy on data written by zarr-python."""

from __future__ import annotations


import numpy as np
import pytest
import zarr
from loader_support import LAT, LON, TIMES, url, values, write  # noqa: F401

import seamount


def test_read_and_attributes(url, values):
    np.testing.assert_array_equal(seamount.read(url, "u"), values["u"])
    np.testing.assert_array_equal(seamount.read(url, "v", select=(7, 23)), values["v"][7:23])
    assert seamount.attributes(url) == {"title": "winds"}
    assert seamount.attributes(url, "v")["seamount"]["normalize"] == {"mean": -1.0, "std": 5.0}
    array = seamount.open_array(url, "u")
    assert (array.shape, array.dims, array.chunks) == ((TIMES, LAT, LON), ("time", "lat", "lon"), (4, LAT, LON))
    assert array.dtype == np.float32 and "float32" in repr(array)
    with pytest.raises(ValueError, match="positions 0..60"):
        array.read((0, 61))


def test_a_folder_is_a_place(tmp_path, monkeypatch):
    zarr.save_array(tmp_path / "s.zarr/u", np.arange(12.0).reshape(4, 3), zarr_format=3)
    zarr.open_group(tmp_path / "s.zarr", mode="a")
    monkeypatch.chdir(tmp_path)
    for place in ("s.zarr", "./s.zarr/", tmp_path / "s.zarr", f"file://{tmp_path}/s.zarr"):
        assert seamount.read(place, "u").sum() == 66


def test_indexing_is_numpys(url, values):
    array, truth = seamount.open_array(url, "v"), values["v"]
    for key in [
        0, -1, 59, slice(None), slice(7, 23), slice(3, 50, 7), slice(40, 10, -3), slice(10, 10), ..., (3, 2, 1),
        (slice(2, 9), -2), (..., 3), (..., slice(1, 9, 4)), (5, ..., slice(None, None, -1)), np.int64(4), (slice(5, 3), 1),
        None, [1, 2],
    ]:
        np.testing.assert_array_equal(array[key], truth[key], err_msg=repr(key))
    for key in [60, -61, (0, 0, 0, 0), (..., ...), "u", 1.5, [1.5], [60], True]:
        with pytest.raises(IndexError):
            array[key]
    np.testing.assert_array_equal(np.asarray(array), truth)
    assert np.asarray(array, dtype="f8").dtype == np.float64 and len(array) == TIMES and array.ndim == 3
    with pytest.raises(ValueError, match="makes a copy"):
        np.array(array, copy=False)


def test_read_selects_along_every_dimension(url, values):
    array = seamount.open_array(url, "v")
    np.testing.assert_array_equal(array.read({"lat": (2, 4), "time": (10, 11)}), values["v"][10:11, 2:4])
    for select, message in [
        ({"lat": (0, 7)}, "'lat' has positions 0..6"),
        ({"height": (0, 1)}, "names 'height'"),
        ((3, 2), "select 3..2"),
        ("ab", "select is 'a'"),
    ]:
        with pytest.raises(ValueError, match=message):
            array.read(select)


def test_a_group_says_what_is_in_it(url, values):
    group = seamount.open_group(url)
    assert seamount.ls(url) == group.variables() == list(group) == ["u", "v"]
    assert "u" in group and "w" not in group and group.attributes == {"title": "winds"}
    assert group.splits == {} and group.segments == [] and group.sample_dim is None
    np.testing.assert_array_equal(group["u"][3], values["u"][3])
    assert url in repr(group)


def test_a_place_that_is_no_group(tmp_path, url):
    with pytest.raises(ValueError, match="there is an array here, not a group"):
        seamount.open_group(url + "/u")
    with pytest.raises(FileNotFoundError, match="nor any other: is there a Zarr group here") as caught:
        seamount.read(f"file://{tmp_path}", "u")
    assert "did you mean" not in str(caught.value)


def test_half_written_groups_are_refused(tmp_path, url):
    (tmp_path / "winds.zarr" / "zarr.json").unlink()
    np.testing.assert_array_equal(seamount.read(url, "u").shape, (TIMES, LAT, LON))  # just arrays
    (tmp_path / "winds.zarr" / ".seamount-prepare.json").write_text("{}")
    for call in (seamount.read, seamount.open_array, seamount.attributes):
        with pytest.raises(RuntimeError, match="half-written.*give the same command again"):
            call(url, "u")
    for call in (seamount.open_group, seamount.attributes, seamount.ls):
        with pytest.raises(RuntimeError, match="half-written"):
            call(url)
    with pytest.raises(seamount.errors.PreconditionFailedError, match="half-written"):
        seamount.Loader(url, ["u"])


def test_a_chunk_that_was_written_and_is_gone(tmp_path, values):
    group = zarr.create_group(tmp_path / "w.zarr")
    write(group, "u", values["u"], {"seamount": {"every_object": True}}, fill_value=np.nan)
    (tmp_path / "w.zarr/u/c/3/0/0").unlink()
    url = f"file://{tmp_path}/w.zarr"
    for call in (
        lambda: seamount.read(url, "u"),
        lambda: seamount.open_array(url, "u")[13, 2],
        lambda: list(seamount.Loader(url, ["u"], normalize=False)),
    ):
        with pytest.raises(seamount.errors.DataLossError, match="u/c/3/0/0' is gone.*missing_chunks='fill'"):
            call()
    assert np.isnan(seamount.read(url, "u", missing_chunks="fill")[12:16]).all()
    loader = seamount.Loader(url, ["u"], normalize=False, missing_chunks="fill", fill=-1.0)
    assert sum(int(batch.inputs_missing.sum()) for batch in loader) == 4 * LAT * LON


def test_a_key_may_be_text_or_a_dict(url):
    for key in ('{"type": "nonsense"}', {"type": "nonsense"}):
        with pytest.raises(seamount.SeamountError) as caught:
            seamount.ls("gs://bucket/group", key=key, endpoint="http://127.0.0.1:9")
        assert "nonsense" in str(caught.value) or "type" in str(caught.value)
