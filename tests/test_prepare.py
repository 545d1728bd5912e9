"""seamount prepare against independent readers: netCDF4, xarray, h5py and cftime on generated files, NumPy for statistics."""

from __future__ import annotations

import filecmp
import json
import os
import random
import re
import resource
import subprocess
import time
from pathlib import Path

import cftime
import h5py
import jsonschema
import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml

WINDS = "/usr/share/ferret-vis/data/monthly_navy_winds.cdf"
ROOT = Path(__file__).resolve().parent.parent


class Prepare:
    def __init__(self, binary: str, folder: Path):
        self.binary, self.folder = binary, folder

    def write(self, recipe: dict) -> Path:
        path = self.folder / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
        return path

    def command(self, recipe: dict, out: Path, *flags: str) -> list[str]:
        return [self.binary, "prepare", str(self.write(recipe)), "--to", f"file://{out}", *flags]

    def __call__(self, recipe: dict, *flags: str, out: str = "out.zarr", fails: int | None = None):
        done = subprocess.run(self.command(recipe, self.folder / out, *flags), capture_output=True, text=True, timeout=120)
        if fails is not None:
            assert done.returncode == fails, done.stderr
            return done.stderr
        assert done.returncode == 0, done.stderr
        return xr.open_zarr(self.folder / out, decode_times=False, mask_and_scale=False).load()


@pytest.fixture
def prepare(seamount_binary, tmp_path):
    return Prepare(seamount_binary, tmp_path)


def field(shape, dtype="f4", seed=0):
    values = np.random.default_rng(seed).normal(10, 5, shape).cumsum(axis=-1)
    return values.astype(dtype)


def write_netcdf(path, format="NETCDF4", steps=7, variables=None, unlimited=True, **options):
    """time × lat × lon with coordinates; `variables`: name → (dtype, attributes, stored values)."""
    with netCDF4.Dataset(path, "w", format=format) as out:
        out.title = "generated"
        out.createDimension("time", None if unlimited else steps)
        out.createDimension("lat", 5)
        out.createDimension("lon", 6)
        time_ = out.createVariable("time", "f8", ("time",))
        time_.units, time_.calendar = "days since 2001-01-01", "noleap"
        time_[:] = np.arange(steps) * 10.5
        lat = out.createVariable("lat", "f4", ("lat",))
        lat.units, lat[:] = "degrees_north", np.linspace(60, -60, 5)
        lon = out.createVariable("lon", "f4", ("lon",))
        lon.units, lon[:] = "degrees_east", np.arange(6) * 60
        for name, (dtype, attributes, values) in (variables or {"t": ("f4", {}, field((steps, 5, 6)))}).items():
            fill = attributes.pop("_FillValue", None)
            dims = ("time", "lat", "lon")[: values.ndim] if values.ndim == 3 else ("lat", "lon")[: values.ndim]
            v = out.createVariable(name, dtype, dims, fill_value=fill, **options)
            v.setncatts(attributes)
            v.set_auto_maskandscale(False)
            v[:] = values
    return str(path)


def oracle(path, *names):
    """Physical values by netCDF4: masked as NaN."""
    with netCDF4.Dataset(path) as source:
        out = {}
        for name in names:
            values = source[name][:]
            out[name] = np.ma.filled(values.astype("f8"), np.nan) if np.ma.isMaskedArray(values) else np.asarray(values)
    return out


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("unlimited", [True, False])
def test_classic_formats(prepare, tmp_path, format, unlimited):
    kinds = {"a": "i1", "b": "i2", "c": "i4", "d": "f4", "e": "f8"}
    if format == "NETCDF3_64BIT_DATA":
        kinds |= {"f": "u1", "g": "u2", "h": "u4", "i": "i8", "j": "u8"}
    data = {n: (k, {}, (np.arange(7 * 30).reshape(7, 5, 6) % 113).astype(k)) for n, k in kinds.items()}
    data["static"] = ("f4", {}, field((5, 6)))
    path = write_netcdf(tmp_path / "in.nc", format, variables=data, unlimited=unlimited)
    out = prepare({"source": path, "variables": list(data)})
    for name, (kind, _, values) in data.items():
        assert out[name].dtype == np.dtype(kind)
        np.testing.assert_array_equal(out[name], values)
    np.testing.assert_array_equal(out.time, np.arange(7) * 10.5)
    assert out.time.attrs["calendar"] == "noleap" and out.attrs["title"] == "generated"


