"""Files that xarray wrote, through `seamount prepare`, opened by xarray, zarr-python and TensorStore."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorstore as ts
import xarray as xr
import yaml
import zarr


def write(path: Path, start: str, encoding=None) -> xr.Dataset:
    """A month as `to_netcdf` writes it: with _FillValue NaN on every float, coordinates too."""
    rng = np.random.default_rng(len(start))
    values = rng.normal(280, 10, (5, 3, 4)).astype("f4")
    values[1, 2, 3] = np.nan
    data = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), values, {"units": "K"}), "orog": (("lat", "lon"), rng.normal(size=(3, 4)))},
        {"time": pd.date_range(start, periods=5), "lat": [60.0, 0.0, -60.0], "lon": np.arange(4, dtype="f4") * 90})
    data.to_netcdf(path, encoding={"time": {"units": "days since 1990-01-01"}, **(encoding or {})})
    return data


def prepare(binary: str, folder: Path, recipe: dict) -> Path:
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = subprocess.run([binary, "prepare", str(folder / "recipe.yaml"), "--to", f"file://{folder}/out.zarr"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / "out.zarr"


def open_with_all(out: Path, format: int) -> xr.Dataset:
    """What xarray reads, after the two others have read every array to the same bits."""
    driver = {2: "zarr", 3: "zarr3"}[format]
    for name, array in zarr.open_group(str(out), mode="r").arrays():
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{out}/{name}"}}
        np.testing.assert_array_equal(ts.open(spec).result().read().result(), array[...], err_msg=name)
    return xr.open_zarr(out).load()


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize("files", [1, 2])
def test_what_xarray_writes_comes_back(seamount_binary, tmp_path, format, files):
    months = [write(tmp_path / f"m{i}.nc", f"2001-0{i + 1}-01") for i in range(files)]
    out = prepare(seamount_binary, tmp_path, {"source": str(tmp_path / "m*.nc"), "variables": ["t2m", "orog"],
                                              "gaps": "allow", "format": format})
    expected = xr.concat(months, "time", data_vars="minimal", coords="minimal", compat="override")
    xr.testing.assert_equal(open_with_all(out, format), expected)


@pytest.mark.parametrize("fill", [np.nan, -999.0, None])
def test_no_attribute_of_packing_is_left(seamount_binary, tmp_path, fill):
    write(tmp_path / "m.nc", "2001-01-01", {name: {"_FillValue": fill} for name in ("t2m", "lat", "lon")})
    out = prepare(seamount_binary, tmp_path, {"source": str(tmp_path / "m.nc"), "variables": ["t2m"]})
    open_with_all(out, 3)
    for name, array in zarr.open_group(str(out), mode="r").arrays():
        assert "_FillValue" not in array.attrs, name
