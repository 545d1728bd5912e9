"""The steps of recipes, compared with xarray: random ones, and regridding with CDO where it is there.

SEAMOUNT_RANDOM_CASES sets how many (20), SEAMOUNT_RANDOM_SEED which; both stand in every failure's message.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess

import jsonschema
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from prepare_files import check_each
from test_prepare_random import SCHEMA

CASES = int(os.environ.get("SEAMOUNT_RANDOM_CASES", "20"))
SEED = int(os.environ.get("SEAMOUNT_RANDOM_SEED", str(random.randrange(2**31))))


def source(rng):
    """Six-hourly or daily fields with missing values and a mask."""
    hours = int(rng.choice([6, 24]))
    time = pd.date_range("2000-12-27", periods=int(rng.integers(60, 400)), freq=f"{hours}h")
    lat = np.linspace(-60, 60, int(rng.integers(4, 9)))
    lat = lat[::-1] if rng.random() < 0.5 else lat
    lon = np.arange(int(rng.integers(4, 9))) * 15.0
    level = np.array([1000.0, 850.0, 500.0])
    t = rng.normal(280, 5, (len(time), 3, len(lat), len(lon)))
    t[rng.random(t.shape) < 0.05] = np.nan
    tp = rng.gamma(1, 1, (len(time), len(lat), len(lon)))
    return xr.Dataset(
        {"t": (("time", "level", "lat", "lon"), t, {"units": "K"}), "tp": (("time", "lat", "lon"), tp, {"units": "mm"}),
         "lsm": (("lat", "lon"), rng.random((len(lat), len(lon))))},
        {"time": time, "level": level, "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})})


def area(lat):
    edges = np.concatenate([[lat[0] - (lat[1] - lat[0]) / 2], (lat[1:] + lat[:-1]) / 2, [lat[-1] + (lat[-1] - lat[-2]) / 2]])
    return xr.DataArray(np.abs(np.diff(np.sin(np.deg2rad(np.clip(edges, -90, 90))))), dims="lat")


def resampled(field, to, how):
    out = getattr(field.resample(time={"day": "D", "12h": "12h", "month": "MS", "5 days": "5D"}[to]), how)(**({"min_count": 1} if how == "sum" else {}))
    return out.transpose(*field.dims)


def segments(time):
    """A number for each stretch without a gap."""
    steps = np.diff(time.values)
    return np.concatenate([[0], np.cumsum(steps > 1.5 * steps.min())]) if len(steps) else np.zeros(len(time), int)


def within(field, function):
    """Applies a function to each stretch without a gap for itself."""
    stretch = segments(field.time)
    return xr.concat([function(field.isel(time=stretch == s)) for s in np.unique(stretch)], "time")


def previous(part, reach):
    out = part
    for steps in range(1, reach + 1):
        out = out.fillna(part.shift(time=steps))
    return out


def random_step(rng, field):
    """A step as a recipe has it, and what it does."""
    how = str(rng.choice(["mean", "sum", "min", "max"]))
    kinds = ["clip", "log", "log1p", "scale", "fill", "ffill", "resample", "rolling", "lag", "deaccumulate", "coarsen", "months", "hours", "mask", "box", "round"]
    kind = str(rng.choice(kinds))
    if kind == "clip":
        return {"clip": [1, 275.5]}, lambda f: f.clip(1, 275.5)
    if kind == "log":
        return {"log": 1e-5}, lambda f: np.log((f + 1e-5).where(f + 1e-5 > 0))
    if kind == "log1p":
        return "log1p", lambda f: np.log1p(f.where(f > -1))
    if kind == "scale":
        return {"scale": {"factor": 2.5, "offset": -1}}, lambda f: f * 2.5 - 1
    if kind == "fill":
        return {"fill": 0.25}, lambda f: f.fillna(0.25)
    if kind == "ffill":
        reach = int(rng.integers(1, 4))
        return ({"fill": {"along": "time", "method": "previous", "reach": reach}}, lambda f: within(f, lambda part: previous(part, reach)))
    if kind == "resample":
        step = np.diff(field.time.values).min()  # shorter periods are refused
        to = str(rng.choice(["month"] + [name for name, hours in (("12h", 12), ("day", 24), ("5 days", 120)) if step <= np.timedelta64(hours, "h")]))
        return {"resample": {"to": to, "how": how}}, lambda f: resampled(f, to, how)
    if kind == "rolling":
        steps, center = int(rng.integers(1, 6)), bool(rng.random() < 0.5)
        recipe = {"rolling": {"steps": steps, "how": how} | ({"align": "center"} if center else {})}
        return recipe, lambda f: within(f, lambda part: getattr(part.rolling(time=steps, center=center), how)())
    if kind == "lag":
        steps = int(rng.integers(-3, 4))
        return {"lag": steps}, lambda f: within(f, lambda part: part.shift(time=steps))
    if kind == "deaccumulate":
        return {"deaccumulate": "time"}, lambda f: within(f, lambda part: part - part.shift(time=1))
    if kind == "coarsen":
        by = {"lat": int(rng.integers(1, 3)), "lon": int(rng.integers(1, 3))}

        def coarse(f):
            windows = lambda x: x.coarsen(by, boundary="trim")
            if how != "mean":
                return getattr(windows(f), how)().where(windows(f).count() > 0).transpose(*f.dims)
            weights = (area(f.lat.values).assign_coords(lat=f.lat) * xr.ones_like(f)).where(f.notnull())
            return (windows(f * weights).sum() / windows(weights).sum()).transpose(*f.dims)  # 0 / 0 where nothing is known

        return {"coarsen": {"by": by, "how": how}}, coarse
    if kind == "months":
        months = [int(m) for m in rng.choice([12, 1, 2, 3], 2, replace=False)]
        return {"time": {"months": months}}, lambda f: f.isel(time=f.time.dt.month.isin(months))
    if kind == "hours":
        return {"time": {"hours": [0, 12]}}, lambda f: f.isel(time=f.time.dt.hour.isin([0, 12]))
    if kind == "mask":
        return {"mask": {"by": "lsm", "above": 0.5}}, None
    if kind == "box":
        return {"mask": {"box": {"lat": [-30, 45], "lon": [10, 40]}}}, lambda f: f.where((f.lat >= -30) & (f.lat <= 45) & (f.lon >= 10) & (f.lon <= 40))
    bits = int(rng.integers(3, 20))

    def rounded(f):
        drop = 23 - bits
        raw = f.values.astype("f4").view("u4").astype("u8")
        raw = (raw + ((raw >> drop) & 1) + (1 << (drop - 1)) - 1) >> drop << drop
        return f.copy(data=np.where(np.isnan(f.values), np.nan, raw.astype("u4").view("f4").astype("f8")))

    return {"round": bits}, rounded


def prepare(binary, folder, recipe, *more):
    jsonschema.validate(recipe, SCHEMA)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return subprocess.run([binary, "prepare", str(folder / "recipe.yaml"), "--to", f"{folder}/out.zarr", "--threads", "2", *more],
                          capture_output=True, text=True, timeout=120)


def check(binary, folder, seed):
    rng = np.random.default_rng(seed)
    data = source(rng)
    data.to_netcdf(folder / "in.nc")
    field, options = data.tp, {"from": "tp"}
    if rng.random() < 0.5:
        field, options = data.t, {"from": "t"}
        level = [500, 1000] if rng.random() < 0.5 else 850
        options["select"] = {"level": level}
        field = field.sel(level=level)
    steps = []
    grid_is_whole = True
    for _ in range(int(rng.integers(1, 4))):
        step, function = random_step(rng, field)
        if function is None:
            if not grid_is_whole:
                continue
            function = lambda f: f.where(data.lsm > 0.5)
        grid_is_whole = grid_is_whole and "coarsen" not in step
        if "coarsen" in step and len(field.lat) < 3:
            continue
        after = function(field)
        if after.sizes["time"] < 3 or min(after.shape) == 0:
            continue
        steps.append(step)
        field = after.transpose(*field.dims)
        if isinstance(step, dict) and "resample" in step:
            field = field.dropna("time", how="all") if step["resample"]["how"] != "sum" else field
    recipe = {"source": "in.nc", "variables": [{"x": options | {"steps": steps}}], "dtype": "float64", "chunks": {"time": int(rng.integers(5, 50)), "lon": 3}}
    done = prepare(binary, folder, recipe)
    assert done.returncode == 0, done.stderr
    with xr.open_zarr(folder / "out.zarr") as out:
        got = out.x.load()
    # Periods that hold only missing values stay; those that hold no step are left out.
    field = field.reindex(time=got.time)
    assert got.dims == field.dims
    np.testing.assert_array_equal(got.time.values, field.time.values)
    np.testing.assert_allclose(got.lat.values, field.lat.values)
    np.testing.assert_allclose(got.values, field.values, rtol=1e-9, atol=1e-9)


def test_random_steps_agree_with_xarray(seamount_binary, tmp_path):
    check_each(check, seamount_binary, tmp_path, range(SEED, SEED + CASES))


def test_derived_from_derived_and_coordinates(seamount_binary, tmp_path):
    rng = np.random.default_rng(SEED)
    data = source(rng)
    data.to_netcdf(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": [
        {"total": {"derive": "tp * area_weight"}},
        {"twice": {"derive": "2 * total + cos(rad(lat)) * lsm", "units": "mm"}},
        {"season": {"derive": "cos(2 * _pi * day_of_year / 365.25) * hour_of_day"}},
    ], "dtype": "float64"}
    done = prepare(seamount_binary, tmp_path, recipe)
    assert done.returncode == 0, done.stderr
    weights = area(data.lat.values)
    weights = (weights / weights.mean()).assign_coords(lat=data.lat)
    total = data.tp * weights
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        np.testing.assert_allclose(out.total, total, rtol=1e-12, err_msg=f"seed {SEED}")
        np.testing.assert_allclose(out.twice, (2 * total + np.cos(np.deg2rad(data.lat)) * data.lsm).transpose(*total.dims), rtol=1e-12)
        np.testing.assert_allclose(out.season, np.cos(2 * np.pi * data.time.dt.dayofyear / 365.25) * data.time.dt.hour, atol=1e-12)
        assert out.twice.attrs["units"] == "mm"


def test_units_are_converted(seamount_binary, tmp_path):
    data = source(np.random.default_rng(SEED))
    data.to_netcdf(tmp_path / "in.nc")
    done = prepare(seamount_binary, tmp_path, {"source": "in.nc", "variables": [{"t": {"units": "degC"}}, {"tp": {"units": "m"}}], "dtype": "float64"})
    if "needs UDUNITS-2" in done.stderr:
        assert done.returncode == 7 and "libudunits2-0" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        np.testing.assert_allclose(out.t, data.t - 273.15, rtol=1e-12, atol=1e-10)
        np.testing.assert_allclose(out.tp, data.tp / 1000, rtol=1e-12)
        assert out.t.attrs["units"] == "degC"
    done = prepare(seamount_binary, tmp_path, {"source": "in.nc", "variables": [{"t": {"units": "kg"}}]}, "--plan")
    assert done.returncode == 2 and "line" in done.stderr and "measure different things" in done.stderr


def test_missing_steps_are_refused_before_they_are_averaged(seamount_binary, tmp_path):
    data = source(np.random.default_rng(SEED))
    data.isel(time=np.r_[0:20, 40:60]).to_netcdf(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": [{"tp": {"steps": [{"resample": "day"}]}}]}
    done = prepare(seamount_binary, tmp_path, recipe)
    assert done.returncode == 2 and "steps are missing between" in done.stderr
    done = prepare(seamount_binary, tmp_path, recipe | {"gaps": "allow"})
    assert done.returncode == 0, done.stderr
    group = json.loads((tmp_path / "out.zarr/zarr.json").read_text())
    assert len(group["attributes"]["seamount"]["segments"]) == 2


@pytest.mark.parametrize("method", ["nearest", "bilinear", "conservative"])
def test_regridding_agrees_with_cdo(seamount_binary, tmp_path, method):
    lat, lon = np.linspace(90, -90, 73), np.arange(0, 360, 2.5)
    field = 10 * np.cos(np.deg2rad(lat))[:, None] * np.sin(2 * np.deg2rad(lon)) + np.random.default_rng(SEED).normal(0, 1, (73, 144))
    xr.Dataset({"u": (("time", "lat", "lon"), field[None])},
               {"time": pd.date_range("2000-01-01", periods=1), "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})}).to_netcdf(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": ["u"], "dtype": "float64",
              "steps": [{"regrid": {"to": {"lat": [-87, 87, 6], "lon": [1, 357, 4]}, "method": method}}]}
    done = prepare(seamount_binary, tmp_path, recipe)
    assert done.returncode == 0, done.stderr
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        got = out.u.values[0]
    if shutil.which("cdo"):
        (tmp_path / "grid.txt").write_text("gridtype = lonlat\nxsize = 90\nysize = 30\nxfirst = 1\nxinc = 4\nyfirst = -87\nyinc = 6\n")
        operator = {"nearest": "remapnn", "bilinear": "remapbil", "conservative": "remapcon"}[method]
        subprocess.run(["cdo", "-s", f"{operator},{tmp_path}/grid.txt", str(tmp_path / "in.nc"), str(tmp_path / "cdo.nc")], check=True, capture_output=True)
        with xr.open_dataset(tmp_path / "cdo.nc") as wanted:
            # CDO's cells have great circles for sides: their areas differ a little.
            np.testing.assert_allclose(got, wanted.u.values[0], atol=0.02 if method == "conservative" else 1e-9, err_msg=f"seed {SEED}")
    if method == "bilinear":
        around, at = np.append(lon, 360), np.arange(1, 358, 4.0)
        rows = np.array([np.interp(at, around, np.append(row, row[0])) for row in field])
        wanted = np.array([np.interp(np.arange(-87, 88, 6.0), lat[::-1], column[::-1]) for column in rows.T]).T
        np.testing.assert_allclose(got, wanted, atol=1e-9, err_msg=f"seed {SEED}")
    if method == "conservative":  # what is there stays there
        means = [np.average(values.mean(1), weights=area(lats)) for values, lats in ((field, lat), (got, np.arange(-87, 88, 6.0)))]
        assert means[0] == pytest.approx(means[1], abs=1e-12), f"seed {SEED}"
