"""cp, cat, rm, du and ls of what is in a bucket, against google-cloud-storage and plain files."""

from __future__ import annotations

import filecmp
import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from conftest import start_server
from gate import Gate
from google.cloud import storage
from google.oauth2 import service_account

PART = 8 << 20  # as transfer.cc cuts


class Lab:
    """A bucket with its key, and the command on it."""

    def __init__(self, binary: str, server, folder: Path):
        self.binary, self.server, self.key = binary, server, folder / "key.json"
        self.run("setup", "gs://lab", "--admin-key", str(server.admin_key))
        credentials = service_account.Credentials.from_service_account_file(str(self.key), scopes=["x"])
        client = storage.Client(project="test", credentials=credentials, client_options={"api_endpoint": server.endpoint})
        self.bucket = client.bucket("lab")

    def argv(self, *arguments: str) -> list[str]:
        return [self.binary, *arguments, "--key", str(self.key)]

    def run(self, *arguments: str, fails: int = 0, **options):
        options = {"text": True} | options
        done = subprocess.run(self.argv(*arguments), capture_output=True, **options)
        assert done.returncode == fails, (arguments, done.stdout, done.stderr)
        return done

    def put(self, name: str, content: bytes = b"x", **metadata: str) -> None:
        blob = self.bucket.blob(name)
        blob.metadata = metadata or None
        blob.upload_from_string(content)

    def names(self, prefix: str = "") -> list[str]:
        return [blob.name for blob in self.bucket.list_blobs(prefix=prefix)]


@pytest.fixture
def lab(seamount_binary, server, tmp_path):
    return Lab(seamount_binary, server, tmp_path)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, 3 * PART + 5])
def test_a_file_there_and_back(lab, tmp_path, size):
    file = tmp_path / "model.bin"
    file.write_bytes(noise(size))
    assert "1 object copied" in lab.run("cp", str(file), "gs://lab/models/").stdout
    assert lab.bucket.blob("models/model.bin").download_as_bytes() == file.read_bytes()
    lab.run("cp", "gs://lab/models/model.bin", str(tmp_path / "back"))
    assert filecmp.cmp(file, tmp_path / "back", shallow=False)
    assert lab.run("cat", "gs://lab/models/model.bin", text=False).stdout == file.read_bytes()


def test_trees_there_and_back_and_on_after_half(lab, tmp_path):
    source = tmp_path / "source"
    for i in range(40):
        path = source / f"d{i % 3}" / f"e{i % 2}" / f"ü {i}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(i * 1000))
    (source / "link").symlink_to("d0")
    os.mkfifo(source / "fifo")
    copied = lab.run("cp", "-r", str(source), "gs://lab/tree")
    assert "40 objects copied" in copied.stdout and "link" in copied.stderr and "fifo" in copied.stderr
    (source / "fifo").unlink()
    (source / "link").unlink()
    assert set(lab.names("tree/")) == {f"tree/{name}" for name in tree(source)}

    # What is there with the same content is not moved again; what differs is.
    changed = source / "d0" / "e0" / "ü 6.bin"
    changed.write_bytes(noise(6001)[1:])  # the same size
    lab.bucket.blob("tree/d1/e1/ü 1.bin").delete()
    assert json.loads(lab.run("cp", "-r", "--json", str(source), "gs://lab/tree").stdout) == {"copied": 2, "kept": 38, "bytes": 7000}
    back = tmp_path / "back"
    lab.run("cp", "-r", "gs://lab/tree", str(back))
    assert tree(back) == tree(source)
    (back / "d2" / "e0" / "ü 2.bin").write_bytes(b"other")
    assert json.loads(lab.run("cp", "-r", "--json", "gs://lab/tree", str(back)).stdout) == {"copied": 1, "kept": 39, "bytes": 2000}
    assert tree(back) == tree(source)
    assert "40 objects copied" in lab.run("cp", "-r", "gs://lab/tree", "gs://lab/other").stdout
    assert {blob.name.partition("/")[2]: blob.crc32c for blob in lab.bucket.list_blobs(prefix="other/")} == \
           {blob.name.partition("/")[2]: blob.crc32c for blob in lab.bucket.list_blobs(prefix="tree/")}  # fmt: skip


