"""What a recipe says, and what comes out: seamount prepare against xarray, cftime and NumPy."""

from __future__ import annotations

import json
import os
import re
import subprocess

import cftime
import jsonschema
import netCDF4
import numpy as np
import pytest

from prepare_files import ROOT, SERIES, WINDS, field, oracle, prepare, write_netcdf, write_series  # noqa: F401


CALENDARS = ["standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day"]


@pytest.mark.parametrize("calendar", CALENDARS)
def test_time_ranges_agree_with_cftime(prepare, tmp_path, calendar):
    path = tmp_path / "in.nc"
    units = "hours since 1580-02-28 06:00:00"
    times = np.arange(0, 24 * 366 * 8, 311.0)
    with netCDF4.Dataset(path, "w") as out:
        out.createDimension("time", times.size)
        t = out.createVariable("time", "f8", ("time",))
        t.units, t.calendar, t[:] = units, calendar, times
        out.createVariable("v", "f4", ("time",))[:] = np.arange(times.size)
    dates = cftime.num2date(times, units, calendar)
    for lower, upper, first, last in [
        ("1582-10", "1582-10", (1582, 10, 1), (1582, 11, 1)),
        ("1584-02-20", "1584-03-05", (1584, 2, 20), (1584, 3, 6)),
        ("1581", "1583", (1581, 1, 1), (1584, 1, 1)),
    ]:
        first, last = (cftime.datetime(*d, calendar=calendar) for d in (first, last))
        expected = np.flatnonzero((dates >= first) & (dates < last))
        out = prepare({"source": str(path), "variables": ["v"], "time": [lower, upper]}, "--overwrite")
        np.testing.assert_array_equal(out.v, expected.astype("f4"))


def test_select_box_time_and_derive(prepare, tmp_path):
    u, v = field((7, 5, 6), seed=1), field((7, 5, 6), seed=2)
    path = write_netcdf(tmp_path / "in.nc", variables={"u": ("f4", {}, u), "v": ("f4", {}, v)}, zlib=True, chunksizes=(1, 5, 6))
    out = prepare({"source": path, "variables": ["u"], "box": {"lon": [-130, 65], "lat": [-30, 60]},
                   "time": ["2001-01-11", "2001-02-12"], "derive": {"speed": {"expression": "sqrt(u^2 + v^2)", "units": "m/s"}}})
    lon = [4, 5, 0, 1]
    np.testing.assert_array_equal(out.u, u[1:5, :4][:, :, lon])
    np.testing.assert_array_equal(out.lon, [-120, -60, 0, 60])
    np.testing.assert_array_equal(out.lat, [60, 30, 0, -30])
    np.testing.assert_allclose(out.speed, np.hypot(u, v)[1:5, :4][:, :, lon], rtol=1e-6)
    assert out.speed.attrs["units"] == "m/s"
    out = prepare({"source": path, "variables": ["v"], "select": {"lat": {"value": 31, "method": "nearest"}, "time": {"index": 2}}}, out="row.zarr")
    np.testing.assert_array_equal(out.v, v[2, 1])
    assert out.v.dims == ("lon",)


def test_files_are_joined_along_time(prepare, tmp_path):
    parts = []
    for i in range(3):
        path = write_netcdf(tmp_path / f"part{i}.nc", steps=4, variables={"t": ("f4", {}, field((4, 5, 6), seed=i))})
        with netCDF4.Dataset(path, "a") as part:
            part["time"][:] = np.arange(4) + 4 * i
        parts.append(field((4, 5, 6), seed=i))
    out = prepare({"source": "part*.nc", "variables": ["t"], "chunks": {"time": 5}})
    np.testing.assert_array_equal(out.t, np.concatenate(parts))
    np.testing.assert_array_equal(out.time, np.arange(12))
    before = json.loads((tmp_path / "out.zarr/.seamount-prepare.json").read_text())
    os.utime(tmp_path / "part2.nc")  # only the regions that read the last file are stale
    prepare({"source": "part*.nc", "variables": ["t"], "chunks": {"time": 5}}, "--overwrite")
    after = json.loads((tmp_path / "out.zarr/.seamount-prepare.json").read_text())
    assert len(set(before["done"]) & set(after["done"])) >= 1 and before["done"] != after["done"]


