"""The same random calls on a mount and on tmpfs: every answer is the same, and so is what is there in the end.

  SEAMOUNT_TEST_SEED=7 SEAMOUNT_TMPFS_CALLS=4000 … pytest tests/test_mount_tmpfs.py
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import tempfile
import time
from pathlib import Path

import pytest
from mount_support import Mount, make_bucket, needs_fuse

pytestmark = needs_fuse

NAMES = ["a", "b", "c", "ü", "a.b"]
ACCESS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR]
MORE_FLAGS = [os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_DIRECTORY, os.O_NOFOLLOW]


def seen(found: os.stat_result) -> tuple:
    """What both file systems must agree on. How many links and bytes a folder has is each one's own."""
    folder = stat.S_ISDIR(found.st_mode)
    return (oct(found.st_mode), found.st_uid, found.st_gid) + (() if folder else (found.st_size, found.st_nlink))


class Side:
    """One of the two trees, and the descriptors that are open in it."""

    def __init__(self, top: Path):
        self.root = top / "deep" / "deeper"  # so that no link of these leads out of the file system
        self.open: list[int] = []

    def at(self, path: str) -> Path:
        return self.root / path

    def fd(self, number: int) -> int:
        return self.open[number % len(self.open)]

    # Calls by path.
    def do_open(self, path, flags, mode):
        self.open.append(os.open(self.at(path), flags, mode))

    def do_mkdir(self, path, mode):
        os.mkdir(self.at(path), mode)

    def do_rmdir(self, path):
        os.rmdir(self.at(path))

    def do_unlink(self, path):
        os.unlink(self.at(path))

    def do_rename(self, path, to):
        os.rename(self.at(path), self.at(to))

    def do_symlink(self, path, target):
        os.symlink(target, self.at(path))

    def do_readlink(self, path):
        return os.readlink(self.at(path))

    def do_stat(self, path):
        return seen(os.stat(self.at(path)))

    def do_lstat(self, path):
        return seen(os.lstat(self.at(path)))

    def do_list(self, path):
        return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(self.at(path)))

    def do_truncate(self, path, size):
        os.truncate(self.at(path), size)

    def do_chmod(self, path, mode):
        os.chmod(self.at(path), mode)

    def do_utime(self, path, when):
        os.utime(self.at(path), (when, when))
        return os.stat(self.at(path)).st_mtime

    def do_whole(self, path):
        return self.at(path).read_bytes()

    # Calls by descriptor.
    def do_close(self, number):
        fd = self.fd(number)
        self.open.remove(fd)
        os.close(fd)

    def do_pread(self, number, length, offset):
        return os.pread(self.fd(number), length, offset)

    def do_pwrite(self, number, data, offset):
        return os.pwrite(self.fd(number), data, offset)

    def do_write(self, number, data):
        return os.write(self.fd(number), data)

    def do_seek(self, number, offset, whence):
        if stat.S_ISDIR(os.fstat(self.fd(number)).st_mode):
            return None  # positions in a folder are each one's own
        return os.lseek(self.fd(number), offset, whence)

    def do_ftruncate(self, number, size):
        os.ftruncate(self.fd(number), size)

    def do_fstat(self, number):
        found = os.fstat(self.fd(number))
        # A folder that was removed: tmpfs says that it has no links, as we do; one that is there counts its own way.
        return seen(found)

    def do_fchmod(self, number, mode):
        os.fchmod(self.fd(number), mode)

    def do_futime(self, number, when):
        os.utime(self.fd(number), (when, when))
        return os.fstat(self.fd(number)).st_mtime

    def do_fsync(self, number):
        os.fsync(self.fd(number))

    def do_flist(self, number):
        return sorted(os.listdir(self.fd(number)))

    def answer(self, call: str, *arguments):
        try:
            return getattr(self, "do_" + call)(*arguments)
        except OSError as error:
            return f"errno {error.errno} ({error.strerror})"

    def tree(self) -> dict:
        """Every path below the root, and what it is."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                path = Path(folder) / name
                what = seen(os.lstat(path))
                if stat.S_ISREG(path.lstat().st_mode):
                    what += (path.read_bytes(),)
                elif path.is_symlink():
                    what += (os.readlink(path),)
                found[str(path.relative_to(self.root))] = what
        return found

    def close_all(self) -> None:
        while self.open:
            os.close(self.open.pop())


class Caller:
    """Draws calls; both sides get the same."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def path(self) -> str:
        return "/".join(self.random.choice(NAMES) for _ in range(self.random.choice([1, 1, 2, 2, 3])))

    def data(self) -> bytes:
        return self.random.randbytes(self.random.choice([0, 1, 100, 5000, 70_000]))

    def size(self) -> int:
        return self.random.choice([0, 1, 99, 4096, 5000, 100_000])

    def mode(self, at_least: int) -> int:
        return at_least | self.random.randrange(0o100) & 0o77

    def flags(self) -> int:
        flags = self.random.choice(ACCESS)
        for flag in MORE_FLAGS:
            if self.random.random() < (0.5 if flag == os.O_CREAT else 0.12):
                flags |= flag
        # Together they mean different things to different kernels.
        return flags & ~os.O_CREAT if flags & os.O_DIRECTORY else flags

    def call(self, open_files: int) -> tuple:
        chance = self.random
        when = chance.randrange(1_000_000_000, 1_700_000_000)
        by_path = [
            lambda: ("open", self.path(), self.flags(), self.mode(0o600)), lambda: ("mkdir", self.path(), self.mode(0o700)),
            lambda: ("rmdir", self.path()), lambda: ("unlink", self.path()), lambda: ("rename", self.path(), self.path()),
            lambda: ("symlink", self.path(), chance.choice([*NAMES, "../a", "nowhere/x"])),
            lambda: ("readlink", self.path()), lambda: ("stat", self.path()), lambda: ("lstat", self.path()),
            lambda: ("list", chance.choice([".", self.path()])), lambda: ("truncate", self.path(), self.size()),
            lambda: ("chmod", self.path(), self.mode(0o700)), lambda: ("utime", self.path(), when),
            lambda: ("whole", self.path())]
        number = chance.randrange(1000)
        by_descriptor = [
            lambda: ("close", number), lambda: ("pread", number, self.size(), self.size()),
            lambda: ("pwrite", number, self.data(), self.size()), lambda: ("write", number, self.data()),
            lambda: ("seek", number, self.size(), chance.choice([os.SEEK_SET, os.SEEK_END])),
            lambda: ("ftruncate", number, self.size()), lambda: ("fstat", number),
            lambda: ("fchmod", number, self.mode(0o700)), lambda: ("futime", number, when), lambda: ("fsync", number),
            lambda: ("flist", number)]
        if open_files > 20:
            return ("close", number)
        return chance.choice(by_descriptor if open_files and chance.random() < 0.5 else by_path)()