def test_copies_between_buckets_keep_attributes(lab, tmp_path):
    second = ["setup", "gs://second", "--admin-key", str(lab.server.admin_key), "--key", str(tmp_path / "second.json")]
    subprocess.run([lab.binary, *second], check=True, capture_output=True)
    lab.put("a", noise(PART + 1), colour="blue")
    admin = ["--key", str(lab.server.admin_key)]
    for target in ("gs://second/b", "gs://lab/b"):
        subprocess.run([lab.binary, "cp", "gs://lab/a", target, *admin], check=True, capture_output=True)
    listed = subprocess.run([lab.binary, "ls", "--json", "gs://second", *admin], check=True, capture_output=True, text=True)
    (there,) = json.loads(listed.stdout)
    here = lab.bucket.get_blob("b")
    assert (there["size"], there["metadata"]) == (PART + 1, {"colour": "blue"}) == (here.size, here.metadata)
    assert here.crc32c == lab.bucket.get_blob("a").crc32c


def test_streams(lab):
    lab.run("cp", "-", "gs://lab/stream", input=noise(100_000), text=False)
    assert lab.run("cp", "gs://lab/stream", "-", text=False).stdout == noise(100_000)
    assert "needs a name" in lab.run("cp", "-", "gs://lab/", input="x", fails=2).stderr


@pytest.mark.parametrize(("asked", "expected"), [
    ("0-0", slice(0, 1)), ("5-9", slice(5, 10)), ("90-", slice(90, None)), ("-7", slice(-7, None)),
    ("-1000", slice(0, None)), ("50-1000", slice(50, None)), ("100-", slice(0, 0)),
])  # fmt: skip
def test_ranges_of_cat_are_those_of_http(lab, asked, expected):
    lab.put("x", noise(100))
    assert lab.run("cat", "gs://lab/x", f"--range={asked}", text=False).stdout == noise(100)[expected]


@pytest.mark.parametrize("asked", ["", "x", "5", "9-5", "-", "1-2-3", "99999999999999999999-"])
def test_other_ranges_are_refused(lab, asked):
    if asked:
        assert asked in lab.run("cat", "gs://lab/x", f"--range={asked}", fails=2).stderr


def test_keys_that_cannot_be_files_are_named_before_anything_is_copied(lab, tmp_path):
    lab.put("t/good")
    for bad in ("t/a//b", "t/../up", "t/./x", f"t/{'l' * 300}"):
        lab.put(bad)
        refused = lab.run("cp", "-r", "gs://lab/t", str(tmp_path / "out"), fails=2)
        assert bad in refused.stderr and not (tmp_path / "out").exists()
        lab.bucket.blob(bad).delete()
    lab.put("t/good/below")
    assert "a file cannot" in lab.run("cp", "-r", "gs://lab/t", str(tmp_path / "out"), fails=2).stderr
    lab.bucket.blob("t/good/below").delete()
    lab.put("t/empty/", b"")
    lab.run("cp", "-r", "gs://lab/t", str(tmp_path / "out"))
    assert (tmp_path / "out" / "empty").is_dir() and (tmp_path / "out" / "good").read_bytes() == b"x"


