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
