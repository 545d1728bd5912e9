"""kill -9 of the server, again and again, with a ledger of what it acknowledged: nothing acknowledged may be lost or
changed, nothing half-written may be seen."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from dataclasses import dataclass, field

import requests
from conftest import start_server
from google.auth.transport.requests import Request
from google.oauth2 import service_account

CYCLES = 20
WRITERS = 4
SECONDS_BEFORE_KILL = (0.15, 0.6)
MIB = 1 << 20


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Entry:
    """What may be found under a name: what was acknowledged last or, after an unanswered request, what that asked."""

    acknowledged: str | None = None  # digest of the content; None: absent
    pending: set[str | None] = field(default_factory=set)

    def allowed(self) -> set[str | None]:
        return {self.acknowledged} | self.pending


class Writer(threading.Thread):
    """Writes, overwrites and deletes under names of its own until the server is gone."""

    def __init__(self, number: int, cycle: int, endpoint: str, token: str, ledger: dict[str, Entry], seed: int):
        super().__init__()
        self.random = random.Random(f"{seed}/{cycle}/{number}")
        self.prefix = f"w{number}/"
        self.number = number
        self.base = endpoint
        self.ledger = ledger
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.acknowledged = 0
        self.wrong: str | None = None

    def run(self) -> None:
        try:
            while True:
                self.step()
        except requests.RequestException:
            return  # killed
        except AssertionError as error:
            self.wrong = str(error)

    def step(self) -> None:
        large = self.number == 0
        name = f"{self.prefix}{self.random.randrange(30):02}"
        entry = self.ledger.setdefault(name, Entry())
        if self.random.random() < 0.15:
            entry.pending.add(None)
            status = self.delete(name)
            assert status in (204, 404), f"delete {name}: {status}"
            outcome = None
        else:
            size = self.random.randrange(MIB, 3 * MIB) if large else self.random.randrange(0, 64 << 10)
            data = self.random.randbytes(size)
            outcome = digest(data)
            entry.pending.add(outcome)
            status = self.resumable(name, data) if large else self.media(name, data)
            assert status == 200, f"write {name}: {status}"
        entry.acknowledged = outcome
        entry.pending.clear()
        self.acknowledged += 1

    def delete(self, name: str) -> int:
        url = f"{self.base}/storage/v1/b/ledger/o/{requests.utils.quote(name, safe='')}"
        return self.session.delete(url, timeout=30).status_code

    def media(self, name: str, data: bytes) -> int:
        url = f"{self.base}/upload/storage/v1/b/ledger/o?uploadType=media&name={name}"
        return self.session.post(url, data=data, timeout=30).status_code

    def resumable(self, name: str, data: bytes) -> int:
        url = f"{self.base}/upload/storage/v1/b/ledger/o?uploadType=resumable&name={name}"
        start = self.session.post(url, json={}, timeout=30)
        assert start.status_code == 200, start.text
        step = 512 << 10
        for first in range(0, len(data), step):
            part = data[first : first + step]
            last = first + len(part) - 1
            total = len(data) if last + 1 == len(data) else "*"
            answer = self.session.put(
                start.headers["Location"],
                data=part,
                headers={"Content-Range": f"bytes {first}-{last}/{total}"},
                timeout=30,
            )
            assert answer.status_code in (200, 308), answer.text
        return answer.status_code


def check(endpoint: str, token: str, ledger: dict[str, Entry], names: set[str]) -> None:
    """Compares what the server has under `names` with the ledger; what is found settles what was pending."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    listed, page = {}, ""
    while True:
        answer = session.get(f"{endpoint}/storage/v1/b/ledger/o", params={"pageToken": page} if page else {})
        assert answer.status_code == 200, answer.text
        listed |= {item["name"]: item for item in answer.json().get("items", [])}
        page = answer.json().get("nextPageToken")
        if not page:
            break
    assert set(listed) <= set(ledger), "objects that nobody wrote"
    for name in names:
        entry = ledger[name]
        found = None
        if name in listed:
            url = f"{endpoint}/storage/v1/b/ledger/o/{requests.utils.quote(name, safe='')}?alt=media"
            content = session.get(url).content
            assert len(content) == int(listed[name]["size"]), name
            found = digest(content)
        assert found in entry.allowed(), f"{name}: neither what was acknowledged nor what was asked"
        entry.acknowledged = found
        entry.pending.clear()


