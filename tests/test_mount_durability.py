"""Kills the mount again and again while a program writes, and holds it to what it acknowledged."""

from __future__ import annotations

import errno
import json
import os
import random
import threading
import time

import pytest
from mount_support import BUCKET, make_bucket, mounted, needs_fuse

pytestmark = needs_fuse

CYCLES = 20


def write_until_killed(folder, ledger: dict, cycle: int, seed: int) -> None:
    """New files, appends and rewrites, each followed by fsync; ledger[name] is what was acknowledged last, and
    ledger[name, "next"] what was under way. Every cycle has its own files, because an upload that was under way when
    the mount was killed may still arrive later, and that is as good as not arriving."""
    chance = random.Random(seed)
    try:
        while True:
            name = f"{cycle:02}-{chance.randrange(4)}"
            old = ledger.get(name, b"")
            if chance.randrange(2):
                mode, content = "ab", old + chance.randbytes(chance.randrange(1, 50_000))
                data = content[len(old):]
            else:
                mode, content = "wb", chance.randbytes(chance.randrange(1, 100_000))
                data = content
            ledger[name, "next"] = content
            with open(folder / name, mode) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                ledger[name] = content
    except OSError as error:
        assert error.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENODEV), error


def test_acknowledged_bytes_survive_kill(seamount_binary, server, tmp_path):
    bucket = make_bucket(server)
    seed = int(os.environ.get("SEAMOUNT_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"SEAMOUNT_TEST_SEED={seed}")
    chance = random.Random(seed)
    ledger: dict = {}
    for cycle in range(CYCLES):
        with mounted(seamount_binary, server, tmp_path) as mount:
            for name in [key for key in ledger if isinstance(key, str) and key.startswith(f"{cycle - 1:02}-")]:
                content = (mount.folder / name).read_bytes()
                allowed = (ledger[name], ledger[name, "next"])
                assert content in allowed, f"cycle {cycle}, seed {seed}: {name} lost acknowledged bytes"
            writer = threading.Thread(target=write_until_killed, args=(mount.folder, ledger, cycle, seed + cycle))
            writer.start()
            time.sleep(chance.uniform(0.05, 0.6))
            while writer.is_alive() and not any(isinstance(key, str) and key.startswith(f"{cycle:02}-") for key in list(ledger)):
                time.sleep(0.001)  # on a machine with much else to do
            mount.kill()
            writer.join(timeout=30)
            assert not writer.is_alive(), "a write hangs after the mount was killed"
            with pytest.raises(OSError) as dead:
                os.listdir(mount.folder)
            assert dead.value.errno == errno.ENOTCONN
            assert mount.umount().returncode == 0
    assert ledger, "nothing was acknowledged"
    for name in [key for key in ledger if isinstance(key, str)]:
        assert bucket.blob(name).download_as_bytes() in (ledger[name], ledger[name, "next"]), f"{name}, seed {seed}"


def test_what_a_killed_mount_was_writing_is_kept(seamount_binary, server, tmp_path):
    bucket = make_bucket(server)
    synced, lost = random.Random(1).randbytes(2 << 20), random.Random(2).randbytes(3 << 20)
    with mounted(seamount_binary, server, tmp_path) as mount:
        for name, content in (("synced", synced), ("an hour's work", lost)):
            file = os.open(mount.folder / name, os.O_CREAT | os.O_WRONLY)
            assert os.write(file, content) == len(content)
            if name == "synced":
                os.fsync(file)
        mount.kill()
        mount.umount()
    with mounted(seamount_binary, server, tmp_path, name="again") as mount:
        assert "was writing what is kept in" in mount.said and "synced" not in mount.said, mount.said
        assert os.listdir(mount.folder) == ["synced"]  # nothing goes to the bucket by itself
    kept = sorted((tmp_path / "staging" / "kept").iterdir())
    assert [path.suffix == ".json" for path in kept] == [False, True]
    assert kept[0].read_bytes() == lost
    record = json.loads(kept[1].read_text())
    assert (record["source"], record["key"], record["whole"]) == (f"gs://{BUCKET}", "an hour's work", True)
    assert bucket.blob("synced").download_as_bytes() == synced
