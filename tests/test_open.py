"""seamount.open: what lies at a place, and how it shows itself."""

from __future__ import annotations

import re
import struct
import zlib

import numpy as np
import pytest
import seamount
import xarray
import zarr
from seamount.overview_html import chunk_picture, png_of


@pytest.fixture(params=[(2, False), (3, False), (3, True)], ids=["v2", "v3", "v3 consolidated"])
def place(tmp_path, request):
    version, consolidated = request.param
    rng = np.random.default_rng(1)
    data = xarray.Dataset(
        {"u": (("time", "lat", "lon"), rng.normal(size=(20, 6, 12)).astype("f4"), {"units": "m/s", "long_name": "<b>wind</b>"}),
         "mask": (("lat", "lon"), np.ones((6, 12), bool))},
        {"time": ("time", np.arange(20), {"units": "days since 2001-01-01"}), "lat": np.linspace(-75, 75, 6),
         "area": (("lat", "lon"), np.ones((6, 12)))},
        {"seamount": {"sample_dim": "time", "splits": {"train": [0, 15], "test": [15, 20]}}},
    )
    path = tmp_path / "lab.zarr"
    options = {"zarr_format": version, "consolidated": consolidated}
    data.to_zarr(path, encoding={"u": {"chunks": (5, 3, 12)}}, **options)
    data[["u"]].drop_attrs().to_zarr(path, group="fine", mode="a", **options)
    if consolidated:
        zarr.consolidate_metadata(path)
    return path


def test_a_group_says_what_is_in_it(place):
    group = seamount.open(place)
    assert isinstance(group, seamount.Group) and group.groups() == ["fine"]
    text = repr(group)
    assert text.splitlines()[:3] == [f"<seamount.Group 'file://{place}'>", "Dimensions:  " + text.splitlines()[1][13:],
                                     "Splits:      train 0..15, test 15..20 of time"]
    assert {"time: 20", "lat: 6", "lon: 12"} == set(text.splitlines()[1][13:].split(", "))
    assert re.search(r"^    u +\(time, lat, lon\)  float32  chunks 5 × 3 × 12  m/s  <b>wind</b>$", text, re.MULTILINE)
    assert text.index("Coordinates:") < text.index("    area") < text.index("Variables:") < text.index("    mask")
    assert text.splitlines()[-1] == "Groups:      fine"
    assert list(group.coords) == ["lat", "time"] and group.coords["lat"].tolist() == np.linspace(-75, 75, 6).tolist()
    fine = group.open_group("fine")
    np.testing.assert_array_equal(fine["u"][...], group["u"][...])
    assert fine.groups() == [] and "Splits" not in repr(fine)


def test_a_split_may_have_several_stretches(tmp_path):
    odd = [[0, 3], [6, 9], [12, 14], [18, 20]]
    group = zarr.create_group(tmp_path / "years.zarr")
    group.attrs["seamount"] = {"sample_dim": "time", "splits": {"last": [15, 20]}, "split_ranges": {"odd": odd, "pair": odd[1:3]}}
    opened = seamount.open(tmp_path / "years.zarr")
    assert opened.splits == {"last": (15, 20), "odd": [tuple(pair) for pair in odd], "pair": [(6, 9), (12, 14)]}
    assert "Splits:      odd 0..3 + 6..9 + 12..14 + 1 more, pair 6..9 + 12..14, last 15..20 of time" in repr(opened)
    assert "6..9 + 12..14 of time" in opened._repr_html_()


def test_an_array_by_its_place(place):
    array = seamount.open(f"file://{place}/u")
    assert isinstance(array, seamount.Array) and array.name == "u"
    np.testing.assert_array_equal(array[...], seamount.read(f"file://{place}", "u"))
    assert "&lt;b&gt;wind" in array._repr_html_()
    with pytest.raises(FileNotFoundError, match="nothing"):
        seamount.open(place / "nothing")


