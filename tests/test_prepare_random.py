"""Random files and recipes through `seamount prepare`, compared with the naive model of prepare_model.py.

SEAMOUNT_RANDOM_CASES sets how many (60), SEAMOUNT_RANDOM_SEED which; both stand in every failure's message.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import warnings
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import xarray as xr
import yaml

from prepare_files import check_each
from prepare_model import expected, random_case

SCHEMA = json.loads((Path(__file__).resolve().parent.parent / "docs/recipe.schema.json").read_text())
CASES = int(os.environ.get("SEAMOUNT_RANDOM_CASES", "60"))
SEED = int(os.environ.get("SEAMOUNT_RANDOM_SEED", str(random.randrange(2**31))))


def run(binary, folder, recipe):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return subprocess.run([binary, "prepare", str(path), "--to", f"file://{folder}/out.zarr", "--threads", "2"],
                          capture_output=True, text=True, timeout=120)


def compare(name, wanted, got):
    assert got.dims == wanted["dims"], name
    if wanted["dtype"] is not None:
        assert got.dtype == wanted["dtype"], name
    values, found = wanted["values"], got.values.astype("f8")
    assert values.shape == found.shape, name
    if "weak" in wanted:
        values, found = values[~wanted["weak"]], found[~wanted["weak"]]
    scale = wanted.get("scale", 1.0)
    epsilon = 3e-7 if got.dtype == np.float32 else 1e-9
    np.testing.assert_allclose(found, values, rtol=epsilon, atol=epsilon * max(scale, 1e-30) * (100 if "weak" in wanted else 1), err_msg=name)


def moments_refused(wanted):
    """Whether some variable has nothing to take a mean or a spread of."""
    return any("std" in w and (w["std"] is None or not w["std"] > 1e-5 * max(1e-30, w["scale"])) for w in wanted.values())


def check(binary, folder, seed):
    rng = np.random.default_rng(seed)
    case = random_case(rng, folder)
    jsonschema.validate(case.recipe, SCHEMA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = expected(case)
    done = run(binary, folder, case.recipe)
    if done.returncode == 2 and "steps are missing between" in done.stderr:
        usual = np.median(case.steps) if len(case.paths) == 1 else np.min(case.steps)  # between files another rule may count
        assert max(case.steps) > 1.5 * usual, done.stderr
        done = run(binary, folder, case.recipe | {"gaps": "allow"})
    if done.returncode != 0 and "harmonics" in done.stderr and case.fitted_days is not None:
        assert "need a whole year" in done.stderr and case.fitted_days < 370 or "no step near the time of year" in done.stderr, done.stderr
        return
    if done.returncode != 0:
        assert moments_refused(wanted) and ("missing values" in done.stderr or "does not vary" in done.stderr), done.stderr
        return
    with xr.open_zarr(folder / "out.zarr", decode_times=False, mask_and_scale=False, decode_coords=False) as out:
        names = set(out.variables) - {"month", "harmonic", "climatology_weights"}
        assert names == set(wanted)
        for name, what in wanted.items():
            compare(name, what, out[name].load())
            if what.get("std") is None or "weak" in what and what["weak"].any():
                continue
            normalize = out[name].attrs["seamount"]["normalize"]
            close = lambda value: pytest.approx(value, rel=1e-6, abs=1e-6 * what["scale"])
            assert normalize["mean"] == close(what["mean"]) and normalize["std"] == close(what["std"]), name


def test_random_recipes_agree_with_the_model(seamount_binary, tmp_path):
    check_each(check, seamount_binary, tmp_path, range(SEED, SEED + CASES))


def whole_recipe():
    """Every key with a value that is right; none of it need exist."""
    return {
        "source": ["nowhere.nc", "elsewhere.nc"], "variables": ["u", {"v": {"from": "w", "select": {"level": [500, 850]}, "levels": "variables", "time": {"months": [12, 1], "hours": 0},
                                                                    "steps": [{"rolling": 3}, {"coarsen": {"by": {"lat": 2}, "how": "max"}}], "units": "m", "dtype": "float32", "codec": "zstd"}}, {"xx": {"derive": "2 * v"}}], "select": {"level": 850, "member": {"index": 0}, "z": {"value": 2.5, "method": "nearest"}},
        "box": {"lat": [-60, 60], "lon": [-30.5, 40]}, "time": ["1990-12", 1992], "gaps": "allow", "disorder": "allow",
        "derive": {"speed": "sqrt(u^2)", "w": {"expression": "u + v", "units": "m/s", "long_name": "sum"}},
        "split": {"train": [1982, "1990-12-31"]}, "anomaly": {"harmonics": 2, "over": "train"}, "standardize": {"over": "all", "except": ["mask"]},
        "minibatch": {"inputs": [-2, -1, 0], "targets": 1, "batch": 16, "shuffle": True}, "chunks": {"time": 5}, "shards": {"time": 10},
        "codec": "zstd:3", "dtype": "float32", "format": 3, "valid_range": "ignore",
        "steps": [{"clip": [0, 1]}, "log1p", {"fill": {"along": "time", "method": "linear", "reach": 3}}, {"mask": {"box": {"lat": [-30, 30]}}},
                  {"regrid": {"to": {"lat": [-90, 90, 1.5]}, "method": "nearest"}}, {"resample": {"to": "day", "how": "sum"}}, {"round": 10}],
    }


ODD = [None, "", "x", "3", "true", 0, 1, 2, 3, -1, 2.5, 16.0, 1e14, True, False, [], {}, ["a"], ["a", "a"], [1, 2], [0.5, 1.0], ["1990", 1991],
       {"x": 1}, {"index": 3}, {"index": 1, "value": 2}, {"over": "all"}, [[1]], "month", "allow", "float64"]


def mutate(rng, recipe):
    """Changes one place at random: takes a key away, adds one, or puts something odd there."""
    places = []

    def walk(node):
        if isinstance(node, (dict, list)):
            for key in node if isinstance(node, dict) else range(len(node)):
                places.append((node, key))
                walk(node[key])

    walk(recipe)
    node, key = rng.choice(places)
    odd = rng.choice(ODD)
    what = rng.random()
    if what < 0.25:
        del node[key]
    elif what < 0.4 and isinstance(node, dict):
        node[rng.choice(["extra", "climatology", "index", "expression", "harmonic"])] = odd
    else:
        node[key] = odd


def test_parser_and_schema_accept_the_same(seamount_binary, tmp_path):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    rng = random.Random(SEED)
    path = tmp_path / "recipe.yaml"
    verdicts = {True: 0, False: 0}
    for case in range(3 * CASES):
        recipe = whole_recipe()
        for key in list(recipe):
            if key not in ("source", "variables") and rng.random() < 0.5:
                del recipe[key]
        for _ in range(rng.choice([0, 1, 1, 2])):
            mutate(rng, recipe)
        path.write_text(yaml.safe_dump(recipe) if rng.random() < 0.5 else json.dumps(recipe))
        done = subprocess.run([seamount_binary, "prepare", str(path), "--plan"], capture_output=True, text=True)
        accepted = done.returncode == 3  # it came as far as looking for the source
        assert accepted or done.returncode == 2, done.stderr
        assert accepted == validator.is_valid(recipe), f"SEAMOUNT_RANDOM_SEED={SEED}, case {case}: {done.stderr}\n{path.read_text()}"
        verdicts[accepted] += 1
        if not accepted:
            assert "recipe.yaml line" in done.stderr, done.stderr
    assert min(verdicts.values()) > CASES / 4, f"SEAMOUNT_RANDOM_SEED={SEED}: {verdicts}"
