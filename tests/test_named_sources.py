"""Several named sources in one recipe, brought together by label, against xarray."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from prepare_files import prepare  # noqa: F401

LAT, LON = np.arange(60, -61, -30.0), np.arange(0, 360, 45.0)


def field(name, time=None, lat=LAT, lon=LON, seed=0, units="hours since 1970-01-01", **more) -> xr.Dataset:
    """Values that depend on the labels' places alone, in float32."""
    shape = (len(lat), len(lon)) if time is None else (len(time), len(lat), len(lon))
    values = np.random.default_rng(seed).normal(0, 1, shape).astype("f4")
    dims = ("lat", "lon") if time is None else ("time", "lat", "lon")
    coords = {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})}
    if time is not None:
        coords["time"] = ("time", time)
    out = xr.Dataset({name: (dims, values, more)}, coords)
    if time is not None:
        out.time.encoding = {"units": units, "dtype": "f8"}
    return out


def days(first, count, freq="D"):
    return pd.date_range(first, periods=count, freq=freq)


def written(folder: Path, **parts) -> dict[str, xr.Dataset]:
    for name, part in parts.items():
        part.to_netcdf(folder / f"{name}.nc")
    return parts


def opened(folder: Path) -> xr.Dataset:
    return xr.open_zarr(folder / "out.zarr").load()


