"""Google's own client libraries, unmodified, against `seamount serve` with real key files."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
from pathlib import Path

import pytest
import requests
from conftest import start_server
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.oauth2 import service_account

# gcsfs asks Google's gRPC control service what kind a bucket is, a minute long, unless told that there is none.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
import gcsfs  # noqa: E402

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
PROJECT = "lab"


@contextlib.contextmanager
def lab_with_winds(binary: str, folder: Path):
    """A server of its own, with the bucket winds, for as long as the block lasts."""
    running = start_server(binary, folder / "served", 0)
    lab = Lab(running)
    lab.client.create_bucket("winds")
    yield lab
    running.process.terminate()
    running.process.wait(timeout=20)


class Lab:
    """The server with its administrator, and accounts made through the IAM API."""

    def __init__(self, server):
        self.endpoint = server.endpoint
        self.directory = server.directory.parent
        self.admin_key = server.admin_key
        credentials = service_account.Credentials.from_service_account_file(str(server.admin_key), scopes=SCOPES)
        self.session = AuthorizedSession(credentials)
        self.client = self.client_of(server.admin_key)

    def client_of(self, key: Path) -> storage.Client:
        credentials = service_account.Credentials.from_service_account_file(str(key), scopes=SCOPES)
        return storage.Client(
            project=PROJECT, credentials=credentials, client_options={"api_endpoint": self.endpoint}
        )

    def account_url(self, email: str = "") -> str:
        return f"{self.endpoint}/v1/projects/{PROJECT}/serviceAccounts" + (f"/{email}" if email else "")

    def account(self, name: str, bucket: str, role: str) -> tuple[str, Path]:
        """An account with `role` on `bucket`: its email and key file."""
        answer = self.session.post(self.account_url(), json={"accountId": name})
        assert answer.status_code == 200, answer.text
        email = answer.json()["email"]
        answer = self.session.post(self.account_url(email) + "/keys", json={})
        assert answer.status_code == 200, answer.text
        path = self.directory / f"{name}.json"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64decode(answer.json()["privateKeyData"]))
        policy = self.client.bucket(bucket).get_iam_policy(requested_policy_version=3)
        policy.bindings.append({"role": role, "members": {f"serviceAccount:{email}"}})
        self.client.bucket(bucket).set_iam_policy(policy)
        return email, path


@pytest.fixture
def lab(server):
    return Lab(server)


@pytest.fixture
def bucket(lab):
    return lab.client.create_bucket("winds")


def content(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


def test_key_file_is_a_service_account_key(lab):
    key = json.loads(lab.admin_key.read_text())
    assert key["type"] == "service_account"
    assert key["token_uri"] == lab.endpoint + "/token"
    assert lab.admin_key.stat().st_mode & 0o777 == 0o600


class TestGoogleCloudStorage:
    def test_buckets(self, lab, bucket):
        with pytest.raises(exceptions.Conflict):
            lab.client.create_bucket("winds")
        assert [b.name for b in lab.client.list_buckets()] == ["winds"]
        assert lab.client.get_bucket("winds").iam_configuration.uniform_bucket_level_access_enabled
        with pytest.raises(exceptions.NotFound):
            lab.client.get_bucket("absent")
        bucket.blob("x").upload_from_string("1")
        with pytest.raises(exceptions.Conflict):
            bucket.delete()
        bucket.blob("x").delete()
        bucket.delete()
        assert list(lab.client.list_buckets()) == []

    def test_bucket_settings(self, lab, bucket):
        bucket.blob("x").upload_from_string("1")
        policy = bucket.get_iam_policy()
        policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
        bucket.set_iam_policy(policy)
        url = f"{lab.endpoint}/storage/v1/b/winds/o/x?alt=media"
        assert requests.get(url).status_code == 200
        bucket.reload()
        bucket.iam_configuration.public_access_prevention = "enforced"
        bucket.labels = {"team": "winds", "year": "2024"}
        bucket.patch(if_metageneration_match=bucket.metageneration)
        found = lab.client.get_bucket("winds")
        assert found.iam_configuration.public_access_prevention == "enforced"
        assert found.labels == {"team": "winds", "year": "2024"}
        assert requests.get(url).status_code == 401
        with pytest.raises(exceptions.PreconditionFailed, match="allUsers"):
            found.set_iam_policy(found.get_iam_policy())
        found.labels = {"team": "calms"}  # the client says of the other that it goes
        found.storage_class = "NEARLINE"
        found.update()
        found = lab.client.get_bucket("winds")
        assert (found.labels, found.storage_class) == ({"team": "calms"}, "NEARLINE")
        assert found.iam_configuration.public_access_prevention == "enforced"
        with pytest.raises(exceptions.PreconditionFailed):
            found.patch(if_metageneration_match=1)
        found.versioning_enabled = True
        with pytest.raises(exceptions.BadRequest, match="versioning"):
            found.patch()
        made = lab.client.bucket("calms")
        made.iam_configuration.public_access_prevention = "enforced"
        made.iam_configuration.uniform_bucket_level_access_enabled = True  # the client says False unless it is told
        made.create()
        assert lab.client.get_bucket("calms").iam_configuration.public_access_prevention == "enforced"

    @pytest.mark.parametrize("name", ["plain", "a/b c/d+e%20?#&=ü", "trailing/", "[x]*'\"\\"])
    def test_names_and_content(self, bucket, name):
        data = content(100_000)
        bucket.blob(name).upload_from_string(data, content_type="application/x-test")
        assert bucket.blob(name).download_as_bytes() == data
        blob = bucket.get_blob(name)
        assert (blob.name, blob.size, blob.content_type) == (name, len(data), "application/x-test")
        assert [b.name for b in bucket.list_blobs()] == [name]
        assert blob.download_as_bytes(start=10, end=19) == data[10:20]
        blob.delete()
        assert not bucket.blob(name).exists()

    def test_empty_object(self, bucket):
        bucket.blob("empty").upload_from_string(b"")
        assert bucket.blob("empty").download_as_bytes() == b""

    def test_multipart_of_a_file(self, bucket, tmp_path):
        data = content(3_000_000)
        (tmp_path / "f").write_bytes(data)
        blob = bucket.blob("file")
        blob.metadata = {"recipe": "winds", "ünicode": "wérte"}
        blob.upload_from_filename(str(tmp_path / "f"), checksum="md5")
        blob = bucket.get_blob("file")
        assert blob.metadata == {"recipe": "winds", "ünicode": "wérte"}
        blob.download_to_filename(str(tmp_path / "g"), checksum="crc32c")
        assert (tmp_path / "g").read_bytes() == data

    @pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 9_000_000])
    def test_resumable(self, bucket, size, tmp_path):
        data = content(size)
        (tmp_path / "f").write_bytes(data)
        blob = bucket.blob("big", chunk_size=262_144 * 8)
        with open(tmp_path / "f", "rb") as file:
            blob.upload_from_file(file)  # without its size: chunks of "bytes a-b/*"
        assert bucket.blob("big").download_as_bytes(checksum="md5") == data

    def test_writer_and_reader(self, bucket):
        data = content(1_500_000)
        with bucket.blob("stream").open("wb", chunk_size=262_144) as out:
            for i in range(0, len(data), 70_000):
                out.write(data[i : i + 70_000])
        with bucket.blob("stream").open("rb", chunk_size=100_000) as read:
            read.seek(1_000)
            assert read.read(500_000) == data[1_000:501_000]

    def test_listing(self, bucket):
        for name in ["a/1", "a/2", "a/b/3", "c"]:
            bucket.blob(name).upload_from_string(name)
        listing = bucket.list_blobs(prefix="a/", delimiter="/")
        assert [b.name for b in listing] == ["a/1", "a/2"]
        assert listing.prefixes == {"a/b/"}
        assert [b.name for b in bucket.list_blobs(page_size=1)] == ["a/1", "a/2", "a/b/3", "c"]
        assert [b.name for b in bucket.list_blobs(start_offset="a/2", end_offset="c")] == ["a/2", "a/b/3"]
        assert [b.name for b in bucket.list_blobs(fields="items(name),nextPageToken", max_results=2)] == ["a/1", "a/2"]

    def test_preconditions(self, bucket):
        blob = bucket.blob("x")
        with pytest.raises(exceptions.PreconditionFailed):
            blob.upload_from_string("1", if_generation_match=7)
        blob.upload_from_string("1", if_generation_match=0)
        first = blob.generation
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("x").upload_from_string("2", if_generation_match=0)
        bucket.blob("x").upload_from_string("2", if_generation_match=first)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("x").delete(if_generation_match=first)
        with pytest.raises(exceptions.NotFound):
            bucket.blob("x", generation=first).download_as_bytes()
        assert bucket.blob("x").download_as_bytes() == b"2"

    def test_upload_in_parts(self, bucket, tmp_path):
        (tmp_path / "big").write_bytes(content(11_000_000))
        transfer_manager.upload_chunks_concurrently(
            str(tmp_path / "big"), bucket.blob("a b/big"), chunk_size=5 << 20, worker_type="thread", max_workers=2
        )
        assert bucket.blob("a b/big").download_as_bytes() == content(11_000_000)

    def test_conditions_by_etag(self, bucket):
        blob = bucket.blob("x")
        blob.upload_from_string("1")
        fresh = bucket.blob("x")
        assert fresh.download_as_bytes(if_etag_match=blob.etag) == b"1" and fresh.etag == blob.etag
        with pytest.raises(exceptions.NotModified):
            fresh.exists(if_etag_not_match=blob.etag)
        with pytest.raises(exceptions.PreconditionFailed):
            fresh.exists(if_etag_match="another")

    def test_checksum_said_beforehand_must_fit(self, bucket, tmp_path):
        (tmp_path / "big").write_bytes(content(9_000_000))
        with pytest.raises(exceptions.BadRequest):
            bucket.blob("x").upload_from_filename(str(tmp_path / "big"), crc32c_checksum_value="AAAAAA==")
        assert not bucket.blob("x").exists()

    def test_metadata_is_removed_by_none(self, bucket):
        blob = bucket.blob("x")
        blob.cache_control = "no-store"
        blob.upload_from_string("1")
        blob.cache_control = None
        blob.patch()
        assert bucket.get_blob("x").cache_control is None

    def test_metadata(self, bucket):
        blob = bucket.blob("x")
        blob.upload_from_string("1")
        blob.metadata = {"a": "1", "b": "2"}
        blob.cache_control = "no-store"
        blob.patch()
        assert blob.metageneration == 2
        blob.metadata = {"b": None, "c": "3"}
        blob.patch(if_metageneration_match=2)
        fresh = bucket.get_blob("x")
        assert fresh.metadata == {"a": "1", "c": "3"}
        assert fresh.cache_control == "no-store"
        with pytest.raises(exceptions.PreconditionFailed):
            blob.patch(if_metageneration_match=1)

    def test_compose(self, bucket):
        parts = [content(200_000, seed) for seed in range(5)]
        blobs = [bucket.blob(f"part{i}") for i in range(5)]
        for blob, part in zip(blobs, parts):
            blob.upload_from_string(part)
        whole = bucket.blob("whole")
        whole.content_type = "application/x-whole"
        whole.compose(blobs)
        got = bucket.get_blob("whole")
        assert got.content_type == "application/x-whole" and got.md5_hash is None
        assert got.download_as_bytes(checksum="crc32c") == b"".join(parts)
        with pytest.raises(exceptions.NotFound):
            whole.compose([bucket.blob("absent")])

    def test_rewrite_and_copy(self, lab, bucket):
        other = lab.client.create_bucket("other")
        source = bucket.blob("x")
        source.metadata = {"kept": "yes"}
        source.upload_from_string("content")
        token, done, total = other.blob("y").rewrite(source)
        assert (token, done, total) == (None, 7, 7)
        assert other.get_blob("y").metadata == {"kept": "yes"}
        assert bucket.copy_blob(source, other, "z").name == "z"
        source.upload_from_string("changed")
        assert other.blob("y").download_as_bytes() == b"content"
        bucket.rename_blob(bucket.blob("x"), "renamed")
        assert [b.name for b in bucket.list_blobs()] == ["renamed"]

    def test_batch(self, lab, bucket):
        for i in range(5):
            bucket.blob(f"b{i}").upload_from_string("x")
        with lab.client.batch():
            for i in range(5):
                bucket.blob(f"b{i}").delete()
        assert list(bucket.list_blobs()) == []

    def test_upload_with_a_wrong_checksum_is_refused(self, lab, bucket):
        answer = lab.session.post(
            f"{lab.endpoint}/upload/storage/v1/b/winds/o?uploadType=media&name=x",
            data=b"hello",
            headers={"X-Goog-Hash": "crc32c=AAAAAA=="},
        )
        assert answer.status_code == 400
        assert not bucket.blob("x").exists()


class TestRights:
    def test_read_only_cannot_write(self, lab, bucket):
        bucket.blob("x").upload_from_string("1")
        lab.client.create_bucket("other").blob("x").upload_from_string("2")
        _, key = lab.account("reader", "winds", "roles/storage.objectViewer")
        reader = lab.client_of(key)
        assert reader.bucket("winds").blob("x").download_as_bytes() == b"1"
        assert reader.bucket("winds").test_iam_permissions(["storage.objects.get", "storage.objects.create"]) == [
            "storage.objects.get"
        ]
        for denied in (
            lambda: reader.bucket("winds").blob("y").upload_from_string("2"),
            lambda: reader.bucket("winds").blob("x").delete(),
            lambda: reader.bucket("winds").blob("z").compose([reader.bucket("winds").blob("x")]),
            lambda: reader.bucket("other").blob("x").download_as_bytes(),
            lambda: list(reader.bucket("other").list_blobs()),
            lambda: reader.create_bucket("mine"),
            lambda: list(reader.list_buckets()),
            lambda: reader.bucket("winds").get_iam_policy(),
        ):
            with pytest.raises(exceptions.Forbidden):
                denied()

    def test_user_of_one_bucket_only(self, lab, bucket):
        lab.client.create_bucket("other")
        _, key = lab.account("trainer", "winds", "roles/storage.objectUser")
        trainer = lab.client_of(key)
        blob = trainer.bucket("winds").blob("x")
        blob.upload_from_string("1")
        blob.upload_from_string("2")
        with pytest.raises(exceptions.Forbidden):
            trainer.bucket("other").blob("x").upload_from_string("1")
        with pytest.raises(exceptions.Forbidden):
            trainer.bucket("winds").copy_blob(blob, trainer.bucket("other"), "y")
        blob.delete()

    def test_revoked_account_fails(self, lab, bucket):
        email, key = lab.account("trainer", "winds", "roles/storage.objectUser")
        trainer = lab.client_of(key)
        trainer.bucket("winds").blob("x").upload_from_string("1")
        lab.session.post(lab.account_url(email) + ":disable")
        with pytest.raises((exceptions.Unauthorized, RefreshError)):  # with the token it has, and with a new one
            trainer.bucket("winds").blob("x").download_as_bytes()
        with pytest.raises(RefreshError):
            lab.client_of(key).bucket("winds").blob("x").download_as_bytes()

    def test_anonymous(self, lab, bucket):
        bucket.blob("x").upload_from_string("1")
        url = f"{lab.endpoint}/storage/v1/b/winds/o/x?alt=media"
        assert requests.get(url).status_code == 401
        policy = bucket.get_iam_policy()
        policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
        bucket.set_iam_policy(policy)
        assert requests.get(url).content == b"1"
        assert requests.delete(url).status_code == 401

    def test_no_secret_in_the_log(self, lab, bucket):
        _, key = lab.account("trainer", "winds", "roles/storage.objectUser")
        lab.client_of(key).bucket("winds").blob("x").upload_from_string("1")
        log = (lab.directory / "served.log").read_text()
        assert "/storage/v1/b/winds" in log
        assert "PRIVATE KEY" not in log and "smt1." not in log and "upload_id" not in log


class TestGcsfs:
    @pytest.fixture
    def fs(self, lab, bucket):
        gcsfs.GCSFileSystem.clear_instance_cache()
        return gcsfs.GCSFileSystem(
            project=PROJECT, token=str(lab.admin_key), endpoint_url=lab.endpoint, consistency="md5"
        )

    def test_files(self, fs):
        data = content(700_000)
        with fs.open("winds/dir/file.bin", "wb") as out:
            out.write(data)
        assert fs.info("winds/dir/file.bin")["size"] == len(data)
        assert fs.cat("winds/dir/file.bin") == data
        assert fs.cat_file("winds/dir/file.bin", start=1000, end=2000) == data[1000:2000]
        with fs.open("winds/dir/file.bin", "rb") as read:
            read.seek(-1000, 2)
            assert read.read() == data[-1000:]
        assert fs.ls("winds/dir", detail=False) == ["winds/dir/file.bin"]
        fs.cp("winds/dir/file.bin", "winds/copy")
        assert fs.cat("winds/copy") == data
        fs.mv("winds/copy", "winds/moved")
        assert sorted(fs.find("winds")) == ["winds/dir/file.bin", "winds/moved"]
        fs.rm("winds/dir", recursive=True)
        assert fs.find("winds") == ["winds/moved"]

    def test_resumable_upload_in_blocks(self, fs):
        data = content(2_500_000)
        with fs.open("winds/blocks", "wb", block_size=262_144) as out:
            for i in range(0, len(data), 300_000):
                out.write(data[i : i + 300_000])
        assert fs.cat("winds/blocks") == data

    @pytest.mark.parametrize("tail", [b"\r", b"\n", b"\r\n", b"\r\n--", b"\r\n--==0=\r\n"])
    def test_awkward_ends(self, fs, tail):
        fs.pipe("winds/tail", b"x" * 1000 + tail)
        assert fs.cat("winds/tail") == b"x" * 1000 + tail

    def test_many_small(self, fs):
        fs.pipe({f"winds/many/{i:03}": str(i).encode() for i in range(100)})
        assert fs.cat(fs.find("winds/many")) == {f"winds/many/{i:03}": str(i).encode() for i in range(100)}
        fs.rm("winds/many", recursive=True)
        assert not fs.exists("winds/many/001")
