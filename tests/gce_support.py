"""A lab at the stand-in for Google: what the tests of machines there share."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from fakes import compute, storage
from fakes.google import FakeGoogle

ACCOUNT = "sm-lab-bucket@lab.iam.gserviceaccount.com"
L4 = ("--gpu", "l4", "--machine-type", "g2-standard-8")


class Lab:
    """A project with a bucket, somebody who may make machines, and the account that machines act as."""

    def __init__(self, google: FakeGoogle, binary: str, home: Path):
        self.google, self.binary = google, binary
        self.key = home / "key.json"
        key = google.iam.make_key("me@lab.iam.gserviceaccount.com", "lab")
        self.key.write_text(json.dumps(key))
        self.key.chmod(0o600)
        self.private = key["private_key"]
        google.iam.grant(key["client_email"], "projects/lab", *compute.USER)
        google.iam.make_account(ACCOUNT)
        google.storage.make_bucket("lab-bucket")
        for email in (key["client_email"], ACCOUNT):
            google.iam.grant(email, "buckets/lab-bucket", "storage.buckets.get", *storage.OBJECT_USER)
        self.environment = {
            "HOME": str(home), "PATH": os.environ["PATH"], "SEAMOUNT_CLOUD": "gce", "SEAMOUNT_BUCKET": "gs://lab-bucket",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{google.url}/compute/v1",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.key)}  # fmt: skip

    def start(self, *arguments: str, group: str = "vm") -> subprocess.Popen:
        return subprocess.Popen([self.binary, group, *arguments], env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def ok(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def listed(self, *flags: str) -> list[dict]:
        return json.loads(self.ok("ls", "--json", *flags))

    def machine(self) -> dict:
        (resource,) = self.google.compute.instances.values()
        return resource

    def records(self) -> list[str]:
        return sorted(self.google.storage.buckets["lab-bucket"])


class Runner:
    """The machine's own program that runs jobs, as the machine has it."""

    def __init__(self, lab: Lab, home: Path):
        self.google = lab.google
        (lab.google.metadata.machine,) = lab.google.compute.instances
        lab.google.metadata.preempted.clear()
        self.home = home
        home.mkdir()
        scripts = {item["key"]: item["value"] for item in lab.machine()["metadata"]["items"]}
        (home / "ending.py").write_text(scripts["seamount-ending"])
        (home / "job_run.py").write_text(scripts["seamount-job-run"])
        self.mounts, self.unmounted = home / "mounts", home / "unmounted"
        self.mounts.write_text("proc /proc proc rw 0 0\n")
        (home / "bin").mkdir()
        (home / "bin/seamount").write_text(f'#!/bin/sh\necho "$@" >> {self.unmounted}\n')
        (home / "bin/seamount").chmod(0o755)
        self.process: subprocess.Popen | None = None

    def start(self, seconds_to_end: float = 60) -> Runner:
        environment = {"PATH": f"{self.home}/bin:{os.environ['PATH']}", "SEAMOUNT_METADATA": self.google.url,
                       "SEAMOUNT_STORAGE": self.google.url, "SEAMOUNT_WORK": str(self.home / "work"),
                       "SEAMOUNT_RUNS": str(self.home / "run/job"), "SEAMOUNT_MOUNTS": str(self.mounts),
                       "SEAMOUNT_WATCH_SECONDS": "0.1", "SEAMOUNT_SECONDS_TO_END": str(seconds_to_end)}  # fmt: skip
        self.process = subprocess.Popen([sys.executable, str(self.home / "job_run.py")], env=environment)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def wait_for(happened, process_ok=lambda: True) -> None:
    while not happened():  # for as long as a test may take
        assert process_ok()
        time.sleep(0.02)


def idle_watch_module(monkeypatch):
    """The program as it is in the repository, as a module."""
    folder = Path(__file__).resolve().parent.parent / "src/cloud/gce/vm"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("idle_watch", folder / "idle_watch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
