"""obstore (the client of Arrow, Polars, Icechunk …), which speaks the XML API, against `seamount serve`."""

from __future__ import annotations

import random

import obstore
import pytest
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError
from obstore.store import GCSStore
from test_clients import Lab


@pytest.fixture
def store(server):
    Lab(server).client.create_bucket("winds")
    credentials = service_account.Credentials.from_service_account_file(str(server.admin_key), scopes=["x"])
    credentials.refresh(Request())
    return GCSStore(
        "winds",
        credential_provider=lambda: {"token": credentials.token, "expires_at": None},
        config={"base_url": server.endpoint},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def test_our_key_file(server):
    Lab(server).client.create_bucket("winds")
    store = GCSStore(
        "winds",
        service_account_path=str(server.admin_key),
        config={"base_url": server.endpoint},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    store.put("x", b"hello")
    assert bytes(store.get("x").bytes()) == b"hello"
    Lab(server).client.bucket("winds").blob("strange\uffff").upload_from_string(b"1")
    assert names(store) == ["strange\uffff", "x"]  # which XML cannot hold


def names(store, *args, **options) -> list[str]:
    return [entry["path"] for page in store.list(*args, **options) for entry in page]


@pytest.mark.parametrize("name", ["plain", "a/b c+d%20?#&=ü", "[x]*'\"<&>"])
def test_names_and_content(store, name):
    store.put(name, b"hello", attributes={"Content-Type": "text/x", "Cache-Control": "no-store", "key": "value"})
    got = store.get(name)
    assert bytes(got.bytes()) == b"hello"
    assert got.attributes == {"Content-Type": "text/x", "Cache-Control": "no-store", "key": "value"}
    assert names(store) == [name]
    assert bytes(store.get_range(name, start=1, end=3)) == b"el"
    assert [bytes(part) for part in store.get_ranges(name, starts=[0, 3], ends=[2, 5])] == [b"he", b"lo"]
    assert bytes(store.get(name, options={"range": {"suffix": 2}}).bytes()) == b"lo"
    store.delete(name)
    with pytest.raises(FileNotFoundError):
        store.head(name)


def test_versions_and_conditions(store):
    first = store.put("x", b"1", mode="create")
    with pytest.raises(AlreadyExistsError):
        store.put("x", b"2", mode="create")
    second = store.put("x", b"2", mode=first)
    with pytest.raises(PreconditionError):
        store.put("x", b"3", mode=first)
    assert bytes(store.get("x", options={"if_match": second["e_tag"]}).bytes()) == b"2"
    with pytest.raises(PreconditionError):
        store.get("x", options={"if_match": first["e_tag"]})
    with pytest.raises(NotModifiedError):
        store.get("x", options={"if_none_match": second["e_tag"]})
    with pytest.raises(FileNotFoundError):
        store.get("x", options={"version": first["version"]})


def test_listings(store):
    for name in ("a", "d/1", "d/2", "d0", "e/f/g"):
        store.put(name, b"x")
    assert names(store) == ["a", "d/1", "d/2", "d0", "e/f/g"]
    assert names(store, "d") == ["d/1", "d/2"]
    assert names(store, offset="d/1") == ["d/2", "d0", "e/f/g"]
    folded = store.list_with_delimiter()
    assert sorted(folded["common_prefixes"]) == ["d", "e"]
    assert [entry["path"] for entry in folded["objects"]] == ["a", "d0"]


def test_copies(store):
    store.put("x", b"1")
    store.copy("x", "y")
    with pytest.raises(AlreadyExistsError):
        store.copy("x", "y", overwrite=False)
    store.rename("y", "z")
    assert names(store) == ["x", "z"]
    store.delete(["x", "z"])
    assert names(store) == []


def test_upload_in_parts(store):
    content = random.Random(5).randbytes(12_000_000)
    store.put("big", content, use_multipart=True, chunk_size=5 << 20)
    assert bytes(store.get("big").bytes()) == content
    with obstore.open_writer(store, "written", buffer_size=5 << 20) as out:
        for at in range(0, len(content), 700_000):
            out.write(content[at : at + 700_000])
    assert bytes(store.get("written").bytes()) == content
