"""Zarr groups as sources of `seamount prepare`: what xarray and zarr-python write, on a disk, in a bucket, on a web server."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from prepare_files import prepare  # noqa: F401
from test_far_sources import bucket, web  # noqa: F401


def era(steps=40, start="2000-01-01") -> xr.Dataset:
    values = np.random.default_rng(3).normal(280, 10, (steps, 6, 8)).astype("f4")
    values[2, 1, 1] = np.nan
    return xr.Dataset(
        {"t2m": (("time", "lat", "lon"), values, {"units": "K", "cell_methods": "time: mean"}),
         "packed": (("time", "lat", "lon"), np.round(values, 1), {"units": "K"}),
         "count": (("time",), np.arange(steps, dtype="i4"))},
        {"time": pd.date_range(start, periods=steps, freq="6h"), "lat": np.linspace(50, 40, 6), "lon": np.arange(8.0),
         "name": ("lat", list("abcdef"))},
        {"title": "a small archive"})


PACKED = {"packed": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}}


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("sharded", [True, False])
def test_what_xarray_writes(prepare, tmp_path, format, consolidated, sharded):
    if sharded and format == 2:
        return
    encoding = {"t2m": {"chunks": (10, 3, 8)} | ({"shards": (20, 6, 8)} if sharded else {})}
    era().to_zarr(tmp_path / "in.zarr", zarr_format=format, consolidated=consolidated, encoding=PACKED | encoding)
    out = prepare({"source": "in.zarr", "variables": ["t2m", "packed", "count"], "chunks": {"time": 40, "lat": 1, "lon": 1}})
    expected = xr.open_zarr(tmp_path / "in.zarr", consolidated=consolidated).load()
    np.testing.assert_array_equal(out.t2m, expected.t2m)
    np.testing.assert_allclose(out.packed, expected.packed, rtol=1e-6)
    np.testing.assert_array_equal(out["count"], expected["count"])
    np.testing.assert_array_equal(xr.decode_cf(out).time, expected.time)
    assert out.t2m.attrs["units"] == "K" and out.attrs["title"] == "a small archive"
    assert out.t2m.dims == ("time", "lat", "lon")


def test_a_chunk_lost_from_what_prepare_wrote_is_no_missing_value(prepare, tmp_path):
    era().to_zarr(tmp_path / "in.zarr", encoding={"t2m": {"chunks": (10, 6, 8)}})
    first = {"source": "in.zarr", "variables": ["t2m"], "chunks": {"time": 10}}
    prepare(first)
    (tmp_path / "out.zarr").rename(tmp_path / "first.zarr")
    (tmp_path / "first.zarr/t2m/c/2/0/0").unlink()
    said = prepare({"source": "first.zarr", "variables": ["t2m"], "chunks": {"time": 40}}, fails=9)
    assert "the object 't2m/c/2/0/0' is gone" in said


def test_a_changed_chunk_is_a_changed_source(prepare, tmp_path):
    era().to_zarr(tmp_path / "in.zarr", encoding={"t2m": {"chunks": (10, 6, 8)}})
    recipe = {"source": "in.zarr/", "variables": ["t2m"]}
    prepare(recipe)
    zarr.open_array(tmp_path / "in.zarr/t2m")[35] = 7
    assert "overwrite" in prepare(recipe, fails=4)
    assert (prepare(recipe, "--overwrite").t2m[35] == 7).all()


def test_chunks_that_differ_in_size(prepare, tmp_path):
    archive = era()
    encoding = {"t2m": {"chunks": (10, 6, 8), "compressors": None, "filters": None}}
    archive.to_zarr(tmp_path / "in.zarr", zarr_format=3, consolidated=False, encoding=encoding)
    chunks, document = tmp_path / "in.zarr/t2m/c", tmp_path / "in.zarr/t2m/zarr.json"
    second = chunks / "1/0/0"
    second.write_bytes(second.read_bytes() + (chunks / "2/0/0").read_bytes())
    (chunks / "3/0/0").rename(chunks / "2/0/0")
    metadata = json.loads(document.read_text())
    metadata["chunk_grid"] = {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[10, 20, 10], 6, [[8, 1]]]}}
    document.write_text(json.dumps(metadata))
    recipe = {"source": "in.zarr", "variables": ["t2m"], "chunks": {"time": 7}}
    np.testing.assert_array_equal(prepare(recipe).t2m, archive.t2m)
    (chunks / "2/0/0").write_bytes(np.full((10, 6, 8), 7, "f4").tobytes())
    assert "overwrite" in prepare(recipe, fails=4)
    changed = prepare(recipe, "--overwrite").t2m
    np.testing.assert_array_equal(changed[:30], archive.t2m[:30])
    assert (changed[30:] == 7).all()


@pytest.mark.parametrize("format", [2, 3])
def test_the_fill_of_format_2_is_missing(prepare, tmp_path, format):
    group = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=format)
    names = {"dimension_names": ["x"]} if format == 3 else {}
    v = group.create_array("v", shape=(4,), chunks=(2,), dtype="f4", fill_value=-1, **names)
    if format == 2:
        v.attrs["_ARRAY_DIMENSIONS"] = ["x"]
    v[:2] = [-1, 3]  # the other chunk is never written
    out = prepare({"source": "in.zarr", "variables": ["v"]})
    expected = [np.nan, 3, np.nan, np.nan] if format == 2 else [-1, 3, -1, -1]
    np.testing.assert_array_equal(out.v, np.float32(expected))


def test_groups_within_share_the_dimensions_of_those_around(prepare, tmp_path):
    tree = xr.DataTree.from_dict({"/": era()[["t2m"]].drop_vars("name"), "/ocean": era()[["packed"]].drop_vars("name"),
                                  "/ice/deep": xr.Dataset({"h": ("z", np.arange(3.0))}, {"z": np.arange(3)})})
    tree.to_zarr(tmp_path / "in.zarr")
    out = prepare({"source": "in.zarr", "variables": ["t2m", "ocean/packed", "ice/deep/h"], "time": ["2000-01-02", "2000-01-03"]})
    assert out["ocean.packed"].dims == ("time", "lat", "lon") and out.sizes["time"] == 8
    np.testing.assert_array_equal(out["ocean.packed"], era().packed[4:12].astype("f4"))
    assert out["ice.deep.h"].dims == ("ice.deep.z",)


def test_years_in_groups_of_their_own_are_joined(prepare, tmp_path):
    for n, start in enumerate(["2000-01-01", "2000-01-11"]):
        era(start=start).to_zarr(tmp_path / f"year_{n}.zarr")
    out = prepare({"source": "year_*.zarr", "variables": ["t2m"]})
    assert out.sizes["time"] == 80
    np.testing.assert_array_equal(out.t2m[:40], era().t2m)
    np.testing.assert_array_equal(out.t2m[40:], era().t2m)


def test_arrays_that_cannot_be_read_concern_who_asks(prepare, tmp_path):
    group = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=3)
    group.create_array("z", shape=(2,), dtype="c8", dimension_names=["x"])[:] = 1
    group.create_array("v", shape=(2,), dtype="f4", dimension_names=["x"])[:] = 2
    group.create_array("w", shape=(3,), dtype="f4", dimension_names=["x"])[:] = 2
    assert (prepare({"source": "in.zarr", "variables": ["v"]}).v == 2).all()
    assert "complex64" in prepare({"source": "in.zarr", "variables": ["z"]}, fails=2)
    assert "where others have 2" in prepare({"source": "in.zarr", "variables": ["w"]}, fails=2)


def test_in_a_bucket(bucket, tmp_path):
    era().to_zarr(tmp_path / "in.zarr")
    bucket.run("cp", "-r", str(tmp_path / "in.zarr"), "gs://raw/era.zarr")
    out = bucket.prepare({"source": "gs://raw/e*.zarr", "variables": ["t2m"]})
    np.testing.assert_array_equal(out.t2m, era().t2m)
    assert "neither a file nor a Zarr group" in bucket.prepare({"source": "gs://raw/no.zarr", "variables": ["t2m"]}, fails=3)


def test_on_a_web_server_by_its_consolidated_metadata(prepare, tmp_path, web):
    era().to_zarr(tmp_path / "web" / "in.zarr", zarr_format=2)
    out = prepare({"source": web.url("in.zarr"), "variables": ["t2m"]})
    np.testing.assert_array_equal(out.t2m, era().t2m)
    (tmp_path / "web" / "in.zarr" / ".zmetadata").unlink()
    assert "does not say what it has" in prepare({"source": web.url("in.zarr"), "variables": ["t2m"]}, "--overwrite", fails=2)


def test_maps_become_series_within_the_memory_allowed(prepare, tmp_path):
    shape = (2400, 128, 128)  # 150 MiB
    array = zarr.create_array(tmp_path / "in.zarr/v", shape=shape, chunks=(20, 128, 128), dtype="f4", compressors=None,
                              dimension_names=["t", "y", "x"])
    zarr.open_group(tmp_path / "in.zarr", mode="a")
    values = np.random.default_rng(1).normal(size=shape).astype("f4")
    array[:] = values
    command = prepare.command({"source": "in.zarr", "variables": ["v"], "chunks": {"y": 16, "x": 16}}, tmp_path / "out.zarr",
                           "--memory", "128M", "--json")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["peak_memory_bytes"] <= 128 << 20
    assert report["decoded_bytes"] <= 1.1 * values.nbytes, "each chunk is decoded once"
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "out.zarr/v")[:], values)
