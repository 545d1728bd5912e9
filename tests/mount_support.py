"""What the mount tests share: a bucket on a server, and a mount of it that is always taken off again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from google.cloud import storage
from google.oauth2 import service_account

needs_fuse = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="this machine has no /dev/fuse")

BUCKET = "data"


def client(server) -> storage.Client:
    credentials = service_account.Credentials.from_service_account_file(
        str(server.admin_key), scopes=["https://www.googleapis.com/auth/devstorage.full_control"])
    return storage.Client(project="test", credentials=credentials, client_options={"api_endpoint": server.endpoint})


def make_bucket(server) -> storage.Bucket:
    return client(server).create_bucket(BUCKET)


class Mount:
    """`seamount mount`, in the background unless `foreground`."""

    def __init__(self, binary: str, server, folder: Path, staging: Path, *flags: str):
        self.binary, self.folder, self.staging = binary, folder, staging
        folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [binary, "mount", f"gs://{BUCKET}", str(folder), "--endpoint", server.endpoint, "--key",
             str(server.admin_key), "--staging-dir", str(staging), "--foreground", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # The foreground mount says when it answers; its log comes the same way.
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C unmounts" in line:
                return
        raise AssertionError(self.said)

    def umount(self, *flags: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.binary, "umount", str(self.folder), *flags], capture_output=True, text=True,
                              timeout=60)

    def stop(self) -> str:
        """SIGTERM; what was logged."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=60)
        return output

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)

    def clean(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, timeout=20)


@contextlib.contextmanager
def mounted(binary: str, server, tmp_path: Path, *flags: str, name: str = "mnt"):
    mount = Mount(binary, server, tmp_path / name, tmp_path / "staging", *flags)
    try:
        yield mount
    finally:
        mount.clean()


@pytest.fixture
def bucket(server):
    return make_bucket(server)


@pytest.fixture
def mount(seamount_binary, server, bucket, tmp_path):
    with mounted(seamount_binary, server, tmp_path) as mount:
        yield mount


def text_of(bucket, key: str) -> bytes:
    return bucket.blob(key).download_as_bytes()