def test_a_download_that_is_killed_or_fails_leaves_no_half_file(seamount_binary, tmp_path):
    with Gate() as gate:
        server = start_server(seamount_binary, tmp_path / "served", 0, "--public-url", gate.url)
        seen: list[str] = []
        gate.lead_to(server.endpoint, lambda method, path: False)
        lab = Lab(seamount_binary, server, tmp_path)
        direct = storage.Client(project="test", client_options={"api_endpoint": server.endpoint},
                                credentials=lab.bucket.client._credentials)  # fmt: skip
        direct.bucket("lab").blob("x").upload_from_string(noise(3 * PART))
        (tmp_path / "x").write_bytes(b"as it was")

        def second_part(method: str, path: str) -> bool:
            if "alt=media" in path or path.startswith(("/download/", "/lab/x")):
                seen.append(path)
            return len(seen) >= 2

        gate.lead_to(server.endpoint, second_part)
        run = subprocess.Popen(lab.argv("cp", "gs://lab/x", str(tmp_path / "x")), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        gate.wait(run)
        run.send_signal(2)
        _, errors = run.communicate()
        assert run.returncode == 130, errors
        assert (tmp_path / "x").read_bytes() == b"as it was"
        assert [path.name for path in tmp_path.iterdir() if "seamount-" in path.name] == []
        gate.open()
        lab.run("cp", "gs://lab/x", str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == noise(3 * PART)
        server.process.terminate()
        server.process.wait()


def test_rm_says_how_many_and_asks(lab):
    for name in ("a", "t/1", "t/2", "t/u/3", "t2"):
        lab.put(name)
    assert "1 object deleted" in lab.run("rm", "gs://lab/a").stdout
    assert lab.run("rm", "gs://lab/a", fails=3).stderr
    assert "is a folder" in lab.run("rm", "gs://lab/t", fails=2).stderr
    refused = lab.run("rm", "-r", "gs://lab/t", fails=2, stdin=subprocess.DEVNULL)
    assert "3 objects below gs://lab/t" in refused.stderr and "--yes" in refused.stderr
    assert "whole bucket" in lab.run("rm", "gs://lab", fails=2).stderr
    assert lab.names() == ["t/1", "t/2", "t/u/3", "t2"]
    assert json.loads(lab.run("rm", "-r", "gs://lab/t/", "--yes", "--json").stdout) == {"deleted": 3, "bytes": 3, "changed": 0}
    assert lab.names() == ["t2"]
    lab.run("rm", "-r", "gs://lab", "-y")
    assert lab.names() == []


def test_rm_asks_on_a_terminal(lab):
    lab.put("t/1")
    command = " ".join(lab.argv("rm", "-r", "gs://lab/t"))
    for answer, code, left in (("n", 130, ["t/1"]), ("", 130, ["t/1"]), ("y", 0, [])):
        asked = subprocess.run(["script", "-qec", command, "/dev/null"], input=f"{answer}\n", capture_output=True, text=True)
        assert "1 object below gs://lab/t (1 B) would be deleted" in asked.stdout
        assert (asked.returncode, lab.names()) == (code, left), asked.stdout


def test_cat_and_a_copy_to_standard_output_want_one_object(lab):
    lab.put("t/1")
    for command in (("cat", "gs://lab/t"), ("cat", "gs://lab"), ("cp", "-r", "gs://lab/t", "-")):
        said = lab.run(*command, fails=2).stderr
        assert "expected an object" in said and "say -r" not in said


def test_du_sums_folders(lab):
    for name, size in (("a/1", 10), ("a/b/2", 20), ("c", 5), ("d/3", 1)):
        lab.put(name, noise(size))
    sums = {entry["url"]: (entry["objects"], entry["bytes"]) for entry in json.loads(lab.run("du", "gs://lab", "--json").stdout)}
    assert sums == {"gs://lab/a/": (2, 30), "gs://lab/d/": (1, 1), "gs://lab": (4, 36)}
    assert lab.run("du", "gs://lab/a").stdout.split() == ["20", "B", "1", "object", "gs://lab/a/b/", "30", "B", "2", "objects", "gs://lab/a"]
    assert "5 B" in lab.run("du", "gs://lab/c").stdout
    assert "no such object" in lab.run("du", "gs://lab/none", fails=3).stderr


def test_ls_without_a_bucket_lists_buckets_or_says_why_not(lab):
    listed = subprocess.run([lab.binary, "ls", "gs://", "--key", str(lab.server.admin_key)], capture_output=True, text=True)
    assert listed.stdout == "gs://lab\n", listed.stderr
    refused = lab.run("ls", "gs://", fails=5)
    assert "name it, as gs://bucket" in refused.stderr


def test_verbose_says_what_is_done_and_twice_every_request_without_secrets(lab):
    lab.put("x")
    quiet, once, twice = (lab.run(*flags, "ls", "gs://lab").stderr for flags in ((), ("-v",), ("-vv",)))
    assert quiet == ""
    assert f"gs://lab is at {lab.server.endpoint}" in once and "GET" not in once
    assert f"GET {lab.server.endpoint}/storage/v1/b/lab/o 200" in twice and f"POST {lab.server.endpoint}/token 200" in twice
    private = json.loads(lab.key.read_text())["private_key"].splitlines()[1]
    assert private not in twice and "Bearer" not in twice and "assertion" not in twice


def test_bench_link_reads_the_largest_object_below(lab):
    for name, size in (("large/small", 10), ("large/nested/big", 5 << 20), ("other", 6 << 20)):
        lab.put(name, noise(size))
    told = json.loads(lab.run("bench", "link", "gs://lab/large/", "--connections", "3", "--bytes", "32MiB", "--json").stdout)
    assert told["object"] == "gs://lab/large/nested/big"
    assert told["connections"] == 3 and 16 << 20 <= told["bytes_read"] <= 40 << 20
    assert told["bytes_per_s"] > 0 and told["connection_bytes_per_s"] > 0 and told["round_trip_s"] > 0
    assert "no object of 4.0 MiB or more below gs://lab/a" in lab.run("bench", "link", "gs://lab/a", fails=2).stderr
