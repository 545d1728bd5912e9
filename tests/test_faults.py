"""Google's own client through the faults that Google's conformance tests ask of a test server (POST /retry_test)."""

from __future__ import annotations

import io

import pytest
import requests
from conftest import start_server
from google.cloud.storage.retry import DEFAULT_RETRY
from test_clients import Lab, content


@pytest.fixture
def lab(seamount_binary, tmp_path, free_port):
    running = start_server(seamount_binary, tmp_path / "served", free_port, "--testing")
    lab = Lab(running)
    lab.client.create_bucket("winds")
    yield lab
    running.process.terminate()
    running.process.wait(timeout=20)


class Fault:
    """While open, calls of an operation go wrong as told; all of that must have happened at the end."""

    def __init__(self, lab, operation: str, *instructions: str):
        self.lab = lab
        self.url = f"{lab.endpoint}/retry_test"
        self.instructions = {operation: list(instructions)}

    def __enter__(self):
        self.test = requests.post(self.url, json={"instructions": self.instructions}).json()["id"]
        self.lab.client._connection.extra_headers = {"x-retry-test-id": self.test}
        self.lab.client._extra_headers = {"x-retry-test-id": self.test}
        return self.lab.client.bucket("winds")

    def __exit__(self, kind, error, trace):
        self.lab.client._connection.extra_headers = {}
        self.lab.client._extra_headers = {}
        if kind is None:
            left = requests.get(f"{self.url}/{self.test}").json()
            assert left["completed"], left
        assert requests.delete(f"{self.url}/{self.test}").status_code == 200


def test_downloads(lab):
    lab.client.bucket("winds").blob("x").upload_from_string(content(600_000))
    for wrong in ("return-503", "return-reset-connection", "return-broken-stream", "return-broken-stream-after-256K"):
        with Fault(lab, "storage.objects.get", wrong, "return-429") as bucket:
            assert bucket.blob("x").download_as_bytes() == content(600_000), wrong


def test_uploads(lab):
    for i, wrong in enumerate(("return-503", "return-503-after-256K", "return-reset-connection",
                               "return-broken-stream-final-chunk-after-8B")):  # fmt: skip
        with Fault(lab, "storage.objects.insert", wrong) as bucket:
            blob = bucket.blob(f"x{i}", chunk_size=512 << 10)
            blob.upload_from_file(io.BytesIO(content(1_300_000)), if_generation_match=0, retry=DEFAULT_RETRY)
        assert lab.client.bucket("winds").blob(f"x{i}").download_as_bytes() == content(1_300_000), wrong


def test_calls(lab):
    lab.client.bucket("winds").blob("x").upload_from_string("1")
    for wrong in ("return-503", "return-reset-connection", "return-broken-stream"):
        with Fault(lab, "storage.objects.list", wrong) as bucket:
            assert [blob.name for blob in bucket.list_blobs()] == ["x"]
        with Fault(lab, "storage.buckets.get", wrong) as bucket:
            assert bucket.exists()


def test_instructions_are_checked(lab):
    url = f"{lab.endpoint}/retry_test"
    assert requests.post(url, json={"instructions": {"a": ["explode"]}}).status_code == 400
    assert requests.get(f"{url}/absent").status_code == 404


def test_only_where_asked_for(server):
    assert requests.post(f"{server.endpoint}/retry_test", json={"instructions": {}}).status_code == 404