def test_it_is_written_to(place):
    seamount.open(place, mode="r+")["u"][0] = 7
    assert (seamount.open(place / "u")[0] == 7).all()
    seamount.open(place / "u", mode="r+")[1] = 8
    assert (seamount.open(place)["u"][1] == 8).all()


def test_in_a_notebook(place):
    shown = seamount.open(place)._repr_html_()
    assert "<b>wind" not in shown and "&lt;b&gt;wind" in shown
    assert shown.count("<svg") == 2 and "split train" in shown and "fine" in shown
    assert "8 chunks of 720 B" in shown
    assert re.search(r"u at time 0: -?[\d.]+ to [\d.]+ m/s", shown)


def test_as_xarray(place, tmp_path):
    group = seamount.open(place)
    found, wanted = group.to_xarray(), xarray.open_zarr(place, consolidated=False)
    xarray.testing.assert_identical(found.load(), wanted.load())
    xarray.testing.assert_identical(group.to_xarray(split="test").load(), wanted.isel(time=slice(15, 20)))
    raw = group.open_group("fine").to_xarray(decode_times=False)
    assert raw.time.dtype == "i8"
    np.testing.assert_array_equal(raw.u, wanted.u)
    with pytest.raises(ValueError, match="no such split: it has .*'train'"):
        group.to_xarray(split="never")
    assert set(group._ipython_key_completions_()) == set(group)
    assert "2001-01-01 to 2001-01-20" in group._repr_html_()


def test_several_stretches_as_xarray(tmp_path):
    data = xarray.Dataset({"u": (("time",), np.arange(20.0))}, {"time": ("time", np.arange(20), {"units": "hours since 2001-01-01"})},
                          {"seamount": {"sample_dim": "time", "split_ranges": {"odd": [[1, 4], [10, 12]]}}})
    data.to_zarr(tmp_path / "s.zarr", zarr_format=2)
    group = seamount.open(tmp_path / "s.zarr")
    assert group.to_xarray(split="odd").u.values.tolist() == [1, 2, 3, 10, 11]
    assert "2001-01-01 to 2001-01-01 19:00" in group._repr_html_()


def test_the_picture_of_chunks(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    for name, shape, chunks in [("one", (10,), (3,)), ("deep", (4, 6, 8), (1, 2, 3)), ("many", (1000, 1000), (1, 1)),
                                ("none", (0, 3), (1, 1))]:
        group.create_array(name, shape=shape, chunks=chunks, dtype="f4")
    pictures = {name: chunk_picture(seamount.open(tmp_path / "a.zarr")[name]) for name in group}
    assert pictures["one"].count("<line") == 3 and pictures["one"].count("<rect") == 1
    assert pictures["deep"].count("<rect") == 4 and pictures["deep"].count("<line") == 4 and "36 chunks" in pictures["deep"]
    assert pictures["many"].count("<line") == 0 and "1000000 chunks of 4 B" in pictures["many"] and pictures["none"] == ""


def test_the_picture_of_a_field():
    field = np.array([[0.0, 0.5, 1.0], [np.nan, 0.0, 1.0]])
    data = png_of(field, 0, 1)
    assert data[16:24] == struct.pack(">II", 3, 2)
    body = data[data.index(b"IDAT") + 4 :]
    rows = np.frombuffer(zlib.decompress(body), "u1").reshape(2, 10)[:, 1:].reshape(2, 3, 3)
    assert rows[0].tolist() == [[68, 1, 84], [33, 145, 140], [253, 231, 37]] and rows[1, 0].tolist() == [200] * 3


def test_an_array_that_cannot_be_read_is_named(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("good", data=np.ones((4, 5)))
    group.create_array("odd", data=np.ones(3))
    document = tmp_path / "a.zarr/odd/zarr.json"
    document.write_text(document.read_text().replace('"float64"', '"float12"'))
    group = seamount.open(tmp_path / "a.zarr")
    assert "Not readable: odd" in repr(group) and "float12" in repr(group)
    assert "not readable: odd" in group._repr_html_() and "<img" in group._repr_html_()
