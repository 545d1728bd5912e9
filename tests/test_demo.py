"""The demo itself, shortened: every claim is checked by the demo, and these check what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def root_only():
    if os.geteuid() != 0:
        pytest.skip("the demo needs root")


def demo_argv(binary: str, tmp_path: Path, *options: str) -> list[str]:
    return [binary, "demo", "--quick", "--work-dir", str(tmp_path), "--output", str(tmp_path / "winds.png"), *options]


def machines(binary: str) -> list[str]:
    listed = subprocess.run([binary, "vm", "ls", "--json"], capture_output=True, text=True, check=True)
    return [machine["name"] for machine in json.loads(listed.stdout) if machine["name"].startswith("demo")]


def test_the_whole_way(seamount_binary, tmp_path):
    before = machines(seamount_binary)
    links = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    done = subprocess.run(demo_argv(seamount_binary, tmp_path, "--json"), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert len(result["steps"]) == 6
    expected = {
        "anomaly persistence": 2.11,
        "climatology by calendar month": 1.86,
        "climatology by two harmonics": 1.82,
        "damped persistence": 1.67,
        "damped persistence, two harmonics": 1.62,
    }
    for name, error in expected.items():
        assert result["rmse"][name] == pytest.approx(error, abs=0.006), name
    assert result["rmse"]["the model"] < expected["climatology by two harmonics"]
    assert (tmp_path / "winds.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [tmp_path / "winds.png"]
    assert machines(seamount_binary) == before
    assert subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True).stdout == links


def test_interrupted_it_leaves_nothing(seamount_binary, tmp_path):
    before = machines(seamount_binary)
    process = subprocess.Popen(
        demo_argv(seamount_binary, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("3/6"):
            break
    deadline = time.monotonic() + 30
    while machines(seamount_binary) == before:  # until machine 1 runs
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert machines(seamount_binary) == before
    assert list(tmp_path.iterdir()) == []


def test_a_failing_command_is_told(seamount_binary, tmp_path):
    """The demo says which command failed and in which words, and exits 1."""
    failing = tmp_path / "seamount"
    refuses = "[ \"$1\" = setup ] && { echo 'no room' >&2; exit 8; }"
    failing.write_text(f'#!/bin/sh\n{refuses}\nexec {seamount_binary} "$@"\n')
    failing.chmod(0o755)
    python = Path(__file__).resolve().parent.parent / "python"
    environment = os.environ | {"SEAMOUNT_BINARY": str(failing), "PYTHONPATH": str(python)}
    done = subprocess.run(
        [sys.executable, "-m", "seamount.demo", "--work-dir", str(tmp_path)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no room" in done.stderr and "setup" in done.stderr
    assert list(tmp_path.iterdir()) == [failing]