def test_nothing_acknowledged_is_lost(seamount_binary, tmp_path, free_port):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    ledger: dict[str, Entry] = {}
    acknowledged = 0
    directory = tmp_path / "served"

    server = start_server(seamount_binary, directory, free_port)
    try:
        credentials = service_account.Credentials.from_service_account_file(str(server.admin_key), scopes=["x"])
        credentials.refresh(Request())
        token = credentials.token
        answer = requests.post(
            f"{server.endpoint}/storage/v1/b?project=p",
            json={"name": "ledger"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text
        for cycle in range(CYCLES):
            writers = [Writer(n, cycle, server.endpoint, token, ledger, seed) for n in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(*SECONDS_BEFORE_KILL))
            while not any(writer.acknowledged for writer in writers) and any(map(Writer.is_alive, writers)):
                time.sleep(0.001)  # on a machine with much else to do
            server.kill()
            for writer in writers:
                writer.join()
                assert writer.wrong is None, f"seed {seed}: {writer.wrong}"
            acknowledged += sum(writer.acknowledged for writer in writers)
            server = start_server(seamount_binary, directory, free_port)
            # What was in flight at the kill, and a few others; everything at the end.
            touched = {name for name, entry in ledger.items() if entry.pending}
            sample = set(chance.sample(sorted(ledger), min(10, len(ledger))))
            check(server.endpoint, token, ledger, touched | sample)
        check(server.endpoint, token, ledger, set(ledger))
        assert not any((directory / "tmp").iterdir())
        answer = requests.get(f"{server.endpoint}/storage/v1/b/ledger/o", headers={"Authorization": f"Bearer {token}"})
        assert "nextPageToken" not in answer.json()
        in_files = sum(int(item["size"]) > 32 << 10 for item in answer.json()["items"])  # the rest is in the catalog
        blobs = sum(1 for path in (directory / "blobs").rglob("*") if path.is_file())
        assert in_files > 0
        assert not any((directory / "quarantine").iterdir()), "contents of unfinished writes were taken for others'"
        assert blobs == in_files, "contents that no object names were not swept"
    finally:
        server.kill()
    print(f"{acknowledged} acknowledged writes over {CYCLES} kills")
    assert acknowledged >= CYCLES  # else this tested nothing


def test_a_client_goes_on_with_its_upload_after_a_kill(seamount_binary, tmp_path, free_port):
    server = start_server(seamount_binary, tmp_path / "served", free_port)
    try:
        credentials = service_account.Credentials.from_service_account_file(str(server.admin_key), scopes=["x"])
        credentials.refresh(Request())
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {credentials.token}"
        assert session.post(f"{server.endpoint}/storage/v1/b?project=p", json={"name": "winds"}).status_code == 200
        data = random.Random(3).randbytes(MIB)
        start = session.post(f"{server.endpoint}/upload/storage/v1/b/winds/o?uploadType=resumable&name=x", json={})
        url = start.headers["Location"]
        half = session.put(url, data=data[: MIB // 2], headers={"Content-Range": f"bytes 0-{MIB // 2 - 1}/*"})
        assert half.status_code == 308 and half.headers["Range"] == f"bytes=0-{MIB // 2 - 1}"
        server.kill()
        server = start_server(seamount_binary, tmp_path / "served", free_port)
        status = session.put(url, headers={"Content-Range": f"bytes */{MIB}"})
        assert status.status_code == 308 and status.headers["Range"] == f"bytes=0-{MIB // 2 - 1}"
        rest = session.put(url, data=data[MIB // 2 :], headers={"Content-Range": f"bytes {MIB // 2}-{MIB - 1}/{MIB}"})
        assert rest.status_code == 200, rest.text
        assert session.get(f"{server.endpoint}/storage/v1/b/winds/o/x?alt=media").content == data
    finally:
        server.kill()