def parts(folder, starts, steps=4):
    """One daily file for every first day."""
    for i, start in enumerate(starts):
        path = write_netcdf(folder / f"part{i}.nc", steps=steps)
        with netCDF4.Dataset(path, "a") as part:
            part["time"][:] = np.arange(steps) + start


@pytest.mark.parametrize("starts, expected", [
    ([0, 4, 12], "part2.nc to .*part1.nc along 'time': steps are missing between 2001-01-08T00:00:00 and 2001-01-13T00:00:00"),
    ([0, 3, 7], "part1.nc to .*part0.nc along 'time': 2001-01-04T00:00:00 comes after 2001-01-04T00:00:00: the files overlap"),
])
def test_files_that_do_not_join_are_named(prepare, tmp_path, starts, expected):
    parts(tmp_path, starts)
    recipe = {"source": "part*.nc", "variables": ["t"]}
    assert re.search(expected, prepare(recipe, fails=2))
    assert not (tmp_path / "out.zarr").exists()


def test_files_on_different_grids_are_not_joined(prepare, tmp_path):
    parts(tmp_path, [0, 4])
    with netCDF4.Dataset(tmp_path / "part1.nc", "a") as part:
        part["lat"][2] = 1.5
    assert re.search("part1.nc has other values of 'lat' than in .*part0.nc", prepare({"source": "part*.nc", "variables": ["t"]}, fails=2))


def test_gaps_between_files_can_be_allowed(prepare, tmp_path):
    parts(tmp_path, [0, 90, 180])
    out = prepare({"source": "part*.nc", "variables": ["t"], "gaps": "allow"})
    np.testing.assert_array_equal(out.time, [0, 1, 2, 3, 90, 91, 92, 93, 180, 181, 182, 183])


@pytest.mark.parametrize("format", [2, 3])
def test_real_winds(prepare, format):
    """The file that the demo uses, odd metadata and all, against NumPy's least squares."""
    recipe = {"source": WINDS, "variables": ["UWND", "VWND"], "format": format,
              "split": {"train": ["1982-01", "1990-12"], "test": ["1991-01", "1992-12"]},
              "anomaly": {"harmonics": 2, "over": "train"}, "standardize": {"over": "train"},
              "minibatch": {"inputs": 12, "targets": 1, "batch": 16, "shuffle": True}}
    jsonschema.validate(recipe, json.loads((ROOT / "docs/recipe.schema.json").read_text()))
    out = prepare(recipe)
    assert out.attrs["seamount"]["splits"] == {"train": [0, 108], "test": [108, 132]}
    source = oracle(WINDS, "UWND", "VWND", "TIME")
    np.testing.assert_array_equal(out.TIME, source["TIME"])
    dates = cftime.num2date(source["TIME"], "hours since 1980-01-14 14:00:00")
    years = [(d - cftime.datetime(d.year, 1, 1, calendar="standard")) / (cftime.datetime(d.year + 1, 1, 1, calendar="standard")
             - cftime.datetime(d.year, 1, 1, calendar="standard")) for d in dates]
    phase = 2 * np.pi * np.array(years)
    basis = np.stack([np.ones_like(phase), np.cos(phase), np.sin(phase), np.cos(2 * phase), np.sin(2 * phase)], 1)
    np.testing.assert_allclose(out.climatology_weights, basis, atol=1e-9)
    for name in ("UWND", "VWND"):
        x = source[name].astype("f8").reshape(132, -1)
        coefficients = np.linalg.lstsq(basis[:108], x[:108], rcond=None)[0]
        anomaly = x - basis @ coefficients
        np.testing.assert_allclose(out[f"{name}_climatology"].values.reshape(5, -1), coefficients, atol=1e-5)
        np.testing.assert_allclose(out[name].values.reshape(132, -1), anomaly, atol=1e-5)
        normalize = out[name].attrs["seamount"]["normalize"]
        assert normalize["mean"] == pytest.approx(anomaly[:108].mean(), abs=1e-6)
        assert normalize["std"] == pytest.approx(anomaly[:108].std(), rel=1e-6)


