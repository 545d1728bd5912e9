"""The six steps in their order; the last clears everything away."""

from __future__ import annotations

import os

from . import forecast, lab, training
from .commands import peak_of
from .demo import Demo
from .host import machines_of
from .interrupts import close_undisturbed
from .report import Row


def run(demo: Demo) -> None:
    for title, step in (
        ("A lab machine serves a bucket", lab.serve),
        (f"{demo.raw.name} becomes {demo.zarr}", lab.prepare),
        ("Machine 1 boots bare, trains, and is killed in mid-epoch", training.train_until_killed),
        ("Machine 2 boots bare and goes on at the exact batch", training.resume),
        ("Machine 3 boots bare and forecasts the 24 held-out months", forecast.forecast),
        ("Everything is cleared away", clear_away),
    ):
        with demo.report.step(title) as row:
            step(demo, row)
    demo.report.table()
    if demo.args.json:
        demo.report.json(rmse=demo.skill)


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