def test_lone_record_variable_is_not_padded(prepare, tmp_path):
    path = tmp_path / "lone.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as out:
        out.createDimension("n", None)
        out.createDimension("x", 3)
        out.createVariable("v", "i2", ("n", "x"))[:] = np.arange(15).reshape(5, 3)
    np.testing.assert_array_equal(prepare({"source": str(path), "variables": ["v"]}).v, np.arange(15).reshape(5, 3))


FILTERS = [
    {"contiguous": True},
    {"chunksizes": (2, 3, 4)},
    {"zlib": True, "complevel": 4, "shuffle": True},
    {"zlib": True, "shuffle": False, "chunksizes": (7, 1, 6)},
    {"zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": (3, 5, 5)},
    {"fletcher32": True, "chunksizes": (4, 2, 2)},
]


@pytest.mark.parametrize("options", FILTERS, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items()))
@pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "f8", ">f4", ">i2", "u8"])
def test_netcdf4_layouts(prepare, tmp_path, options, dtype):
    values = (np.arange(7 * 30).reshape(7, 5, 6) * 3 % 101).astype(dtype)
    path = write_netcdf(tmp_path / "in.nc", variables={"t": (np.dtype(dtype), {}, values)},
                        unlimited=not options.get("contiguous"), **options)
    out = prepare({"source": path, "variables": ["t"], "chunks": {"time": 2, "lat": 4, "lon": 5}})
    np.testing.assert_array_equal(out.t, values)
    assert out.t.dims == ("time", "lat", "lon")


def test_chunks_never_written_hold_the_fill_value(prepare, tmp_path):
    path = tmp_path / "holes.nc"
    with h5py.File(path, "w") as out:
        v = out.create_dataset("v", (20, 10), "f4", chunks=(5, 5), fillvalue=7, compression="gzip")
        v[5:10, 0:5] = 1
    out = prepare({"source": str(path), "variables": ["v"]})
    expected = np.full((20, 10), 7, "f4")
    expected[5:10, 0:5] = 1
    np.testing.assert_array_equal(out.v, expected)


def test_a_variable_shorter_than_its_unlimited_dimension_ends_in_fill_values(prepare, tmp_path):
    path = tmp_path / "short.nc"
    with netCDF4.Dataset(path, "w") as out:
        out.createDimension("time", None)
        out.createDimension("x", 4)
        out.createVariable("long", "f4", ("time", "x"), chunksizes=(3, 4))[:] = np.arange(40).reshape(10, 4)
        out.createVariable("short", "i4", ("time", "x"), chunksizes=(2, 3), fill_value=-1)[:5] = np.arange(20).reshape(5, 4)
    out = prepare({"source": str(path), "variables": ["long", "short"], "chunks": {"time": 3}})
    with netCDF4.Dataset(path) as source:
        expected = np.ma.filled(source["short"][:].astype("f8"), np.nan)
    np.testing.assert_array_equal(out.short, expected)
    np.testing.assert_array_equal(out.long, np.arange(40).reshape(10, 4))
    assert np.isnan(expected[5:]).all()


def test_groups_in_circles_and_data_in_other_files(prepare, tmp_path):
    path = tmp_path / "odd.nc"
    (tmp_path / "secret").write_bytes(b"0123456789abcdef")
    with h5py.File(path, "w") as out:
        group = out.create_group("a")
        for i in range(3):
            group[f"again{i}"] = out["/"]
            group[f"self{i}"] = group
        group["v"] = np.arange(6.0)
        out.create_dataset("outside", (16,), "u1", external=[(str(tmp_path / "secret"), 0, 16)])
        out["words"] = "text"
    assert "other files" in prepare({"source": str(path), "variables": ["outside"]}, fails=2)
    assert "holds text" in prepare({"source": str(path), "variables": ["words"]}, fails=2)
    np.testing.assert_array_equal(prepare({"source": str(path), "variables": ["a/v"]})["a.v"], np.arange(6.0))


