"""What tests of seamount prepare share: the command as a fixture, files to prepare, and netCDF4 as an oracle."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
from pathlib import Path

import h5py
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


def check_each(check, binary: str, folder: Path, seeds) -> None:
    """check(binary, case's folder, seed) for each; a failure says how to have it again, and the recipe."""
    for seed in seeds:
        case = folder / "case"
        case.mkdir()
        try:
            check(binary, case, seed)
        except Exception as error:
            recipe = (case / "recipe.yaml").read_text() if (case / "recipe.yaml").exists() else "none was made"
            raise AssertionError(f"SEAMOUNT_RANDOM_SEED={seed} SEAMOUNT_RANDOM_CASES=1:\n{error}\n{recipe}") from error
        shutil.rmtree(case)


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


FERRET = sorted(Path(WINDS).parent.glob("*.cdf")) + sorted(Path(WINDS).parent.glob("*.nc"))


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
        time_.attrs["units"] = "days since 2000-01-01"
        time_.make_scale("time")
        v = out.create_dataset("v", (steps, *grid), "f4", chunks=(1, *grid), compression="gzip", compression_opts=1, shuffle=True)
        v.dims[0].attach_scale(time_)
        for i in range(steps):
            v[i] = base + np.float32(i % 24)
    return str(path)


SERIES = {"variables": ["v"], "chunks": {"phony_dim_180": 10, "phony_dim_360": 12}, "codec": "blosc-lz4",
          "split": {"train": ["2000-01-01", "2001-01-10"]}, "anomaly": {"harmonics": 1, "over": "train"}, "standardize": {"over": "train"}}
