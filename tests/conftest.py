"""Shared fixtures, and the rule that a skipped test fails the run unless tests/allowed_skips.txt lists it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A shell ignores SIGINT for what it starts in the background, and so would every program that a test starts and means to
# interrupt: give them a terminal's.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def allowed_skips() -> tuple[str, ...]:
    lines = (ROOT / "tests" / "allowed_skips.txt").read_text().splitlines()
    return tuple(line.split("#")[0].strip() for line in lines if line.split("#")[0].strip())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and not item.nodeid.startswith(allowed_skips() or ("\0",)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped ({report.longrepr[-1]}), and tests/allowed_skips.txt does not list it"


@pytest.fixture(scope="session")
def seamount_binary() -> str:
    path = os.environ.get("SEAMOUNT_BINARY", str(ROOT / "build/release/src/cli/seamount"))
    assert os.access(path, os.X_OK), f"{path} is not built: make build"
    return path


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """A running `seamount serve` on a folder of its own."""

    process: subprocess.Popen
    directory: Path
    endpoint: str
    admin_key: Path

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def start_server(binary: str, directory: Path, port: int, *more: str) -> Server:
    """Starts a server on `directory` and waits until it serves (its port file is the last thing it writes)."""
    directory.mkdir(parents=True, exist_ok=True)
    port_file = directory.parent / f"{directory.name}.port"
    port_file.unlink(missing_ok=True)
    log = open(directory.parent / f"{directory.name}.log", "ab")
    command = [binary, "serve", str(directory), "--port", str(port), "--port-file", str(port_file), *more]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    while not port_file.exists():  # for as long as a test may take
        assert process.poll() is None, f"seamount serve ended with {process.returncode}: see {log.name}"
        time.sleep(0.02)
    port = int(port_file.read_text())  # where 0 was asked for, the one it found
    return Server(process, directory, f"http://127.0.0.1:{port}", directory / "admin-key.json")


@pytest.fixture
def server(seamount_binary, tmp_path, free_port):
    running = start_server(seamount_binary, tmp_path / "served", free_port)
    yield running
    running.process.terminate()
    running.process.wait(timeout=20)
