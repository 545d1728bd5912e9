"""Raw files through seamount prepare: every layout of NetCDF, packing, and what is broken, against netCDF4, h5py and xarray."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from prepare_files import FERRET, field, oracle, prepare, write_netcdf  # noqa: F401


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
    for wanted in ("words", {"words": {"steps": [{"clip": [0, 1]}]}}, {"more": {"derive": "words + 1"}}):
        assert "'words' cannot be read: it holds text, and only numbers can be prepared" in prepare({"source": str(path), "variables": [wanted]}, fails=2)
    np.testing.assert_array_equal(prepare({"source": str(path), "variables": ["a/v"]})["a.v"], np.arange(6.0))


def test_variables_of_a_group_keep_their_coordinates(prepare, tmp_path):
    path = tmp_path / "grouped.nc"
    u = np.arange(60, dtype="f4").reshape(10, 3, 2)
    with netCDF4.Dataset(path, "w") as out:
        group = out.createGroup("model")
        for name, values in {"time": np.arange(10.0), "lat": np.array([-10.0, 0, 10]), "level": np.array([850.0, 500])}.items():
            group.createDimension(name, len(values))
            group.createVariable(name, "f8", (name,))[:] = values
        group["time"].units = "days since 2000-01-01"
        group.createVariable("u", "f4", ("time", "lat", "level"))[:] = u
    recipe = {"source": str(path), "variables": ["model/u"], "select": {"model/level": 500}, "chunks": {"model/time": 4},
              "split": {"train": ["2000-01-01", "2000-01-06"]}, "standardize": {"over": "train"}}
    prepare(recipe)
    out = xr.open_zarr(tmp_path / "out.zarr")
    assert out["model.u"].dims == ("model.time", "model.lat") and out["model.u"].chunks[0] == (4, 4, 2)
    np.testing.assert_array_equal(out["model.u"], u[:, :, 1])
    np.testing.assert_array_equal(out["model.time"], np.datetime64("2000-01-01") + np.arange(10) * np.timedelta64(1, "D"))
    np.testing.assert_array_equal(out["model.lat"], [-10, 0, 10])
    assert out["model.u"]["model.level"] == 500
    assert out.attrs["seamount"]["sample_dim"] == "model.time"


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
    recipe = {"source": str(path), "variables": ["v"]}
    assert "claims 1099511627776 values" in prepare(recipe | {"box": {"time": [0, 1]}}, out="axis.zarr", fails=2)
    prepare(recipe, out="axis.zarr")  # nobody asks for the times


def test_a_filter_that_only_libhdf5_knows_is_read_through_it(prepare, tmp_path):
    path = tmp_path / "nbit.nc"
    values = np.arange(400, dtype="i4").reshape(20, 20)
    with h5py.File(path, "w") as out:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((5, 20))
        creation.set_filter(h5py.h5z.FILTER_NBIT)
        space = h5py.h5s.create_simple(values.shape)
        h5py.Dataset(h5py.h5d.create(out.id, b"v", h5py.h5t.NATIVE_INT32, space, creation))[...] = values
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
