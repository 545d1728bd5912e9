"""What the six steps share."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .commands import DemoError, Finished, execute
from .host import clear_forgotten, find_examples, image, work_folder
from .report import Report
from .training_log import Training

EPOCHS, QUICK_EPOCHS = 15, 3


class Demo:
    raw = Path("/usr/share/ferret-vis/data/monthly_navy_winds.cdf")
    bucket = "gs://winds"
    zarr = "gs://winds/winds.zarr"

    # Filled in by the steps.
    server: subprocess.Popen
    server_address: str
    endpoint: str
    killed: Training
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
        clear_forgotten(self.binary, args.work_dir)
        self.work = work_folder(args.work_dir, args.keep, cleanup)
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
