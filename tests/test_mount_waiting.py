"""Programs that wait on a mount: they can be ended, and they do not hold up others."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mount_support import BUCKET, bucket, mounted, needs_fuse, text_of  # noqa: F401 (fixtures are used by their name)

pytestmark = needs_fuse

# Far longer than the test waits: who comes back earlier was let go.
PATIENT = ("--retry-deadline", "3600")


def until_it_waits_for_the_mount(program: subprocess.Popen) -> None:
    """It says when it is about to; from then on there is nothing else to sleep for."""
    assert program.stdout.readline() == b"now\n"
    while Path(f"/proc/{program.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("S", "D"):
        assert program.poll() is None, "it did not wait"


def paused(server):
    server.process.send_signal(signal.SIGSTOP)


def resumed(server):
    server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("what", ["print(open(sys.argv[1]).read())", "os.listdir(os.path.dirname(sys.argv[1]))"])
def test_who_waits_can_be_ended(seamount_binary, server, bucket, tmp_path, signal_number, what):
    bucket.blob("d/f").upload_from_string(b"x")
    with mounted(seamount_binary, server, tmp_path, *PATIENT) as mount:
        paused(server)
        try:
            waiting = subprocess.Popen([sys.executable, "-c", "import os, sys; print('now', flush=True); " + what,
                                        mount.folder / "d" / "f"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            until_it_waits_for_the_mount(waiting)
            waiting.send_signal(signal_number)
            assert waiting.wait(timeout=120) != 0
            waiting.stdout.close()
        finally:
            resumed(server)
        assert (mount.folder / "d" / "f").read_bytes() == b"x"


def test_harmless_signals_end_nothing(seamount_binary, server, bucket, tmp_path):
    bucket.blob("f").upload_from_string(b"x")
    script = """
import signal, sys
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for i in range(50):
    with open(sys.argv[1] + str(i), "x") as file:
        file.write("y")
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    with mounted(seamount_binary, server, tmp_path) as mount:
        subprocess.run([sys.executable, "-c", script, mount.folder / "n"], check=True, timeout=120)
        assert len(os.listdir(mount.folder)) == 51


def test_slow_closes_hold_up_nobody_else(seamount_binary, server, bucket, tmp_path):
    bucket.blob("cached").upload_from_string(b"x")
    with mounted(seamount_binary, server, tmp_path, *PATIENT) as mount:
        with open(mount.folder / "cached", "rb") as cached:
            # More than the mount has threads for the kernel's requests (most_threads in src/fuse/session.h).
            files = [os.open(mount.folder / f"f{i}", os.O_CREAT | os.O_WRONLY) for i in range(600)]
            for file in files:
                os.write(file, b"content")
            paused(server)
            try:
                closing = [threading.Thread(target=os.close, args=[file]) for file in files]
                for thread in closing:
                    thread.start()
                # A descriptor is gone once its close waits. One that is still there would be closed by the next child too,
                # before it begins: that would wait, and so would who started it.
                while any(os.path.exists(f"/proc/self/fd/{file}") for file in files):
                    pass
                answered = subprocess.run(["stat", "-f", mount.folder], capture_output=True, timeout=120, check=True)
                assert b"fuse" in answered.stdout.lower()
                assert os.fstat(cached.fileno()).st_size == 1
            finally:
                resumed(server)
            for thread in closing:
                thread.join()
    assert text_of(bucket, "f599") == b"content"


def test_a_key_that_may_only_read_mounts_read_only(seamount_binary, server, bucket, tmp_path):
    bucket.blob("d/f").upload_from_string(b"x")
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
    bucket.set_iam_policy(policy)
    folder = tmp_path / "mnt"
    folder.mkdir()
    command = [seamount_binary, "mount", f"gs://{BUCKET}", folder, "--endpoint", server.endpoint, "--anonymous",
               "--staging-dir", tmp_path / "staging"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    try:
        assert done.returncode == 0 and "mounted read-only" in done.stderr, done.stderr
        assert (folder / "d" / "f").read_bytes() == b"x"
        with pytest.raises(OSError) as refused:
            (folder / "g").write_bytes(b"y")
        assert refused.value.errno == errno.EROFS
    finally:
        subprocess.run([seamount_binary, "umount", folder], check=True, timeout=60)
    assert [blob.name for blob in bucket.list_blobs()] == ["d/f"]


def test_a_prefix_with_nothing_below_is_said(seamount_binary, server, bucket, tmp_path):
    folder = tmp_path / "mnt"
    folder.mkdir()
    command = [seamount_binary, "mount", f"gs://{BUCKET}/nothing", folder, "--endpoint", server.endpoint, "--key",
               server.admin_key, "--staging-dir", tmp_path / "staging"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    subprocess.run([seamount_binary, "umount", folder], check=True, timeout=60)
    assert done.returncode == 0 and "there is nothing below" in done.stderr, done.stderr
