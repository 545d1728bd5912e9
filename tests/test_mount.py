"""A real kernel mount of a bucket on `seamount serve`."""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import random
import shelve
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from conftest import start_server
from mount_support import BUCKET, make_bucket, mounted, needs_fuse

pytestmark = needs_fuse


@pytest.fixture
def bucket(server):
    return make_bucket(server)


@pytest.fixture
def mount(seamount_binary, server, bucket, tmp_path):
    with mounted(seamount_binary, server, tmp_path) as mount:
        yield mount


def text_of(bucket, key: str) -> bytes:
    return bucket.blob(key).download_as_bytes()


def test_files_are_plain_objects(mount, bucket):
    folder = mount.folder / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "f.txt").write_bytes(b"hello")
    assert text_of(bucket, "a/b/f.txt") == b"hello"
    bucket.blob("from/outside.txt").upload_from_string(b"hi")
    assert (mount.folder / "from" / "outside.txt").read_bytes() == b"hi"
    (folder / "f.txt").unlink()
    assert not bucket.blob("a/b/f.txt").exists()
    folder.rmdir()
    (mount.folder / "a").rmdir()
    assert sorted(os.listdir(mount.folder)) == ["from"]


def test_append_and_fsync(mount, bucket):
    path = mount.folder / "log"
    path.write_bytes(b"x" * (2 << 20))
    with open(path, "ab", buffering=0) as log:
        for line in (b"one\n", b"two\n"):
            log.write(line)
            os.fsync(log.fileno())
            assert text_of(bucket, "log").endswith(line)
    assert path.stat().st_size == (2 << 20) + 8
    assert path.read_bytes()[-8:] == b"one\ntwo\n"


def test_rename(mount, bucket):
    (mount.folder / "d").mkdir()
    for name in ("a", "b", "c"):
        (mount.folder / "d" / name).write_bytes(name.encode())
    with open(mount.folder / "d" / "a", "rb") as reader:
        os.rename(mount.folder / "d" / "a", mount.folder / "d" / "z")
        os.rename(mount.folder / "d", mount.folder / "e")
        assert reader.read() == b"a"
    assert sorted(os.listdir(mount.folder / "e")) == ["b", "c", "z"]
    os.replace(mount.folder / "e" / "b", mount.folder / "e" / "c")
    assert text_of(bucket, "e/c") == b"b"
    with pytest.raises(OSError) as refused:
        (mount.folder / "e").rmdir()
    assert refused.value.errno == errno.ENOTEMPTY


