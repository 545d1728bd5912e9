"""`seamount version` as a person uses it, on our own server; Google's client reads what is in the bucket."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess

import pytest
from conftest import start_server
from gate import Gate
from google.cloud import storage
from google.oauth2 import service_account
from test_files import Lab, tree

URL = "gs://lab/models/forecast"


@pytest.fixture
def lab(seamount_binary, server, tmp_path):
    return Lab(seamount_binary, server, tmp_path)


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def write_model(folder, seed: int = 1) -> None:
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "model.safetensors").write_bytes(noise(20 << 20, seed))
    (folder / "config.json").write_text("{}")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    os.symlink("weights/model.safetensors", folder / "latest")


def told(done: subprocess.CompletedProcess):
    return json.loads(done.stdout)


def test_a_model_there_and_back(lab, tmp_path):
    write_model(tmp_path / "model")
    first = lab.run("version", "save", str(tmp_path / "model"), URL, "v1", "-m", "the first")
    assert "version 'v1' saved: 3 files" in first.stdout
    with open(tmp_path / "model" / "weights" / "model.safetensors", "r+b") as file:
        file.seek(9 << 20)
        file.write(noise(1000, 2))
    second = told(lab.run("version", "save", str(tmp_path / "model"), URL, "v2", "--json"))
    assert 0 < second["sent_bytes"] <= 24 << 20 and second["sent_chunks"] <= 2

    restored = told(lab.run("version", "restore", URL, "v2", str(tmp_path / "back"), "--json"))
    assert tree(tmp_path / "back") == tree(tmp_path / "model") and restored["fetched_bytes"] == second["bytes"]
    assert os.readlink(tmp_path / "back" / "latest") == "weights/model.safetensors"
    assert os.access(tmp_path / "back" / "run.sh", os.X_OK) and not os.access(tmp_path / "back" / "config.json", os.X_OK)
    again = told(lab.run("version", "restore", URL, "v2", str(tmp_path / "back"), "--json"))
    assert again["fetched_bytes"] == 0 and again["kept_files"] == 3

    listed = told(lab.run("version", "ls", URL, "--json"))
    assert [(one["name"], one["message"]) for one in listed] == [("v1", "the first"), ("v2", "")]
    changes = told(lab.run("version", "diff", URL, "v1", "v2", "--json"))
    assert [(one["change"], one["path"]) for one in changes] == [("changed", "weights/model.safetensors")]
    assert changes[0]["new_bytes"] == second["sent_bytes"]


def test_googles_client_puts_a_file_together(lab, tmp_path):
    write_model(tmp_path / "model")
    lab.run("version", "save", str(tmp_path / "model"), URL, "v1")
    manifest = json.loads(lab.bucket.blob("models/forecast/versions/v1.json").download_as_bytes())
    for file in manifest["files"]:
        chunks = [
            lab.bucket.blob(f"models/forecast/chunks/{digest[:2]}/{digest}").download_as_bytes()
            for digest, _ in file["chunks"]
        ]
        assert [hashlib.sha256(chunk).hexdigest() for chunk in chunks] == [digest for digest, _ in file["chunks"]]
        assert b"".join(chunks) == (tmp_path / "model" / file["path"]).read_bytes()
    assert not lab.names("models/forecast/saves/")


def test_names_tags_and_removal(lab, tmp_path):
    write_model(tmp_path / "model")
    for name in ("v1", "v2"):
        (tmp_path / "model" / "config.json").write_text(name)
        lab.run("version", "save", str(tmp_path / "model"), URL, name)
    (tmp_path / "model" / "config.json").write_text("other")
    refused = lab.run("version", "save", str(tmp_path / "model"), URL, "v2", fails=4)
    assert "versions never change" in refused.stderr
    assert "did you mean 'v2'" in lab.run("version", "show", URL, "v22", fails=3).stderr
    lab.run("version", "save", str(tmp_path / "model"), URL, "a/b", fails=2)

    assert "is new" in lab.run("version", "tag", URL, "prod", "v1").stdout
    assert "meant 'v1'" in lab.run("version", "tag", URL, "prod", "v2").stdout
    assert "version 'v2'" in lab.run("version", "show", URL, "prod").stdout
    assert "[prod]" in lab.run("version", "ls", URL).stdout
    assert "the tag prod means" in lab.run("version", "rm", URL, "v2", "--yes", fails=4).stderr
    assert "say --yes" in lab.run("version", "rm", URL, "v1", fails=2, stdin=subprocess.DEVNULL).stderr
    before = set(lab.names("models/forecast/chunks/"))
    assert told(lab.run("version", "rm", URL, "v1", "--yes", "--json"))["bytes_to_free"] == 2
    assert told(lab.run("version", "gc", URL, "--json")) == {"freed_bytes": 0, "freed_chunks": 0, "waiting_bytes": 2}
    assert set(lab.names("models/forecast/chunks/")) == before
    lab.run("version", "rm", URL, "v1", "--yes", fails=3)
    lab.run("version", "restore", URL, "prod", str(tmp_path / "back"), "--path", "config.json")
    assert tree(tmp_path / "back") == {"config.json": b"v2"}


def test_what_is_there_is_not_replaced_and_damage_is_told(lab, tmp_path):
    write_model(tmp_path / "model")
    lab.run("version", "save", str(tmp_path / "model"), URL, "v1")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "config.json").write_text("mine")
    refused = lab.run("version", "restore", URL, "v1", str(tmp_path / "back"), fails=4)
    assert "config.json" in refused.stderr and tree(tmp_path / "back") == {"config.json": b"mine"}
    digest = hashlib.sha256(b"{}").hexdigest()
    lab.put(f"models/forecast/chunks/{digest[:2]}/{digest}", b"[]")
    damaged = lab.run("version", "restore", URL, "v1", str(tmp_path / "back"), "--overwrite", fails=9)
    assert "file 'config.json'" in damaged.stderr and (tmp_path / "back" / "config.json").read_text() == "mine"


def test_killed_in_the_middle_nothing_is_lost_or_sent_twice(seamount_binary, tmp_path):
    """Killed while it sends, a save has left no version; the next one sends the rest alone."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(noise(100 << 20, 3))
    with Gate() as gate:
        server = start_server(seamount_binary, tmp_path / "served", 0, "--public-url", gate.url)
        try:
            gate.lead_to(server.endpoint, hold=lambda method, path: False)
            lab = Lab(seamount_binary, server, tmp_path)
            seen = []

            def hold(method: str, path: str) -> bool:
                seen.append(path)
                return sum("chunks" in one and method == "POST" for one in seen) > 20

            gate.lead_to(server.endpoint, hold=hold)
            run = subprocess.Popen(lab.argv("version", "save", str(tmp_path / "model"), URL, "v1"))
            gate.wait(run)
            run.kill()
            run.wait()
            gate.open()
            assert told(lab.run("version", "ls", URL, "--json")) == []
            client = storage.Client(
                project="test",
                credentials=service_account.Credentials.from_service_account_file(str(lab.key), scopes=["x"]),
                client_options={"api_endpoint": gate.url},
            )
            there = sum(blob.size for blob in client.list_blobs("lab", prefix="models/forecast/chunks/"))
            saved = told(lab.run("version", "save", str(tmp_path / "model"), URL, "v1", "--json"))
            assert saved["bytes"] == 100 << 20 and saved["sent_bytes"] <= saved["bytes"] - there
            lab.run("version", "restore", URL, "v1", str(tmp_path / "back"))
            assert tree(tmp_path / "back") == tree(tmp_path / "model")
        finally:
            server.kill()
