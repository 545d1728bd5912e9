"""`seamount plan`: what it says that an epoch fetches, beside what a Loader counts; and that `prepare` writes the choice."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import seamount
import zarr
from prepare_files import WINDS


@pytest.fixture
def plan(seamount_binary, tmp_path):
    def run(*arguments, code=0):
        done = subprocess.run([seamount_binary, "plan", *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def store(tmp_path):
    """A group that zarr-python wrote: noise, which does not compress."""
    group = zarr.create_group(tmp_path / "in.zarr")
    for name, chunk in {"u": (4, 20, 30), "v": (3, 10, 30)}.items():
        array = group.create_array(name, shape=(200, 20, 30), chunks=chunk, dtype="f4", dimension_names=("time", "lat", "lon"))
        array[:] = np.random.default_rng(1).random((200, 20, 30), "f4")
    return tmp_path / "in.zarr"


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--inputs=-2,-1,0", "--targets=1"], {"inputs": [-2, -1, 0], "targets": [1]}),
        (["--shuffle", "none", "--batch-size", "7"], {"shuffle": None, "batch_size": 7}),
        (["--shuffle", "block", "--inputs=-5,0"], {"shuffle": "block", "inputs": [-5, 0]}),
        (["--patches", "lat=6,lon=8"], {"patches": seamount.Patches({"lat": 6, "lon": 8}, random=1)}),
    ],
)
def test_the_model_says_what_a_loader_then_counts(plan, store, flags, options):
    now = json.loads(plan(str(store), "--memory", "2MiB", "--json", *flags))["now"]
    loader = seamount.Loader(store, variables=["u", "v"], memory="2MiB", normalize=False, **options)
    samples = sum(len(batch.index) for batch in loader)
    counted = loader.stats()
    assert now["samples"] == samples == counted["samples"]
    assert now["requests"] == pytest.approx(counted["requests"], rel=0.02)
    assert now["bytes"] == pytest.approx(counted["bytes_fetched"], rel=0.02), "by the share that is stored, of all chunks"


def test_prepare_writes_the_choice_and_keeps_it(plan, seamount_binary, tmp_path):
    recipe = {"source": WINDS, "variables": ["UWND"], "chunks": "auto",
              "minibatch": {"inputs": 4, "targets": 1, "batch": 16, "shuffle": "block"}}
    path = tmp_path / "winds.yaml"
    prepare = [seamount_binary, "prepare", str(path), "--to", str(tmp_path / "out.zarr"), "--overwrite"]

    def written(**changes):
        path.write_text(json.dumps(recipe | changes))
        subprocess.run(prepare, check=True, capture_output=True, timeout=120)
        return list(zarr.open_group(tmp_path / "out.zarr", mode="r")["UWND"].chunks)

    def reason(**changes):
        path.write_text(json.dumps(recipe | changes))
        told = subprocess.run([*prepare, "--plan", "--json"], check=True, capture_output=True, timeout=120)
        return json.loads(told.stdout)["arrays"][0]["reason"]

    chosen = written()
    said = json.loads(plan("winds.yaml", "--json"))
    assert said["choice"]["chunk"] == said["now"]["chunk"] == chosen
    assert written(time=["1982-01", "1984-12"]) == chosen
    assert "as it lies there, for the same minibatch" in reason()
    assert "the best for the minibatch" in reason(minibatch=recipe["minibatch"] | {"patches": {"FNOCY": 8, "FNOCX": 8}})
    path.write_text(json.dumps(recipe | {"minibatch": {"patches": {"FNOCY": 100}}}))
    assert "'patches' of 100 along 'FNOCY', which has 73 positions" in plan("winds.yaml", code=2)


def test_the_table_marks_the_choice_and_says_what_is_wrong(plan, store):
    table = plan(str(store), "--inputs=-1,0")
    assert "as it lies there" in table and "\n* " in table and "* is the choice" in table
    assert "no variable 'w'" in plan(str(store), "--variables", "w", code=3)
    assert "'step'" in plan(str(store), "--sample-dim", "step", code=2)
    assert "expected sizes, as lat=64" in plan(str(store), "--patches", "lat", code=2)
    assert "shuffle 'some'" in plan(str(store), "--shuffle", "some", code=2)
    assert "is too small" in plan(str(store), "--memory", "1K", code=2)