def test_impossible_sizes_are_refused_not_allocated(prepare, tmp_path):
    path = tmp_path / "huge.nc"
    with h5py.File(path, "w") as out:
        out.create_dataset("v", (2**40, 2**18), "f4", chunks=(1, 2**18))
        out.create_dataset("big", (4, 4), "f4", maxshape=(2**32, 4), chunks=(2**27, 4))
    assert "regions: larger 'chunks'" in prepare({"source": str(path), "variables": ["v"]}, fails=2)
    assert "--memory" in prepare({"source": str(path), "variables": ["big"]}, "--memory", "100M", fails=8)
    path = tmp_path / "axis.nc"
    with h5py.File(path, "w") as out:
        out.create_dataset("time", (2**40,), "f8", chunks=(2**10,)).make_scale("time")
        out.create_dataset("v", (3,), "f4")
    assert "claims 1099511627776 values" in prepare({"source": str(path), "variables": ["v"]}, fails=2)


def test_a_filter_that_only_libhdf5_knows_is_read_through_it(prepare, tmp_path):
    path = tmp_path / "so.nc"
    values = np.arange(400, dtype="i4").reshape(20, 20)
    with h5py.File(path, "w") as out:
        out.create_dataset("v", data=values, chunks=(5, 20), scaleoffset=0)
    np.testing.assert_array_equal(prepare({"source": str(path), "variables": ["v"]}).v, values)


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_cf_decoding(prepare, tmp_path, format):
    rng = np.random.default_rng(5)
    stored = rng.integers(-300, 300, (7, 5, 6)).astype("i2")
    stored[0, 0, 0] = -5
    floats = field((7, 5, 6))
    floats[floats > 20] = -99.9
    data = {
        "packed": ("i2", {"_FillValue": np.int16(-5), "scale_factor": 0.25, "add_offset": 100.0}, stored),
        "ranged": ("i2", {"valid_range": np.array([-200, 200], "i2"), "scale_factor": np.float32(0.1)}, stored),
        "missing": ("f4", {"_FillValue": np.float32(-99.9), "missing_value": np.float32(-99.9)}, floats),
        "plain": ("i2", {}, stored),
    }
    path = write_netcdf(tmp_path / "in.nc", format, variables=data)
    out = prepare({"source": path, "variables": list(data)})
    for name, expected in oracle(path, *data).items():
        np.testing.assert_allclose(out[name], expected, rtol=1e-6, atol=1e-5, err_msg=name)
    assert out.packed.dtype == np.float32 and out.plain.dtype == np.int16
    assert "scale_factor" not in out.packed.attrs and "_FillValue" not in out.missing.attrs
    assert np.isnan(out.missing).any() and np.isnan(out.packed).any()


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


FERRET = sorted(Path(WINDS).parent.glob("*.cdf")) + sorted(Path(WINDS).parent.glob("*.nc"))


@pytest.mark.parametrize("path", FERRET, ids=lambda p: p.stem)
def test_real_files_agree_with_xarray(prepare, path):
    """All that Debian's ferret-datasets holds: climatologies in year 0, records with edges, topography of 1 to 120 minutes."""
    with xr.open_dataset(path, decode_times=False) as raw:
        names = [n for n in raw.variables if n not in raw.dims and raw[n].dtype.kind in "fiu"]
        out = prepare({"source": str(path), "variables": names, "codec": "blosc-lz4"})
        for name in names:
            np.testing.assert_allclose(out[name], raw[name], rtol=1e-6, err_msg=name)
        lat, lon = ([d for d in raw[names[0]].dims if raw[d].attrs.get("units", "").startswith(u)][0] for u in ("degrees_n", "degrees_e"))
        out = prepare({"source": str(path), "variables": names[:1], "box": {"lon": [-30, 30], "lat": [-20, 20]}}, out="box.zarr")
        turned = raw[names[0]].assign_coords({lon: (raw[lon] + 180) % 360 - 180}).sortby(lon)
        expected = turned.sel({lon: slice(-30, 30), lat: slice(-20, 20)})
        expected = expected.isel({lon: np.diff(expected[lon], prepend=-999) > 1e-3})  # some files hold the seam twice
        np.testing.assert_allclose(out[names[0]], expected, rtol=1e-6)
        np.testing.assert_allclose(out[lon], expected[lon], atol=1e-4)


def parts(folder, starts, steps=4):
    """One daily file for every first day."""
    for i, start in enumerate(starts):
        path = write_netcdf(folder / f"part{i}.nc", steps=steps)
        with netCDF4.Dataset(path, "a") as part:
            part["time"][:] = np.arange(steps) + start


