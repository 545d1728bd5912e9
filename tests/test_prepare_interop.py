"""What seamount prepare makes opens in xarray, zarr-python and TensorStore as it is, with equal values: every source in the
repository, and what xarray itself writes."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import tensorstore
import xarray as xr
import zarr

from prepare_files import FERRET, prepare, write_netcdf  # noqa: F401


def opens_everywhere(out, format, names, **how):
    """The group by three programs, each with its defaults; values of the named arrays agree bit by bit."""
    with xr.open_zarr(out, **how) as decoded:
        decoded.load()
    with xr.open_zarr(out, decode_times=False, mask_and_scale=False) as plain:
        group = zarr.open_group(str(out), mode="r")
        assert group.metadata.zarr_format == format
        for name in names:
            stored = plain[name].values
            np.testing.assert_array_equal(group[name][...], stored, err_msg=f"zarr-python: {name}")
            driver = "zarr3" if format == 3 else "zarr"
            array = tensorstore.open({"driver": driver, "kvstore": {"driver": "file", "path": f"{out}/{name}/"}}, read=True).result()
            np.testing.assert_array_equal(np.asarray(array.read().result()), stored, err_msg=f"TensorStore: {name}")
    return decoded


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize("path", FERRET, ids=lambda p: p.stem)
def test_every_source_in_the_repository(prepare, tmp_path, path, format):
    with xr.open_dataset(path, decode_times=False) as raw:
        names = [n for n in raw.variables if n not in raw.dims and raw[n].dtype.kind in "fiu"][:2]
        small = {d: {"index": 0} for d in raw.dims if d in raw.variables and raw.sizes[d] > 30 and "since" in raw[d].attrs.get("units", "")}
        recipe = {"source": str(path), "variables": names, "format": format} | ({"select": small} if small else {})
        prepare(recipe)
        got = opens_everywhere(tmp_path / "out.zarr", format, names, decode_times=False)  # there are years 0
        for name in names:
            np.testing.assert_allclose(got[name], raw[name].isel({d: 0 for d in small if d in raw[name].dims}), rtol=1e-6)


def as_people_write(kind):
    """Data sets with what xarray adds by itself: NaN fills on variables and coordinates, encoded times, lists of coordinates."""
    time = pd.date_range("2000-01-01", periods=8, freq="D")
    t = np.arange(8 * 3 * 4, dtype="f4").reshape(8, 3, 4)
    t[2] = np.nan
    ds = xr.Dataset({"t": (("time", "y", "x"), t, {"units": "K"})}, {"time": time})
    if kind == "plain":
        return ds.assign_coords(y=[1.0, 2.0, 3.0], x=[0.0, 1.0, 2.0, 3.0])
    if kind == "curvilinear":
        lat, lon = np.mgrid[0:3, 0:4] + 0.5
        ds = ds.assign_coords(lat=(("y", "x"), lat, {"units": "degrees_north"}), lon=(("y", "x"), lon), height=2.0)
        ds["crs"] = ((), 0, {"grid_mapping_name": "rotated_latitude_longitude"})
        ds["t"].attrs["grid_mapping"] = "crs"
        return ds
    if kind == "bounds":
        ds["time"].attrs["bounds"] = "time_bnds"
        ds["time_bnds"] = (("time", "bnds"), np.stack([time, time + pd.Timedelta("1D")], 1))
        return ds
    if kind == "noleap":
        return ds.assign_coords(time=xr.date_range("2000-02-25", periods=8, calendar="noleap", use_cftime=True))
    return ds.assign_coords(station=("x", ["a", "b", "c", "d"])).rename(x="site")


KINDS = ["plain", "curvilinear", "bounds", "noleap", "text"]


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize("written", ["NETCDF4", "NETCDF3_64BIT"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_xarray_writes(prepare, tmp_path, kind, written, format):
    as_people_write(kind).to_netcdf(tmp_path / "in.nc", engine="netcdf4", format=written)
    prepare({"source": str(tmp_path / "in.nc"), "variables": ["t"], "format": format})
    got = opens_everywhere(tmp_path / "out.zarr", format, ["t", "time"])
    with xr.open_dataset(tmp_path / "in.nc") as wanted:
        np.testing.assert_array_equal(got.t, wanted.t)
        np.testing.assert_array_equal(got.time, wanted.time)
        for name in set(wanted.coords) | {"crs", "time_bnds"} & set(wanted.variables):
            if wanted[name].dtype.kind in "fiuM":
                np.testing.assert_array_equal(got[name], wanted[name], err_msg=name)
            else:
                assert name in ("station", "time"), f"{name} is not carried along"
        assert set(got.t.encoding.get("coordinates", "").split()) <= set(got.variables)
    for name in got.variables:  # nothing points to what is not there
        for attribute in ("coordinates", "bounds", "grid_mapping"):
            pointed = (got[name].attrs | got[name].encoding).get(attribute) or ""
            assert set(pointed.split()) <= set(got.variables), f"{name}: {attribute}"


def test_what_is_left_out_is_said(seamount_binary, tmp_path):
    as_people_write("text").to_netcdf(tmp_path / "in.nc", engine="netcdf4")
    (tmp_path / "r.yaml").write_text("source: in.nc\nvariables: [t]\n")
    command = [seamount_binary, "prepare", str(tmp_path / "r.yaml"), "--to", "out.zarr"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "note: the coordinate 'station' is left out" in done.stderr
    assert "'t': 12.5 % of the values are missing; 1 step holds nothing else: 2000-01-03T00:00:00" in done.stderr
    assert "left out" in subprocess.run([*command, "--plan"], cwd=tmp_path, capture_output=True, text=True).stdout
    attributes = json.loads((tmp_path / "out.zarr/zarr.json").read_text())["attributes"]["seamount"]
    assert attributes["segments"] == [[0, 8]] and len(attributes["id"]) == 32
