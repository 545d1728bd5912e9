"""What running loaders say: where their time goes, to the program that iterates and to `seamount top`."""

from __future__ import annotations

import gc
import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from loader_support import TIMES, url, values  # noqa: F401

import seamount


def top(binary, *flags):
    return subprocess.run([binary, "top", *flags], capture_output=True, text=True, timeout=60, check=True).stdout


def mine(binary, pid=None):
    return [loader for loader in json.loads(top(binary, "--json")) if loader["pid"] == (pid or os.getpid())]


def test_stats_say_where_the_time_went(url):
    loader = seamount.Loader(url, ["u", "v"], batch_size=4)
    assert loader.stats()["bottleneck"] is None
    for _ in loader:
        pass
    stats = loader.stats()
    spent = {name: stats[f"wait_{name}_seconds"] for name in ("network", "decode", "plan")}
    assert stats["wait_seconds"] == pytest.approx(sum(spent.values()))
    spent["trainer"] = stats["trainer_seconds"]
    assert stats["bottleneck"] == max(spent, key=spent.__getitem__)


def test_top_shows_running_loaders_by_name_and_no_secret(url, seamount_binary):
    where = url.removeprefix("file://")
    loaders = [seamount.Loader(url, ["u"], batch_size=8, rank=1, world=2), seamount.Loader(where, ["v"], batch_size=4)]
    assert not [shown for shown in mine(seamount_binary) if where in shown["loader"]]  # not before it is iterated over
    batches = [iter(loader) for loader in loaders]
    for each in batches:
        next(each)
    shown = {loader["loader"]: loader for loader in mine(seamount_binary) if where in loader["loader"]}
    assert set(shown) == {f"{url} ['u']", f"{where} ['v']"}
    first = shown[f"{url} ['u']"]
    assert (first["rank"], first["world"], first["epoch"], first["position"], first["samples"]) == (1, 2, 0, 16, TIMES)
    assert first["waiting"] is False and first["stats"]["batches"] == 1 and first["stats"]["samples"] == 8
    assert where in top(seamount_binary) and "BOTTLENECK" in top(seamount_binary, "--once")
    del batches, loaders, each
    gc.collect()
    assert not [one for one in mine(seamount_binary) if where in one["loader"]]
    assert "hunter2" not in seamount.connection.without_secrets("https://me:hunter2@host:1/x.zarr?X-Goog-Signature=hunter2")


PROGRAM = """
import sys, seamount
loader = seamount.Loader(sys.argv[1], ["u"], batch_size=4)
batches = iter(loader)
next(batches)
print("running", flush=True)
sys.stdin.read()
"""


def test_a_loader_that_was_killed_is_left_out(url, seamount_binary):
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "running\n"
    assert len(mine(seamount_binary, child.pid)) == 1
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert mine(seamount_binary, child.pid) == []


def test_on_a_terminal_it_draws_until_ctrl_c(url, seamount_binary):
    loader = seamount.Loader(url, ["u"], batch_size=4)
    next(batches := iter(loader))
    ours, theirs = pty.openpty()
    shown = subprocess.Popen([seamount_binary, "top", "--interval", "0.1"], stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    while text.count(b"BOTTLENECK") < 3:  # drawn anew, in the same place
        text += os.read(ours, 4096)
    assert b"F\x1b[0J" in text and str(os.getpid()).encode() in text
    shown.send_signal(signal.SIGINT)
    while True:
        try:
            if not (more := os.read(ours, 4096)):
                break
        except OSError:  # the terminal of a program that has ended
            break
        text += more
    assert shown.wait(timeout=60) == 0
    assert text.endswith(b"\x1b[?7h")  # the terminal is as it was
    os.close(ours)
    batches.close()