@pytest.mark.parametrize("starts, expected", [
    ([0, 4, 12], "part2.nc to .*part1.nc along 'time': steps are missing between 2001-01-08T00:00:00 and 2001-01-13T00:00:00"),
    ([0, 3, 7], "part1.nc to .*part0.nc along 'time': 2001-01-04T00:00:00 comes after 2001-01-04T00:00:00: the files overlap"),
    ([4, 0], "part1.nc to .*part0.nc along 'time': 2001-01-01T00:00:00 comes after 2001-01-08T00:00:00"),
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


def same_tree(a: Path, b: Path) -> bool:
    files = lambda root: sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file() and ".seamount/" not in str(p))
    if files(a) != files(b):
        return False
    return not filecmp.cmpfiles(a, b, [str(f) for f in files(a)], shallow=False)[1]


def write_series(path, steps, grid=(180, 360)):
    """A field in one chunk per step, as models write it; series of single places lie across all of them."""
    base = np.random.default_rng(4).normal(0, 1, grid).cumsum(1).round(1).astype("f4")
    with h5py.File(path, "w") as out:
        time_ = out.create_dataset("time", data=np.arange(steps, dtype="f8"))
        time_.attrs["units"] = "hours since 2000-01-01"
        time_.make_scale("time")
        v = out.create_dataset("v", (steps, *grid), "f4", chunks=(1, *grid), compression="gzip", compression_opts=1, shuffle=True)
        v.dims[0].attach_scale(time_)
        for i in range(steps):
            v[i] = base + np.float32(i % 24)
    return str(path)


SERIES = {"variables": ["v"], "chunks": {"phony_dim_180": 10, "phony_dim_360": 12}, "codec": "blosc-lz4",
          "split": {"train": ["2000-01-01", "2000-01-20"]}, "anomaly": {"harmonics": 1, "over": "train"}, "standardize": {"over": "train"}}
# What the program takes beside what it books: itself and its libraries, HDF5's index of chunks, pages the allocator keeps.
MEMORY_ALLOWANCE = 64 << 20


def test_memory_stays_within_what_is_allowed(prepare, tmp_path):
    """Whole series of single places from 207 MB of fields, in 80 MB: read once, through the spill file."""
    recipe = SERIES | {"source": write_series(tmp_path / "in.nc", 800)}
    run = subprocess.Popen(prepare.command(recipe, tmp_path / "out.zarr", "--memory", "80M", "--threads", "4", "--json"),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while run.poll() is None:
        status = Path(f"/proc/{run.pid}/status").read_text()
        peak = max([peak] + [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")])
        time.sleep(0.005)
    out, errors = run.communicate()
    assert run.returncode == 0, errors
    report = json.loads(out)
    assert report["spilled_bytes"] == 800 * 180 * 360 * 4
    assert report["peak_memory_bytes"] <= 80 << 20
    assert 20 << 20 < peak < (80 << 20) + MEMORY_ALLOWANCE, f"{peak >> 20} MiB"
    with xr.open_zarr(tmp_path / "out.zarr", decode_times=False) as got, h5py.File(tmp_path / "in.nc") as source:
        climatology = np.tensordot(got.climatology_weights.values, got.v_climatology.values[:, 50:53, 70:80], 1)
        np.testing.assert_allclose(got.v.values[:, 50:53, 70:80] + climatology, source["v"][:, 50:53, 70:80], atol=1e-4)


def test_a_full_spill_disk_is_named_and_the_run_goes_on_elsewhere(prepare, tmp_path):
    recipe = SERIES | {"source": write_series(tmp_path / "in.nc", 500)}
    command = prepare.command(recipe, tmp_path / "out.zarr", "--spill", str(tmp_path), "--json")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    full = subprocess.run(command, preexec_fn=limit, restore_signals=False, capture_output=True, text=True)
    assert full.returncode == 8 and f"spill file in {tmp_path}" in full.stderr and "--spill" in full.stderr, full.stderr
    assert not (tmp_path / "out.zarr/zarr.json").exists()
    assert json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["statistics_kept"] == 1


def test_killed_again_and_again_it_ends_in_the_same_bytes(prepare, tmp_path):
    seed = random.randrange(2**31)
    rng = random.Random(seed)
    recipe = SERIES | {"source": write_series(tmp_path / "in.nc", 500)}
    prepare(SERIES | {"source": recipe["source"], "codec": "none"})  # replaced below, and the replacing is interrupted
    start = time.monotonic()
    prepare(recipe, out="whole.zarr")
    whole = time.monotonic() - start
    killed, kept = 0, 0
    for cycle in range(40):
        flags = () if killed else ("--overwrite",)
        run = subprocess.Popen(prepare.command(recipe, tmp_path / "out.zarr", "--json", *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, _ = run.communicate(timeout=whole * rng.uniform(0.1, 0.9) if cycle < 8 else None)
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            killed += 1
            continue
        if not killed and cycle < 8:  # quicker than the run that set the pace: once more, and sooner
            prepare(SERIES | {"source": recipe["source"], "codec": "none"}, "--overwrite")
            whole /= 2
            continue
        if run.returncode == 4 and killed == 1:  # the first was killed before it had written down that it replaces
            out = subprocess.run(prepare.command(recipe, tmp_path / "out.zarr", "--json", "--overwrite"), capture_output=True, check=True).stdout
        kept = json.loads(out)["regions_kept"]
        break
    assert killed, f"seed {seed}: no run could be killed"
    print(f"seed {seed}: {killed} kills, {kept} regions kept at the end")
    assert same_tree(tmp_path / "whole.zarr", tmp_path / "out.zarr"), f"seed {seed}"


def test_existing_output_is_refused(prepare, tmp_path):
    path = write_netcdf(tmp_path / "in.nc")
    prepare({"source": path, "variables": ["t"]})
    assert "--overwrite" in prepare({"source": path, "variables": ["t"], "codec": "none"}, fails=4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    assert "thesis.tex" in prepare({"source": path, "variables": ["t"]}, "--overwrite", out="mine", fails=4)


def test_truncated_files_are_named(prepare, tmp_path):
    classic = Path(write_netcdf(tmp_path / "c.nc", "NETCDF3_CLASSIC"))
    size = classic.stat().st_size
    os.truncate(classic, size - 200)
    message = prepare({"source": str(classic), "variables": ["t"]}, fails=9)
    assert "c.nc" in message and f"{size - 200} bytes" in message and "variable 'time' ends at byte" in message
    modern = Path(write_netcdf(tmp_path / "m.nc", zlib=True))
    os.truncate(modern, modern.stat().st_size // 2)
    message = prepare({"source": str(modern), "variables": ["t"]}, fails=9)
    assert "m.nc" in message and "truncated" in message


def test_corrupt_chunk_is_named(prepare, tmp_path):
    path = Path(write_netcdf(tmp_path / "in.nc", zlib=True, fletcher32=True, chunksizes=(7, 5, 6)))
    with h5py.File(path) as file:
        chunk = file["t"].id.get_chunk_info(0)
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        byte = raw.read(1)
        raw.seek(-1, 1)
        raw.write(bytes([byte[0] ^ 16]))
    message = prepare({"source": str(path), "variables": ["t"]}, fails=9)
    assert "'t'" in message and "chunk (0, 0, 0)" in message and "in.nc" in message


@pytest.mark.parametrize("change, expected", [
    ({"variables": ["UWMD"]}, "did you mean 'UWND'?"),
    ({"chunks": {"TIMES": 3}}, "did you mean 'TIME'?"),
    ({"standardise": {"over": "all"}}, "did you mean 'standardize'?"),
    ({"source": "nowhere.nc"}, "nowhere.nc"),
    ({"source": "nowhere*.nc"}, "no file matches"),
    ({"time": ["2030", "2031"]}, "it goes from 1982-01-16"),
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
    assert "13 steps" in text and "every part is read once" in text and "MiB to read" in text and "of work for" in text
    assert json.loads(run("--dry-run", "--json"))["arrays"][0]["chunks"] == [13, 73, 144]


def test_plan_says_when_it_spills(prepare, tmp_path):
    recipe = prepare.write(SERIES | {"source": write_series(tmp_path / "in.nc", 500)})
    run = lambda *flags: subprocess.run([prepare.binary, "prepare", str(recipe), *flags], capture_output=True, text=True, check=True).stdout
    assert "chunks of (1, 180, 360), shuffle, deflate" in run("--plan") and "spill file of 123.6 MiB" in run("--plan")
    assert json.loads(run("--plan", "--json"))["arrays"][0]["spilled"] is True
