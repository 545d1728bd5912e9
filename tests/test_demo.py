"""The demo itself, shortened: every claim is checked by the demo, and these check what it leaves."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
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
    assert set(machines(seamount_binary)) <= set(before)  # what another run had left may have been cleared
    assert subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True).stdout == links


class Stage:
    """A demo in a process group of its own, and the moment in which it begins a command: `point` is a part of one."""

    def __init__(self, binary: str, folder: Path, point: str):
        self.point, self.binary = point, folder.parent / f"{folder.name}-seamount"
        fifo = folder.parent / f"{folder.name}-reached"
        os.mkfifo(fifo)
        self.reached = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        at_point = f'case " $* " in *"{point}"*) echo > {fifo};; esac'
        self.binary.write_text(f'#!/bin/sh\n{at_point}\nexec {binary} "$@"\n')
        self.binary.chmod(0o755)
        argv = [sys.executable, "-m", "seamount.demo", *demo_argv("", folder)[2:]]
        # Its errors where it writes its steps, so that the last of both is seen in order.
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env=os.environ | {"SEAMOUNT_BINARY": str(self.binary), "PYTHONPATH": str(PYTHON)},
        )  # fmt: skip
        ended = os.pidfd_open(self.process.pid)
        ready, _, _ = select.select([self.reached, ended], [], [])
        os.close(ended)
        assert self.reached in ready, f"it ended before it came to {point}:\n{self.process.stdout.read()}"

    def interrupt(self) -> str:
        """As Ctrl-C on a terminal, which every process of the group hears, and once more out of impatience."""
        os.killpg(self.process.pid, signal.SIGINT)
        said = ""
        for line in self.process.stdout:
            said += line
            if "interrupted" in line:
                break
        os.killpg(self.process.pid, signal.SIGINT)
        return said + self.end()

    def end(self) -> str:
        said, _ = self.process.communicate()
        os.close(self.reached)
        return said


@pytest.mark.parametrize("point", [" serve ", " prepare ", " vm up ", "/train.py", " cmp ", "/forward.py"])
def test_interrupted_it_leaves_nothing(seamount_binary, tmp_path, point):
    before = machines(seamount_binary)
    folder = tmp_path / "work"
    folder.mkdir()
    demo = Stage(seamount_binary, folder, point)
    said = demo.interrupt()
    assert demo.process.returncode == 130, said
    assert "interrupted" in said and "Traceback" not in said
    assert set(machines(seamount_binary)) <= set(before)  # what another run had left may have been cleared
    assert list(folder.iterdir()) == []
    assert processes_of_group(demo.process.pid) == []


def processes_of_group(group: int) -> list[str]:
    """Those that run. One that has ended is there until the system's first process has taken note of it."""
    listed = subprocess.run(["ps", "-o", "stat=,args=", "-g", str(group)], capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if not line.startswith("Z")]


def test_what_a_killed_demo_left_is_cleared_by_the_next(seamount_binary, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    first = Stage(seamount_binary, folder, "/train.py")
    first.process.kill()
    first.end()
    mine = f"demo{first.process.pid}-"
    left = list(folder.iterdir())
    assert [name for name in machines(seamount_binary) if name.startswith(mine)] and left
    (tmp_path / "work-reached").unlink()
    second = Stage(seamount_binary, folder, " serve ")
    assert [name for name in machines(seamount_binary) if name.startswith(mine)] == []
    assert not left[0].exists()
    second.process.terminate()
    said = second.end()
    assert second.process.returncode == 130, said
    assert list(folder.iterdir()) == []


IMPATIENT = """
import contextlib, os, signal, subprocess, sys, types
from pathlib import Path
from seamount.demo import interrupts, lab

class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), signal.SIGINT)

work = Path(sys.argv[2])
cleanup = contextlib.ExitStack()
demo = types.SimpleNamespace(binary=sys.argv[1], work=work, data=work / "lab", cleanup=cleanup)
subprocess.Popen = Popen
interrupts.listen()
try:
    lab.start_server(demo, "127.0.0.1")
except KeyboardInterrupt:
    interrupts.close_undisturbed(cleanup)
    print("interrupted")
"""


def test_a_server_that_was_just_started_when_the_signal_came_is_ended(seamount_binary, tmp_path):
    done = subprocess.run([sys.executable, "-c", IMPATIENT, seamount_binary, str(tmp_path)], capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": str(PYTHON)}, check=True)  # fmt: skip
    server, interrupted = done.stdout.split()
    assert interrupted == "interrupted"
    assert not Path(f"/proc/{server}").exists()


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
for label, done, total in (("training", 3, 10), ("waiting", 0, 0)):
    with Progress(label) as progress:
        progress.show(done, total)
        while progress.shown and not progress.drawn:
            time.sleep(0.01)
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
