"""What a recipe decides of reading: limits of valid values, selected places; and coordinates that mean nothing."""

from __future__ import annotations

import json
import subprocess

import netCDF4
import numpy as np
import pytest
import xarray as xr

from prepare_files import oracle, prepare, write_netcdf  # noqa: F401


def packed(path, scale=0.5):
    values = np.arange(7 * 30, dtype="i2").reshape(7, 5, 6)
    attributes = {"scale_factor": np.float32(scale), "valid_range": np.array([20, 150], "i2"), "_FillValue": np.int16(33)}
    return write_netcdf(path, variables={"t": ("i2", attributes, values)})


@pytest.mark.parametrize("files", [1, 2])
def test_limits_are_applied_as_by_netcdf4_or_ignored_as_by_xarray(prepare, tmp_path, files):
    """Two files packed differently are decoded while they are joined."""
    paths = [packed(tmp_path / "0.nc"), packed(tmp_path / "1.nc", scale=0.25)][:files]
    if files == 2:
        with netCDF4.Dataset(paths[1], "a") as second:
            second["time"][:] += 100
    recipe = {"source": paths, "variables": ["t"], "gaps": "allow"}
    applied = np.concatenate([oracle(path, "t")["t"] for path in paths])
    assert np.isnan(applied).sum() == files * (20 + 59 + 1)
    np.testing.assert_array_equal(prepare(recipe, out="default").t, applied)
    np.testing.assert_array_equal(prepare(recipe | {"valid_range": "apply"}, out="default").t, applied)
    ignored = np.concatenate([xr.open_dataset(path, decode_times=False).t for path in paths])
    assert np.isnan(ignored).sum() == files
    assert "another recipe" in prepare(recipe | {"valid_range": "ignore"}, out="default", fails=4)
    np.testing.assert_array_equal(prepare(recipe | {"valid_range": "ignore"}, "--overwrite", out="default").t, ignored)


@pytest.mark.parametrize("scale", [0.0, np.nan, "much"])
def test_a_coordinate_that_means_nothing_concerns_only_who_asks_for_it(seamount_binary, tmp_path, scale):
    path = write_netcdf(tmp_path / "in.nc")
    with netCDF4.Dataset(path, "a") as out:
        out["lat"].scale_factor = scale
        out.createDimension("depth", 2)
        out.createVariable("depth", "f4", ("depth",)).scale_factor = scale  # of no variable that is written
        out.createVariable("area", "f4", ("lat", "lon")).add_offset = scale if scale != 0 else "none"
        out["t"].coordinates = "area"

    def run(**recipe):
        (tmp_path / "r.json").write_text(json.dumps({"source": path, "variables": ["t"]} | recipe))
        command = [seamount_binary, "prepare", str(tmp_path / "r.json"), "--to", str(tmp_path / "out.zarr"), "--overwrite"]
        return subprocess.run(command, capture_output=True, text=True)

    done = run()
    assert done.returncode == 0, done.stderr
    assert "note: the coordinate 'lat' is left out: variable 'lat': attribute 'scale_factor' is" in done.stderr
    assert "note: the coordinate 'area' is left out: variable 'area': attribute 'add_offset' is not one number" in done.stderr
    got = xr.open_zarr(tmp_path / "out.zarr")
    assert set(got.variables) == {"t", "time", "lon"}
    refused = run(box={"lat": [0, 60]})
    assert refused.returncode == 2 and "no coordinate values: variable 'lat': attribute" in refused.stderr


@pytest.mark.parametrize("format", [2, 3])
def test_a_selected_place_stays_as_a_coordinate(prepare, tmp_path, format):
    path = write_netcdf(tmp_path / "in.nc")
    with netCDF4.Dataset(path, "a") as out:
        out["lat"].bounds = "lat_bnds"
        out.createDimension("bnds", 2)
        out.createVariable("lat_bnds", "f4", ("lat", "bnds"))[:] = np.arange(10).reshape(5, 2)
    prepare({"source": path, "variables": ["t"], "format": format, "derive": {"double": "t * 2"},
             "select": {"lat": {"value": 29, "method": "nearest"}}})
    got = xr.open_zarr(tmp_path / "out.zarr", consolidated=False).load()
    wanted = xr.open_dataset(path).sel(lat=29, method="nearest").load()
    for name in ("t", "double"):
        xr.testing.assert_equal(got[name].lat.drop_vars(set(got[name].lat.coords) - {"lat"}),
                                wanted.t.lat.drop_vars(set(wanted.t.lat.coords) - {"lat"}))
    assert got.t.lat.attrs["units"] == "degrees_north"
    np.testing.assert_array_equal(got.t, wanted.t)
    np.testing.assert_array_equal(got.lat_bnds, wanted.lat_bnds)
