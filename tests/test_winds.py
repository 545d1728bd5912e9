"""examples/winds without machines: a killed run resumes bit for bit, in NumPy and in PyTorch, and forecasts with skill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray
import yaml

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "winds"


@pytest.fixture(scope="module")
def winds(seamount_binary, tmp_path_factory) -> str:
    """winds.zarr in a folder, as the recipe has it."""
    url = f"file://{tmp_path_factory.mktemp('winds')}/winds.zarr"
    subprocess.run([seamount_binary, "prepare", str(EXAMPLES / "winds.yaml"), "--to", url], check=True)
    return url


def python(script: str, *arguments: str, **options) -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / script), *arguments],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}, **options,
    )  # fmt: skip


def train(script: str, url: str, checkpoint: Path, kill_at: str | None = None) -> str:
    """The last line a training run says; with `kill_at`, it is killed when a line begins so."""
    process = python(script, url, "--checkpoint", str(checkpoint), "--epochs", "2")
    line = ""
    for line in process.stdout:
        if kill_at and line.startswith(kill_at):
            process.send_signal(signal.SIGKILL)
    assert process.wait() == (-signal.SIGKILL if kill_at else 0)
    return line


@pytest.mark.parametrize("script", ["train.py", "train_torch.py"])
def test_a_killed_run_resumes_bit_for_bit_and_has_skill(script, winds, tmp_path):
    if script == "train_torch.py":
        pytest.importorskip("torch")
    whole = train(script, winds, tmp_path / "whole.npz")
    train(script, winds, tmp_path / "killed.npz", kill_at="step 8 ")
    resumed = train(script, winds, tmp_path / "killed.npz")
    assert resumed.startswith("done ")
    assert digest(resumed) == digest(whole)

    outputs = ["--png", str(tmp_path / "winds.png"), "--json", str(tmp_path / "skill.json")]
    forward = python("forward.py", winds, "--checkpoint", str(tmp_path / "killed.npz"), *outputs)
    assert forward.communicate()[0] and forward.returncode == 0
    rmse = json.loads((tmp_path / "skill.json").read_text())["rmse"]
    # Two epochs are few; even so it is better than the mean year.
    assert rmse["the model"] < rmse["climatology by two harmonics"]


def test_in_step_it_goes_on_after_a_checkpoint_when_it_is_told(winds, tmp_path):
    whole = train("train.py", winds, tmp_path / "whole.npz")
    in_step = python("train.py", winds, "--checkpoint", str(tmp_path / "a.npz"), "--epochs", "2", "--in-step",
                     stdin=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    said, errors = in_step.communicate("\n")  # told once
    assert in_step.returncode == 1 and "standard input has ended" in errors
    assert [line for line in said.splitlines() if "checkpoint" in line][1:] == [said.splitlines()[-1]]
    assert said.splitlines()[-1].startswith("checkpoint step 10 ")
    assert digest(train("train.py", winds, tmp_path / "a.npz")) == digest(whole)


def digest(line: str) -> str:
    said = line.removeprefix("done ").strip()
    return json.loads(said)["digest"] if said.startswith("{") else said


def test_weights_mean_year_and_scale_do_not_depend_on_the_held_out_months(winds, seamount_binary, tmp_path):
    """Other held-out months in the raw file: everything that is learnt stays the same, bit for bit."""
    recipe = yaml.safe_load((EXAMPLES / "winds.yaml").read_text())
    other = tmp_path / "other.cdf"
    shutil.copyfile(recipe["source"], other)
    with netCDF4.Dataset(other, "r+") as file:
        for name in recipe["variables"]:
            field = file[name]
            field[108:] = np.random.default_rng(7).normal(20, 30, field[108:].shape)
    recipe["source"] = str(other)
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(recipe))
    perturbed = f"file://{tmp_path}/other.zarr"
    subprocess.run([seamount_binary, "prepare", str(tmp_path / "other.yaml"), "--to", perturbed], check=True)

    theirs, ours = (xarray.open_zarr(url.removeprefix("file://"), mask_and_scale=False) for url in (winds, perturbed))
    for name in recipe["variables"]:
        assert (theirs[name][:108].values == ours[name][:108].values).all()
        assert not (theirs[name][108:].values == ours[name][108:].values).all()  # the test would see a leak
        assert theirs[name].attrs["seamount"] == ours[name].attrs["seamount"]
        climatology = f"{name}_climatology"
        assert theirs[climatology].values.tobytes() == ours[climatology].values.tobytes()
    assert digest(train("train.py", winds, tmp_path / "a.npz")) == digest(train("train.py", perturbed, tmp_path / "b.npz"))


def test_the_split_of_the_recipe_is_that_of_the_model():
    """The recipe's training months are the model's, and end where the forecasts begin."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        import model
    finally:
        sys.path.remove(str(EXAMPLES))
    recipe = yaml.safe_load((EXAMPLES / "winds.yaml").read_text())
    month = lambda text: (int(text[:4]) - 1982) * 12 + int(text[5:]) - 1  # noqa: E731
    assert (month(recipe["split"]["train"][0]), month(recipe["split"]["train"][1]) + 1) == model.TRAIN
    assert (month(recipe["split"]["test"][0]), month(recipe["split"]["test"][1]) + 1) == model.TEST
    assert recipe["anomaly"]["over"] == recipe["standardize"]["over"] == "train"
    assert model.TRAIN[1] <= model.TEST[0]