def test_mmap(mount, bucket):
    content = random.Random(1).randbytes(3 << 20)
    bucket.blob("big").upload_from_string(content)
    with open(mount.folder / "big", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        for at in (2_000_001, 5, 1 << 20, (3 << 20) - 1):
            assert view[at] == content[at]
    with open(mount.folder / "map", "wb+") as file:
        file.truncate(100_000)
        with mmap.mmap(file.fileno(), 100_000) as view:
            view[50_000:50_005] = b"hello"
            view.flush()
        os.fsync(file.fileno())
    assert text_of(bucket, "map") == b"\0" * 50_000 + b"hello" + b"\0" * 49_995


def test_symlinks(mount, bucket):
    (mount.folder / "target").write_bytes(b"content")
    os.symlink("target", mount.folder / "link")
    assert (mount.folder / "link").read_bytes() == b"content"
    blob = bucket.get_blob("link")
    assert blob.metadata["gcsfuse_symlink_target"] == "target"
    assert stat.S_ISLNK(os.lstat(mount.folder / "link").st_mode)


def test_listing_of_many_entries(mount, bucket):
    names = [f"f{i:05}" for i in range(2000)]
    for name in names[:20]:
        (mount.folder / name).write_bytes(b"x")
    for name in names[20:]:
        bucket.blob(name).upload_from_string(b"y")
    assert sorted(os.listdir(mount.folder)) == names
    assert sum(entry.stat().st_size for entry in os.scandir(mount.folder)) == 2000


def test_other_writers_are_seen_at_open(mount, bucket):
    blob = bucket.blob("f")
    for content in (b"one", b"two and longer", b"3"):
        blob.upload_from_string(content)
        assert (mount.folder / "f").read_bytes() == content
    blob.delete()
    with pytest.raises(FileNotFoundError):
        (mount.folder / "f").read_bytes()


def test_what_is_refused(mount):
    (mount.folder / "f").write_bytes(b"x")
    (mount.folder / "folder").mkdir()
    for refused, expected in [
        (lambda: os.link(mount.folder / "f", mount.folder / "g"), errno.EPERM),
        (lambda: os.truncate(mount.folder / "f", 1 << 60), errno.EFBIG),
        (lambda: os.stat(mount.folder / ("x" * 256)), errno.ENAMETOOLONG),
        (lambda: os.rename(mount.folder / "folder", mount.folder / "folder" / "below"), errno.EINVAL),
        (lambda: os.rename(mount.folder / "folder", mount.folder / "f"), errno.ENOTDIR),
        (lambda: os.rename(mount.folder / "f", mount.folder / "folder"), errno.EISDIR),
        (lambda: open(mount.folder / "f", "x"), errno.EEXIST),
        (lambda: os.setxattr(mount.folder / "f", "user.x", b"y"), errno.ENOTSUP),
        (lambda: open(mount.folder / "a\nb", "w"), errno.EINVAL),
        (lambda: open(os.fsencode(mount.folder) + b"/\xff", "w"), errno.EILSEQ),
    ]:
        with pytest.raises(OSError) as error:
            refused()
        assert error.value.errno == expected


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


def test_a_pipe_carries_bytes(mount):
    os.mkfifo(mount.folder / "pipe")
    writer = threading.Thread(target=lambda: (mount.folder / "pipe").write_bytes(b"through the pipe"))
    writer.start()
    assert (mount.folder / "pipe").read_bytes() == b"through the pipe"
    writer.join()


def test_append_flag_set_after_open(mount, bucket):
    path = mount.folder / "log"
    path.write_bytes(b"one")
    fd = os.open(path, os.O_WRONLY)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    os.write(fd, b"two")
    os.close(fd)
    assert text_of(bucket, "log") == b"onetwo"


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


def test_concurrent_readers(mount, bucket):
    content = random.Random(2).randbytes(16 << 20)
    bucket.blob("big").upload_from_string(content)
    wrong = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        with open(mount.folder / "big", "rb", buffering=0) as file:
            if seed % 2 == 0:
                for at in range(0, len(content), 1 << 20):
                    if os.pread(file.fileno(), 1 << 20, at) != content[at:at + (1 << 20)]:
                        wrong.append((seed, at))
            for _ in range(50):
                at, length = chance.randrange(len(content)), chance.randrange(1, 300_000)
                if os.pread(file.fileno(), length, at) != content[at:at + length]:
                    wrong.append((seed, at, length))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_random_io(mount, bucket):
    """Like fsx: random reads, writes, truncations, syncs and reopenings of one file against a bytearray."""
    seed = int(os.environ.get("SEAMOUNT_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"SEAMOUNT_TEST_SEED={seed}")
    chance = random.Random(seed)
    path = mount.folder / "fsx"
    model = bytearray()
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        for step in range(600):
            kind = chance.randrange(10)
            at = chance.randrange(len(model) + 5000)
            if kind < 4:
                data = chance.randbytes(chance.randrange(1, 20_000))
                os.pwrite(fd, data, at)
                model.extend(bytes(max(0, at + len(data) - len(model))))
                model[at:at + len(data)] = data
            elif kind < 7:
                length = chance.randrange(1, 30_000)
                assert os.pread(fd, length, at) == bytes(model[at:at + length]), f"step {step}, seed {seed}"
            elif kind == 7:
                os.ftruncate(fd, at)
                model = model[:at] + bytes(max(0, at - len(model)))
            elif kind == 8:
                os.fsync(fd)
                assert text_of(bucket, "fsx") == bytes(model), f"step {step}, seed {seed}"
            else:
                os.close(fd)
                fd = os.open(path, os.O_RDWR)
            assert os.fstat(fd).st_size == len(model), f"step {step}, seed {seed}"
    finally:
        os.close(fd)
    assert text_of(bucket, "fsx") == bytes(model)


def test_remount_reads_from_the_cache(seamount_binary, server, bucket, tmp_path):
    content = random.Random(3).randbytes(8 << 20)
    bucket.blob("big").upload_from_string(content)
    stats = tmp_path / "stats.json"
    flags = ("--cache-dir", str(tmp_path / "cache"), "--stats-file", str(stats))
    network = []
    for _ in range(2):
        with mounted(seamount_binary, server, tmp_path, *flags) as mount:
            assert (mount.folder / "big").read_bytes() == content
            assert mount.umount().returncode == 0
        network.append(json.loads(stats.read_text())["network_read_bytes"])
    assert network[0] >= len(content)
    assert network[1] == 0


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
        assert [path.read_bytes() for path in kept] == [b"precious"]


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
            assert (mount.folder / "f").read_bytes() == b"as it was"
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
    assert gone.returncode == 7 and "is the server up" in gone.stderr, gone.stderr
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
