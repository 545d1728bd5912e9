"""Running commands to their end, and showing that something runs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .interrupts import undisturbed

PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """A claim that does not hold, or a command that failed: for people, without a trace."""


@dataclass
class Finished:
    """A command that has ended."""

    code: int
    output: str
    errors: str
    peak_memory: int


def execute(argv: list[str], input: str = "", expect: int = 0) -> Finished:
    """Runs a command; DemoError with its own words unless it exits with `expect`."""
    # Files, since pipes would fill up.
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as out, \
            tempfile.TemporaryFile("w+") as errors:  # fmt: skip
        given.write(input)
        given.seek(0)
        with started(argv, stdin=given, stdout=out, stderr=errors) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        finished = Finished(process.returncode, out.read(), errors.read(), usage.ru_maxrss * 1024)
    if finished.code != expect:
        raise DemoError(
            f"`{' '.join(argv)}` ended with {finished.code}, expected {expect}:\n{finished.errors}{finished.output}"
        )
    return finished


@contextlib.contextmanager
def started(argv: list[str], **options):
    """A process for the time of the block: it has ended after it, however the block ends."""
    process = None
    try:
        with undisturbed():
            process = subprocess.Popen(argv, **options)
        yield process
    finally:
        if process:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):  # of a line that it did not take any more
                    if stream:
                        stream.close()


def die_with_parent() -> None:
    """In a child, before it becomes another program."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def peak_of(process: Path) -> int:
    """The most memory that a process, named by its directory in /proc, has held."""
    for line in (process / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Progress:
    """A bar, or a clock where the end is not known, on a terminal; nothing elsewhere.

    >>> with Progress("training") as progress:
    ...     progress.show(3, 10)
    """

    QUIET = 0.5  # seconds: shorter work shows nothing
    FRAME = 0.2

    def __init__(self, label: str):
        self.label, self.done, self.total = label, 0, 0
        self.begin, self.ended, self.drawn = time.monotonic(), threading.Event(), False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.shown = sys.stderr.isatty() and os.environ.get("TERM") not in (None, "", "dumb")

    def __enter__(self) -> Progress:
        if self.shown:
            self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        if self.thread.is_alive():
            self.thread.join()
        if self.drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def show(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def line(self, width: int) -> str:
        clock = f"{time.monotonic() - self.begin:.0f} s"
        if not self.total:
            return f"      {self.label} … {clock}"[: width - 1]
        words = f" {self.done} of {self.total}, {clock}"
        room = min(30, width - 10 - len(self.label) - len(words))
        filled = room * self.done // self.total
        bar = f" [{'#' * filled}{'.' * (room - filled)}]" if room > 4 else ""
        return f"      {self.label}{bar}{words}"[: width - 1]

    def _run(self) -> None:
        pause = self.QUIET
        while not self.ended.wait(pause):
            width = shutil.get_terminal_size().columns
            print(f"\r\033[K{self.line(width)}", end="", file=sys.stderr, flush=True)
            self.drawn, pause = True, self.FRAME
