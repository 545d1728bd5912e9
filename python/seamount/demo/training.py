"""Steps 3 and 4: a machine trains and is killed in mid-epoch; another one goes on at the exact batch."""

from __future__ import annotations

import contextlib
import subprocess

from .commands import DemoError, Progress, started
from .demo import Demo
from .machine import Machine
from .report import Row
from .training_log import Training


def train(demo: Demo, machine: Machine, checkpoint: str, label: str, row: Row, kill: bool = False) -> Training:
    """Runs train.py in a machine; with `kill`, kills the machine after a checkpoint in the middle of an epoch."""
    said, log = Training(demo.epochs), []
    argv = machine.script("train.py", "--checkpoint", checkpoint, "--epochs", str(demo.epochs))
    with Progress(label) as progress, \
            started(argv + ["--in-step"] * kill, stdin=subprocess.PIPE if kill else subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # fmt: skip
        for line in process.stdout:
            log.append(line)
            checkpoint_before = said.last_checkpoint
            said.hear(line)
            progress.show(said.last_step, said.steps)
            if not kill or said.last_checkpoint == checkpoint_before or not machine.alive:
                continue
            killing = said.is_half_over() and said.is_early_in_epoch()
            if killing:
                row.add(machine.network_bytes(), said.cache_hits + machine.mount_statistics()["cache_hits"])
                row.peak(machine.peak_memory())
            # It runs on while it is killed, however long that takes: to the next checkpoint at most.
            go_on(process)
            if killing:
                machine.end("kill")
        code = process.wait()
    (demo.work / f"{machine.name}.log").write_text("".join(log))
    if code != (137 if kill else 0):
        raise DemoError(f"training in machine {machine.label} ended with {code}:\n{''.join(log[-20:])}")
    return said


def go_on(process: subprocess.Popen) -> None:
    """To a run that is in step: on to the next checkpoint."""
    with contextlib.suppress(BrokenPipeError):  # it has ended, and its last lines say why
        process.stdin.write("\n")
        process.stdin.flush()


def train_to_end(demo: Demo, machine: Machine, checkpoint: str, label: str, row: Row) -> Training:
    said = train(demo, machine, checkpoint, label, row)
    if said.done is None:
        raise DemoError(f"training in machine {machine.label} did not end")
    return said


def leave(machine: Machine, row: Row, peak: int, loader: dict) -> None:
    """Unmounts, so that everything is in the bucket, counts, and lets the machine go."""
    statistics = machine.unmount()
    row.add(machine.network_bytes(), loader["cache_hits"] + statistics["cache_hits"])
    row.peak(peak)
    row.peak(statistics["peak_memory_bytes"])
    machine.end("down")


def train_until_killed(demo: Demo, row: Row) -> None:
    machine = Machine(demo, "1")
    machine.connect()
    said = train(demo, machine, f"{machine.MOUNT}/model.npz", "training", row, kill=True)
    demo.report.check(said.done is None and 0 < said.last_batch < said.per_epoch,
                      f"it was killed at batch {said.last_batch} of {said.per_epoch}, step {said.last_step}")  # fmt: skip
    demo.killed = said


def resume(demo: Demo, row: Row) -> None:
    check = demo.report.check
    machine = Machine(demo, "2")
    machine.connect()
    said = train_to_end(demo, machine, f"{machine.MOUNT}/model.npz", "resuming", row)
    # The checkpoint after the last one reported may have become durable just before the kill.
    check(demo.killed.checkpoints[-1] <= said.start <= demo.killed.last_step and said.start % said.per_epoch != 0,
          f"it resumed after step {said.start}: batch {said.start % said.per_epoch} of {said.per_epoch}")  # fmt: skip
    leave(machine, row, said.done["peak_bytes"], said.done["loader"])

    whole = Machine(demo, "whole")
    whole.connect()
    reference = train_to_end(demo, whole, f"{whole.MOUNT}/uninterrupted.npz", "the same without interruption", row)
    check(reference.start == 0 and reference.done["digest"] == said.done["digest"],
          f"the weights equal those of an uninterrupted run, bit for bit ({said.done['digest'][:12]}…)")  # fmt: skip
    whole.run("cmp", f"{whole.MOUNT}/model.npz", f"{whole.MOUNT}/uninterrupted.npz")
    check(True, "so do the two checkpoint files in the bucket (cmp)")
    leave(whole, row, reference.done["peak_bytes"], reference.done["loader"])
