"""Climatologies, splits by years and the sun's place, against NumPy and xarray. A failure says its seed."""

from __future__ import annotations

import json
import os
import random

import jsonschema
import numpy as np
import pytest
import xarray as xr
from test_prepare_random import SCHEMA
from test_prepare_steps import prepare

import seamount

SEED = int(os.environ.get("SEAMOUNT_RANDOM_SEED", str(random.randrange(2**31))))


def daily(path, years=4, calendar="standard", freq="1D", seed=SEED):
    """A few years of steps with a tenth of the values missing."""
    times = xr.date_range("2000-01-01", f"{1999 + years}-12-30", freq=freq, calendar=calendar, use_cftime=calendar != "standard")
    rng = np.random.default_rng(seed)
    values = rng.normal(5, 1, (len(times), 2, 3)) + 3 * np.sin(np.arange(len(times)) / 58)[:, None, None]
    values[rng.random(values.shape) < 0.1] = np.nan
    data = xr.Dataset({"u": (("time", "lat", "lon"), values)}, {"time": times, "lat": [10.0, 20.0], "lon": [0.0, 1.0, 2.0]})
    data.to_netcdf(path, encoding={"time": {"units": "hours since 2000-01-01"}})
    return data


def run(binary, folder, recipe, *more):
    jsonschema.validate(recipe, SCHEMA)
    done = prepare(binary, folder, recipe, "--json", *more)
    assert done.returncode == 0, f"seed {SEED}: {done.stderr}"
    return json.loads(done.stdout), done.stderr


def notes_of(folder):
    return json.loads((folder / "out.zarr/zarr.json").read_text())["attributes"]["seamount"]


