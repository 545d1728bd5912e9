"""What a small change of a recipe or source makes again: what depends on it, and nothing else. Each outcome is also that
of a fresh run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from prepare_files import same_tree

MONTH = {"u": 1, "v": 2}


def month(folder: Path, name: str, number: int, add: float = 0) -> Path:
    """One variable for one month of daily steps; 28 days each, so that a chunk is a month."""
    time = pd.date_range("2000-01-01", periods=28) + pd.Timedelta(days=28 * number)
    values = np.random.default_rng(number * 10 + MONTH.get(name, 3)).normal(0, 1, (28, 4, 6)).astype("f4") + np.float32(add)
    path = folder / f"{name}_{number}.nc"
    coords = {"time": time, "lat": ("lat", [30.0, 10, -10, -30], {"units": "degrees_north"}), "lon": ("lon", np.arange(6) * 60.0, {"units": "degrees_east"})}
    out = xr.Dataset({name: (("time", "lat", "lon"), values)}, coords)
    out.to_netcdf(path, unlimited_dims=["time"], encoding={"time": {"units": "days since 2000-01-01", "dtype": "f8"}})
    return path


class Place:
    def __init__(self, binary: str, folder: Path):
        self.binary, self.folder, self.out = binary, folder, folder / "out.zarr"

    def run(self, recipe: dict, *flags: str, out: Path | None = None) -> str:
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
        command = [self.binary, "prepare", str(self.folder / "recipe.yaml"), "--to", str(out or self.out), *flags]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def change(self, recipe: dict) -> dict:
        """What `--overwrite` does, as --plan had told it before; the outcome is what a fresh run makes."""
        told = json.loads(self.run(recipe, "--plan", "--json"))["changes"]
        before = self.objects()
        report = json.loads(self.run(recipe, "--overwrite", "--json"))
        after = self.objects()
        assert {key: report["changes"][key] for key in told} == told
        shutil.rmtree(self.folder / "fresh.zarr", ignore_errors=True)
        self.run(recipe, out=self.folder / "fresh.zarr")
        skip = {".seamount-prepare.json"}
        strip = lambda root: {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and ".seamount" not in str(p)}
        ours, fresh = strip(self.out), strip(self.folder / "fresh.zarr")
        assert ours.keys() - {"notes.txt", "u/mine.txt"} == fresh.keys() - skip
        for key in fresh:
            assert ours[key] == fresh[key], key
        report["touched"] = {key for key in after if before.get(key) != after[key]}
        report["gone"] = before.keys() - after.keys()
        return report

    def objects(self) -> dict[str, tuple[int, int]]:
        files = [p for p in self.out.rglob("*") if p.is_file() and ".seamount" not in str(p)]
        return {str(p.relative_to(self.out)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in files}

    def chunks(self, report: dict) -> set[str]:
        return {key for key in report["touched"] if "/c/" in key and key.split("/")[0] in ("u", "v", "w", "z")}


@pytest.fixture
def place(seamount_binary, tmp_path):
    return Place(seamount_binary, tmp_path)


BASE = {"source": ["u_*.nc", "v_*.nc"], "variables": ["u", "v"], "chunks": {"time": 28},
        "split": {"train": ["2000-01-01", "2000-02-25"]}, "standardize": {"over": "train"}}


@pytest.fixture
def base(place):
    for name in MONTH:
        for number in range(3):
            month(place.folder, name, number)
    place.run(BASE)
    return place


def counts(report: dict) -> tuple[int, int, int]:
    changes = report["changes"]
    return changes["kept"], changes["rewritten"], changes["added"]


def test_an_appended_month_is_all_that_is_written(base):
    for name in MONTH:
        month(base.folder, name, 3)
    report = base.change(BASE)
    assert counts(report) == (6, 0, 2) and report["statistics_kept"] == 2
    assert base.chunks(report) == {"u/c/3/0/0", "v/c/3/0/0"} and not report["gone"]
    assert report["changes"]["bytes_added"] == 2 * 28 * 24 * 4 and report["changes"]["bytes_rewritten"] == 0


def test_the_layout_stays_when_a_month_is_appended(place):
    recipe = {"source": "u_*.nc", "variables": ["u"], "minibatch": {"inputs": 1, "targets": 0, "batch": 8}}
    month(place.folder, "u", 0)
    place.run(recipe)
    for number in range(1, 6):
        month(place.folder, "u", number)
    before = json.loads((place.out / "u/zarr.json").read_text())["chunk_grid"]
    place.run(recipe, "--overwrite")
    assert json.loads((place.out / "u/zarr.json").read_text())["chunk_grid"] == before


def test_a_replaced_file_touches_its_variable_s_month(base):
    month(base.folder, "u", 1, add=1)
    os.utime(base.folder / "u_1.nc", (1, 1))
    recipe = BASE | {"standardize": {"over": "all"}} if False else BASE
    report = base.change(recipe)
    assert counts(report) == (5, 1, 0) and base.chunks(report) == {"u/c/1/0/0"}
    assert report["statistics_kept"] == 1, "those of v"


def test_the_codec_of_one_variable_touches_it_alone(base):
    report = base.change(BASE | {"variables": [{"u": {"codec": "zstd:3"}}, "v"]})
    assert counts(report) == (3, 3, 0) and {key[0] for key in base.chunks(report)} == {"u"}


def test_an_added_variable_is_added(base):
    report = base.change(BASE | {"variables": ["u", "v", {"w": {"derive": "u + v"}}]})
    assert counts(report) == (6, 0, 3) and {key[0] for key in base.chunks(report)} == {"w"}


def test_a_removed_variable_goes_and_nothing_else(base):
    (base.out / "notes.txt").write_text("mine")
    (base.out / "u/mine.txt").write_text("mine too")
    report = base.change(BASE | {"variables": ["u"]})
    assert counts(report) == (3, 0, 0) and not base.chunks(report)
    assert report["gone"] == {"v/zarr.json", "v/c/0/0/0", "v/c/1/0/0", "v/c/2/0/0"} and report["changes"]["removed"] == 3
    assert (base.out / "notes.txt").read_text() == "mine"
    report = base.change(BASE | {"variables": ["v"]})
    assert counts(report) == (0, 0, 3) and (base.out / "u/mine.txt").read_text() == "mine too"


def test_another_normalisation_rewrites_attributes(base):
    report = base.change(BASE | {"standardize": {"over": "all"}})
    assert counts(report) == (6, 0, 0) and not base.chunks(report) and report["decoded_bytes"] == 0
    assert {"u/zarr.json", "v/zarr.json", "zarr.json"} <= report["touched"]
    report = base.change({key: value for key, value in BASE.items() if key != "standardize"})
    assert counts(report) == (6, 0, 0) and not base.chunks(report)


def test_the_far_edge_of_a_box_touches_what_lies_there(place):
    for number in range(3):
        month(place.folder, "u", number)
    recipe = {"source": "u_*.nc", "variables": ["u"], "chunks": {"time": 28, "lon": 2}, "box": {"lon": [0, 180]}}
    place.run(recipe)
    report = place.change(recipe | {"box": {"lon": [0, 240]}})
    # A region covers a chunk of the source: it is made again, and what comes out as it was stays.
    assert counts(report) == (0, 3, 0) and place.chunks(report) == {f"u/c/{t}/0/2" for t in range(3)}
    report = place.change(recipe | {"box": {"lon": [0, 120]}})
    assert place.chunks(report) == {f"u/c/{t}/0/1" for t in range(3)}
    assert report["gone"] == {f"u/c/{t}/0/2" for t in range(3)} and report["changes"]["removed"] == 3


def test_a_comment_changes_nothing(base):
    path = base.folder / "recipe.yaml"
    path.write_text("# a word\n" + path.read_text().replace("variables:", "variables:   # these"))
    done = subprocess.run([base.binary, "prepare", str(path), "--to", str(base.out)], capture_output=True, text=True)
    assert done.returncode == 0 and "up to date" in done.stdout, done.stderr


def test_a_zarr_source_that_has_grown_touches_its_end(place):
    days = pd.date_range("2000-01-01", periods=84)
    values = np.random.default_rng(0).normal(0, 1, (84, 4)).astype("f4")
    whole = xr.Dataset({"u": (("time", "x"), values), "z": (("x",), values[0])}, {"time": days})
    encoding = {"u": {"chunks": (28, 4)}, "time": {"units": "days since 2000-01-01", "dtype": "f8", "chunks": (28,)}}
    whole.isel(time=slice(0, 56)).to_zarr(place.folder / "in.zarr", encoding=encoding, consolidated=False)
    recipe = {"source": "in.zarr", "variables": ["u", "z", {"w": {"from": "u", "steps": [{"rolling": 3}]}}], "chunks": {"time": 28}}
    place.run(recipe)
    whole.isel(time=slice(56, 84)).drop_vars("z").to_zarr(place.folder / "in.zarr", append_dim="time", consolidated=False)
    report = place.change(recipe)
    assert place.chunks(report) <= {"u/c/2/0", "w/c/1/0", "w/c/2/0"} and counts(report)[0] == 5


def test_people_are_told_before_and_after(base):
    month(base.folder, "u", 1, add=1)
    os.utime(base.folder / "u_1.nc", (1, 1))
    for name in MONTH:
        month(base.folder, name, 3)
    told = base.run(BASE, "--plan")
    assert "5 regions are kept, 1 is rewritten (2.6 KiB), 2 are added (5.2 KiB)" in told
    assert "8 regions (5 kept, 1 rewritten, 2 added)" in base.run(BASE, "--overwrite")


def test_the_plan_counts_what_steps_read(place):
    for number in range(3):
        month(place.folder, "u", number)
    recipe = {"source": "u_*.nc", "variables": ["u"]}
    size = lambda told: float(told.split(" files, about ")[1].split(" KiB to read")[0])
    plain = size(place.run(recipe, "--plan"))
    weekly = size(place.run(recipe | {"steps": [{"resample": {"to": "7 days", "how": "mean"}}]}, "--plan"))
    assert plain * 0.95 < weekly < plain * 1.5


def test_files_of_one_source_touch_its_variables_alone(place):
    for number in range(2):
        for name in MONTH:
            month(place.folder, name, number)
    xr.open_dataset(place.folder / "u_0.nc").isel(time=0, drop=True).rename(u="z").drop_encoding().to_netcdf(place.folder / "z.nc")
    recipe = {"sources": {"winds": "u_*.nc", "rain": "v_*.nc", "static": "z.nc"}, "variables": ["u", "v", "z"], "chunks": {"time": 28}}
    place.run(recipe)
    month(place.folder, "v", 1, add=1)
    os.utime(place.folder / "v_1.nc", (1, 1))
    report = place.change(recipe)
    assert counts(report) == (4, 1, 0) and place.chunks(report) == {"v/c/1/0/0"}
    for name in MONTH:
        month(place.folder, name, 2)
    report = place.change(recipe)
    assert counts(report) == (5, 0, 2) and place.chunks(report) == {"u/c/2/0/0", "v/c/2/0/0"}


def test_a_month_behind_leaves_a_static_field_of_the_same_files(place):
    for number in range(2):
        path = month(place.folder, "u", number)
        with xr.open_dataset(path) as part:
            both = part.load().assign(z=part.u.isel(time=0, drop=True) * 0 + 7)
        both.to_netcdf(path, unlimited_dims=["time"], encoding={"time": {"units": "days since 2000-01-01", "dtype": "f8"}})
    shutil.move(place.folder / "u_1.nc", place.folder / "later.nc")
    recipe = {"source": "u_*.nc", "variables": ["u", "z"], "chunks": {"time": 28}}
    place.run(recipe)
    shutil.move(place.folder / "later.nc", place.folder / "u_1.nc")
    assert counts(place.change(recipe)) == (2, 0, 1)
