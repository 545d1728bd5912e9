"""examples/frameworks: each script trains and goes on from its checkpoint, where its library is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loader_support import url, values  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("library", ["torch", "jax", "lightning"])
def test_it_trains_and_goes_on(url, tmp_path, library):  # noqa: F811
    pytest.importorskip(library)
    script = ROOT / "examples" / "frameworks" / f"train_{library}.py"
    path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])

    def run(epochs):
        command = [sys.executable, str(script), url, "u", "v", "--checkpoint", str(tmp_path / "run.npz"), "--epochs", str(epochs)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    first, second = run(1), run(3)
    if library == "lightning":
        assert first[-1] == "epochs 1 steps 7" and second[-1] == "epochs 3 steps 21"
        return
    assert [line.split()[1] for line in first + second] == ["0", "1", "2"]
    losses = [float(line.split()[3]) for line in first + second]
    assert losses[2] < losses[0]
