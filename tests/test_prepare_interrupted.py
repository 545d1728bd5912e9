"""seamount prepare that is killed, interrupted or left alone by its server in the middle, at a point that the test names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import requests
from conftest import start_server
from gate import Gate
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from prepare_files import SERIES, Prepare, field, write_netcdf, write_series

STEPS, HELD = 120, 40


class Run:
    """A recipe of one small region a step, its server, and the gate between them."""

    def __init__(self, binary: str, folder: Path, gate: Gate):
        self.binary, self.folder, self.gate = binary, folder, gate
        self.prepare = Prepare(binary, folder)
        self.source = folder / "in.nc"
        variables = {"t": ("f4", {}, field((STEPS, 5, 6)))}
        write_netcdf(self.source, steps=STEPS, variables=variables, zlib=True, chunksizes=(1, 5, 6))
        self.recipe = {"source": str(self.source), "variables": ["t"], "chunks": {"time": 1}}
        self.server = start_server(binary, folder / "served", 0, "--public-url", gate.url)
        gate.lead_to(self.server.endpoint, Gate.nth_upload(HELD))
        self.post("/storage/v1/b", {"name": "lab"})

    def headers(self) -> dict:
        credentials = service_account.Credentials.from_service_account_file(str(self.server.admin_key), scopes=["x"])
        credentials.refresh(Request())
        return {"Authorization": f"Bearer {credentials.token}"}

    def post(self, path: str, body: dict) -> None:
        requests.post(self.server.endpoint + path, json=body, headers=self.headers()).raise_for_status()

    def start(self, *flags: str, recipe: dict | None = None) -> subprocess.Popen:
        argv = [self.binary, "prepare", str(self.prepare.write(recipe or self.recipe)), "--to", "gs://lab/out.zarr",
                "--endpoint", self.gate.url, "--key", str(self.server.admin_key), "--threads", "1", *flags]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def refused(self, recipe: dict) -> str:
        run = self.start(recipe=recipe)
        _, errors = run.communicate()
        assert run.returncode == 4, errors
        return errors

    def finish(self, *flags: str) -> dict:
        run = self.start("--json", *flags)
        out, errors = run.communicate()
        assert run.returncode == 0, errors
        return json.loads(out)

    def stored(self) -> dict[str, bytes]:
        session, page, found = requests.Session(), {}, {}
        session.headers.update(self.headers())
        while page is not None:
            url = f"{self.server.endpoint}/storage/v1/b/lab/o"
            listed = session.get(url, params={"prefix": "out.zarr/"} | page).json()
            for item in listed.get("items", []):
                name = item["name"].removeprefix("out.zarr/")
                found[name] = session.get(item["mediaLink"].replace(self.gate.url, self.server.endpoint)).content
            page = {"pageToken": listed["nextPageToken"]} if "nextPageToken" in listed else None
        return found

    def whole(self) -> dict[str, bytes]:
        """What an undisturbed run makes."""
        self.prepare(self.recipe, out="whole.zarr")
        root = self.folder / "whole.zarr"
        files = [path for path in root.rglob("*") if path.is_file() and ".seamount/" not in str(path)]
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def close(self) -> None:
        self.server.process.terminate()
        self.server.process.wait()


@pytest.fixture
def lab(seamount_binary, tmp_path):
    with Gate() as gate:
        run = Run(seamount_binary, tmp_path, gate)
        yield run
        gate.open()
        run.close()


def test_a_killed_run_goes_on_to_the_same_bytes(lab):
    run = lab.start()
    lab.gate.wait(run)
    run.kill()
    run.communicate()
    lab.gate.open()
    assert "zarr.json" not in lab.stored()
    report = lab.finish()
    assert report["regions"] == STEPS and report["regions_kept"] < STEPS
    assert lab.stored() == lab.whole()


def test_interrupt_records_what_is_done(lab):
    run = lab.start()
    lab.gate.wait(run)
    run.send_signal(signal.SIGINT)
    lab.gate.open()
    _, message = run.communicate()
    assert run.returncode == 130 and "continues where it stopped" in message
    assert 0 < lab.finish()["regions_kept"] < STEPS
    assert lab.stored() == lab.whole()


def test_what_changes_between_kill_and_resume_is_noticed(lab):
    run = lab.start()
    lab.gate.wait(run)
    os.utime(lab.source)  # the source changes while it is read
    lab.gate.open()
    _, errors = run.communicate()
    assert run.returncode == 9 and "in.nc changed while it was read" in errors
    assert "zarr.json" not in lab.stored()
    assert "a source that has changed" in lab.refused(lab.recipe)
    assert "unfinished run of another recipe" in lab.refused(lab.recipe | {"codec": "none"})
    lab.finish("--overwrite")
    assert lab.stored() == lab.whole()


def test_a_server_that_goes_away_and_comes_back(lab):
    """The server is killed in the middle; the run waits for it, and what it wrote equals an undisturbed run's."""
    run = lab.start()
    lab.gate.wait(run)
    port = int(lab.server.endpoint.rsplit(":", 1)[1])
    lab.server.kill()
    lab.server = start_server(lab.binary, lab.server.directory, port, "--public-url", lab.gate.url)
    lab.gate.open()
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    assert lab.stored() == lab.whole()


def test_a_kill_loses_nothing_of_the_spill_file(lab):
    """Series from maps go through a spill file, which lies beside the kept sums until all is written."""
    lab.recipe = {"source": write_series(lab.source, 300), "variables": ["v"], "chunks": SERIES["chunks"]}
    spill = lab.folder / "spill"
    spill.mkdir()
    run = lab.start("--spill", str(spill))
    lab.gate.wait(run)  # the source has been read, and regions are being written
    run.kill()
    run.communicate()
    lab.gate.open()
    assert [path.name[32:] for path in spill.rglob("*") if path.is_file()] == ["-spill"]
    assert lab.finish("--spill", str(spill))["spilled_bytes"] == 0
    assert lab.stored() == lab.whole()
    assert not list(spill.iterdir()), "removed when all is written"
