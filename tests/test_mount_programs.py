"""Programs that people run, on a mount."""

from __future__ import annotations

import os
import shelve
import sqlite3
import subprocess
import tempfile
import threading

from mount_support import bucket, mount, needs_fuse  # noqa: F401 (fixtures are used by their name)

pytestmark = needs_fuse


def test_a_pipe_carries_bytes(mount):
    os.mkfifo(mount.folder / "pipe")
    writer = threading.Thread(target=lambda: (mount.folder / "pipe").write_bytes(b"through the pipe"))
    writer.start()
    assert (mount.folder / "pipe").read_bytes() == b"through the pipe"
    writer.join()


def test_copying_tools_keep_everything(mount, tmp_path):
    """cp -a and tar to the mount and back leave nothing to be done for them again."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_bytes(b"x" * 100_000)
    (source / "link").symlink_to("sub/file")
    (source / "sub" / "file").chmod(0o640)
    os.utime(source / "sub" / "file", (1_000_000_000, 1_000_000_000))
    os.utime(source / "sub", (1_100_000_000, 1_100_000_000))
    (source / "sub").chmod(0o750)
    subprocess.run(["cp", "-a", source, mount.folder / "copy"], check=True)
    subprocess.run(["tar", "cf", tmp_path / "all.tar", "-C", source, "."], check=True)
    (mount.folder / "untarred").mkdir()
    subprocess.run(["tar", "xf", tmp_path / "all.tar", "-C", mount.folder / "untarred"], check=True)
    for copy in (mount.folder / "copy", mount.folder / "untarred"):
        for path in ("sub", "sub/file"):
            was, now = (source / path).stat(), (copy / path).stat()
            assert (was.st_mode, was.st_mtime_ns, was.st_uid) == (now.st_mode, now.st_mtime_ns, now.st_uid), path
        differences = subprocess.run(["tar", "df", tmp_path / "all.tar", "-C", copy], capture_output=True, text=True)
        assert differences.returncode == 0, differences.stdout


def test_databases_and_repositories(mount):
    database = sqlite3.connect(mount.folder / "db")
    database.execute("create table t(a integer primary key, b text)")
    database.executemany("insert into t(b) values (?)", [("x" * 50,)] * 500)
    database.commit()
    database.execute("delete from t where a % 3 = 0")
    database.commit()
    database.close()
    database = sqlite3.connect(mount.folder / "db")
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    assert database.execute("select count(*) from t").fetchone() == (334,)
    database.close()
    with shelve.open(str(mount.folder / "shelf")) as shelf:
        shelf["key"] = list(range(1000))
    with shelve.open(str(mount.folder / "shelf")) as shelf:
        assert shelf["key"][-1] == 999
    with tempfile.NamedTemporaryFile(dir=mount.folder) as file:
        file.write(b"temporary")
        file.flush()
        assert open(file.name, "rb").read() == b"temporary"
    git = ["git", "-C", mount.folder / "r", "-c", "user.email=a@b", "-c", "user.name=n"]
    subprocess.run(["git", "init", "-q", mount.folder / "r"], check=True)
    for text in ("one", "two"):
        (mount.folder / "r" / "f").write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", text], check=True)
    subprocess.run([*git, "fsck", "--full"], check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", mount.folder / "r", mount.folder / "clone"], check=True)
    assert (mount.folder / "clone" / "f").read_text() == "two"
