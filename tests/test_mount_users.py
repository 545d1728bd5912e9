"""Who may do what on a mount, and what of it the bucket keeps."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from mount_support import bucket, mount, mounted, needs_fuse  # noqa: F401 (fixtures are used by their name)

pytestmark = needs_fuse


def as_user(uid: int, script: str, *arguments) -> int:
    """The exit status of a Python script that runs as another user."""
    return subprocess.run([sys.executable, "-c", script, *map(str, arguments)], user=uid, group=uid,
                          extra_groups=[]).returncode


@pytest.fixture
def reachable(tmp_path):
    """Other users may pass through the folders above the mount."""
    above = tmp_path
    while above != above.parent:
        if above.stat().st_uid == os.getuid() and not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
        above = above.parent


def test_other_users_get_what_the_mode_allows(mount, bucket, reachable):
    (mount.folder / "open").write_bytes(b"x")
    (mount.folder / "secret").write_bytes(b"x")
    (mount.folder / "secret").chmod(0o600)
    (mount.folder / "closed").mkdir(mode=0o700)
    (mount.folder / "theirs").mkdir()
    os.chown(mount.folder / "theirs", 1234, 1234)
    read = "import sys; open(sys.argv[1]).read()"
    assert as_user(1234, read, mount.folder / "open") == 0
    assert as_user(1234, read, mount.folder / "secret") != 0
    assert as_user(1234, "import os, sys; os.listdir(sys.argv[1])", mount.folder / "closed") != 0
    write = "import sys; open(sys.argv[1], 'w').write('mine')"
    assert as_user(1234, write, mount.folder / "open") != 0
    assert as_user(1234, write, mount.folder / "theirs" / "f") == 0
    assert (mount.folder / "theirs" / "f").stat().st_uid == 1234
    assert bucket.get_blob("theirs/f").metadata["goog-reserved-posix-uid"] == "1234"
    # In a folder like /tmp only the owner of a file removes it.
    (mount.folder / "tmp").mkdir()
    (mount.folder / "tmp").chmod(0o1777)
    assert as_user(1234, write, mount.folder / "tmp" / "f") == 0
    assert as_user(4321, "import os, sys; os.unlink(sys.argv[1])", mount.folder / "tmp" / "f") != 0


def test_nobody_else_gets_in_if_told_so(seamount_binary, server, bucket, tmp_path, reachable):
    bucket.blob("f").upload_from_string(b"x")
    with mounted(seamount_binary, server, tmp_path, "--no-allow-other", "--uid", "1234", "--file-mode", "640") as mount:
        assert as_user(1234, "import sys; open(sys.argv[1])", mount.folder / "f") != 0
        assert (mount.folder / "f").stat().st_uid == 1234
        assert stat.S_IMODE((mount.folder / "f").stat().st_mode) == 0o640


def test_attributes_survive_a_remount(seamount_binary, server, bucket, tmp_path):
    with mounted(seamount_binary, server, tmp_path) as mount:
        for name in ("file", "folder"):
            path = mount.folder / name
            path.mkdir() if name == "folder" else path.write_bytes(b"x")
            path.chmod(0o2750)
            os.chown(path, 12, 34)
            path.chmod(0o2750)  # giving a file away has cleared the setgid bit
            os.utime(path, ns=(1_000_000_000_000_000_000, 1_100_000_000_123_456_789))
        os.mkfifo(mount.folder / "pipe", 0o600)
        os.symlink("file", mount.folder / "link")
        os.lchown(mount.folder / "link", 12, 34)
        assert mount.umount().returncode == 0
    with mounted(seamount_binary, server, tmp_path) as mount:
        os.listdir(mount.folder)
        for name in ("file", "folder"):
            found = (mount.folder / name).stat()
            assert stat.S_IMODE(found.st_mode) == 0o2750, name
            assert (found.st_uid, found.st_gid) == (12, 34)
            assert found.st_mtime_ns == 1_100_000_000_123_456_789
            assert found.st_atime_ns == 1_000_000_000_000_000_000
        assert stat.S_ISFIFO((mount.folder / "pipe").stat().st_mode)
        assert os.lstat(mount.folder / "link").st_gid == 34


def test_giving_a_file_away_clears_setuid(mount):
    path = mount.folder / "program"
    path.write_bytes(b"x")
    path.chmod(0o6755)
    os.chown(path, 12, 34)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