def test_monthly_climatology_and_plain_standardization(prepare):
    split = {"train": ["1982-01", "1990-12"]}
    out = prepare({"source": WINDS, "variables": ["UWND"], "split": split, "anomaly": {"climatology": "month", "over": "train"}})
    x = oracle(WINDS, "UWND")["UWND"].astype("f8")
    monthly = x[:108].reshape(9, 12, 73, 144).mean(0)
    np.testing.assert_allclose(out.UWND_climatology, monthly, atol=1e-5)
    np.testing.assert_allclose(out.UWND, x - np.tile(monthly, (11, 1, 1)), atol=1e-5)
    out = prepare({"source": WINDS, "variables": ["UWND"], "split": split, "standardize": {"over": "train"}}, out="s.zarr")
    np.testing.assert_array_equal(out.UWND, x.astype("f4"))
    normalize = out.UWND.attrs["seamount"]["normalize"]
    assert normalize["mean"] == pytest.approx(x[:108].mean(), rel=1e-9) and normalize["std"] == pytest.approx(x[:108].std(), rel=1e-9)


@pytest.mark.parametrize("change, expected", [
    ({"variables": ["UWMD"]}, "did you mean 'UWND'?"),
    ({"chunks": {"TIMES": 3}}, "did you mean 'TIME'?"),
    ({"standardise": {"over": "all"}}, "did you mean 'standardize'?"),
    ({"source": "nowhere.nc"}, "nowhere.nc"),
    ({"source": "nowhere*.nc"}, "no file matches"),
    ({"time": ["2030", "2031"]}, "the data go from 1982-01-16"),
])
def test_mistakes_are_explained(prepare, tmp_path, change, expected):
    recipe = {"source": WINDS, "variables": ["UWND"]} | change
    message = prepare(recipe, fails=3 if "source" in change else 2)
    assert expected in message
    assert not list((tmp_path / "out.zarr").rglob("*.json"))


def test_schema_is_served_and_agrees(prepare, seamount_binary):
    schema = json.loads(subprocess.run([seamount_binary, "prepare", "--schema"], capture_output=True, text=True, check=True).stdout)
    assert schema == json.loads((ROOT / "docs/recipe.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"source": "x", "variables": ["u"], "chunk": {}}, schema)


def test_plan_says_what_and_why(prepare, tmp_path):
    recipe = prepare.write({"source": WINDS, "variables": ["UWND"], "minibatch": {"inputs": 12, "targets": 1}})
    run = lambda *flags: subprocess.run([prepare.binary, "prepare", str(recipe), *flags], capture_output=True, text=True, check=True).stdout
    text = run("--plan")
    assert "the best for the minibatch" in text and "every part is read once" in text and "MiB to read" in text and "of work for" in text
    assert json.loads(run("--dry-run", "--json"))["arrays"][0]["chunks"][1:] == [73, 144]


def test_plan_says_when_it_spills(prepare, tmp_path):
    recipe = prepare.write(SERIES | {"source": write_series(tmp_path / "in.nc", 500)})
    run = lambda *flags: subprocess.run([prepare.binary, "prepare", str(recipe), *flags], capture_output=True, text=True, check=True).stdout
    assert "chunks of (1, 180, 360), shuffle, deflate" in run("--plan") and "spill file of 123.6 MiB" in run("--plan")
    assert json.loads(run("--plan", "--json"))["arrays"][0]["spilled"] is True
