"""`seamount serve --share`: a folder of files as a bucket, for clients that know nothing of it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time

import numpy
import pytest
import xarray
from conftest import start_server
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.oauth2 import service_account
from mount_support import needs_fuse

os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
import gcsfs  # noqa: E402

import seamount  # noqa: E402


@pytest.fixture(scope="module")
def shared(seamount_binary, tmp_path_factory):
    """A server that shares a folder with a Zarr group in it, and the reader's key of that bucket."""
    folder = tmp_path_factory.mktemp("share")
    data = folder / "winds"
    (data / "notes").mkdir(parents=True)
    (data / "notes" / "a.txt").write_text("calm")
    (data / "notes.txt").write_text("")
    values = numpy.arange(24 * 6, dtype="f4").reshape(24, 6)
    xarray.Dataset({"u": (("time", "x"), values)}).to_zarr(data / "group.zarr", zarr_format=2, consolidated=True)
    server = start_server(seamount_binary, folder / "lab", 0, "--share", f"winds={data}")
    key = folder / "reader.json"
    setup = [seamount_binary, "setup", "gs://winds", "--endpoint", server.endpoint, "--admin-key", str(server.admin_key)]
    subprocess.run([*setup, "--role", "reader", "--key", str(key)], check=True, capture_output=True)
    yield data, key, server.endpoint, values
    server.kill()


def test_google_cloud_storage_reads_it(shared):
    data, key, endpoint, _ = shared
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials = service_account.Credentials.from_service_account_file(str(key), scopes=scopes)
    client = storage.Client(
        project="lab",
        credentials=credentials,
        client_options={"api_endpoint": endpoint},
        _http=AuthorizedSession(credentials),
    )
    bucket = client.bucket("winds")
    expected = sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file())
    assert [blob.name for blob in client.list_blobs("winds", page_size=3)] == expected
    for _ in range(2):  # without checksums, and with
        for name in ("notes/a.txt", "notes.txt"):
            assert bucket.blob(name).download_as_bytes() == (data / name).read_bytes()
    assert bucket.get_blob("notes/a.txt").crc32c
    with pytest.raises(exceptions.Forbidden):
        bucket.blob("new").upload_from_string("x")


def test_gcsfs_and_the_command_list_and_read_it(shared, seamount_binary):
    data, key, endpoint, _ = shared
    files = gcsfs.GCSFileSystem(token=str(key), endpoint_url=endpoint, skip_instance_cache=True)
    assert sorted(files.ls("winds")) == ["winds/group.zarr", "winds/notes", "winds/notes.txt"]
    assert files.cat("winds/notes/a.txt") == b"calm"
    listed = subprocess.run(
        [seamount_binary, "ls", "gs://winds/notes/", "--key", str(key)], check=True, capture_output=True, text=True
    )
    assert "a.txt" in listed.stdout


def test_its_zarr_group_is_read_over_the_network(shared):
    _, key, endpoint, values = shared
    options = {"token": str(key), "endpoint_url": endpoint, "skip_instance_cache": True}
    opened = xarray.open_zarr("gs://winds/group.zarr", storage_options=options)
    numpy.testing.assert_array_equal(opened.u.values, values)
    group = seamount.open_group("gs://winds/group.zarr", key=str(key))
    numpy.testing.assert_array_equal(group["u"][...], values)


@needs_fuse
def test_a_mount_reads_it(shared, seamount_binary, tmp_path):
    data, key, _, _ = shared
    folder = tmp_path / "mnt"
    folder.mkdir()
    mount = [seamount_binary, "mount", "gs://winds", str(folder), "--key", str(key), "--staging-dir", str(tmp_path / "staging")]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        seen = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert seen == {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}
        with pytest.raises(OSError) as refused:
            (folder / "notes" / "new").write_text("x")
        assert refused.value.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        assert not (data / "notes" / "new").exists()
    finally:
        subprocess.run([seamount_binary, "umount", str(folder)], check=True, capture_output=True)


def test_the_loader_reads_it(shared):
    _, key, _, values = shared
    loader = seamount.Loader("gs://winds/group.zarr", ["u"], key=str(key), normalize=False, shuffle=None, batch_size=24)
    numpy.testing.assert_array_equal(next(iter(loader)).inputs[:, 0, 0], values)


def test_the_start_names_what_cannot_be_shared(seamount_binary, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.nc").write_text("x")

    def refused(*arguments: str) -> str:
        run = subprocess.run([seamount_binary, "serve", *arguments], capture_output=True, text=True)
        assert run.returncode != 0
        return run.stderr

    lab = str(tmp_path / "lab")
    assert "NAME=FOLDER" in refused(lab, "--share", str(tmp_path / "data"))
    assert str(tmp_path / "absent") in refused(lab, "--share", f"winds={tmp_path / 'absent'}")
    assert f"--share NAME={tmp_path / 'data'}" in refused(str(tmp_path / "data"))
    assert not (tmp_path / "lab").exists()


@needs_fuse
def test_the_names_of_a_long_walk_do_not_stay(seamount_binary, tmp_path):
    count, limit = 9_000, (16 << 20) // 2 // 1300
    data, folder, stats = tmp_path / "many", tmp_path / "mount", tmp_path / "stats.json"
    folder.mkdir()
    for i in range(count):
        data.joinpath(f"{i % 7}").mkdir(parents=True, exist_ok=True)
        data.joinpath(f"{i % 7}/{i:05}").write_text(f"{i}")
    server = start_server(seamount_binary, tmp_path / "lab", 0, "--share", f"many={data}")
    words = ["gs://many", str(folder), "--endpoint", server.endpoint, "--key", str(server.admin_key), "--memory", "16MiB"]
    mount = subprocess.Popen([seamount_binary, "mount", *words, "--foreground", "--stats-file", str(stats)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert any("Ctrl-C unmounts" in line for line in mount.stdout)
        first = open(folder / "0/00000")
        for _ in range(2):
            seen = sorted(int(entry.name) for i in range(7) for entry in os.scandir(folder / str(i)) if entry.stat().st_size)
            assert seen == list(range(count))
        while not limit // 2 < json.loads(stats.read_text())["known_names"] <= limit:  # until the kernel has forgotten
            time.sleep(0.1)
        assert first.read() == "0"
        assert folder.joinpath("0/00000").stat().st_ino == os.fstat(first.fileno()).st_ino
        for i in (0, 1, 5_000, count - 1):
            assert folder.joinpath(f"{i % 7}/{i:05}").read_text() == f"{i}"
        first.close()
    finally:
        subprocess.run([seamount_binary, "umount", str(folder)], check=True, capture_output=True)
        mount.communicate(timeout=60)
        server.kill()
