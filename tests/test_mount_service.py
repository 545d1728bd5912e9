"""The mount as a program: how it begins, ends, says what is wrong, and stands what happens to the server."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from conftest import start_server
from mount_support import BUCKET, bucket, mount, mounted, needs_fuse, text_of  # noqa: F401 (fixtures are used by their name)

pytestmark = needs_fuse


def test_server_back_within_the_deadline(seamount_binary, server, bucket, tmp_path):
    content = random.Random(4).randbytes(24 << 20)
    bucket.blob("big").upload_from_string(content)
    port = int(server.endpoint.rsplit(":", 1)[1])
    with mounted(seamount_binary, server, tmp_path, "--retry-deadline", "60") as mount:
        with open(mount.folder / "big", "rb", buffering=0) as file:
            got = file.read(1 << 20)
            server.kill()
            back = []
            revive = threading.Timer(1.0, lambda: back.append(
                start_server(seamount_binary, server.directory, port)))
            revive.start()
            while piece := file.read(1 << 20):
                got += piece
            revive.join()
        server.process = back[0].process
        assert got == content


def test_server_gone_is_an_error_not_a_hang(seamount_binary, server, bucket, tmp_path):
    bucket.blob("big").upload_from_string(bytes(20 << 20))
    with mounted(seamount_binary, server, tmp_path, "--retry-deadline", "1") as mount:
        reader = os.open(mount.folder / "big", os.O_RDONLY)
        writer = os.open(mount.folder / "new", os.O_CREAT | os.O_WRONLY)
        os.write(writer, b"precious")
        server.kill()
        for failing in (lambda: os.pread(reader, 4096, 15 << 20), lambda: os.fsync(writer),
                        lambda: os.listdir(mount.folder)):
            with pytest.raises(OSError) as error:
                failing()
            assert error.value.errno == errno.EIO
        os.close(reader)
        with pytest.raises(OSError) as error:
            os.close(writer)
        assert error.value.errno == errno.EIO
        log = mount.stop()
        assert "kept in" in log
        kept = list((tmp_path / "staging" / "kept").iterdir())
        assert [path.read_bytes() for path in kept if path.suffix != ".json"] == [b"precious"]
        records = [json.loads(path.read_text()) for path in kept if path.suffix == ".json"]
        assert [(record["source"], record["key"]) for record in records] == [(f"gs://{BUCKET}", "new")]


def test_staging_full(seamount_binary, server, bucket, tmp_path):
    bucket.blob("f").upload_from_string(b"as it was")
    tiny = tmp_path / "staging"
    tiny.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tiny)], check=True)
    try:
        with mounted(seamount_binary, server, tmp_path) as mount:
            file = os.open(mount.folder / "f", os.O_WRONLY | os.O_TRUNC)
            with pytest.raises(OSError) as full:
                for _ in range(8):
                    os.write(file, bytes(1 << 20))
            assert full.value.errno == errno.ENOSPC
            with pytest.raises(OSError) as full:
                os.close(file)
            assert full.value.errno == errno.ENOSPC
            assert text_of(bucket, "f") == b"as it was"
            # The kernel gives up a closed file in its own time; until then it is the one that could not be saved.
            deadline = time.monotonic() + 60
            while (mount.folder / "f").read_bytes() != b"as it was":
                assert time.monotonic() < deadline
                time.sleep(0.05)
            (mount.folder / "small").write_bytes(b"there is room again")
            assert text_of(bucket, "small") == b"there is room again"
            mount.stop()
    finally:
        subprocess.run(["umount", "-l", str(tiny)], check=True)


def test_sigterm_uploads_and_unmounts(mount, bucket):
    file = os.open(mount.folder / "late", os.O_CREAT | os.O_WRONLY)
    os.write(file, b"dirty")
    mount.stop()
    assert mount.process.returncode == 0
    assert text_of(bucket, "late") == b"dirty"
    assert not os.path.ismount(mount.folder)
    with pytest.raises(OSError):
        os.close(file)


def test_umount_waits_and_explains(mount, bucket):
    (mount.folder / "f").write_bytes(b"x")
    with open(mount.folder / "f", "rb") as held:
        reader = subprocess.Popen(["sleep", "60"], stdin=held)
        held.close()
        busy = mount.umount()
        reader.kill()
        reader.wait()
        assert busy.returncode == 4 and f"in use by sleep (process {reader.pid})" in busy.stderr, busy.stderr
    assert mount.umount().returncode == 0
    mount.process.wait(timeout=20)
    again = mount.umount()
    assert again.returncode == 3 and "not a Seamount mount" in again.stderr


def test_interrupt_unmounts(mount):
    mount.process.send_signal(signal.SIGINT)
    mount.process.wait(timeout=60)
    assert mount.process.returncode == 0
    assert not os.path.ismount(mount.folder)


def test_a_dead_mount_is_replaced(seamount_binary, server, bucket, tmp_path):
    bucket.blob("f").upload_from_string(b"x")
    with mounted(seamount_binary, server, tmp_path) as dead:
        dead.kill()
        with mounted(seamount_binary, server, tmp_path) as alive:
            assert (alive.folder / "f").read_bytes() == b"x"
            assert "process had ended" in alive.said
            alive.stop()
        assert not os.path.ismount(dead.folder)


def mount_command(binary: str, server, folder, *flags) -> subprocess.CompletedProcess:
    """A mount that is expected to fail."""
    return subprocess.run([binary, "mount", f"gs://{BUCKET}", str(folder), "--endpoint", server.endpoint, *flags],
                          capture_output=True, text=True, timeout=60)


def test_clear_errors_about_key_and_server(seamount_binary, server, bucket, tmp_path):
    folder = tmp_path / "mnt"
    folder.mkdir()
    (tmp_path / "bad.json").write_text("{bad")
    (tmp_path / "bad.json").chmod(0o600)
    (tmp_path / "open.json").write_bytes(server.admin_key.read_bytes())
    (tmp_path / "open.json").chmod(0o644)
    key = ("--key", str(server.admin_key))
    for flags, code, words in [
        (("--key", str(tmp_path / "none.json")), 3, "does not exist"),
        (("--key", str(tmp_path / "bad.json")), 2, "not JSON"),
        (("--key", str(tmp_path / "open.json")), 2, "chmod 600"),
        (("--anonymous",), 6, "anonymous"),
        ((*key, "--file-mode", "9"), 2, "octal"),
        ((*key, "--staging-dir", "/proc/no"), 2, "choose a folder with room"),
    ]:
        failed = mount_command(seamount_binary, server, folder, *flags)
        assert failed.returncode == code and words in failed.stderr, (flags, failed.returncode, failed.stderr)
    server.kill()
    # Without waiting out the minute that requests of a mount are retried.
    gone = mount_command(seamount_binary, server, folder, "--key", str(server.admin_key))
    assert gone.returncode == 7 and gone.stderr.count("the server running?") == 1, gone.stderr
    assert not os.path.ismount(folder)


def test_background_mount(seamount_binary, server, bucket, tmp_path):
    bucket.blob("f").upload_from_string(b"x")
    folder = tmp_path / "mnt"
    folder.mkdir()
    command = [seamount_binary, "mount", f"gs://{BUCKET}", "mnt", "--endpoint", server.endpoint, "--key",
               str(server.admin_key), "--staging-dir", "staging"]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert (folder / "f").read_bytes() == b"x"  # it answers at once
        twice = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert twice.returncode == 4 and "mounted already" in twice.stderr
        assert subprocess.run([seamount_binary, "umount", "mnt"], cwd=tmp_path, timeout=60).returncode == 0
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def test_clear_errors(seamount_binary, server, bucket, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "something").write_text("x")
    empty = tmp_path / "empty"
    empty.mkdir()
    for url, folder, code, words in [
        (f"gs://{BUCKET}", tmp_path / "missing", 3, "does not exist"),
        (f"gs://{BUCKET}", full, 4, "not empty"),
        (f"gs://{BUCKET}", full / "something", 2, "not a folder"),
        ("gs://no-such-bucket", empty, 3, "no-such-bucket"),
        ("ftp://x", empty, 2, "gs://"),
    ]:
        for background in ([], ["--foreground"]):
            result = subprocess.run(
                [seamount_binary, "mount", url, str(folder), "--endpoint", server.endpoint, "--key",
                 str(server.admin_key), "--staging-dir", str(tmp_path / "staging"), *background],
                capture_output=True, text=True, timeout=60)
            assert result.returncode == code, (url, folder, result.stderr)
            assert words in result.stderr


def test_read_only(seamount_binary, server, bucket, tmp_path):
    bucket.blob("f").upload_from_string(b"x")
    with mounted(seamount_binary, server, tmp_path, "--read-only") as mount:
        assert (mount.folder / "f").read_bytes() == b"x"
        with pytest.raises(OSError) as refused:
            (mount.folder / "g").write_bytes(b"y")
        assert refused.value.errno == errno.EROFS


def test_without_dev_fuse(seamount_binary, server, bucket, tmp_path):
    """A machine that has no /dev/fuse: said at once, with what to do."""
    folder = tmp_path / "mnt"
    folder.mkdir()
    hidden = ("mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 "
              "&& exec \"$@\"")
    mount = [seamount_binary, "mount", f"gs://{BUCKET}", str(folder), "--endpoint", server.endpoint, "--key",
             str(server.admin_key)]
    done = subprocess.run(["unshare", "--mount", "sh", "-c", hidden, "sh", *mount], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode != 0
    assert "/dev/fuse is missing" in done.stderr and "modprobe fuse" in done.stderr
