"""NetCDF-4 and HDF5 files that are odd, new or damaged, through `seamount prepare`.

SEAMOUNT_MUTATIONS sets how many damaged files are tried (60), SEAMOUNT_SEED which; both stand in a failure's message.
"""

from __future__ import annotations

import ctypes
import glob
import os
import random
import subprocess
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml

SEED = int(os.environ.get("SEAMOUNT_SEED", random.randrange(2**31)))
MUTATIONS = int(os.environ.get("SEAMOUNT_MUTATIONS", "60"))


def run(binary: str, folder: Path, source: Path, *names: str) -> subprocess.CompletedProcess:
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"source": str(source), "variables": list(names)}))
    environment = {k: v for k, v in os.environ.items() if k != "HDF5_PLUGIN_PATH"}  # the netCDF4 wheel sets it
    command = [binary, "prepare", str(recipe), "--to", f"file://{folder}/out.zarr", "--overwrite"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture
def prepare(seamount_binary, tmp_path):
    def prepared(source: Path, *names: str) -> xr.Dataset:
        done = run(seamount_binary, tmp_path, source, *names)
        assert done.returncode == 0, done.stderr
        return xr.open_zarr(tmp_path / "out.zarr").load()

    return prepared


def simple(path: Path, values: np.ndarray, **options):
    with netCDF4.Dataset(path, "w") as out:
        for axis, size in enumerate(values.shape):
            out.createDimension(f"d{axis}", size)
        out.createVariable("u", values.dtype, [f"d{axis}" for axis in range(values.ndim)], **options)[:] = values


@pytest.mark.parametrize("compression", ["zstd", "bzip2", "blosc_lz", "blosc_lz4", "blosc_zlib", "blosc_zstd"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_filters_by_our_own_decoders(prepare, tmp_path, compression, shuffle):
    values = np.cumsum(np.random.default_rng(1).normal(size=(50, 70)), axis=1).astype("f4")
    simple(tmp_path / "x.nc", values, compression=compression, shuffle=shuffle, chunksizes=(16, 32))
    np.testing.assert_array_equal(prepare(tmp_path / "x.nc", "u").u, values)


def stored_oddly(out: h5py.File) -> dict[str, dict]:
    """Variables by scale-offset and szip, alone and with other filters; what each was created with."""
    rng = np.random.default_rng(SEED)
    made = {}

    def add(values: np.ndarray, **options) -> None:
        name = f"v{len(made)}"
        out.create_dataset(name, data=values, chunks=(7, 16), **options)
        made[name] = options | {"dtype": values.dtype.str}

    shape = (20, 30)
    for dtype in ["i1", "u1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", ">i8", "<u8"]:
        info = np.iinfo(dtype)
        for low, high in [(-20, 90), (info.min // 2, info.max // 2), (info.min, info.max), (5, 5)]:
            if low >= info.min:
                values = rng.integers(low, high, shape, np.dtype(dtype).newbyteorder("="), endpoint=True).astype(dtype)
                add(values, scaleoffset=0)
        values.flat[::7] = 11
        add(values // 2, scaleoffset=0, fillvalue=11, shuffle=True, compression="gzip")
    for dtype in ["<f4", ">f4", "<f8"]:
        for digits in (0, 3, 5):
            values = rng.normal(280, 9, shape).astype(dtype)
            values.flat[::9] = -99
            add(values, scaleoffset=digits, fillvalue=-99)
            add(values, scaleoffset=digits, shuffle=True, compression="gzip")
    for dtype in ["i1", "<i2", "<i4", ">i4", "<f4", "<f8"]:
        for options in [("nn", 8), ("ec", 16), ("nn", 32), ("ec", 4)]:
            values = rng.normal(0, 30, shape).astype(dtype)
            add(values, compression="szip", compression_opts=options, shuffle=options[1] == 16, fletcher32=options[1] == 8)
    return made


def test_scale_offset_and_szip(prepare, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as out:
        made = stored_oddly(out)
    ours = prepare(tmp_path / "x.h5", *made)
    with h5py.File(tmp_path / "x.h5") as file:
        for name, options in made.items():
            values = ours[name].values
            if "fillvalue" in options:
                values = np.nan_to_num(values, nan=options["fillvalue"])
            np.testing.assert_array_equal(values, file[name][...], err_msg=f"SEAMOUNT_SEED={SEED} {options}")


@pytest.mark.parametrize(("options", "stored", "message"), [
    ({"scaleoffset": 0}, bytes([33, 0, 0, 0]) + bytes(200), "more bits than a number has"),
    ({"scaleoffset": 0}, bytes([9, 0, 0, 0, 8]) + bytes(20), "scale-offset bits end early"),
    ({"scaleoffset": 2}, bytes(20), "too short for scale-offset"),
    ({"compression": "szip"}, bytes([255, 255, 0, 0]) + bytes(99), "szip says it holds 65535 bytes"),
    ({"compression": "szip"}, bytes([0, 1, 0, 0]), "szip stream is damaged"),
    ({"compression": "szip"}, bytes(3), "too short for szip"),
])
def test_damaged_scale_offset_and_szip(seamount_binary, tmp_path, options, stored, message):
    with h5py.File(tmp_path / "x.h5", "w") as out:
        kind = "f4" if options.get("scaleoffset") == 2 else "i4"
        u = out.create_dataset("u", data=np.ones((8, 8), kind), chunks=(8, 8), **options)
        u.id.write_direct_chunk((0, 0), stored)
    done = run(seamount_binary, tmp_path, tmp_path / "x.h5", "u")
    assert done.returncode != 0 and message in done.stderr, done.stderr


def test_a_filter_that_nobody_has_is_named_with_the_remedy(seamount_binary, tmp_path):
    with h5py.File(tmp_path / "x.nc", "w") as out:
        out.create_dataset("u", data=np.zeros((4, 4), "f4"), compression="lzf")
    done = run(seamount_binary, tmp_path, tmp_path / "x.nc", "u")
    assert done.returncode == 2 and "HDF5_PLUGIN_PATH" in done.stderr, done.stderr


@pytest.mark.parametrize("filters", [["shuffle"], ["deflate"], ["shuffle", "deflate"], ["shuffle", "deflate", "fletcher32"]])
def test_edge_chunks_that_skip_the_filters(prepare, tmp_path, filters):
    library = [p for p in glob.glob(os.path.dirname(h5py.__file__) + "/../h5py.libs/libhdf5-*") if "_hl" not in p][0]
    values = np.arange(130, dtype="i4").reshape(10, 13) * 1000
    with h5py.File(tmp_path / "x.h5", "w", libver=("v110", "v110")) as out:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((4, 5))
        for name in filters:
            getattr(creation, f"set_{name}")(*([4] if name == "deflate" else []))
        assert ctypes.CDLL(library).H5Pset_chunk_opts(ctypes.c_int64(creation.id), 2) >= 0
        space = h5py.h5s.create_simple(values.shape)
        h5py.Dataset(h5py.h5d.create(out.id, b"v", h5py.h5t.NATIVE_INT32, space, creation))[...] = values
    np.testing.assert_array_equal(prepare(tmp_path / "x.h5", "v").v, values)


def test_a_scale_without_values_names_its_dimension(prepare, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as out:
        x = out.create_dataset("x", data=h5py.Empty("f4"))
        x.make_scale("x")
        u = out.create_dataset("u", data=np.ones((5, 3), "f4"))
        u.dims[1].attach_scale(x)
    assert prepare(tmp_path / "x.h5", "u").u.dims[1] == "x"


@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "i4"])
@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_what_was_never_written_is_missing(prepare, tmp_path, kind, format):
    with netCDF4.Dataset(tmp_path / "x.nc", "w", format=format) as out:
        out.createDimension("time", None)
        out.createDimension("x", 3)
        out.createVariable("long", "f4", ("time", "x"))[:4] = 1
        out.createVariable("short", kind, ("time", "x"))[:2] = 7
        out.createVariable("whole", kind, ("time", "x"))[:4] = 7
    ours = prepare(tmp_path / "x.nc", "short", "whole")
    assert ours.whole.dtype == kind and (ours.whole == 7).all()
    assert (ours.short[:2] == 7).all()
    if kind[0] == "f" or format == "NETCDF4":  # in the classic format an integer may be meant
        assert ours.short[2:].isnull().all()


def test_many_chunks(prepare, tmp_path):
    """More than one block of the table of addresses, and holes in it."""
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as out:
        out.createDimension("t", None)
        v = out.createVariable("u", "f4", ("t",), chunksizes=(1,), zlib=True, fill_value=-1)
        v[:20000] = np.arange(20000)
        v[30000] = 30000
    ours = prepare(tmp_path / "x.nc", "u").u.values
    np.testing.assert_array_equal(ours[:20000], np.arange(20000))
    assert np.isnan(ours[20000:30000]).all() and ours[30000] == 30000


def intact_files(folder: Path) -> list[Path]:
    """Old and new object headers, dense groups and attributes, dimension lists, compact data, filters."""
    for libver in ("earliest", "v110"):
        with h5py.File(folder / f"dense_{libver}.h5", "w", libver=(libver, "v110")) as out:
            t = out.create_dataset("t", data=np.arange(6.0))
            t.make_scale("t")
            for i in range(20):
                group = out.require_group(f"g{i % 5}")
                v = group.create_dataset(f"v{i}", data=np.arange(6.0) + i, chunks=(2,), compression="gzip", shuffle=True)
                v.dims[0].attach_scale(t)
                v.attrs["units"], v.attrs["names"] = "K", ["a", "bc", "def"]
            for i in range(30):
                out.attrs[f"a{i}"] = "text " * i
    with netCDF4.Dataset(folder / "plain.nc", "w") as out:
        out.createDimension("time", None)
        out.createDimension("x", 5)
        out.createVariable("time", "f8", ("time",)).units = "days since 2000-01-01"
        out.createVariable("u", "i2", ("time", "x"), zlib=True, fletcher32=True).setncatts({"scale_factor": 0.5})
        out["time"][:], out["u"][:] = range(7), np.ones((7, 5))
    return sorted([*folder.glob("*.h5"), *folder.glob("*.nc")])


def damaged(rnd: random.Random, content: bytes) -> bytes:
    content = bytearray(content)
    for _ in range(rnd.choice([1, 1, 2, 8])):
        at = rnd.randrange(len(content))
        kind = rnd.randrange(4)
        if kind == 0:
            content[at] ^= 1 << rnd.randrange(8)
        elif kind == 1:
            content[at] = rnd.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            content[at : at + 8] = rnd.randbytes(len(content[at : at + 8]))
        else:
            content[at : at + 8] = rnd.choice([b"\xff" * 8, b"\0" * 8, content[:8]])[: len(content[at : at + 8])]
    return bytes(content)


def test_damaged_files_are_refused_or_read_but_end_nothing(seamount_binary, tmp_path):
    """A crash or an endless loop of libhdf5 costs its own process, and the file is named."""
    files = intact_files(tmp_path)
    names = {"dense": ["g0/v0", "g3/v13"], "plain": ["u"]}
    for seed in range(SEED, SEED + MUTATIONS):
        rnd = random.Random(seed)
        intact = rnd.choice(files)
        source = tmp_path / "damaged.nc"
        source.write_bytes(damaged(rnd, intact.read_bytes()))
        done = run(seamount_binary, tmp_path, source, *names[intact.name.split("_")[0].split(".")[0]])
        assert done.returncode in (0, 2, 9), f"SEAMOUNT_SEED={seed} {intact.name}: {done.returncode} {done.stderr}"
        if done.returncode == 9:
            assert "damaged.nc" in done.stderr, f"SEAMOUNT_SEED={seed}: {done.stderr}"
