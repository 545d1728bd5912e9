"""seamount.prepare: what the command does, from Python."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import types
import warnings

import numpy as np
import pytest
import xarray as xr
import yaml
from conftest import start_server
from prepare_files import SERIES, prepare, same_tree, write_netcdf, write_series  # noqa: F401

import seamount
from seamount.recipe_text import recipe_text


@pytest.fixture(autouse=True)
def program(seamount_binary, monkeypatch, tmp_path):
    monkeypatch.setenv("SEAMOUNT_BINARY", seamount_binary)
    monkeypatch.chdir(tmp_path)


def test_a_dict_makes_what_the_command_makes_of_a_file(prepare, tmp_path):
    write_netcdf(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": [{"t": {"steps": [{"clip": [0, 20]}]}}], "minibatch": {"inputs": [-1, 0], "batch": 2}}
    prepare(recipe, out="a.zarr")
    made = seamount.prepare(recipe, to="b.zarr")
    assert made.regions > 0 and made.regions_kept == 0 and not made.up_to_date and made.missing["t"]["values"] == 7 * 5 * 6
    documents = [json.loads((tmp_path / name / "zarr.json").read_text()) for name in ("a.zarr", "b.zarr")]
    for document in documents:
        assert yaml.safe_load(document["attributes"]["seamount"].pop("recipe")) == recipe
    assert documents[0] == documents[1]
    assert same_tree(tmp_path / "a.zarr/t", tmp_path / "b.zarr/t")
    assert seamount.prepare(str(prepare.write(recipe)), to="b.zarr").up_to_date
    assert "regions" in made._repr_html_() and "b.zarr" in str(made)


def test_a_dataset_in_memory_is_a_source(tmp_path):
    values = np.random.default_rng(3).normal(size=(9, 4, 5)).astype("f4")
    values[2, 1, 1] = np.nan
    data = xr.Dataset({"u": (("time", "lat", "lon"), values)}, {"time": np.arange("2001-01-01", "2001-01-10", dtype="datetime64[D]").astype("datetime64[ns]")})
    data.u.encoding = {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -1}  # how a file had packed it
    with pytest.warns(UserWarning, match="'u': .* of the values are missing"):
        made = seamount.prepare({"source": data.chunk(time=4), "variables": ["u"]}, to=tmp_path / "out.zarr", spill=tmp_path)
    assert made.missing["u"]["missing"] == 1 and any("missing" in note for note in made.notes)
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        np.testing.assert_array_equal(out.u.values, values)
        np.testing.assert_array_equal(out.time.values, data.time.values)
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr"]


def test_errors_are_of_the_packages_types_and_speak_python(tmp_path):
    write_netcdf(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": ["t"]}
    with pytest.raises(seamount.errors.NotFoundError, match="nothing.nc"):
        seamount.prepare(recipe | {"source": "nothing.nc"}, to="out.zarr")
    with pytest.raises(ValueError, match=r"^the recipe, at .*\"steps\".*there is no step 'clib'.*'clip'"):
        seamount.prepare(recipe | {"steps": [{"clib": [0, 1]}]}, to="out.zarr")
    with pytest.raises(ValueError, match="holds a slice"):
        seamount.prepare(recipe | {"time": slice(0, 3)}, to="out.zarr")
    with pytest.raises(FileNotFoundError, match="none.yaml"):
        seamount.prepare("none.yaml", to="out.zarr")
    assert not (tmp_path / "out.zarr").exists()
    seamount.prepare(recipe, to="out.zarr")
    with pytest.raises(seamount.errors.PreconditionFailedError, match="overwrite=True"):
        seamount.prepare(recipe | {"codec": "zstd:3"}, to="out.zarr")
    assert seamount.prepare(recipe | {"codec": "zstd:3"}, to="out.zarr", overwrite=True).regions > 0


def test_progress_is_drawn_by_tqdm_where_it_is_installed(tmp_path, monkeypatch):
    class Bar:
        made: list[Bar] = []

        def __init__(self, total, desc, unit, unit_scale):
            self.n, self.total, self.desc, self.closed = 0, total, desc, False
            Bar.made.append(self)

        def update(self, amount):
            self.n += amount

        def close(self):
            self.closed = True

    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    auto = types.ModuleType("tqdm.auto")
    auto.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    write_netcdf(tmp_path / "in.nc")
    seamount.prepare({"source": "in.nc", "variables": ["t"]}, to="out.zarr")
    (bar,) = Bar.made
    assert bar.desc == "preparing" and bar.n == bar.total == 7 * 5 * 6 * 4 and bar.closed
    seamount.prepare({"source": "in.nc", "variables": ["t"]}, to="quiet.zarr", progress=False)
    assert len(Bar.made) == 1


def test_ctrl_c_ends_the_program_and_the_same_call_goes_on(tmp_path, monkeypatch):
    write_series(tmp_path / "in.nc", 60)
    recipe = {"source": "in.nc", "variables": ["v"], "chunks": SERIES["chunks"]}
    drawn = threading.Event()

    class Bar:
        n = 0

        def __init__(self, **_):
            if not drawn.is_set():
                drawn.set()
                signal.raise_signal(signal.SIGINT)  # the program has begun

        def update(self, amount): ...
        def close(self): ...

    auto = types.ModuleType("tqdm.auto")
    auto.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    with pytest.raises(KeyboardInterrupt):
        seamount.prepare(recipe, to="out.zarr", threads=1)
    seamount.prepare(recipe, to="out.zarr", threads=1)
    seamount.prepare(recipe, to="whole.zarr", threads=1)
    assert same_tree(tmp_path / "out.zarr/v", tmp_path / "whole.zarr/v")


def test_a_keys_content_never_stands_on_the_command_line(tmp_path, seamount_binary):
    server = start_server(seamount_binary, tmp_path / "lab", 0)
    try:
        write_netcdf(tmp_path / "in.nc")
        key = json.loads(server.admin_key.read_text())
        seen: list[list[str]] = []
        recipe = {"source": "in.nc", "variables": ["t"]}
        popen = subprocess.Popen
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "Popen", lambda command, **rest: seen.append(command) or popen(command, **rest))
            with pytest.raises(seamount.errors.NotFoundError, match="nowhere"):  # it was let in, by the key
                seamount.prepare(recipe, to="gs://nowhere/out.zarr", key=key)
        assert seen and not any(key["private_key"][40:80] in word for word in seen[0])
    finally:
        server.kill()


def test_a_dict_is_written_as_a_person_would():
    recipe = {"source": ["a.nc"] * 30, "time": [np.datetime64("2001-01-01T06"), "2001-12"], "box": {"lat": np.array([-30.5, 30])},
              "derive": {"é": "u * 1e-05 # \"x\""}, "format": np.int64(3), "on": True}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = recipe_text(recipe)
    assert yaml.safe_load(text) == recipe | {"time": ["2001-01-01T06:00:00", "2001-12"], "box": {"lat": [-30.5, 30]}, "format": 3}
    assert '"box": {"lat": [-30.5, 30.0]}\n' in text and '  - "a.nc"\n' in text
    with pytest.raises(ValueError, match="no finite number"):
        recipe_text({"x": float("nan")})
