"""Step 5: a third machine runs the model forward over the held-out months."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .commands import Progress, execute, started
from .demo import Demo
from .machine import Machine
from .report import Row
from .training import leave

MODEL = "the model"


def forecast(demo: Demo, row: Row) -> None:
    machine = Machine(demo, "3")
    machine.connect()
    outputs = ["--png", f"{machine.MOUNT}/winds.png", "--json", f"{machine.MOUNT}/skill.json"]
    with Progress("forecasting and drawing"):
        execute(machine.script("forward.py", "--checkpoint", f"{machine.MOUNT}/model.npz", *outputs))
    said = json.loads(machine.run("cat", f"{machine.MOUNT}/skill.json").output)
    fetch_picture(demo, machine)
    leave(machine, row, said["peak_bytes"], said["loader"])
    demo.skill = said["rmse"]
    show_skill(demo)


def fetch_picture(demo: Demo, machine: Machine) -> None:
    output = Path(demo.args.output)
    fresh = output.with_name(output.name + ".new")
    demo.cleanup.callback(fresh.unlink, missing_ok=True)
    with open(fresh, "wb") as file, started(machine.argv("cat", f"{machine.MOUNT}/winds.png"), stdout=file) as cat:
        demo.report.check(cat.wait() == 0, "the picture is in the bucket")
    picture = fresh.read_bytes()
    demo.report.check(
        picture.startswith(b"\x89PNG") and picture.rstrip()[-8:-4] == b"IEND", f"the picture is {output.resolve()}"
    )
    if owner := os.environ.get("SUDO_UID"):
        os.chown(fresh, int(owner), int(os.environ.get("SUDO_GID", owner)))
    os.replace(fresh, output)


def show_skill(demo: Demo) -> None:
    demo.report.say("error over the 24 held-out months, by area, both components:")
    for name, error in demo.skill.items():
        demo.report.say(f"{name:36} {error:.3f} m/s")
    error, best = min((error, name) for name, error in demo.skill.items() if name != MODEL)
    demo.report.check(len(demo.skill) == 6, "five baselines were computed")
    if demo.args.quick:
        demo.report.say("(a quick run: too few epochs for the model to be judged)")
    else:
        demo.report.check(demo.skill[MODEL] < error, f"the model beats every baseline, the best being {best}")
