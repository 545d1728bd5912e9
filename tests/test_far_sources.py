"""Sources that lie in a bucket: the same values as from the disk, by few ranges of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml

FORMATS = ["NETCDF3_CLASSIC", "NETCDF4"]


def write_years(folder: Path, format: str, years=(2000, 2001), steps=30, shape=(40, 50), chunks=None) -> np.ndarray:
    """Files of one year each; returns what they hold together."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = np.random.default_rng(5).normal(size=(len(years) * steps, *shape)).astype("f4")
    for n, year in enumerate(years):
        with netCDF4.Dataset(folder / f"era5_{year}.nc", "w", format=format) as out:
            out.createDimension("time", None)
            out.createDimension("lat", shape[0])
            out.createDimension("lon", shape[1])
            time = out.createVariable("time", "f8", ("time",))
            time.units, time[:] = "days since 2000-01-01", np.arange(n * steps, (n + 1) * steps)
            options = {"zlib": True, "chunksizes": chunks or (1, *shape)} if format == "NETCDF4" else {}
            out.createVariable("t2m", "f4", ("time", "lat", "lon"), **options)[:] = whole[n * steps : (n + 1) * steps]
            out.createVariable("big", "f4", ("time", "lat", "lon"))[:] = 0  # asked for by nobody
    return whole


class Bucket:
    def __init__(self, binary: str, server, folder: Path):
        self.binary, self.folder = binary, folder
        self.environment = {**os.environ, "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "key.json")}
        self.run("setup", "gs://raw", "--endpoint", server.endpoint, "--admin-key", str(server.admin_key), "--key", str(folder / "key.json"))

    def run(self, *arguments: str, fails: int = 0) -> str:
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, env=self.environment, timeout=120)
        assert done.returncode == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def prepare(self, recipe: dict, *more: str, fails: int = 0):
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        said = self.run("prepare", str(self.folder / "recipe.yaml"), "--to", str(self.folder / "out.zarr"), *more, fails=fails)
        return said if fails else xr.open_zarr(self.folder / "out.zarr").load()


@pytest.fixture
def bucket(seamount_binary, server, tmp_path):
    return Bucket(seamount_binary, server, tmp_path)


@pytest.mark.parametrize("format", FORMATS)
def test_netcdf_in_a_bucket_by_pattern(bucket, tmp_path, format):
    whole = write_years(tmp_path / "raw", format)
    bucket.run("cp", "-r", str(tmp_path / "raw"), "gs://raw/era")
    out = bucket.prepare({"source": "gs://raw/era/era5_*.nc", "variables": ["t2m"]})
    np.testing.assert_array_equal(out.t2m, whole)
    assert out.attrs["seamount"]["sources"][0]["name"] == "era5_2000.nc"
    again = bucket.run("prepare", str(tmp_path / "recipe.yaml"), "--to", str(tmp_path / "out.zarr"))
    assert "up to date" in again


def test_a_replaced_object_is_a_changed_source(bucket, tmp_path):
    first = write_years(tmp_path / "raw", "NETCDF4", years=(2000,))
    path = tmp_path / "raw" / "era5_2000.nc"
    recipe = {"source": "gs://raw/a.nc", "variables": ["t2m"]}
    bucket.run("cp", str(path), "gs://raw/a.nc")
    np.testing.assert_array_equal(bucket.prepare(recipe).t2m, first)
    with h5py.File(path, "r+") as file:
        file["t2m"][3] = 7
    bucket.run("cp", str(path), "gs://raw/a.nc")
    assert "overwrite" in bucket.prepare(recipe, fails=4)
    assert (bucket.prepare(recipe, "--overwrite").t2m[3] == 7).all()


def test_what_is_not_there_is_named(bucket):
    assert "gs://raw/none.nc" in bucket.prepare({"source": "gs://raw/none.nc", "variables": ["t"]}, fails=3)
    assert "gs://raw/n*.nc" in bucket.prepare({"source": "gs://raw/n*.nc", "variables": ["t"]}, fails=3)
    (bucket.folder / "text").write_text("neither this nor that\n")
    bucket.run("cp", str(bucket.folder / "text"), "gs://raw/text")
    assert "not a format known here" in bucket.prepare({"source": "gs://raw/text", "variables": ["t"]}, fails=2)
