#!/usr/bin/env python3
"""What tools/try_wheels.sh does within each environment.

try_wheel.py make FILE         a NetCDF file, and beside it what it holds (with the checkout's Python)
try_wheel.py others FOLDER     opens what "use" has made through xarray and fsspec, which find the package by themselves
try_wheel.py use FILE FOLDER   prepares it with the installed command, loads it with the installed package, and compares
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np


def make(path: Path) -> None:
    import netCDF4

    values = np.random.default_rng(7).normal(size=(40, 6, 8)).astype("f4")
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(("time", "lat", "lon"), values.shape):
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,))[:] = np.arange(size)
        file["time"].units = "days since 2000-01-01"
        file.createVariable("u", "f4", ("time", "lat", "lon"), zlib=True)[:] = values
    np.save(path.with_suffix(".npy"), values)


def use(path: Path, folder: Path) -> None:
    import seamount

    here = Path(seamount.__file__).resolve()
    assert here.is_relative_to(Path(sys.prefix).resolve()), f"{here} is not the wheel's"
    recipe = {"source": str(path.resolve()), "variables": ["u"], "chunks": {"time": 4}}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    url = (folder / "wind.zarr").resolve().as_uri()
    subprocess.run(["seamount", "prepare", folder / "recipe.yaml", "--to", url], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    values = np.load(path.with_suffix(".npy"))
    np.testing.assert_array_equal(seamount.read(url, "u"), values)
    loader = seamount.Loader(url, ["u"], batch_size=4, shuffle=None, normalize=False)
    inputs = np.concatenate([np.asarray(batch.inputs) for batch in loader])
    np.testing.assert_array_equal(inputs.ravel(), values[: len(inputs)].ravel())
    print(f"wheels: Python {sys.version.split()[0]}, NumPy {np.__version__}: {len(inputs)} samples as they should be")


def others(folder: Path) -> None:
    import fsspec
    import xarray

    found = xarray.open_dataset(folder / "wind.zarr", engine="seamount")
    np.testing.assert_array_equal(found.u, np.load(folder.parent / "wind.npy"))
    assert fsspec.get_filesystem_class("seamount").__module__ == "seamount.filesystem"
    print(f"wheels: xarray {xarray.__version__} and fsspec {fsspec.__version__} find it")


if __name__ == "__main__":
    {"make": make, "use": use, "others": others}[sys.argv[1]](*map(Path, sys.argv[2:]))