def circle(terms, day, window):
    return [(day + d) % terms for d in range(-(window // 2), window // 2 + 1)]


@pytest.mark.parametrize("calendar,terms,window", [("standard", 366, 1), ("standard", 366, 31), ("noleap", 365, 5), ("360_day", 360, 181)])
def test_a_climatology_by_day_of_the_year(seamount_binary, tmp_path, calendar, terms, window):
    data = daily(tmp_path / "in.nc", calendar=calendar)
    recipe = {"source": "in.nc", "variables": ["u"], "anomaly": {"climatology": "day_of_year", "over": "all"}, "standardize": {"over": "all"}}
    if window > 1:
        recipe["anomaly"]["window"] = window
    run(seamount_binary, tmp_path, recipe)
    values, days = data.u.values, data.time.dt.dayofyear.values - 1
    with np.errstate(invalid="ignore"):
        wanted = np.array([np.nanmean(values[np.isin(days, circle(terms, day, window))], axis=0) for day in range(terms)])
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        np.testing.assert_allclose(out.u_climatology, wanted, rtol=1e-12, err_msg=f"seed {SEED}")
        np.testing.assert_allclose(out.u, values - wanted[days], atol=1e-12)
        np.testing.assert_array_equal(out.day_of_year, np.arange(1, terms + 1))
        # As a reader puts it together.
        back = np.tensordot(out.climatology_weights.values, np.nan_to_num(out.u_climatology.values), 1) + out.u.values
        np.testing.assert_allclose(back, np.where(np.isnan(wanted[days]), np.nan, values), atol=1e-12)
        if window == 1 and calendar != "360_day":
            by_xarray = data.u.groupby("time.dayofyear").mean()
            np.testing.assert_allclose(out.u_climatology[: by_xarray.sizes["dayofyear"]], by_xarray, rtol=1e-12)
        left = values - wanted[days]
        # Of the same steps as the climatology, from its sums: of what is left, whose mean is not zero.
        assert out.u.attrs["seamount"]["normalize"]["mean"] == pytest.approx(np.nanmean(left), abs=1e-9), f"seed {SEED}"
        assert out.u.attrs["seamount"]["normalize"]["std"] == pytest.approx(np.nanstd(left), rel=1e-9), f"seed {SEED}"


def test_a_climatology_by_hour(seamount_binary, tmp_path):
    data = daily(tmp_path / "in.nc", years=1, freq="6h")
    run(seamount_binary, tmp_path, {"source": "in.nc", "variables": ["u"], "anomaly": {"climatology": "hour", "over": "all"}})
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        np.testing.assert_allclose(out.u, data.u.groupby("time.hour") - data.u.groupby("time.hour").mean(), atol=1e-12, err_msg=f"seed {SEED}")
        np.testing.assert_array_equal(out.hour, np.arange(24))
        assert np.isnan(out.u_climatology.sel(hour=5)).all()


def test_a_day_without_a_step_in_the_split_is_refused_unless_a_window_has_one(seamount_binary, tmp_path):
    daily(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": ["u"], "split": {"train": {"years": [2001, 2002]}}, "anomaly": {"climatology": "day_of_year", "over": "train"}}
    done = prepare(seamount_binary, tmp_path, recipe)
    assert done.returncode == 2 and "no step on day 366 of the year" in done.stderr and "'window'" in done.stderr
    recipe["anomaly"]["window"] = 3
    run(seamount_binary, tmp_path, recipe)


@pytest.mark.parametrize("kind", [{"climatology": "month"}, {"harmonics": 2}, {"climatology": "day_of_year", "window": 9}])
def test_statistics_come_from_the_years_of_a_split_alone(seamount_binary, tmp_path, kind):
    data = daily(tmp_path / "in.nc", years=6)
    recipe = {"source": "in.nc", "variables": ["u"], "split": {"train": {"years": "odd"}, "test": {"years": "even", "range": [2001, 2004]}, "last": [2005, 2005]},
              "anomaly": {"over": "train"} | kind, "standardize": {"over": "train"}, "chunks": {"time": 100}}
    _, said = run(seamount_binary, tmp_path, recipe)
    assert "the splits 'train' and 'last' share 364 steps" in said
    years = data.time.dt.year.values
    inside = years % 2 == 1
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        weights, got = out.climatology_weights.values, out.u_climatology.values
        for point in np.ndindex(2, 3):
            x = data.u.values[(slice(None), *point)]
            there = inside & ~np.isnan(x)
            if "window" in kind:
                days = data.time.dt.dayofyear.values - 1
                wanted = np.array([x[there & np.isin(days, circle(366, day, 9))].mean() for day in range(366)])
            else:
                wanted = np.linalg.lstsq(weights[there], x[there], rcond=None)[0]
            np.testing.assert_allclose(got[(slice(None), *point)], wanted, rtol=1e-9, atol=1e-11, err_msg=f"seed {SEED}")
            np.testing.assert_allclose(out.u.values[(slice(None), *point)], x - weights @ wanted, rtol=1e-9, atol=1e-10)
        left = out.u.values[inside]
        assert out.u.attrs["seamount"]["normalize"]["std"] == pytest.approx(np.nanstd(left), rel=1e-9)
    # A split of one stretch stands as a pair; others beside. The loader finds both by name.
    notes = notes_of(tmp_path)
    assert notes["splits"] == {"last": [1827, 2191]}
    assert notes["split_ranges"] == {"train": [[366, 731], [1096, 1461], [1827, 2191]], "test": [[731, 1096], [1461, 1827]]}
    assert [np.unique(years[a:b]).tolist() for a, b in notes["split_ranges"]["train"]] == [[2001], [2003], [2005]]
    loader = seamount.Loader(f"file://{tmp_path}/out.zarr", ["u"], inputs=[0, 1], split="train", shuffle=None, batch_size=64, normalize=False)
    index = np.concatenate([batch.index for batch in loader])
    assert set(years[index]) == {2001, 2003, 2005} and loader.samples == inside.sum() - 3  # no window reaches over to another year


def test_a_new_year_leaves_the_statistics_of_named_years_as_they_are(seamount_binary, tmp_path):
    recipe = {"source": "in.nc", "variables": ["u"], "split": {"train": {"years": [2000, 2002]}}, "chunks": {"time": 366},
              "anomaly": {"climatology": "month", "over": "train"}, "standardize": {"over": "train"}}
    data = daily(tmp_path / "all.nc", years=4)
    years = {year: data.isel(time=data.time.dt.year == year) for year in range(2000, 2004)}
    recipe["source"] = "in*.nc"

    def write(year):
        encoding = {"time": {"units": "hours since 2000-01-01"}, "u": {"chunksizes": (60, 2, 3)}}
        years[year].to_netcdf(tmp_path / f"in{year}.nc", encoding=encoding)

    for year in (2000, 2001, 2002):
        write(year)
    run(seamount_binary, tmp_path, recipe)
    write(2003)
    appended, _ = run(seamount_binary, tmp_path, recipe, "--overwrite")
    assert appended["statistics_kept"] == 1 and appended["regions_kept"] > 0
    changed, _ = run(seamount_binary, tmp_path, recipe | {"split": {"train": {"years": [2000, 2001, 2002]}}}, "--overwrite")
    assert changed["statistics_kept"] == 0 and changed["regions_kept"] == 0


def test_years_that_are_not_there_are_said(seamount_binary, tmp_path):
    daily(tmp_path / "in.nc", years=2)
    recipe = {"source": "in.nc", "variables": ["u"], "split": {"train": {"years": [2000, 2050]}}}
    assert "names the year 2050, of which there is no step" in run(seamount_binary, tmp_path, recipe)[1]
    assert notes_of(tmp_path)["splits"] == {"train": [0, 366]}
    done = prepare(seamount_binary, tmp_path, recipe | {"split": {"train": {"years": [2049, 2050]}}})
    assert done.returncode == 2 and "line" in done.stderr and "no time step of the split 'train' lies in these years" in done.stderr


def almanac(times, lat, lon):
    """The cosine of the sun's zenith angle by the low-precision formulae of the Astronomical Almanac (0.01 degrees)."""
    days = ((times - np.datetime64("2000-01-01T12:00:00")) / np.timedelta64(1, "s")) / 86400
    anomaly = np.deg2rad((357.528 + 0.9856003 * days) % 360)
    mean = (280.460 + 0.9856474 * days) % 360
    longitude = np.deg2rad(mean + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.deg2rad(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude))
    sidereal = np.deg2rad((280.46062 + 360.98564737 * days) % 360)
    hour_angle = (sidereal - ascension)[:, None, None] + np.deg2rad(lon)[None, None, :]
    lat = np.deg2rad(lat)[None, :, None]
    declination = declination[:, None, None]
    return np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(hour_angle)


def test_the_suns_height_agrees_with_the_almanac(seamount_binary, tmp_path):
    times = xr.date_range("1999-12-31", "2004-02-01", freq="31h").values
    lat, lon = np.array([-90.0, -35.0, 0.0, 48.0, 80.0]), np.array([0.0, 75.0, 200.0])
    xr.Dataset({"u": (("time", "lat", "lon"), np.zeros((len(times), 5, 3)))},
               {"time": times, "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})}).to_netcdf(tmp_path / "in.nc")
    cosine = "sin(rad(lat)) * sin(solar_declination) + cos(rad(lat)) * cos(solar_declination) * cos(solar_hour_angle + rad(lon)) + 0 * u"
    run(seamount_binary, tmp_path, {"source": "in.nc", "variables": [{"cos_zenith": {"derive": cosine}}], "dtype": "float64"})
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        np.testing.assert_allclose(out.cos_zenith, almanac(times, lat, lon), atol=0.01)