@pytest.mark.parametrize("flags", [(), ("--attribute-ttl", "0")], ids=["default", "ttl 0"])
def test_random_calls_answer_as_on_tmpfs(seamount_binary, server, tmp_path, flags):
    seed = int(os.environ.get("SEAMOUNT_TEST_SEED", time.time_ns() % 1_000_000))
    calls = int(os.environ.get("SEAMOUNT_TMPFS_CALLS", 800))
    print(f"SEAMOUNT_TEST_SEED={seed}")
    make_bucket(server)
    mount = Mount(seamount_binary, server, tmp_path / "mnt", tmp_path / "staging", *flags)
    reference = Path(tempfile.mkdtemp(prefix="seamount-test-", dir="/dev/shm"))
    ours, theirs = Side(mount.folder), Side(reference)
    for side in (ours, theirs):
        side.root.mkdir(parents=True)
    umask = os.umask(0o022)
    try:
        caller = Caller(seed)
        for step in range(calls):
            call = caller.call(len(theirs.open))
            expected, answered = theirs.answer(*call), ours.answer(*call)
            assert answered == expected, f"call {step} of seed {seed}: {str(call)[:200]}"
            assert len(ours.open) == len(theirs.open)
        ours.close_all()
        theirs.close_all()
        assert ours.tree() == theirs.tree(), f"seed {seed}"
        mount.stop()
        mount = Mount(seamount_binary, server, tmp_path / "mnt", tmp_path / "staging", *flags)
        assert ours.tree() == theirs.tree(), f"seed {seed}, mounted again"
    finally:
        os.umask(umask)
        ours.close_all()
        theirs.close_all()
        mount.stop()
        shutil.rmtree(reference)
