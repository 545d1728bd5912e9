"""Standardizing by minimum and maximum and by quantiles, against NumPy, and as the loader undoes it."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import xarray as xr
from test_prepare_climatology import SEED, daily, run

import seamount


def normalize_of(folder, name):
    with xr.open_zarr(folder / "out.zarr") as out:
        return out[name].attrs["seamount"]["normalize"]


def of_quantiles(values, low, high):
    ends = np.nanquantile(values, [low, high])
    return {"mean": pytest.approx(ends[0], rel=1e-6), "std": pytest.approx(ends[1] - ends[0], rel=1e-5), "quantiles": [low, high]}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_each_variable_in_its_own_way(seamount_binary, tmp_path, dtype):
    data = daily(tmp_path / "in.nc").u
    rng = np.random.default_rng(SEED)
    # Both signs, zeros, many equal values, and many powers of ten: every kind of bin.
    rain = xr.where(rng.random(data.shape) < 0.4, 0.0, data**9 * rng.choice([-1e-12, 1e-12, 1.0], data.shape))
    source = xr.Dataset({"u": data, "rain": rain.astype(data.dtype), "top": data, "as_is": data}).astype(dtype)
    source.to_netcdf(tmp_path / "in.nc", encoding={"time": {"units": "hours since 2000-01-01"}})
    recipe = {"source": "in.nc", "variables": list(source), "split": {"train": [2000, 2001]}, "chunks": {"time": 97},
              "standardize": {"over": "train", "how": {"u": "min-max", "rain": [0.02, 0.9], "top": [0.5, 1]}}}
    first, _ = run(seamount_binary, tmp_path, recipe)
    train = {name: source[name].sel(time=slice("2000", "2001")).values.astype("f8") for name in source}
    assert normalize_of(tmp_path, "u") == {"mean": np.nanmin(train["u"]), "std": np.nanmax(train["u"]) - np.nanmin(train["u"]), "quantiles": [0, 1]}
    assert normalize_of(tmp_path, "rain") == of_quantiles(train["rain"], 0.02, 0.9), f"seed {SEED}"
    assert normalize_of(tmp_path, "top") == of_quantiles(train["top"], 0.5, 1), f"seed {SEED}"
    assert normalize_of(tmp_path, "as_is") == {"mean": pytest.approx(np.nanmean(train["as_is"])), "std": pytest.approx(np.nanstd(train["as_is"]))}
    # The loader applies and undoes all of them alike.
    loader = seamount.Loader(f"file://{tmp_path}/out.zarr", list(source), inputs=[0], shuffle=None, batch_size=64, split="train")
    seen = [np.asarray(batch.inputs) for batch in loader]
    got = np.concatenate(seen)[:, 0]
    assert np.nanmin(got[:, 0]) == pytest.approx(0, abs=1e-6) and np.nanmax(got[:, 0]) == pytest.approx(1, abs=1e-6)
    assert np.nanquantile(got[:, 1], 0.02) == pytest.approx(0, abs=1e-6) and np.nanquantile(got[:, 1], 0.9) == pytest.approx(1, abs=1e-5)
    back = loader.denormalize(seen[0])
    for v, name in enumerate(source):
        np.testing.assert_allclose(back[:, 0, v], train[name][:64], rtol=1e-5, atol=1e-6 * np.nanmax(np.abs(train[name])))
    # Other quantiles are other attributes, of that variable alone.
    recipe["standardize"]["how"]["rain"] = [0.25, 0.75]
    second, _ = run(seamount_binary, tmp_path, recipe, "--overwrite")
    assert second["regions_kept"] == second["regions"] == first["regions"] and second["statistics_kept"] == 3
    assert normalize_of(tmp_path, "rain") == of_quantiles(train["rain"], 0.25, 0.75)


def test_of_anomalies(seamount_binary, tmp_path):
    data = daily(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": ["u"], "anomaly": {"climatology": "month", "over": "all"}}
    run(seamount_binary, tmp_path, recipe | {"standardize": {"over": "all", "how": [0.1, 0.9]}})
    left = (data.u.groupby("time.month") - data.u.groupby("time.month").mean()).values
    assert normalize_of(tmp_path, "u") == of_quantiles(left, 0.1, 0.9), f"seed {SEED}"
    _, said = run(seamount_binary, tmp_path, recipe | {"standardize": {"over": "all", "how": "min-max"}}, "--overwrite")
    assert normalize_of(tmp_path, "u") == of_quantiles(left, 0, 1)


@pytest.mark.parametrize("how,message", [
    ("minmax", "'how' must be std, min-max or two quantiles"),
    ([0.9, 0.1], "quantiles are shares between 0 and 1, the lower one first"),
    ([5, 95], "quantiles are shares between 0 and 1"),
    ({"w": "std"}, "'how' names 'w', which is not written"),
    ({"flat": "min-max"}, "'how' names 'flat', which 'except' leaves as it is"),
    ("min-max", "'zeros' does not vary in the split 'all': 'standardize: {except: [zeros]}' leaves it as it is"),
    ([0.1, 0.8], "'zeros' does not vary"),
])
def test_what_cannot_be_is_refused(seamount_binary, tmp_path, how, message):
    data = daily(tmp_path / "in.nc", years=1)
    data.assign(zeros=data.u * 0, flat=data.u).to_netcdf(tmp_path / "in.nc", encoding={"time": {"units": "hours since 2000-01-01"}})
    recipe = {"source": "in.nc", "variables": ["u", "zeros", "flat"], "standardize": {"over": "all", "except": ["flat"], "how": how}}
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    done = subprocess.run([seamount_binary, "prepare", "r.yaml", "--to", "out.zarr"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and message in done.stderr
