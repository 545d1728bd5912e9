"""The loader against `seamount serve`: keys, wrong places, and what their errors say in Python."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from loader_support import url, values  # noqa: F401

import seamount


@pytest.fixture
def bucket(server, url):
    """gs://lab/winds.zarr with u and v of the fixture `url`, and the key of who may read it."""
    binary = server.process.args[0]
    subprocess.run([binary, "setup", "gs://lab", "--endpoint", server.endpoint, "--admin-key", str(server.admin_key), "--key",
                    str(server.directory.parent / "key.json")], check=True, capture_output=True)
    from google.cloud import storage
    from google.oauth2 import service_account

    key = server.directory.parent / "key.json"
    credentials = service_account.Credentials.from_service_account_file(
        str(key), scopes=["https://www.googleapis.com/auth/devstorage.full_control"])
    client = storage.Client(project="test", credentials=credentials, client_options={"api_endpoint": server.endpoint})
    folder = Path(url.removeprefix("file://"))
    for path in folder.rglob("*"):
        if path.is_file():
            client.bucket("lab").blob(f"winds.zarr/{path.relative_to(folder)}").upload_from_filename(str(path))
    return key


def test_a_key_says_where_and_may_be_text_or_a_dict(bucket, values):
    text = bucket.read_text()
    for key in (bucket, str(bucket), text, json.loads(text)):
        assert seamount.ls("gs://lab/winds.zarr", key=key) == ["u", "v"]
    loader = seamount.Loader("gs://lab/winds.zarr", ["u"], key=json.loads(text), normalize=False, shuffle=None)
    assert (next(iter(loader)).inputs[:, 0, 0] == values["u"][:16]).all()
    assert "private" not in repr(loader)


def test_wrong_places_and_missing_keys(bucket, server, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for call in (lambda where: seamount.Loader(where, ["u"], key=bucket), lambda where: seamount.ls(where, key=bucket)):
        with pytest.raises(FileNotFoundError, match="bucket 'nowhere' does not exist"):
            call("gs://nowhere/winds.zarr")
    with pytest.raises(FileNotFoundError, match="is there a Zarr group here"):
        seamount.Loader("gs://lab/other.zarr", ["u"], key=bucket)
    with pytest.raises(PermissionError, match='key="FILE"') as caught:
        seamount.ls("gs://lab/winds.zarr", endpoint=server.endpoint)
    assert "--" not in str(caught.value) and "anonymous=True" in str(caught.value)
    with pytest.raises(seamount.SeamountError) as caught:
        seamount.ls("gs://lab/winds.zarr", endpoint=server.endpoint, key=json.dumps(json.loads(bucket.read_text()) | {"private_key": "gone"}))
    assert "gone" not in str(caught.value)
