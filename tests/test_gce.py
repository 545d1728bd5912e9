"""`seamount vm` at Google: over a stand-in that refuses what Google refuses, from the wish to the end of the machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fakes.google import Closed, FakeGoogle
from gce_support import ACCOUNT, L4, Lab, idle_watch_module, wait_for

@pytest.fixture
def lab(seamount_binary, tmp_path):
    with FakeGoogle() as google:
        yield Lab(google, seamount_binary, tmp_path)


def test_a_machine_is_born_with_its_end(lab):
    out = lab.ok("up", "train", *L4, "--spot", "--lifetime", "6h")
    assert "us-central1-a" in out and "spot" in out and "/h" in out and "6h" in out
    machine = lab.machine()
    assert machine["scheduling"] == {
        "provisioningModel": "SPOT", "onHostMaintenance": "TERMINATE", "automaticRestart": False,
        "maxRunDuration": {"seconds": "21600"}, "instanceTerminationAction": "DELETE"}  # fmt: skip
    assert all(disk["autoDelete"] for disk in machine["disks"])
    assert all("accessConfigs" not in interface for interface in machine["networkInterfaces"])
    assert machine["shieldedInstanceConfig"]["enableSecureBoot"] and machine["shieldedInstanceConfig"]["enableVtpm"]
    assert [account["email"] for account in machine["serviceAccounts"]] == [ACCOUNT]
    assert machine["labels"] == {"seamount": "vm", "seamount-bucket": "lab-bucket"}
    assert lab.records() == [".seamount/vm/train.json", ".seamount/vm/train.lease"]
    (row,) = lab.listed()
    assert (row["name"], row["state"], row["orphan"]) == ("train", "running", False)
    assert row["ends"] - row["started"] == 6 * 3600 and 0 < row["usd_per_hour"] < 1
    again = lab.run("up", "train", *L4, "--spot", "--lifetime", "6h")
    assert again.returncode != 0 and "is there already" in again.stderr
    lab.ok("down", "train")
    assert lab.google.compute.paid() == [] and lab.records() == [] and lab.listed() == []
    lab.google.clock.advance(7 * 3600)
    assert len(lab.google.compute.inserted) == 1


def test_every_way_of_having_one(lab):
    """T4 is attached, the others come with their machine; flex-start has rules of its own."""
    ways = [("--gpu", "t4"), ("--gpu", "t4", "--machine-type", "n1-standard-8", "--spot"), ("--gpu", "a100", "--flex-start"),
            ("--gpu", "a100-80gb"), ("--gpu", "h100", "--spot"), ("--gpu", "h100:8"),
            ("--machine-type", "e2-standard-4")]  # fmt: skip
    for flags in ways:
        lab.ok("up", "any", *flags, "--region", "us-central1")
        assert lab.machine().get("guestAccelerators") is not None or flags[1] != "t4"
        lab.ok("down", "any")
    refused = lab.run("up", "any", "--gpu", "h100")
    assert refused.returncode == 2 and "spot or flex-start only" in refused.stderr


def test_a_stock_out_leads_where_google_says_that_there_is_room(lab):
    lab.google.compute.stock_out |= {("us-central1-a", "nvidia-l4"), ("us-central1-c", "nvidia-l4"),
                                     ("europe-west4-a", "nvidia-l4")}  # fmt: skip
    done = lab.run("up", "train", *L4)
    assert done.returncode == 0, done.stderr
    assert lab.google.compute.inserted == [("asia-southeast1-b", "seamount-train")]
    assert "us-central1-a: none left (stock-out)" in done.stderr
    # The dearer zones of the same list were not tried in between: Google had named one that has room.
    assert done.stderr.count("trying ") == 2


def test_no_room_anywhere_names_each_zone_and_leaves_nothing(lab):
    for zone in ("us-central1-a", "us-central1-c", "europe-west4-a", "asia-southeast1-b"):
        lab.google.compute.stock_out.add((zone, "nvidia-l4"))
    refused = lab.run("up", "train", *L4)
    assert refused.returncode != 0 and refused.stderr.count("none left") >= 4
    assert "us-central1-b: has no l4" in refused.stderr
    assert lab.google.compute.paid() == [] and lab.records() == []


@pytest.mark.parametrize("at_once", [False, True])
def test_quota_is_named_and_another_region_is_taken(lab, at_once):
    lab.google.compute.quota_at_once = at_once
    lab.google.compute.limits["us-central1", "NVIDIA_L4_GPUS"] = 0
    lab.ok("up", "train", *L4)
    assert lab.google.compute.inserted == [("europe-west4-a", "seamount-train")]
    lab.ok("down", "train")
    lab.google.compute.limits["", "GPUS_ALL_REGIONS"] = 0
    refused = lab.run("up", "train", *L4)
    assert refused.returncode != 0 and "quota GPUS_ALL_REGIONS of the project: 0 of 0 in use" in refused.stderr
    # The same where quotas may not be read beforehand: Google's refusal says it.
    me = json.loads(lab.key.read_text())["client_email"]
    for right in ("compute.regions.list", "compute.projects.get"):
        lab.google.iam.grants.remove((me, right, "projects/lab"))
    refused = lab.run("up", "train", *L4)
    assert refused.returncode != 0 and "GPUS_ALL_REGIONS" in refused.stderr
    assert lab.google.compute.paid() == [] and lab.records() == []


def test_a_missing_right_is_named_and_nothing_is_left(lab):
    lab.google.iam.grants = [grant for grant in lab.google.iam.grants if grant[1] != "iam.serviceAccounts.actAs"]
    refused = lab.run("up", "train", *L4)
    assert refused.returncode != 0 and "iam.serviceAccounts.actAs" in refused.stderr
    assert lab.google.compute.paid() == [] and lab.records() == []


def test_a_price_limit_stops_the_start(lab):
    refused = lab.run("up", "train", *L4, "--max-price", "0.20")
    assert refused.returncode == 2 and "is above the limit of $0.20/h" in refused.stderr
    assert lab.google.compute.inserted == []


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_laptop_that_dies_at_any_step_leaves_nothing_that_ls_does_not_show(lab, took_effect):
    """SIGKILL at each request of `vm up`, before or after Google has had it; the first zone has none left."""
    google = lab.google
    google.compute.list_lag_seconds = 3600  # the worst case: lists do not know it yet
    google.compute.stock_out.add(("us-central1-a", "nvidia-l4"))
    step, killed = 0, True
    while killed:
        started, victim, killed = threading.Event(), [], False
        first = len(google.requests)

        def die(request, victim=victim, started=started, at=first + step):
            nonlocal killed
            if request.number == at and request.done == took_effect:
                killed = True
                assert started.wait(timeout=60)
                victim[0].kill()
                victim[0].wait()
                raise Closed

        google.on_request = die
        victim.append(lab.start("up", "train", *L4))
        started.set()
        victim[0].communicate(timeout=120)
        google.on_request = lambda request: None
        paid = google.compute.paid()
        shown = {(row["zone"], row["name"]) for row in lab.listed() if row["state"] != "ended"}
        assert {(zone, name.removeprefix("seamount-")) for zone, name in paid} <= shown, f"at step {step}"
        if killed and step % 2:  # the same command finishes it …
            lab.run("up", "train", *L4)
            assert len(google.compute.paid()) == 1, f"at step {step}"
        done = lab.run("down", "train")  # … or `down` ends it
        assert done.returncode == 0 or not paid, done.stderr
        assert google.compute.paid() == [] and lab.records() == [], f"at step {step}"
        step += 1
    assert step > 10


def test_an_answer_that_is_lost_makes_no_second_machine(lab):
    lost = []

    def lose(request):
        if request.done and request.method == "POST" and request.path.endswith("/instances") and not lost:
            lost.append(request)
            raise Closed

    lab.google.on_request = lose
    lab.ok("up", "train", *L4)
    assert lost and lab.google.compute.inserted == [("us-central1-a", "seamount-train")]


def test_what_nobody_looks_after_is_found_and_ended(lab):
    lab.ok("up", "train", *L4)
    lab.ok("up", "other", *L4)
    assert lab.listed("--orphans") == []
    bucket = lab.google.storage.buckets["lab-bucket"]
    for key in lab.records():
        if "train" in key:
            del bucket[key]
    (orphan,) = lab.listed("--orphans")
    assert orphan["name"] == "train" and orphan["state"] == "running"
    lab.ok("down", "train")
    assert [name for _, name in lab.google.compute.paid()] == ["seamount-other"]
    lab.google.compute.power_off("seamount-other")
    (stopped,) = lab.listed("--orphans")
    assert (stopped["name"], stopped["state"]) == ("other", "stopped")
    # Another bucket's machine is shown, but not ours to end.
    lab.machine()["labels"]["seamount-bucket"] = "theirs"
    for key in lab.records():
        del bucket[key]
    assert lab.listed("--orphans") == [] and lab.listed()[0]["bucket"] == "theirs"
    refused = lab.run("down", "other")
    assert refused.returncode != 0 and "belongs to bucket 'theirs'" in refused.stderr


def test_lease_shell_and_console(lab):
    lab.ok("up", "train", *L4, "--lease", "1h")
    lab.google.serial = {}
    lab.google.compute.serial["seamount-train"] = "seamount: ready\n"
    assert lab.ok("logs", "train") == "seamount: ready\n"
    assert "3h" in lab.ok("extend", "train", "--lease", "3h")
    command = lab.ok("ssh", "train").split()
    assert command[:4] == ["gcloud", "compute", "ssh", "seamount-train"] and "--tunnel-through-iap" in command
    missing = lab.run("extend", "nothing")
    assert missing.returncode == 3 and "knows no machine" in missing.stderr


def test_no_secret_is_shown(lab):
    done = subprocess.run([lab.binary, "-vv", "vm", "up", "train", *L4], env=lab.environment, text=True,
                          capture_output=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr + json.dumps(lab.machine())
    for secret in [*lab.private.splitlines()[1:-1], *lab.google.iam.tokens]:
        assert secret not in told
    for key in lab.records():
        assert b"PRIVATE KEY" not in lab.google.storage.buckets["lab-bucket"][key].content


def test_the_page_on_machines_runs(lab, tmp_path):
    """Its blocks that are marked, in one shell, over the stand-in; `gcloud` is one that says what it was told."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "vm.md").read_text()
    blocks = re.findall(r"^<!-- run: google -->\n```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 3
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "seamount").symlink_to(lab.binary)
    (tools / "gcloud").write_text('#!/bin/sh\necho gcloud "$@"\n')
    (tools / "gcloud").chmod(0o755)
    environment = lab.environment | {"PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(blocks)], env=environment, text=True,
                          capture_output=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gcloud compute ssh seamount-train" in done.stdout
    assert lab.google.compute.inserted and lab.google.compute.paid() == []


# The three ends of a machine, each with the other two taken away.


@pytest.fixture
def watcher(lab, tmp_path):
    """Starts one of a machine's own programs, as the machine has it, against the stand-in."""
    lab.ok("up", "train", *L4, "--lease", "2h", "--lifetime", "24h", "--idle", "10min")
    (lab.google.metadata.machine,) = lab.google.compute.instances
    scripts = {item["key"]: item["value"] for item in lab.machine()["metadata"]["items"]}
    folder = tmp_path / "opt"
    folder.mkdir()
    (folder / "ending.py").write_text(scripts["seamount-ending"])
    (folder / "lease_watch.py").write_text(scripts["seamount-lease-watch"])
    (folder / "idle_watch.py").write_text(scripts["seamount-idle-watch"])
    off, running = tmp_path / "off", []

    def start() -> Path:
        url = lab.google.url
        environment = {"PATH": os.environ["PATH"], "SEAMOUNT_METADATA": url, "SEAMOUNT_COMPUTE": url,
                       "SEAMOUNT_STORAGE": url, "SEAMOUNT_POWEROFF": f"touch {off}",
                       "SEAMOUNT_WATCH_SECONDS": "0.05"}  # fmt: skip
        running.append(subprocess.Popen([sys.executable, str(folder / "lease_watch.py")], env=environment))
        return off

    yield start
    for process in running:
        process.send_signal(signal.SIGKILL)
        process.wait()


def looks(google: FakeGoogle) -> int:
    return sum(request.path.endswith("train.lease") and request.method == "GET" and request.done
               for request in google.requests)  # fmt: skip


@pytest.mark.parametrize("may_delete_itself", [True, False])
def test_a_forgotten_machine_ends_with_its_lease(lab, watcher, may_delete_itself):
    if may_delete_itself:
        lab.google.iam.grant(ACCOUNT, "projects/lab/instances/seamount-train", "compute.instances.delete")
    off = watcher()
    lab.google.clock.advance(7100)
    before = looks(lab.google)
    wait_for(lambda: looks(lab.google) >= before + 2)
    assert not off.exists()  # not before its time
    lab.google.clock.advance(200)
    wait_for(off.exists)
    lab.google.clock.advance(60)
    assert bool(lab.google.compute.paid()) != may_delete_itself


def test_a_lease_that_is_renewed_holds_and_one_that_is_gone_does_not(lab, watcher):
    off = watcher()
    lab.google.clock.advance(7000)
    lab.ok("extend", "train", "--lease", "2h")
    lab.google.clock.advance(7000)
    before = looks(lab.google)
    wait_for(lambda: looks(lab.google) >= before + 2)
    assert not off.exists()
    del lab.google.storage.buckets["lab-bucket"][".seamount/vm/train.lease"]
    wait_for(off.exists)


def test_a_machine_without_any_watcher_ends_with_its_lifetime(lab):
    lab.ok("up", "train", *L4, "--lifetime", "24h")
    lab.google.clock.advance(24 * 3600 - 60)
    assert lab.google.compute.paid()
    lab.google.clock.advance(120)
    assert lab.google.compute.paid() == []
    assert lab.listed()[0]["state"] == "ended"


@pytest.fixture
def idle_watch(monkeypatch):
    return idle_watch_module(monkeypatch)


def test_a_machine_that_nobody_uses_ends(idle_watch):
    clock, seen = [0.0], []

    def sleep(seconds):
        clock[0] += seconds

    def sign():
        seen.append(clock[0])
        return "its GPU computes" if clock[0] < 3000 else None

    idle_watch.watch(600, sign, now=lambda: clock[0], sleep=sleep)
    assert 3500 <= clock[0] <= 3700 and len(seen) > 50


def test_each_sign_of_use_is_one(idle_watch, monkeypatch, tmp_path):
    use, nothing = idle_watch.Use(), RuntimeError("not here")

    def missing():
        raise nothing

    for name in ("gpu_percent", "a_kernel_computes", "typed_seconds_ago"):
        monkeypatch.setattr(idle_watch, name, missing)
    job = tmp_path / "job"
    monkeypatch.setattr(idle_watch, "JOB_RUNS", str(job))
    monkeypatch.setattr(idle_watch, "cpu_seconds", lambda: use.cpu)
    job.touch()
    assert use.sign() == "a job runs"
    job.unlink()
    assert use.sign() is None  # what cannot be read is none
    monkeypatch.setattr(idle_watch, "typed_seconds_ago", lambda: 5)
    assert use.sign() == "somebody types"
    monkeypatch.setattr(idle_watch, "typed_seconds_ago", lambda: 7200)
    assert use.sign() is None
    monkeypatch.setattr(idle_watch, "a_kernel_computes", lambda: True)
    assert use.sign() == "a notebook kernel computes"
    monkeypatch.setattr(idle_watch, "gpu_percent", lambda: 80.0)
    assert use.sign() == "its GPU computes"
    monkeypatch.setattr(idle_watch, "gpu_percent", missing)
    monkeypatch.setattr(idle_watch, "cpu_seconds", lambda: use.cpu + 1e6)
    assert use.sign() == "its CPU computes"
    assert 0 <= idle_watch.tried(lambda: 7) and idle_watch.tried(missing) is None


def test_the_startup_script_is_one():
    script = Path(__file__).resolve().parent.parent / "src/cloud/gce/vm/startup.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