def notes(prepare, recipe) -> list[str]:
    import subprocess

    done = subprocess.run([prepare.binary, "prepare", str(prepare.write(recipe)), "--plan", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["notes"]


def test_each_from_its_own_files_where_all_have_a_time(prepare, tmp_path):
    for part in range(2):
        written(tmp_path, **{f"u_{part}": field("u", days("2000-01-01", 5) + pd.Timedelta(days=5 * part), seed=part)})
    parts = written(tmp_path, rain=field("tp", days("2000-01-04", 20), seed=3, units="days since 1999-06-01"), z=field("z", seed=4))
    recipe = {"sources": {"winds": "u_*.nc", "rain": ["rain.nc"], "orography": "z.nc"}, "variables": ["u", {"precipitation": {"from": "rain/tp"}}, "z"]}
    prepare(recipe)
    u = xr.open_mfdataset(str(tmp_path / "u_*.nc")).load()
    expected = xr.merge([u.u, parts["rain"].tp.rename("precipitation"), parts["z"].z], join="inner")
    out = opened(tmp_path)
    assert set(out.variables) == {"u", "precipitation", "z", "time", "lat", "lon"}
    for name in ("u", "precipitation", "z"):
        assert out[name].dtype == "f4"
        xr.testing.assert_equal(out[name].drop_attrs(), expected[name].drop_attrs())
    assert any("'winds' has 10, 'rain' has 20" in note or "'rain' has 20, 'winds' has 10" in note for note in notes(prepare, recipe))


def test_a_grid_in_another_order_and_longitudes_counted_otherwise(prepare, tmp_path):
    time = days("2000-01-01", 3)
    there = field("b", time, lat=LAT[::-1], lon=np.arange(-180, 180, 45.0), seed=1)
    parts = written(tmp_path, a=field("a", time), b=there)
    prepare({"sources": {"a": "a.nc", "b": "b.nc"}, "variables": ["a", "b"]})
    expected = parts["b"].assign_coords(lon=parts["b"].lon % 360).sortby("lon").sel(lat=LAT)
    np.testing.assert_array_equal(opened(tmp_path).b, expected.b)
    np.testing.assert_array_equal(opened(tmp_path).a, parts["a"].a)


def test_a_region_across_the_seam_of_a_global_source(prepare, tmp_path):
    part = field("b", lon=np.array([-45.0, 0, 45]), seed=1)
    parts = written(tmp_path, a=field("a"), b=part)
    prepare({"sources": {"a": "a.nc", "b": "b.nc"}, "variables": ["a", "b"]})
    out = opened(tmp_path)
    np.testing.assert_array_equal(out.lon, [-45, 0, 45])
    np.testing.assert_array_equal(out.a, parts["a"].a.sel(lon=[315, 0, 45]))
    np.testing.assert_array_equal(out.b, parts["b"].b)


def test_dimensions_are_called_as_the_first_source_has_them(prepare, tmp_path):
    time = days("2000-01-01", 3)
    new = field("b", time, seed=1).rename(lat="latitude", lon="longitude", time="valid_time")
    parts = written(tmp_path, a=field("a", time), b=new)
    prepare({"sources": {"a": "a.nc", "b": "b.nc"}, "variables": ["a", "b"], "box": {"lat": [-30, 30]}})
    out = opened(tmp_path)
    assert out.b.dims == out.a.dims == ("time", "lat", "lon") and set(out.coords) == {"time", "lat", "lon"}
    np.testing.assert_array_equal(out.b, parts["b"].b[:, 1:4])


def test_another_time_step_by_resample(prepare, tmp_path):
    hourly = field("tp", days("2000-01-01", 96, "h"), seed=1)
    parts = written(tmp_path, u=field("u", days("2000-01-02", 9)), rain=hourly)
    recipe = {"sources": {"winds": "u.nc", "rain": "rain.nc"}, "variables": ["u", "tp"]}
    assert "their steps are not equally long: bring them to the same steps by 'resample'" in prepare(recipe, fails=2)
    recipe["variables"][1] = {"tp": {"steps": [{"resample": {"to": "1D", "how": "sum"}}]}}
    prepare(recipe)
    expected = xr.merge([parts["u"].u, hourly.tp.resample(time="1D").sum()], join="inner")
    np.testing.assert_array_equal(opened(tmp_path).time, expected.time)
    np.testing.assert_allclose(opened(tmp_path).tp, expected.tp, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(opened(tmp_path).u, expected.u)


def test_derived_from_two_sources_and_masked_by_a_third(prepare, tmp_path):
    u, v = field("u", days("2000-01-01", 6)), field("v", days("2000-01-03", 6), seed=1, units="days since 1900-01-01")
    parts = written(tmp_path, u=u, v=v, z=field("z", seed=2))
    prepare({"sources": {"x": "u.nc", "y": "v.nc", "static": "z.nc"}, "variables": [{"w": {"derive": "u * v - lat", "steps": [{"mask": {"by": "z", "above": 0}}]}}]})
    expected = (parts["u"].u.astype("f8") * parts["v"].v - parts["u"].lat).where(parts["z"].z > 0)
    np.testing.assert_allclose(opened(tmp_path).w, expected, rtol=1e-6)
    np.testing.assert_array_equal(opened(tmp_path).time, expected.time)


def test_coordinates_come_along_by_source(prepare, tmp_path):
    a, b = field("a"), field("b", seed=1)
    area = (("lat", "lon"), np.arange(40.0).reshape(5, 8))
    a, b = a.assign_coords(area=area), b.assign_coords(area=(area[0], area[1] + 100))
    written(tmp_path, a=a, b=b)
    prepare({"sources": {"a": "a.nc", "b": "b.nc"}, "variables": ["a", "b"]})
    out = opened(tmp_path)
    np.testing.assert_array_equal(out.a.area, a.area)
    np.testing.assert_array_equal(out.b["b.area"], b.area)


def test_what_is_not_clear_is_refused_by_name(prepare, tmp_path):
    time = days("2000-01-01", 3)
    written(tmp_path, a=field("u", time), b=field("u", time, seed=1), c=field("c", days("2010-01-01", 3)),
            d=field("d", lat=np.arange(60, -61, -15.0)))
    sources = {"a": "a.nc", "b": "b.nc", "c": "c.nc", "d": "d.nc"}

    def error(variables, **more):
        return prepare({"sources": sources, "variables": variables} | more, fails=2)

    assert "the sources 'a' and 'b' both have a variable 'u': say which one, by 'from: a/u'" in error(["u"])
    assert "there is no source 'bb' (there are a, b, c, d)" in error([{"u": {"from": "bb/u"}}])
    assert "the source 'c' has no variable 'u'" in error([{"u": {"from": "c/u"}}])
    assert "no source has a variable 'nothing'" in error(["nothing"])
    message = error([{"u": {"from": "a/u"}}, "c"])
    assert "line" in message and "2010-01-01" in message and "no label is in both" in message
    assert "they lie at other distances: bring them onto one grid by 'regrid'" in error([{"u": {"from": "a/u"}}, "d"])
    assert "there is a 'source' already" in error(["c"], source="a.nc")
    assert "the source 'x': no file matches" in prepare({"sources": {"x": "none*.nc"}, "variables": ["u"]}, fails=3)


def test_a_gap_of_one_source_is_a_gap_of_all(prepare, tmp_path):
    time = days("2000-01-01", 10)
    written(tmp_path, a=field("a", time), b=field("b", time.delete([4, 5]), seed=1))
    recipe = {"sources": {"a": "a.nc", "b": "b.nc"}, "variables": ["a", "b"]}
    assert "b.nc: steps are missing between 2000-01-04" in prepare(recipe, fails=2)
    prepare(recipe | {"gaps": "allow"})
    assert opened(tmp_path).attrs["seamount"]["segments"] == [[0, 4], [4, 8]]


@pytest.mark.parametrize("seed", [random.randrange(2**31) for _ in range(6)])
def test_random_sources_agree_with_xarray(prepare, tmp_path, seed):
    rnd = random.Random(seed)
    names = ["p", "q", "r"][: rnd.randint(2, 3)]
    parts = {}
    for name in names:
        first = pd.Timestamp("2001-02-01") + pd.Timedelta(hours=6 * rnd.randint(0, 5))
        time = None if name == "r" and rnd.random() < 0.4 else days(first, rnd.randint(6, 12), "6h")
        lat = LAT[rnd.randint(0, 1) : rnd.randint(3, 5)][:: rnd.choice([1, -1])]
        parts[name] = field(name, time, lat=lat, seed=rnd.randrange(1000), units=rnd.choice(["days since 2000-01-01", "minutes since 1950-01-01"]))
    written(tmp_path, **parts)
    prepare({"sources": {f"s_{name}": f"{name}.nc" for name in names}, "variables": names, "chunks": {"time": rnd.randint(1, 5)}})
    out = opened(tmp_path)
    expected = xr.merge([parts[name][name] for name in names], join="inner")
    for name in names:
        xr.testing.assert_equal(out[name].drop_attrs(), expected[name].sel(lat=out.lat).drop_attrs())
