"""Files, names and contents on a real kernel mount of a bucket on `seamount serve`."""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import random
import subprocess
import stat
import threading
import time

import pytest
from mount_support import bucket, mount, mounted, needs_fuse, text_of  # noqa: F401 (fixtures are used by their name)

pytestmark = needs_fuse


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


def test_append_flag_set_after_open(mount, bucket):
    path = mount.folder / "log"
    path.write_bytes(b"one")
    fd = os.open(path, os.O_WRONLY)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    os.write(fd, b"two")
    os.close(fd)
    assert text_of(bucket, "log") == b"onetwo"


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


def test_cp_within_the_mount_moves_no_bytes(seamount_binary, server, bucket, tmp_path):
    content = random.Random(5).randbytes(20 << 20)
    bucket.blob("model").upload_from_string(content)
    bucket.blob("there").upload_from_string("short")
    stats = tmp_path / "stats.json"
    with mounted(seamount_binary, server, tmp_path, "--stats-file", str(stats)) as mount:
        os.chmod(mount.folder / "model", 0o750)
        for target in ("copy", "there"):
            subprocess.run(["cp", "-p", mount.folder / "model", mount.folder / target], check=True)
            assert bucket.blob(target).download_as_bytes() == content
            assert (mount.folder / target).stat().st_size == len(content)
            assert (mount.folder / target).stat().st_mode & 0o777 == 0o750
            assert (mount.folder / target).stat().st_mtime_ns == (mount.folder / "model").stat().st_mtime_ns
        assert mount.umount().returncode == 0
        with mounted(seamount_binary, server, tmp_path) as again:
            assert (again.folder / "copy").read_bytes() == content
    told = json.loads(stats.read_text())
    assert told["network_written_bytes"] == 0
    assert told["network_read_bytes"] == 0
