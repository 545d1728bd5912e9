"""Several files as one, against xarray.open_mfdataset: files that differ in packing, types, fills, units of time, in what
nobody asks for, or that hold one variable each. Random sets print their seed; SEAMOUNT_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml

SEED = int(os.environ.get("SEAMOUNT_SEED", random.randrange(2**31)))


class Prepare:
    def __init__(self, binary: str, folder: Path):
        self.binary, self.folder = binary, folder

    def run(self, recipe: dict, **more):
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        out = self.folder / "out.zarr"
        command = [self.binary, "prepare", str(self.folder / "recipe.yaml"), "--to", f"file://{out}", "--overwrite"]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, **more)

    def __call__(self, recipe: dict, **more) -> xr.Dataset:
        done = self.run(recipe, **more)
        assert done.returncode == 0, done.stderr
        return xr.open_zarr(self.folder / "out.zarr").load()

    def fails(self, recipe: dict) -> str:
        done = self.run(recipe)
        assert done.returncode == 2, done.stderr
        return done.stderr


@pytest.fixture
def prepare(seamount_binary, tmp_path):
    return Prepare(seamount_binary, tmp_path)


def write(path, variables: dict, times=range(4), units="days since 2000-01-01", time_type="f8", lat=None, lat_type="f8",
          format="NETCDF4", bounds=False):
    """variables: name → (type, stored values (time, lat), attributes)."""
    lat = np.linspace(60, -60, 3) if lat is None else lat
    with netCDF4.Dataset(path, "w", format=format) as out:
        out.createDimension("time", len(times))
        out.createDimension("lat", len(lat))
        time = out.createVariable("time", time_type, ("time",))
        time.units, time[:] = units, np.asarray(times)
        if bounds:
            out.createDimension("nv", 2)
            time.bounds = "time_bnds"
            out.createVariable("time_bnds", "f8", ("time", "nv"))[:] = np.stack([times, np.add(times, 1)], 1)
        axis = out.createVariable("lat", lat_type, ("lat",))
        axis.units, axis[:] = "degrees_north", lat
        for name, (kind, values, attributes) in variables.items():
            attributes = dict(attributes)
            v = out.createVariable(name, kind, ("time", "lat"), fill_value=attributes.pop("_FillValue", None))
            v.set_auto_maskandscale(False)
            v.setncatts(attributes)
            v[:] = np.asarray(values, kind)


def numbers(seed, steps=4):
    return np.random.default_rng(seed).integers(-100, 100, (steps, 3))


def oracle(paths, *names) -> xr.Dataset:
    def asked(part):
        return part[[name for name in names if name in part]].assign_coords(lat=part.lat.astype("f8"))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_mfdataset([str(p) for p in paths], preprocess=asked, combine="by_coords", join="outer").load()


def same(ours: xr.Dataset, theirs: xr.Dataset, *names):
    np.testing.assert_array_equal(ours.time.values.astype("datetime64[ms]"), theirs.time.values.astype("datetime64[ms]"))
    for name in names:
        np.testing.assert_allclose(ours[name].values, theirs[name].values.astype("f8"), rtol=3e-7, atol=1e-6, err_msg=name)


def test_each_file_by_its_own_packing(prepare, tmp_path):
    for year in range(3):
        packing = {"scale_factor": 0.01 + year / 1000, "add_offset": 273.0 + year, "_FillValue": -99 - year}
        values = numbers(year)
        values[0, 0] = -99 - year
        write(tmp_path / f"y{year}.nc", {"u": ("i2", values, packing)}, times=range(4 * year, 4 * year + 4))
    same(prepare({"source": str(tmp_path / "y*.nc"), "variables": ["u"]}), oracle(sorted(tmp_path.glob("y*.nc")), "u"), "u")


def test_units_of_time_of_each_file(prepare, tmp_path):
    write(tmp_path / "y0.nc", {"u": ("f4", numbers(0), {})}, units="hours since 2000-01-01", times=range(0, 96, 24), time_type="i8")
    write(tmp_path / "y1.nc", {"u": ("f4", numbers(1), {})}, units="days since 2000-01-05", bounds=True)
    write(tmp_path / "y2.nc", {"u": ("f8", numbers(2), {})}, units="days since 2000-01-09", lat_type="f4")
    paths = sorted(tmp_path.glob("y*.nc"))
    same(prepare({"source": str(tmp_path / "y*.nc"), "variables": ["u"]}), oracle(paths, "u"), "u")


def test_files_follow_one_another_by_time_whatever_their_names(prepare, tmp_path):
    for part in range(12):  # era5_10 comes before era5_2; each counts from its own start
        write(tmp_path / f"era5_{part}.nc", {"u": ("f4", numbers(part, 2), {})}, units=f"days since 2000-02-{1 + part * 2:02}", times=range(2))
    paths = [tmp_path / f"era5_{part}.nc" for part in range(12)]
    same(prepare({"source": str(tmp_path / "era5_*.nc"), "variables": ["u"]}), oracle(paths, "u"), "u")


@pytest.mark.parametrize("levels, expected", [([1000, 850, 500], [1000, 850, 500]), ([1000, 200, 500, 850], [200, 500, 850, 1000])])
def test_levels_stay_as_given_where_they_run_evenly_and_are_sorted_where_not(prepare, tmp_path, levels, expected):
    for n, level in enumerate(levels):
        xr.Dataset({"z": (("level", "x"), np.full((1, 2), level, "f4"))}, {"level": ("level", [level], {"units": "hPa"})}).to_netcdf(
            tmp_path / f"z_{n}.nc", unlimited_dims=["level"])
    out = prepare({"source": str(tmp_path / "z_*.nc"), "variables": ["z"]})
    np.testing.assert_array_equal(out.level, expected)
    np.testing.assert_array_equal(out.z[:, 0], expected)


def test_months_since_are_dates(prepare, tmp_path):
    write(tmp_path / "y0.nc", {"u": ("f4", numbers(0), {})}, units="months since 2000-01-01")
    write(tmp_path / "y1.nc", {"u": ("f4", numbers(1), {})}, units="months since 2000-05-01")
    ours = prepare({"source": str(tmp_path / "y*.nc"), "variables": ["u"]})
    expected = [f"2000-{month:02}-01" for month in range(1, 9)]
    np.testing.assert_array_equal(ours.time.values, np.array(expected, "datetime64[ns]"))


def test_what_is_supposed_is_said(prepare, tmp_path):
    write(tmp_path / "y0.nc", {"u": ("f4", numbers(0), {"units": "K", "valid_range": np.float32(3)})})
    write(tmp_path / "y1.nc", {"u": ("f4", numbers(1), {})}, times=range(4, 8))
    done = prepare.run({"source": str(tmp_path / "y*.nc"), "variables": ["u"]})
    assert done.returncode == 0 and "has no units in" in done.stderr + done.stdout, done.stderr + done.stdout
    done = prepare.run({"source": str(tmp_path / "y0.nc"), "variables": ["u"]})
    assert "'valid_range' is not two numbers: ignored" in done.stderr + done.stdout, done.stderr + done.stdout


def test_one_variable_a_file(prepare, tmp_path):
    for year in range(2):
        for name in ("tas", "pr"):
            write(tmp_path / f"{name}_{year}.nc", {name: ("f4", numbers(len(name) + year), {})}, bounds=True,
                  times=range(4 * year, 4 * year + 4), lat_type="f4" if name == "pr" else "f8")
    source = [str(tmp_path / "tas_*.nc"), str(tmp_path / "pr_*.nc")]
    ours = prepare({"source": source, "variables": ["tas", "pr"]})
    same(ours, oracle(tmp_path.glob("*_*.nc"), "tas", "pr"), "tas", "pr")


def test_what_nobody_asks_for_is_not_compared(prepare, tmp_path):
    write(tmp_path / "y0.nc", {"u": ("f4", numbers(0), {}), "extra": ("f4", numbers(1), {"units": "K"})})
    write(tmp_path / "y1.nc", {"u": ("f4", numbers(2), {}), "other": ("i2", numbers(3), {"valid_max": 5})}, times=range(4, 8))
    same(prepare({"source": str(tmp_path / "y*.nc"), "variables": ["u"]}), oracle(sorted(tmp_path.glob("y*.nc")), "u"), "u")
    assert "y1.nc has no variable 'extra'" in prepare.fails({"source": str(tmp_path / "y*.nc"), "variables": ["extra"]})


def test_what_cannot_be_one_is_refused_by_name(prepare, tmp_path):
    write(tmp_path / "y0.nc", {"u": ("f4", numbers(0), {"units": "K"}), "v": ("f4", numbers(0), {})})
    write(tmp_path / "y1.nc", {"u": ("f4", numbers(1), {"units": "degC"}), "v": ("f4", numbers(0), {})}, times=range(4, 8))
    assert "degC" in prepare.fails({"source": str(tmp_path / "y*.nc"), "variables": ["u"]})
    assert prepare({"source": str(tmp_path / "y*.nc"), "variables": ["v"]}).v.shape == (8, 3)
    write(tmp_path / "y1.nc", {"u": ("f4", numbers(1), {"units": "K"})}, times=range(4, 8), lat=[1, 2, 3])
    assert "other values of 'lat'" in prepare.fails({"source": str(tmp_path / "y*.nc"), "variables": ["u"]})


def random_files(rnd: random.Random, folder: Path) -> list[str]:
    """Files that xarray joins; returns the variables."""
    names = ["a", "b", "c"][: rnd.randint(1, 3)]
    apart = rnd.random() < 0.5
    start = 0
    kind = {name: rnd.choice(["i2", "i4", "f4", "f8"]) for name in names}
    for part in range(rnd.randint(2, 4)):
        steps = rnd.randint(1, 4)
        for group in [[name] for name in names] if apart else [names]:
            variables = {}
            for name in group:
                attributes = {}
                if rnd.random() < 0.6:
                    attributes |= {"scale_factor": rnd.choice([0.5, 0.01, 2.0]), "add_offset": float(rnd.randint(-5, 5))}
                if rnd.random() < 0.6:
                    attributes["_FillValue"] = rnd.choice([-50, 7, 99])
                if rnd.random() < 0.3:
                    attributes["units"] = "K"
                variables[name] = (kind[name], numbers(rnd.randrange(1000), steps), attributes)
            unit = rnd.choice(["days", "hours"])
            origin = rnd.choice(["1999-12-25", "2000-01-01"])
            days = np.arange(start, start + steps) + (7 if origin != "2000-01-01" else 0)
            write(folder / f"{'_'.join(group)}_{part}.nc", variables, times=days * (24 if unit == "hours" else 1),
                  units=f"{unit} since {origin}", time_type=rnd.choice(["i4", "f8"]), lat_type=rnd.choice(["f4", "f8"]),
                  format=rnd.choice(["NETCDF4", "NETCDF3_CLASSIC"]))
        start += steps
    return names


def test_random_sets_agree_with_open_mfdataset(prepare, tmp_path):
    for seed in range(SEED, SEED + 12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        names = random_files(random.Random(seed), folder)
        paths = sorted(folder.glob("*.nc"))
        try:
            ours = prepare({"source": [str(p) for p in paths], "variables": names})
            same(ours, oracle(paths, *names), *names)
        except AssertionError as failure:
            raise AssertionError(f"SEAMOUNT_SEED={seed}") from failure


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_more_files_than_descriptors(prepare, tmp_path, format):
    write(tmp_path / "f0000.nc", {"u": ("f4", numbers(0, 1), {})}, times=[0], format=format)
    content = (tmp_path / "f0000.nc").read_bytes()
    for day in range(1, 120):
        path = tmp_path / f"f{day:04}.nc"
        path.write_bytes(content)
        with netCDF4.Dataset(path, "a") as out:
            out["time"][:] = day
            out["u"][:] = day

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    ours = prepare({"source": str(tmp_path / "f*.nc"), "variables": ["u"]}, preexec_fn=few)
    np.testing.assert_array_equal(ours.u[1:, 0], np.arange(1, 120))


def era5(path, time, versions, missing, packed=True, seed=0):
    """As the Copernicus store delivers it: expver 1 to the last final step, 5 behind; versions None: without the dimension."""
    values = np.random.default_rng(seed).integers(-1000, 1000, (len(time), 2, 3)).astype("i2" if packed else "f4")
    packing = {"scale_factor": 0.5, "add_offset": 270.0, "_FillValue": np.int16(-32767)} if packed else {}
    nothing = -32767 if packed else np.nan
    dims = ("time", "lat", "lon")
    if versions is not None:
        parts = [values.copy() for _ in versions]
        for part, gone in zip(parts, missing):
            part[gone] = nothing
        values, dims = np.stack(parts, 1), ("time", "expver", "lat", "lon")
    coords = {"time": ("time", time, {"units": "hours since 1900-01-01"}), "lat": [1.0, 0], "lon": [0.0, 1, 2]}
    if versions is not None:
        coords["expver"] = ("expver", np.array(versions, "i4"))
    xr.Dataset({"t2m": (dims, values, packing), "z": (("lat", "lon"), np.ones((2, 3), "f4"))}, coords).to_netcdf(
        path, unlimited_dims=["time"], encoding={"t2m": {"chunksizes": (2, *(2,) * (len(dims) - 3), 2, 2)}} if versions and len(versions) > 1 else {})


@pytest.mark.parametrize("packed", [True, False])
def test_final_and_preliminary_months_are_one(prepare, tmp_path, packed):
    hours = np.arange(1_000_000, 1_000_006)
    era5(tmp_path / "a.nc", hours, None, [], packed)
    era5(tmp_path / "b.nc", hours + 6, [1], [[]], packed, seed=1)
    era5(tmp_path / "c.nc", hours + 12, [1, 5], [[3, 4, 5], [0, 1, 5]], packed, seed=2)
    out = prepare({"source": str(tmp_path / "?.nc"), "variables": ["t2m", "z"], "first_valid": "expver", "chunks": {"time": 4}})
    parts = [xr.open_dataset(tmp_path / f"{name}.nc") for name in "abc"]
    parts[1] = parts[1].isel(expver=0)
    parts[2] = parts[2].sel(expver=1, drop=True).combine_first(parts[2].sel(expver=5, drop=True))
    expected = xr.concat([part.t2m.drop_vars("expver", errors="ignore") for part in parts], "time")
    assert out.t2m.dims == ("time", "lat", "lon") and set(out.variables) == {"t2m", "z", "time", "lat", "lon"}
    np.testing.assert_array_equal(out.t2m, expected.transpose(*out.t2m.dims))
    assert int(out.t2m.isnull().sum()) == 6 and out.sizes["time"] == 18
    misspelt = prepare.fails({"first_valid": "expvr", "source": str(tmp_path / "?.nc"), "variables": ["t2m"]})
    assert "line 1: 'first_valid' names the dimension 'expvr', which no file of the source has, did you mean 'expver'?" in misspelt
    refused = prepare.fails({"source": str(tmp_path / "?.nc"), "variables": ["t2m"]})
    assert "other dimensions: time, expver, lat, lon" in refused or "other dimensions: time, lat, lon" in refused
