"""`pack`: values as int16 within a stated error, as xarray, netCDF users and the loader read them."""

from __future__ import annotations

import json
import os
import random
import subprocess

import numpy as np
import pytest
import xarray as xr
from test_prepare_climatology import daily, run
from test_prepare_steps import prepare

import seamount

SEED = int(os.environ.get("SEAMOUNT_RANDOM_SEED", str(random.randrange(2**31))))


@pytest.mark.parametrize("format", [2, 3])
def test_xarray_reads_what_was_given_within_the_stated_error(seamount_binary, tmp_path, format):
    rng = np.random.default_rng(SEED)
    low = float(rng.normal(0, 100))
    high = low + float(10 ** rng.uniform(-2, 5))
    values = rng.uniform(low, high, (20, 4, 5))
    values[0, 0, 0], values[0, 0, 1], values[3, 1, 1] = low, high, np.nan
    xr.Dataset({"u": (("time", "lat", "lon"), values, {"units": "m"})}, {"time": np.arange(20.0)}).to_netcdf(tmp_path / "in.nc")
    report, said = run(seamount_binary, tmp_path, {"source": "in.nc", "variables": [{"u": {"pack": [low, high]}}], "format": format})
    error = (high - low) / 65534 / 2
    assert f"a value changes by at most {error:.2g}" in said, f"seed {SEED}"
    assert report["missing"]["u"]["missing"] == 1 and report["decoded_bytes"] == 2 * values.size
    with xr.open_zarr(tmp_path / "out.zarr", decode_times=False) as out:
        assert out.u.encoding["dtype"] == np.int16 and out.u.attrs["units"] == "m"
        np.testing.assert_array_equal(np.isnan(out.u.values), np.isnan(values))
        np.testing.assert_allclose(out.u.values, values, rtol=0, atol=error * (1 + 1e-9) + 1e-12 * abs(low), err_msg=f"seed {SEED}")


def test_the_loader_unpacks_and_normalizes_what_is_packed(seamount_binary, tmp_path):
    data = daily(tmp_path / "in.nc", years=1, seed=SEED)
    whole = {"source": "in.nc", "variables": [{"u": {"pack": [-20, 20]}}], "standardize": {"over": "all"}}
    recipe = whole | {"anomaly": {"climatology": "month", "over": "all"}}
    run(seamount_binary, tmp_path, recipe)
    left = (data.u.groupby("time.month") - data.u.groupby("time.month").mean()).values
    error = 40 / 65534 / 2
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        np.testing.assert_allclose(out.u, left, rtol=0, atol=1.01 * error, err_msg=f"seed {SEED}")
        # What was subtracted is no anomaly, and is not packed.
        assert out.u_climatology.dtype == np.float32 and out.u.attrs["seamount"]["normalize"]["std"] == pytest.approx(np.nanstd(left), rel=1e-6)
        np.testing.assert_allclose(out.u_climatology, data.u.groupby("time.month").mean(), rtol=1e-6)
    loader = seamount.Loader(f"file://{tmp_path}/out.zarr", ["u"], inputs=[0], shuffle=None, batch_size=50)
    for batch in loader:
        wanted = (left[batch.index] - np.nanmean(left)) / np.nanstd(left)
        np.testing.assert_allclose(np.asarray(batch.inputs)[:, 0, 0], wanted, atol=1.1 * error / np.nanstd(left) + 1e-6)


def test_another_range_rewrites_that_variable_alone(seamount_binary, tmp_path):
    data = daily(tmp_path / "in.nc", years=1, seed=SEED)
    data.assign(v=data.u + 1).to_netcdf(tmp_path / "in.nc", encoding={"time": {"units": "hours since 2000-01-01"}})
    recipe = {"source": "in.nc", "variables": [{"u": {"pack": [-20, 20]}}, {"v": {"pack": [-20, 20]}}], "chunks": {"time": 100}}
    first, _ = run(seamount_binary, tmp_path, recipe)
    recipe["variables"][1] = {"v": {"pack": [-20, 21]}}
    second, _ = run(seamount_binary, tmp_path, recipe, "--overwrite")
    assert second["regions_kept"] * 2 == first["regions"] == second["regions"]


def test_what_does_not_fit_is_refused(seamount_binary, tmp_path):
    daily(tmp_path / "in.nc", years=1, seed=SEED)
    done = prepare(seamount_binary, tmp_path, {"source": "in.nc", "variables": [{"u": {"pack": [0, 2]}}]})
    assert done.returncode == 2 and "'u' has the value" in done.stderr and "outside of 'pack: [0, 2]'" in done.stderr
    assert not (tmp_path / "out.zarr/zarr.json").exists()
    clipped = {"source": "in.nc", "variables": [{"u": {"pack": [0, 2], "steps": [{"clip": [0, 2]}]}}]}
    run(seamount_binary, tmp_path, clipped, "--overwrite")
    done = prepare(seamount_binary, tmp_path, clipped)
    assert done.returncode == 0 and "up to date" in done.stdout
    for text in ('{"u": {"pack": [2, 2]}}', '{"u": {"pack": [0, 2], "dtype": "float32"}}', '{"u": {"pack": 3}}'):
        done = prepare_text(seamount_binary, tmp_path, text)
        assert done.returncode == 2 and "'pack'" in done.stderr and "line" in done.stderr


def prepare_text(binary, folder, variable):
    """Without the schema, which refuses such recipes too."""
    (folder / "bad.yaml").write_text(json.dumps({"source": "in.nc", "variables": [json.loads(variable)]}))
    return subprocess.run([binary, "prepare", str(folder / "bad.yaml"), "--to", str(folder / "bad.zarr")], capture_output=True, text=True, timeout=60)
