"""What the six steps share, their order, and how everything is cleared away."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from . import forecast, lab, training
from .commands import DemoError, Finished, execute, peak_of
from .machine import clear_forgotten, find_examples, image, machines_of
from .report import Report, Row

EPOCHS, QUICK_EPOCHS = 15, 3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Demo:
    raw = Path("/usr/share/ferret-vis/data/monthly_navy_winds.cdf")
    bucket = "gs://winds"
    zarr = "gs://winds/winds.zarr"

    # Filled in by the steps.
    server: subprocess.Popen
    server_address: str
    endpoint: str
    killed: training.Training
    skill: dict[str, float]

    def __init__(self, args: argparse.Namespace, cleanup: contextlib.ExitStack):
        self.args, self.cleanup, self.report = args, cleanup, Report()
        folder = Path(args.output).resolve().parent
        if not os.access(folder, os.W_OK):  # before a minute's work, not after it
            raise DemoError(f"--output {args.output}: {folder} is no folder that can be written to")
        self.binary = os.environ.get("SEAMOUNT_BINARY") or shutil.which("seamount") or "seamount"
        if not importlib.util.find_spec("matplotlib"):
            raise DemoError(f"{sys.executable} has no matplotlib, which draws the picture: pip install matplotlib")
        examples = find_examples()
        self.recipe = examples / "winds.yaml"
        self.shares, self.machine_python = image(examples)
        self.epochs = QUICK_EPOCHS if args.quick else EPOCHS
        clear_forgotten(self.binary)
        self.work = work_folder(args, cleanup)
        self.data, self.key = self.work / "lab", self.work / "winds-key.json"

    @property
    def where(self) -> list[str]:
        """The flags of a command that uses the bucket."""
        return ["--endpoint", self.endpoint, "--key", str(self.key)]

    @property
    def server_process(self) -> Path:
        return Path(f"/proc/{self.server.pid}")

    def seamount(self, *arguments: str, expect: int = 0) -> Finished:
        return execute([self.binary, *arguments], expect=expect)

    def run(self) -> None:
        for title, step in (
            ("A lab machine serves a bucket", lab.serve),
            (f"{self.raw.name} becomes {self.zarr}", lab.prepare),
            ("Machine 1 boots bare, trains, and is killed in mid-epoch", training.train_until_killed),
            ("Machine 2 boots bare and goes on at the exact batch", training.resume),
            ("Machine 3 boots bare and forecasts the 24 held-out months", forecast.forecast),
            ("Everything is cleared away", clear_away),
        ):
            with self.report.step(title) as row:
                step(self, row)
        self.report.table()
        if self.args.json:
            self.report.json(rmse=self.skill)


def clear_away(demo: Demo, row: Row) -> None:
    """Step 6."""
    row.peak(peak_of(demo.server_process))  # the server's, of the whole demo
    close_undisturbed(demo.cleanup)
    demo.report.check(demo.server.returncode == 0, "the server ended cleanly")
    demo.report.check(machines_of(demo.binary, os.getpid()) == [], "no machine is left")
    if demo.args.keep:
        demo.report.say(f"kept: {demo.work}")
    else:
        demo.report.check(not demo.work.exists(), "no file is left but the picture")


def close_undisturbed(cleanup: contextlib.ExitStack) -> None:
    """A second Ctrl-C would cut the clearing away short, here and in the commands that do it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    cleanup.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def work_folder(args: argparse.Namespace, cleanup: contextlib.ExitStack) -> Path:
    """A folder of its own, named after this process so that a later demo knows whether it is still in use."""
    if args.work_dir:
        Path(args.work_dir).mkdir(parents=True, exist_ok=True)
    prefix = "seamount-demo-"
    if args.keep:
        return Path(tempfile.mkdtemp(prefix=f"{prefix}kept-", dir=args.work_dir))
    for old in Path(args.work_dir or tempfile.gettempdir()).glob(f"{prefix}*"):
        match = re.match(rf"{prefix}(\d+)-", old.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=args.work_dir))
    cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


__all__ = ["SIGNALS", "Demo", "DemoError", "close_undisturbed"]
