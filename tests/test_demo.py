"""The demo itself, shortened: every claim is checked by the demo, and these check what it leaves."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PYTHON = Path(__file__).resolve().parent.parent / "python"

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


@pytest.mark.parametrize("after", ["1/6", "2/6", "3/6", "/mnt/lab", "it resumed", "5/6"])
def test_interrupted_it_leaves_nothing(seamount_binary, tmp_path, after):
    """Ctrl-C on a terminal, which sends it to every process of the group, and once more out of impatience."""
    before = machines(seamount_binary)
    # Its errors where it writes its steps, so that the last of both is seen in order.
    process = subprocess.Popen(demo_argv(seamount_binary, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, start_new_session=True)  # fmt: skip
    said = []
    for line in process.stdout:
        said.append(line)
        if after in line:
            break
    time.sleep(0.2)  # into what comes next
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said.append(process.communicate(timeout=60)[0])
    assert process.returncode == 130, "".join(said)
    assert "interrupted" in said[-1] and "Traceback" not in said[-1]
    assert machines(seamount_binary) == before
    assert list(tmp_path.iterdir()) == []
    assert processes_of_group(process.pid) == []


def processes_of_group(group: int) -> list[str]:
    listed = subprocess.run(["ps", "-o", "args=", "-g", str(group)], capture_output=True, text=True)
    return listed.stdout.splitlines()


def test_what_a_killed_demo_left_is_cleared_by_the_next(seamount_binary, tmp_path):
    process = subprocess.Popen(demo_argv(seamount_binary, tmp_path), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "/mnt/lab" in line:
            break
    process.kill()
    process.communicate()
    mine = f"demo{process.pid}-"
    assert [name for name in machines(seamount_binary) if name.startswith(mine)] and list(tmp_path.iterdir())
    next_one = subprocess.Popen(demo_argv(seamount_binary, tmp_path), stdout=subprocess.PIPE, text=True)
    next_one.stdout.readline()
    left = machines(seamount_binary)
    next_one.terminate()
    next_one.communicate(timeout=60)
    assert next_one.returncode == 130
    assert [name for name in left if name.startswith(mine)] == []
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_do_not_meet(seamount_binary, tmp_path):
    demos = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        demos.append(subprocess.Popen(demo_argv(seamount_binary, tmp_path / name), stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True))  # fmt: skip
    for demo in demos:
        said, _ = demo.communicate(timeout=280)
        assert demo.returncode == 0, said


SHOW = """
import time
from seamount.demo.commands import Progress
with Progress("training") as progress:
    progress.show(3, 10)
    time.sleep(1)
with Progress("waiting"):
    time.sleep(1)
print("done")
"""


@pytest.mark.parametrize(("terminal", "width", "shown"), [
    ("xterm", 80, ["training [#########.....................] 3 of 10, ", "waiting … "]),
    ("xterm", 40, ["training [##.......] 3 of 10, ", "waiting … "]),
    ("xterm", 24, ["training 3 of 10,", "waiting … "]),
    ("dumb", 80, []),
])  # fmt: skip
def test_progress_fits_the_terminal(terminal, width, shown):
    """A dumb terminal gets plain lines, and so does a pipe."""
    env = os.environ | {"TERM": terminal, "COLUMNS": str(width), "PYTHONPATH": str(PYTHON)}
    argv = ["script", "-qec", shlex.join([sys.executable, "-c", SHOW]), "/dev/null"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=env, check=True)
    output = done.stdout.decode()  # not as text: that makes a new line of each carriage return
    frames = re.findall(r"\r\x1b\[K([^\r\n\x1b]*)", output)
    assert all(len(frame) < width for frame in frames)
    for words in shown:
        assert any(frame.strip().startswith(words) for frame in frames), frames
    assert output.endswith("done\r\n")
    assert ("\x1b" in output) == bool(shown)


def test_a_failing_command_is_told(seamount_binary, tmp_path):
    """The demo says which command failed and in which words, and exits 1."""
    failing = tmp_path / "seamount"
    refuses = "[ \"$1\" = setup ] && { echo 'no room' >&2; exit 8; }"
    failing.write_text(f'#!/bin/sh\n{refuses}\nexec {seamount_binary} "$@"\n')
    failing.chmod(0o755)
    environment = os.environ | {"SEAMOUNT_BINARY": str(failing), "PYTHONPATH": str(PYTHON)}
    done = subprocess.run(
        [sys.executable, "-m", "seamount.demo", "--work-dir", str(tmp_path)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no room" in done.stderr and "setup" in done.stderr
    assert list(tmp_path.iterdir()) == [failing]
