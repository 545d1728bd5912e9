"""`prepare --check`: what is legal and hardly meant, each with its line; nothing is written."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr


@pytest.fixture
def check(seamount_binary, tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2000, 4, 5)).astype("f4")
    holes = values.copy()
    holes[3] = np.nan
    dims = ("time", "lat", "lon")
    xr.Dataset({"t": (dims, values), "holes": (dims, holes), "flat": (dims, values * 0 + 2), "none": (dims, values * np.nan),
                "far": (dims, np.where(values > 3, np.inf, values))},
               {"time": pd.date_range("2000-01-01", periods=2000), "lat": ("lat", np.arange(4.0), {"units": "degrees_north"}),
                "lon": ("lon", np.arange(5.0), {"units": "degrees_east"})}).to_netcdf(tmp_path / "in.nc")

    def run(recipe, *flags):
        (tmp_path / "r.yaml").write_text("source: in.nc\n" + recipe)
        done = subprocess.run([seamount_binary, "prepare", "r.yaml", "--check", *flags], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.nc", "r.yaml"]
        return done.stdout

    return run


GOOD = "variables: [t]\nsplit:\n  train: [2000, 2003]\n  test: [2004, 2005]\nstandardize: {over: train}\n"


@pytest.mark.parametrize("recipe,warning", [
    (GOOD.replace("[2004", "[2003-12-31"), "line 5: 'split': 'train' and 'test' share 1 step, from 2003-12-31T00:00:00 on"),
    (GOOD + "steps: [{rolling: 3}]\n", "line 7: 'split': 'train' and 'test' are made of the same steps of the source where they meet, since 'rolling' of 't' looks 2 steps far: leave so many between them (there are 0)"),
    (GOOD.replace("[2004", "[2004-01-02") + "steps: [{lag: -2}]\n", "looks 2 steps far: leave so many between them (there are 1)"),
    (GOOD.replace("over: train", "over: all"), "line 6: 'standardize: over' takes what it needs from all steps, those that are held out among them: 'over: train'"),
    (GOOD.replace("standardize: {over: train}", "anomaly: {climatology: month, over: test}"), "line 6: 'anomaly: over' takes what it needs from the split 'test'"),
    (GOOD + "chunks: {time: 1}\n", "line 7: 'chunks': 't' lies in 2000 objects of 80 B before compression"),
    (GOOD + "chunks: {time: 500}\nminibatch: {inputs: 2, targets: 1}\n", "line 7: 'chunks': one of 't' holds 500 steps, of which a sample of 'minibatch' needs 3 at once"),
    ("variables: [t, flat]\n", "line 2: 'flat' is 2 everywhere"),
    ("variables:\n- t\n- none\n", "line 4: 'none' has nothing but missing values"),
    ("variables:\n- far\n", "line 3: 'far' holds"),
    ("variables:\n- t: {pack: [-1, 1]}\n", "outside of its 'pack', which will end the run"),
])
def test_each_is_said_with_its_line(check, recipe, warning):
    said = [line for line in check(recipe).splitlines() if line.startswith("warning: ")]
    assert len(said) == 1 and warning in said[0] and said[0].startswith("warning: r.yaml line "), said


@pytest.mark.parametrize("recipe", [
    GOOD,
    GOOD.replace("[2004", "[2004-01-03") + "steps: [{rolling: 3}]\n",
    GOOD + "steps: [{rolling: 3}, {resample: month}]\n",
    GOOD + "chunks: {time: 1}\nshards: {time: 2000}\n",
    GOOD + "chunks: {time: 500}\nminibatch: {inputs: 2, targets: 1, shuffle: false}\n",
    "variables: [t]\nstandardize: {over: all}\n",
    "variables: [t, {u: {from: t, pack: [-9, 9]}}]\n",
])
def test_what_is_well_is_not_warned_of(check, recipe):
    assert check(recipe).splitlines()[-1] == "there is nothing to warn of"


def test_what_is_missing_is_said_beforehand(check):
    told = json.loads(check("variables: [t, holes]\n", "--json"))
    assert told["warnings"] == [] and told["missing"]["t"]["missing"] == 0
    assert told["missing"]["holes"]["empty"] == [["2000-01-04T00:00:00", "2000-01-04T00:00:00"]] and told["missing"]["holes"]["missing"] == 20
    assert "1 step holds nothing else: 2000-01-04T00:00:00" in check("variables: [t, holes]\n")
