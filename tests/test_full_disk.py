"""A server on a file system of 24 MiB, in a mount namespace of its own, that is filled in every way there is: what was
acknowledged stays, and deletes, cancelled uploads and the start always work."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
import requests
from google.auth.transport.requests import Request
from google.oauth2 import service_account

MIB = 1 << 20
DISK = 24 * MIB


class SmallDisk:
    """The namespace with the disk, and the server in it."""

    def __init__(self, binary: str, folder: Path, port: int):
        self.binary, self.folder, self.port = binary, folder, port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.log = open(folder / "log", "ab")
        inside = folder / "disk"
        inside.mkdir()
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        script = 'mount -t tmpfs -o size="$2" none "$1" && touch "$1/ready" && exec sleep 600'
        command = [*unshare, "sh", "-c", script, "sh", str(inside), str(DISK)]
        self.holder = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.disk = Path(f"/proc/{self.holder.pid}/root{inside}")
        self.wait(lambda: (self.disk / "ready").exists(), self.holder)
        self.inside = inside
        self.server: subprocess.Popen | None = None
        self.start()
        self.session.post(f"{self.endpoint}/storage/v1/b?project=p", json={"name": "winds"}).raise_for_status()

    def wait(self, condition, process: subprocess.Popen) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def start(self) -> None:
        ready = self.folder / "port"
        ready.unlink(missing_ok=True)
        # The root too: a namespace of its own would lead out of one that was changed, as in a container.
        enter = ["nsenter", "-t", str(self.holder.pid), "--mount", "--root"]
        if os.geteuid() != 0:
            enter += ["--user", "--preserve-credentials"]
        serve = [self.binary, "serve", f"{self.inside}/served", "--port", str(self.port), "--port-file", str(ready)]
        self.server = subprocess.Popen([*enter, *serve], stdout=self.log, stderr=self.log)
        self.wait(ready.exists, self.server)
        key = self.disk / "served" / "admin-key.json"
        credentials = service_account.Credentials.from_service_account_file(str(key), scopes=["x"])
        credentials.refresh(Request())
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {credentials.token}"

    def stop(self, kill: bool = False) -> None:
        if self.server:
            (self.server.kill if kill else self.server.terminate)()
            self.server.wait()

    def close(self) -> None:
        self.stop(kill=True)
        self.holder.kill()
        self.holder.wait()

    def put(self, name: str, data: bytes) -> int:
        url = f"{self.endpoint}/upload/storage/v1/b/winds/o?uploadType=media&name={name}"
        return self.session.post(url, data=data).status_code

    def get(self, name: str) -> bytes:
        answer = self.session.get(f"{self.endpoint}/storage/v1/b/winds/o/{name}?alt=media")
        assert answer.status_code == 200, answer.text
        return answer.content

    def delete(self, name: str) -> int:
        return self.session.delete(f"{self.endpoint}/storage/v1/b/winds/o/{name}").status_code

    def begin(self, name: str, **headers: str) -> requests.Response:
        url = f"{self.endpoint}/upload/storage/v1/b/winds/o?uploadType=resumable&name={name}"
        return self.session.post(url, json={}, headers=headers)

    def others_fill_it(self) -> None:
        """To the last byte; what the server holds back for itself is not theirs to take."""
        with open(self.disk / "others", "ab", buffering=0) as file:
            block = b"x" * 65536
            try:
                while True:
                    file.write(block)
            except OSError:
                block = b"x"
            try:
                for _ in range(65536):
                    file.write(block)
            except OSError:
                pass


@pytest.fixture
def small(seamount_binary, tmp_path, free_port):
    disk = SmallDisk(seamount_binary, tmp_path, free_port)
    yield disk
    disk.close()


def data(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def send(small: SmallDisk, session: str, content: bytes, first: int, total: str) -> int:
    span = f"bytes {first}-{first + len(content) - 1}/{total}"
    return small.session.put(session, data=content, headers={"Content-Range": span}).status_code


def test_an_upload_that_does_not_fit_gives_back_what_was_not_acknowledged(small):
    kept = data(1, 2 * MIB)
    assert small.put("kept", kept) == 200
    assert small.begin("announced", **{"X-Upload-Content-Length": str(2 * DISK)}).status_code == 507
    session = small.begin("big").headers["Location"]
    assert send(small, session, data(2, 4 * MIB), 0, "*") == 308
    assert send(small, session, data(3, 2 * DISK), 4 * MIB, "*") == 507
    # At once, by whoever asks next: what was taken beyond the acknowledged 4 MiB is free.
    assert small.put("other", data(4, 8 * MIB)) == 200
    status = small.session.put(session, headers={"Content-Range": "bytes */*"})
    assert status.status_code == 308 and status.headers["Range"] == f"bytes=0-{4 * MIB - 1}"
    assert small.delete("other") == 204
    assert small.session.delete(session).status_code == 499
    assert small.session.put(session, headers={"Content-Range": "bytes */*"}).status_code == 404
    small.stop()
    small.start()
    assert small.get("kept") == kept
    assert not list((small.disk / "served/uploads").iterdir()) and not list((small.disk / "served/tmp").iterdir())
    assert not list((small.disk / "served/quarantine").iterdir())


def test_every_way_to_write_refuses_and_keeps_what_is_there(small):
    kept = data(1, 3 * MIB)
    assert small.put("kept", kept) == 200
    large = data(2, 2 * DISK)
    assert small.put("large", large) == 507
    assert small.put("kept", large) == 507  # an overwrite
    assert small.session.put(f"{small.endpoint}/winds/large", data=large).status_code == 507
    body = b'--x\r\nContent-Type: application/json\r\n\r\n{"name":"large"}\r\n--x\r\n\r\n' + large + b"\r\n--x--\r\n"
    multipart = small.session.post(
        f"{small.endpoint}/upload/storage/v1/b/winds/o?uploadType=multipart",
        data=body,
        headers={"Content-Type": "multipart/related; boundary=x"},
    )
    assert multipart.status_code == 507
    start = small.session.post(f"{small.endpoint}/winds/large?uploads")
    upload = start.text.split("<UploadId>")[1].split("<")[0]
    part = f"{small.endpoint}/winds/large?uploadId={upload}&partNumber=1"
    assert small.session.put(part, data=large).status_code == 507
    assert small.session.delete(f"{small.endpoint}/winds/large?uploadId={upload}").status_code == 204
    # All of it is free again.
    assert small.put("second", data(3, 12 * MIB)) == 200
    assert small.get("kept") == kept
    assert not list((small.disk / "served/tmp").iterdir())


@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_a_disk_that_others_filled_can_be_started_on_and_emptied(small, kill):
    contents = {f"o{i}": data(i, MIB // 2 + i) for i in range(6)} | {f"s{i}": data(i, 1000) for i in range(6)}
    for name, content in contents.items():
        assert small.put(name, content) == 200
    session = small.begin("left").headers["Location"]
    assert send(small, session, data(9, MIB), 0, "*") == 308
    small.stop(kill)
    small.others_fill_it()
    assert os.statvfs(small.disk).f_bavail == 0
    small.start()
    # Others take what the start left, too.
    small.others_fill_it()
    assert small.put("more", data(7, MIB)) == 507
    for name, content in contents.items():
        assert small.get(name) == content, name
    assert small.delete("s0") == 204
    small.others_fill_it()
    assert small.session.delete(session).status_code == 499
    assert small.delete("o0") == 204
    assert small.delete("o1") == 204
    deadline = time.monotonic() + 60
    while small.put("more", data(8, MIB // 2)) != 200:  # the collector works in the background
        assert time.monotonic() < deadline
    for name in ("o0", "o1", "s0"):
        del contents[name]
    small.stop(kill)
    small.start()
    for name, content in contents.items():
        assert small.get(name) == content, name
    assert small.get("more") == data(8, MIB // 2)


def test_an_upload_that_nobody_goes_on_with_makes_room(small):
    session = small.begin("left").headers["Location"]
    assert send(small, session, data(1, 14 * MIB), 0, "*") == 308
    assert small.put("more", data(2, 12 * MIB)) == 507
    # A client that was here a moment ago keeps its part.
    assert small.session.put(session, headers={"Content-Range": "bytes */*"}).status_code == 308
    (file,) = (small.disk / "served/uploads").iterdir()
    os.utime(file, (time.time() - 7200, time.time() - 7200))
    assert small.put("more", data(2, 12 * MIB)) == 200
    assert small.session.put(session, headers={"Content-Range": "bytes */*"}).status_code == 404
    assert small.get("more") == data(2, 12 * MIB)
